//! One host and its run: what is due, the job, what is told of it, and the release that it is told to run; by the rules of `core/host`.

use super::update::Told;
use crate::{
    chance::Chance,
    control::clock_offset,
    machine::{Machine, Moment, Said},
    signed::hash_of,
    wallet,
    world::{Tick, World},
};
use host::{outbox::Outbox, state::Memory, update::Record};
use protocol::{
    event::{Event, Report},
    hex_encode,
    reason::Reason,
    trial::COMMITTED,
};
use std::{collections::BTreeMap, mem};

/// How long every run takes.
const ELAPSED_MS: i64 = 100;

/// Ticks for which a host's reports may be lost before one comes through.
const LATE_MAX: usize = 8;

/// What becomes of a report. Whatever is not answered is told again.
#[derive(Clone, Copy)]
pub(super) enum Fate {
    Answered,
    /// It came, and the host does not know.
    Unanswered,
    Lost,
}

/// A host, and what is on its disk.
pub(crate) struct Host {
    pub(crate) name: String,
    pub(crate) facts: BTreeMap<String, String>,
    pub(crate) machine: Machine,
    pub(crate) record: Record,
    /// Until when its reports are lost.
    unanswered_until: Tick,
    outbox: Option<Box<Outbox>>,
    memory: Memory,
}

/// A run that did what it was for, and still has its connection.
pub(super) struct Connected {
    /// The generation whose run it is.
    pub(super) generation: i64,
    /// Whether the control plane is to be told what the host is.
    with_facts: bool,
    /// What can be told only in the next run.
    later: Option<Event>,
}

impl Host {
    pub(crate) fn new(name: String, facts: BTreeMap<String, String>, machine: Machine) -> Self {
        let (record, memory) = (Record::default(), Memory::default());
        Self { name, facts, machine, record, unanswered_until: 0, outbox: None, memory }
    }

    /// What its own clock says.
    pub(crate) fn clock(&self, now: i64) -> i64 {
        now.saturating_add(clock_offset(self.machine.traits))
    }

    /// Whether its credential is good, by its own clock.
    pub(crate) fn is_fresh(&self, now: i64) -> bool {
        wallet::is_fresh(&self.machine, self.clock(now))
    }

    /// Whether it has the release of a generation, on trial or in charge.
    pub(crate) fn has(&self, generation: i64) -> bool {
        self.machine.generation == generation || self.machine.on_trial() == Some(generation)
    }

    /// The run up to what is told of it; `None` where it has no connection then, or there is nothing to do.
    pub(super) fn run(&mut self, moment: &Moment<'_>, now: i64, chance: &mut Chance) -> Option<Connected> {
        let Self { machine, name, .. } = self;
        if machine.dead || !(machine.power_cut || wallet::is_due(machine.held.as_deref(), name, moment.now)) {
            return None;
        }
        let (in_charge, on_trial) = (machine.generation, machine.on_trial());
        let said = machine.run(name, moment, chance)?;
        let Said { delivered, rescued, .. } = said;
        let later = self.keep(said, (in_charge, on_trial), moment.now, chance);
        if !delivered {
            return None;
        }
        wallet::fill(&mut self.machine, &self.name, now, moment.now);
        let generation = if rescued { self.machine.before } else { in_charge };
        let with_facts = self.memory.wants_facts(generation, moment.now);
        self.memory.last_generation = generation;
        Some(Connected { generation, with_facts, later })
    }

    /// What becomes of the reports of a run.
    pub(super) fn fate(&mut self, world: &World, tick: Tick, chance: &mut Chance) -> Fate {
        let site = self.machine.traits.site;
        let lost = tick < self.unanswered_until || world.lost.is_some_and(|(lossy, part)| lossy == site && chance.millionths(part));
        if lost {
            return Fate::Lost;
        }
        match chance.millionths(world.late) {
            false => Fate::Answered,
            true if chance.millionths(500_000) => Fate::Unanswered,
            true => {
                self.unanswered_until = tick.saturating_add(1).saturating_add(Tick::try_from(chance.below(LATE_MAX)).unwrap_or(0));
                Fate::Lost
            }
        }
    }

    /// Puts what the run came to into the outbox; gives what a rescue adds after its own run.
    fn keep(&mut self, said: Said, (in_charge, on_trial): (i64, Option<i64>), now: i64, chance: &mut Chance) -> Option<Event> {
        let Said { delivered, rescued, crossovers, verdict } = said;
        let about = if rescued { Some(in_charge) } else { on_trial };
        let verdict_on = verdict.and(about).map(hash_of).unwrap_or_default();
        let verdict = verdict.unwrap_or_default();
        if !verdict.is_empty() && verdict != COMMITTED {
            self.record.deny(&verdict_on);
        }
        let verdict = verdict.to_owned();
        if rescued {
            self.push(ended(false, in_charge, now), chance);
            self.push(ended(true, self.machine.before, now), chance);
            let swapped = Event { outcome: "rescued".to_owned(), identity: String::new(), verdict, verdict_on, ..ended(true, in_charge, now) };
            (!swapped.verdict.is_empty()).then_some(swapped)
        } else {
            self.push(Event { crossovers, verdict, verdict_on, ..ended(delivered, in_charge, now) }, chance);
            None
        }
    }

    fn push(&mut self, event: Event, chance: &mut Chance) {
        self.outbox.get_or_insert_with(|| Box::new(Outbox::new(hex_encode(&chance.next().to_be_bytes())))).push(event);
    }

    /// Tells what the outbox holds, and what the host is where that is due; `send` gives what the control plane answers.
    pub(super) fn tell(&mut self, run: &Connected, now: i64, send: impl FnOnce(&str, &Report) -> Option<i64>) {
        let fact = |(name, value): (&String, &String)| (name.clone(), value.clone());
        let facts = if run.with_facts { self.facts.iter().map(fact).collect() } else { Vec::new() };
        if self.send(facts, now, send).is_some() && run.with_facts {
            self.memory.facts_at = now;
        }
    }

    /// Follows what it is told to run, tells what came of that, and keeps what a rescue adds.
    pub(super) fn follow(&mut self, run: Connected, told: &Told<'_>, chance: &mut Chance, send: impl FnOnce(&str, &Report) -> Option<i64>) {
        let now = told.moment.now;
        let word = self.step(told);
        if let Some((code, update)) = word {
            let event = Event {
                code: code.code().to_owned(),
                outcome: "update".to_owned(),
                update,
                identity: String::new(),
                ..ended(true, run.generation, now)
            };
            self.push(event, chance);
            self.send(Vec::new(), now, send);
        }
        if let Some(event) = run.later {
            self.push(event, chance);
        }
    }

    fn send(&mut self, facts: Vec<(String, String)>, now: i64, send: impl FnOnce(&str, &Report) -> Option<i64>) -> Option<i64> {
        let mut outbox = self.outbox.take()?;
        let events = mem::take(&mut outbox.events);
        let report = Report { outbox: outbox.name.clone(), now, dropped: outbox.dropped, facts, events };
        let taken = send(&self.name, &report);
        outbox.events = report.events;
        if let Some(number) = taken {
            outbox.taken(number);
        }
        self.outbox = (!outbox.events.is_empty()).then_some(outbox);
        taken
    }
}

fn ended(did: bool, generation: i64, at: i64) -> Event {
    let (code, outcome) = if did { (Reason::Ok, "delivered") } else { (Reason::HttpUnavailable, "failed") };
    Event {
        at,
        code: code.code().to_owned(),
        outcome: outcome.to_owned(),
        elapsed_ms: ELAPSED_MS,
        attempts: 1,
        generation,
        identity: "kept".to_owned(),
        ..Event::default()
    }
}
