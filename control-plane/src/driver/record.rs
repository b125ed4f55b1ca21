//! What is on record, as the service's rules take it.

use crate::{
    api::{ControlPlane, now},
    store::{self, Kind},
    telemetry::Telemetry,
};
use rollout::{plan::Plan, survey::Survey};
use service::{
    drive::{self, Change, Outset, Started, Wish},
    rollout::{InForce, Object},
    telemetry::Told,
};

/// An object of a rollout.
pub(crate) fn object(plane: &ControlPlane, name: &str) -> Option<Object> {
    plane.registry.other(Kind::Rollout, name).map(|known| Object { revision: known.revision, body: known.value })
}

/// A change of one, for the store.
pub(super) fn change(change: Change) -> store::Change {
    let Change { name, on, body } = change;
    store::Change { kind: Kind::Rollout, name, on, body }
}

/// Draws a rollout of a generation, and gives with it what is to be stored. It changes nothing.
///
/// # Errors
/// Why it cannot start: because and hint.
pub(crate) fn start(plane: &ControlPlane, in_force: &InForce, wish: &Wish) -> Result<(Started, Vec<store::Change>), (String, &'static str)> {
    let offered = plane.offered.load();
    let outset = Outset {
        rules: &plane.release_rules,
        interval: plane.release_rules.interval(plane.policy.load().lifetime_seconds_max()),
        in_force,
        catalog: &offered.catalog,
        is_whole: plane.telemetry.fleet().is_whole(),
        on_record: plane.registry.others(Kind::Rollout).into_iter().map(|(name, known)| (name, known.revision)).collect(),
        now: now(),
    };
    let mut started = drive::start(&outset, wish, |channel, generation| survey(plane, Some((channel, generation))))?;
    let changes = std::mem::take(&mut started.changes).into_iter().map(change).collect();
    Ok((started, changes))
}

/// The hosts that are served, with what they told; for a release of a channel those that may take its generation.
pub(crate) fn survey(plane: &ControlPlane, release: Option<(&str, i64)>) -> Survey {
    let (hosts, fleet) = (plane.registry.hosts(), plane.telemetry.fleet());
    drive::survey(hosts.iter().map(|(name, known)| (name.as_str(), &*known.value, fleet.get(name).map(|known| &*known.told))), release)
}

impl drive::Fleet for Telemetry {
    fn is_whole(&self) -> bool {
        self.fleet().is_whole()
    }

    fn told_since(&self, change: u64, take: &mut dyn FnMut(&str, &Told)) -> u64 {
        let fleet = self.fleet();
        let mut new: Vec<_> = fleet.hosts().filter(|(_, known)| known.change > change).collect();
        new.sort_unstable_by_key(|(host, _)| *host);
        new.into_iter().for_each(|(host, known)| take(host, &known.told));
        fleet.changes()
    }

    fn heard(&self, plan: &Plan) -> Vec<i64> {
        let fleet = self.fleet();
        plan.places().iter().map(|place| self.heard_here(&place.host).max(fleet.get(&place.host).map_or(0, |known| known.seen))).collect()
    }
}
