//! A fleet and a rollout, tick by tick: a tick is one interval of the hosts' timers. For the table, in which thousands of rollouts are
//! driven, `core/rollout` is asked directly; the stories go through all of pinnaced's rules, in `site`.

use crate::{
    chance::Chance,
    machine::{Machine, Moment, Said},
    world::{Tick, Traits, World},
};
use host::update::folder_of;
use protocol::release::Terms;
use rollout::{Assigned, Rollout, decision::Decision};
use std::collections::BTreeMap;

/// How far a clock that is off is off: more than six years slow.
const CLOCK_OFF: i64 = -200_000_000;
/// Ticks that a late report takes at most.
const LATE_MAX: usize = 8;
/// A credential outlives so many ticks without a delivery.
pub(crate) const LIFETIME: Tick = 4;

/// All of it.
pub(crate) struct Simulation {
    pub(crate) world: World,
    pub(crate) machines: Vec<Machine>,
    pub(crate) rollout: Rollout,
    pub(crate) tick: Tick,
    pub(crate) decisions: Vec<(Tick, Decision)>,
    pub(crate) chance: Chance,
    /// When each wave began.
    pub(crate) wave_began: Vec<Tick>,
    /// Hosts that ever ran the release.
    pub(crate) exposed: Vec<bool>,
    heard: Vec<i64>,
    mail: BTreeMap<Tick, Vec<(usize, Said)>>,
    folder: String,
    terms: Terms,
    interval: i64,
}

/// How far a host's clock is off.
pub(crate) fn clock_offset(traits: Traits) -> i64 {
    if traits.clock_off { CLOCK_OFF } else { 0 }
}

impl Simulation {
    /// The machines are in the order of the plan's places.
    pub(crate) fn new(world: World, machines: Vec<Machine>, rollout: Rollout, seed: u64) -> Self {
        let terms = rollout.plan().terms();
        let release = terms.releases.first().cloned().unwrap_or_default();
        let (folder, interval, trial) = (folder_of(terms.generation, &release), terms.interval_seconds, terms.trial);
        Self {
            world,
            exposed: vec![false; machines.len()],
            heard: vec![0; machines.len()],
            machines,
            rollout,
            tick: 0,
            decisions: Vec::new(),
            chance: Chance::new(seed),
            wave_began: Vec::new(),
            mail: BTreeMap::new(),
            folder,
            terms: trial,
            interval,
        }
    }

    pub(crate) fn now(&self) -> i64 {
        i64::from(self.tick) * self.interval
    }

    /// Every host runs once, and the control plane decides.
    pub(crate) fn step(&mut self) {
        self.tick += 1;
        self.terms = self.rollout.trial();
        for place in 0..self.machines.len() {
            self.run_host(place);
        }
        for (place, said) in self.mail.remove(&self.tick).unwrap_or_default() {
            self.receive(place, &said);
        }
        self.decide();
    }

    /// The control plane decides, if it is there.
    pub(crate) fn decide(&mut self) {
        if self.world.outages.iter().any(|outage| outage.contains(&self.tick)) {
            return;
        }
        let (now, heard) = (self.now(), &self.heard);
        let decision = self.rollout.tick(now, |place| heard.get(place).copied().unwrap_or(i64::MIN));
        if let Some(decision) = decision {
            if matches!(decision, Decision::Advance { .. }) {
                self.wave_began.push(self.tick);
            }
            self.rollout.apply(decision.clone(), now);
            self.decisions.push((self.tick, decision));
        }
    }

    fn run_host(&mut self, place: usize) {
        let now = self.now();
        let Some(machine) = self.machines.get_mut(place) else { return };
        let own_now = now + clock_offset(machine.traits);
        let moment = Moment { world: &self.world, tick: self.tick, now: own_now, whole: false };
        let reaches = self.world.reaches(machine.traits.site, self.tick);
        if reaches {
            match self.rollout.assign_place(place) {
                Assigned::Candidate if !(machine.denied || machine.committed) => machine.begin(&self.folder, self.terms, &moment),
                Assigned::Pulled if machine.trial.is_some() || machine.committed => machine.leave(),
                _ => {}
            }
            if machine.trial.is_some() || machine.committed {
                self.exposed[place] = true;
            }
        }
        let name = self.rollout.plan().places().get(place).map_or("", |place| place.host.as_str());
        let Some(said) = machine.run(name, &moment, &mut self.chance) else { return };
        let site = machine.traits.site;
        if !reaches {
            self.keep(place, said, 1);
        } else if self.world.lost.is_none_or(|(lossy, part)| lossy != site || !self.chance.millionths(part)) {
            self.send(place, &said);
        }
    }

    /// Now, or late, or twice.
    fn send(&mut self, place: usize, said: &Said) {
        if self.chance.millionths(self.world.late) {
            let later = 1 + self.chance.below(LATE_MAX);
            self.mail.entry(self.tick + u32::try_from(later).unwrap_or(1)).or_default().push((place, said.clone()));
            if self.chance.millionths(500_000) {
                return;
            }
        }
        self.receive(place, said);
    }

    /// The outbox keeps what says something until the next run.
    fn keep(&mut self, place: usize, said: Said, ticks: Tick) {
        if !said.crossovers.is_empty() || said.verdict.is_some() {
            self.mail.entry(self.tick + ticks).or_default().push((place, said));
        }
    }

    fn receive(&mut self, place: usize, said: &Said) {
        let site = self.machines.get(place).map_or(0, |machine| machine.traits.site);
        if !self.world.reaches(site, self.tick) {
            self.keep(place, said.clone(), 1);
            return;
        }
        let now = self.now();
        if let Some(heard) = self.heard.get_mut(place) {
            *heard = now;
        }
        if said.crossovers.is_empty() && said.verdict.is_none() {
            return;
        }
        let Some(name) = self.rollout.plan().places().get(place).map(|place| place.host.clone()) else { return };
        let release = self.rollout.plan().terms().releases.first().cloned().unwrap_or_default();
        for crossover in &said.crossovers {
            let _ = self.rollout.take_crossover(&name, crossover);
        }
        if let Some(fit) = said.fit() {
            let _ = self.rollout.take_verdict(&name, &release, fit);
        }
    }
}
