//! What the fleet's telemetry says of a rollout.

use crate::telemetry::{Fleet, Telemetry};
use protocol::trial::Crossover;
use rollout::{Rollout, plan::Plan};
use service::telemetry::{Told, Trial};

/// What a trial's end is called that went well.
pub(super) const COMMITTED: &str = "committed";

/// Takes in what hosts told after a change of the fleet; gives the newest change. What was taken before changes nothing.
pub(super) fn crossovers(rollout: &mut Rollout, fleet: &Fleet, generation: i64, after: u64) -> u64 {
    let releases = rollout.plan().terms().releases.clone();
    let mut new: Vec<_> = fleet.hosts().filter(|(_, known)| known.change > after).collect();
    new.sort_unstable_by_key(|(host, _)| *host);
    for (host, known) in new {
        for trial in known.told.trials.iter().filter(|trial| releases.contains(&trial.release)) {
            for (run, crossover, pair) in trial.pairs() {
                let told = Crossover { release: trial.release.clone(), run, crossover, pair, code: String::new() };
                // What does not count, such as what was taken before, changes nothing.
                let _ = rollout.take_crossover(host, &told);
            }
        }
        for release in &releases {
            if let Some(fit) = verdict(&known.told, release, generation) {
                let _ = rollout.take_verdict(host, release, fit);
            }
        }
    }
    fleet.changes()
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
pub(crate) enum Standing {
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
pub(crate) fn standing(told: &Told, releases: &[String], generation: i64) -> Standing {
    let verdict = releases.iter().find_map(|release| verdict(told, release, generation));
    match verdict {
        Some(true) => Standing::Committed,
        Some(false) => Standing::Unfit,
        None if releases.iter().any(|release| told.trial(release).is_some()) => Standing::OnTrial,
        None => Standing::Unknown,
    }
}

/// When the host of each place was last heard of.
pub(super) fn heard(plan: &Plan, telemetry: &Telemetry) -> Vec<i64> {
    let fleet = telemetry.fleet();
    plan.places().iter().map(|place| telemetry.heard_here(&place.host).max(fleet.get(&place.host).map_or(0, |known| known.seen))).collect()
}
