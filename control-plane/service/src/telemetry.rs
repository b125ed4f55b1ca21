//! What a host tells of itself, taken in once however often it is told.
//!
//! The parties are the control plane and a host that may be broken or lie. What is kept of it is bounded in every direction, so that
//! it can speak for nobody but itself, and of itself only so much.

use protocol::{
    event::{Event, FACTS_MAX, Report},
    filter::OUTCOMES,
    reason::Reason,
    trial::{Crossover, Pair},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Outboxes of a host that are remembered: a host that loses its state has a new one.
const OUTBOXES_MAX: usize = 4;
/// Events of a host that are taken in a minute.
const EVENTS_PER_MINUTE_MAX: usize = 256;
/// Releases whose trials are remembered of a host.
const TRIALS_MAX: usize = 4;
/// Crossovers that are remembered of a trial.
const CROSSOVERS_MAX: usize = 256;
/// An event that is told later than that is dated so.
const LATE_SECONDS_MAX: i64 = 30 * 86_400;
/// What a run came to that left a credential where it was.
pub const FAILED: &str = "failed";
/// What became of a release behind a run, told apart from it.
const UPDATE: &str = "update";
/// More than that no host drops between two reports, whatever it says.
const DROPPED_MAX: i64 = 1_000_000;
/// Credentials of a host whose ends are remembered.
const HELD_MAX: usize = 32;
/// For how long after their ends.
const HELD_SECONDS_MAX: i64 = 7 * 86_400;
/// The fact that the control plane itself finds out.
pub const CLOCK_OFFSET: &str = "clock_offset";

/// What is known of a host by its reports.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Told {
    /// What it says of itself, and its clock's offset.
    pub facts: BTreeMap<String, String>,
    /// When its last report came, seconds since 1970; 0 before the first.
    pub reported_at: i64,
    /// Its newest event.
    pub newest: Option<Newest>,
    /// Since when every run of its has failed, seconds since 1970; 0 if the newest one did not.
    pub failing_since: i64,
    /// Events that it dropped for want of room, as far as it says: a hole in what is known of it.
    pub dropped: i64,
    /// When it last said that it had dropped some; 0 for never.
    pub dropped_at: i64,
    /// When the credentials end that it was issued, by name.
    pub holds: BTreeMap<String, i64>,
    /// Its trials, the newest last.
    pub trials: Vec<Trial>,
    outboxes: Vec<Outbox>,
    minute: i64,
    minute_events: usize,
}

/// A host's newest event.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Newest {
    /// When the run ended, by the control plane's clock.
    pub at: i64,
    /// How it ended.
    pub code: String,
    /// What it came to.
    pub outcome: String,
    /// The generation that was in charge.
    pub generation: i64,
    /// How long the run took.
    #[serde(default)]
    pub elapsed_ms: i64,
    /// What became of a release in it; empty where nothing did.
    #[serde(default)]
    pub update: String,
}

/// A host's trial of one release.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trial {
    /// The release's SHA-256.
    pub release: String,
    /// What its crossovers said, once each.
    pub crossovers: Vec<Seen>,
    /// What it came to; empty while it goes on.
    pub verdict: String,
}

/// One crossover: its run, its number in the run, what it says, and how who failed failed.
pub type Seen = (i64, i64, String, String);

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Outbox {
    name: String,
    newest: i64,
    dropped: i64,
}

/// What a report added.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fresh {
    /// Events up to this number are on record.
    pub taken: i64,
    /// Those that were not before, each with its time by the control plane's clock.
    pub events: Vec<(i64, Event)>,
    /// Events that the host had dropped since its report before.
    pub dropped: i64,
}

/// More than one host has to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMuch;

impl Told {
    /// Takes a report in that came at `now`.
    pub fn take(&mut self, report: &Report, now: i64) -> Result<Fresh, TooMuch> {
        let known = self.outboxes.iter().find(|outbox| outbox.name == report.outbox).cloned().unwrap_or_default();
        let mut events: Vec<&Event> = report.events.iter().filter(|event| event.number > known.newest).collect();
        events.sort_by_key(|event| event.number);
        events.dedup_by_key(|event| event.number);
        self.count(events.len(), now)?;
        let offset = report.now.saturating_sub(now);
        let dated = |event: &&Event| {
            let at = event.at.saturating_sub(offset).clamp(now.saturating_sub(LATE_SECONDS_MAX), now);
            (at, (*event).clone())
        };
        let events: Vec<(i64, Event)> = events.iter().map(dated).collect();
        let taken = events.last().map_or(known.newest, |(_, event)| event.number);
        let dropped = report.dropped.saturating_sub(known.dropped).clamp(0, DROPPED_MAX);
        if dropped > 0 {
            (self.dropped, self.dropped_at) = (self.dropped.saturating_add(dropped), now);
        }
        self.remember(Outbox { name: report.outbox.clone(), newest: taken, dropped: known.dropped.max(report.dropped) });
        // What is dated later than now was dated by a clock of ours that was ahead: whatever comes is newer.
        if let (Some(newest), Some((first, _))) = (self.newest.as_mut().filter(|newest| newest.at > now), events.first()) {
            newest.at = *first;
        }
        for (at, event) in &events {
            self.learn(*at, event);
        }
        self.reported_at = self.reported_at.max(now);
        self.describe(&report.facts, offset);
        Ok(Fresh { taken, events, dropped })
    }

    /// Remembers when credentials end that the host was issued; what ended long ago it does not fetch any more.
    pub fn hold(&mut self, issued: BTreeMap<String, i64>, now: i64) {
        self.holds.retain(|_, ends| *ends > now.saturating_sub(HELD_SECONDS_MAX));
        for (name, ends) in issued {
            if self.holds.len() < HELD_MAX || self.holds.contains_key(&name) {
                self.holds.insert(name, ends);
            }
        }
    }

    /// Whether a release is on trial there.
    pub fn tries(&self) -> bool {
        self.trials.last().is_some_and(|trial| trial.verdict.is_empty())
    }

    /// The trial of a release.
    pub fn trial(&self, release: &str) -> Option<&Trial> {
        self.trials.iter().find(|trial| trial.release == release)
    }

    fn count(&mut self, events: usize, now: i64) -> Result<(), TooMuch> {
        let minute = now.div_euclid(60);
        let before = if self.minute == minute { self.minute_events } else { 0 };
        if before + events > EVENTS_PER_MINUTE_MAX {
            return Err(TooMuch);
        }
        (self.minute, self.minute_events) = (minute, before + events);
        Ok(())
    }

    fn remember(&mut self, outbox: Outbox) {
        self.outboxes.retain(|known| known.name != outbox.name);
        self.outboxes.push(outbox);
        let over = self.outboxes.len().saturating_sub(OUTBOXES_MAX);
        self.outboxes.drain(..over);
    }

    fn learn(&mut self, at: i64, event: &Event) {
        if self.newest.as_ref().is_none_or(|newest| newest.at <= at) {
            self.renew(at, event);
        }
        for crossover in &event.crossovers {
            self.with_trial(&crossover.release, |trial| trial.take(crossover));
        }
        if protocol::trial::is_sha256(&event.verdict_on) {
            self.with_trial(&event.verdict_on, |trial| trial.verdict.clone_from(&event.verdict));
        }
    }

    fn renew(&mut self, at: i64, event: &Event) {
        let (code, outcome) = (code_word(&event.code), outcome_word(&event.outcome));
        if let (UPDATE, Some(newest)) = (outcome, &mut self.newest) {
            // How a run ended is not what became of the release behind it.
            newest.update.clone_from(&event.update);
            return;
        }
        self.failing_since = match (outcome, self.failing_since) {
            (FAILED, 0) => at,
            (FAILED, since) => since.min(at),
            _ => 0,
        };
        let update = match &self.newest {
            Some(newest) if event.update.is_empty() => newest.update.clone(),
            _ => event.update.clone(),
        };
        let (code, outcome) = (code.into(), outcome.into());
        self.newest = Some(Newest { at, code, outcome, generation: event.generation, elapsed_ms: event.elapsed_ms, update });
    }

    /// Does something with the trial of a release, which becomes the newest.
    fn with_trial(&mut self, release: &str, act: impl FnOnce(&mut Trial)) {
        let known = self.trials.iter().position(|trial| trial.release == release);
        let mut trial = known.map_or_else(|| Trial { release: release.into(), ..Trial::default() }, |index| self.trials.remove(index));
        act(&mut trial);
        self.trials.push(trial);
        let over = self.trials.len().saturating_sub(TRIALS_MAX);
        self.trials.drain(..over);
    }

    /// What is told takes the place of what was told before; what is not told stays.
    fn describe(&mut self, facts: &[(String, String)], offset: i64) {
        for (name, value) in facts {
            if self.facts.len() < FACTS_MAX || self.facts.contains_key(name) {
                self.facts.insert(name.clone(), value.clone());
            }
        }
        self.facts.insert(CLOCK_OFFSET.into(), offset_word(offset));
    }
}

impl Trial {
    fn take(&mut self, crossover: &Crossover) {
        let place = (crossover.run, crossover.crossover);
        let known = self.crossovers.iter().any(|(run, number, _, _)| (*run, *number) == place);
        if !known && self.crossovers.len() < CROSSOVERS_MAX {
            let code = code_word(&crossover.code).to_string();
            self.crossovers.push((crossover.run, crossover.crossover, crossover.pair.name().into(), code));
        }
    }

    /// Its crossovers, each with what it says.
    pub fn pairs(&self) -> impl Iterator<Item = (i64, i64, Pair)> {
        self.crossovers.iter().filter_map(|(run, crossover, pair, _)| Some((*run, *crossover, Pair::parse(pair)?)))
    }
}

/// A code of the table, or a word for all that are not.
pub fn code_word(code: &str) -> &str {
    Reason::from_code(code).map_or("unknown", Reason::code)
}

/// What a run came to, or a word for all that is none of ours.
pub fn outcome_word(outcome: &str) -> &'static str {
    OUTCOMES.into_iter().find(|known| *known == outcome).unwrap_or("other")
}

/// How far a clock is off, coarsely: hosts that are alike in it are alike in what it breaks.
fn offset_word(offset: i64) -> String {
    let size = match offset.unsigned_abs() {
        0..=4 => return "none".into(),
        5..=59 => "seconds",
        60..=3_599 => "minutes",
        3_600..=86_399 => "hours",
        86_400..=31_535_999 => "days",
        _ => "years",
    };
    format!("{size} {}", if offset > 0 { "ahead" } else { "behind" })
}

#[cfg(test)]
mod tests;
