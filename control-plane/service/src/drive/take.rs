//! What hosts told of a rollout.

use super::Fleet;
use crate::telemetry::{Told, Trial};
use protocol::trial::{COMMITTED, Crossover, Pair};
use rollout::Rollout;

/// Takes in what hosts told after a change of the fleet; gives the newest change. What was taken before changes nothing.
pub(super) fn crossovers(rollout: &mut Rollout, fleet: &dyn Fleet, generation: i64, after: u64) -> u64 {
    let releases = rollout.plan().terms().releases.clone();
    fleet.told_since(after, &mut |host, told| {
        for trial in told.trials.iter().filter(|trial| releases.contains(&trial.release)) {
            // What says nothing is most of it.
            for (run, crossover, pair) in trial.pairs().filter(|(_, _, pair)| matches!(pair, Pair::Bad | Pair::Good)) {
                let told = Crossover { release: trial.release.clone(), run, crossover, pair, code: String::new() };
                // What does not count, such as what was taken before, changes nothing.
                let _ = rollout.take_crossover(host, &told);
            }
        }
        for release in &releases {
            if let Some(fit) = verdict(told, release, generation) {
                let _ = rollout.take_verdict(host, release, fit);
            }
        }
    })
}

/// What a host's trial came to: its own word; without one, a generation in charge speaks for itself.
fn verdict(told: &Told, release: &str, generation: i64) -> Option<bool> {
    match told.trial(release).map(|trial: &Trial| trial.verdict.as_str()).filter(|verdict| !verdict.is_empty()) {
        Some(verdict) => Some(verdict == COMMITTED),
        None => told.newest.as_ref().filter(|newest| newest.generation == generation).map(|_| true),
    }
}

/// How a host stands in a trial of one of these releases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It told nothing of one.
    Unknown,
    /// One is under way.
    OnTrial,
    /// The release is in charge.
    Committed,
    /// The release is unfit there, or was left again.
    Unfit,
}

/// How a host stands.
pub fn standing(told: &Told, releases: &[String], generation: i64) -> Standing {
    let verdict = releases.iter().find_map(|release| verdict(told, release, generation));
    match verdict {
        Some(true) => Standing::Committed,
        Some(false) => Standing::Unfit,
        None if releases.iter().any(|release| told.trial(release).is_some()) => Standing::OnTrial,
        None => Standing::Unknown,
    }
}
