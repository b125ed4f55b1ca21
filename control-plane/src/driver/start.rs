//! The beginning of a rollout: who is in the fleet, which plan is drawn, and what is stored.

use crate::{
    api::ControlPlane,
    store::{Change, Kind},
};
use rollout::{
    Rollout,
    plan::{Plan, Terms},
    survey::{Host, Survey},
};
use service::{
    host::{Host as Record, Status},
    release,
    rollout::{HEAD, Head, InForce, ROLLOUTS_KEPT, name},
    telemetry::Told,
};
use std::collections::BTreeMap;

/// Who starts it, and why.
pub(crate) struct Wish {
    pub(crate) generation: i64,
    pub(crate) by: String,
    pub(crate) reason: String,
}

/// A rollout that can start.
pub(crate) struct Started {
    pub(crate) number: i64,
    pub(crate) plan: Plan,
    pub(crate) changes: Vec<Change>,
}

/// Draws a rollout of a generation. It changes nothing.
///
/// # Errors
/// Why it cannot start: because and hint.
pub(crate) fn start(plane: &ControlPlane, in_force: &InForce, wish: &Wish, now: i64) -> Result<Started, (String, &'static str)> {
    let head = &in_force.head;
    let refused = |because: &str, hint| Err((because.to_string(), hint));
    if !plane.release_rules.rollouts {
        return refused("rollouts = false: every host of its channel has a release at once", "set rollouts = true under [releases]");
    }
    if in_force.rollout.as_ref().is_some_and(|rollout| !rollout.has_ended()) {
        return Err((format!("the rollout of generation {} is under way", head.generation), "pull it, or let it end"));
    }
    if !plane.telemetry.fleet().is_whole() {
        return refused("what hosts told has not been read yet", "try again in a moment; where the log says telemetry-away, mend that first");
    }
    let offered = plane.offered.load();
    let offers: Vec<_> = offered.catalog.of_generation(wish.generation, now).collect();
    let Some(channel) = offers.first().map(|offer| offer.release.channel.clone()) else {
        return refused("no such generation is signed, in time and above the floor", "see pinnacectl release status, and publish it");
    };
    if offers.iter().any(|offer| head.pulled.contains(&offer.sha256)) {
        return refused("it was pulled, and hosts deny it by its hash", "build what is mended as another generation");
    }
    let number = head.rollout + 1;
    let interval = plane.release_rules.interval(plane.policy.load().lifetime_seconds_max());
    let releases: Vec<String> = offers.iter().map(|offer| offer.sha256.clone()).collect();
    let id = format!("{number}-{}", releases.join("-"));
    let usual = Terms::usual(&id, number, wish.generation, "", interval);
    let terms = Terms {
        parent: head.rollout,
        releases,
        trial: plane.release_rules.terms(interval).unwrap_or(protocol::release::Terms { runs: 0, seconds: 0 }),
        waves: plane.release_rules.waves(usual.waves.clone(), interval),
        ..usual
    };
    let plan = Plan::draw(&survey(plane, Some((&channel, wish.generation))), terms);
    let after = Head {
        rollout: number,
        generation: wish.generation,
        channel,
        reason: wish.reason.clone(),
        by: wish.by.clone(),
        started_at: now,
        step: 0,
        stepped_at: now,
        ..head.clone()
    };
    Ok(Started { number, changes: changes(plane, in_force, &after, &plan, now), plan })
}

fn changes(plane: &ControlPlane, in_force: &InForce, head: &Head, plan: &Plan, now: i64) -> Vec<Change> {
    let change = |name: String, on: i64, body: Option<String>| Change { kind: Kind::Rollout, name, on, body };
    let record = Rollout::new(plan.clone(), now).to_json();
    let mut changes = vec![
        change(HEAD.into(), in_force.revision, serde_json::to_string(head).ok()),
        change(name::plan(head.rollout), 0, Some(plan.to_json())),
        change(name::record(head.rollout), 0, Some(record)),
    ];
    let old = head.rollout - ROLLOUTS_KEPT;
    let ends = [name::plan(old), name::record(old), name::wish(old)];
    let forgotten =
        plane.registry.others(Kind::Rollout).into_iter().filter(|(known, _)| ends.contains(known) || known.starts_with(&name::steps(old)));
    changes.extend(forgotten.map(|(known, object)| change(known, object.revision, None)));
    changes
}

/// The hosts that are served, with what they told; for a release only those of its channel that run nothing newer.
pub(crate) fn survey(plane: &ControlPlane, release: Option<(&str, i64)>) -> Survey {
    let fleet = plane.telemetry.fleet();
    let fits = |record: &Record, told: Option<&Told>| {
        let newer = |generation: i64| told.and_then(|told| told.newest.as_ref()).is_some_and(|newest| newest.generation > generation);
        record.status == Status::Active && release.is_none_or(|(channel, generation)| release::is_for(channel, &record.labels) && !newer(generation))
    };
    let host = |(name, known): (String, crate::registry::Known<Record>)| {
        let told = fleet.get(&name).map(|known| &known.told);
        fits(&known.value, told.map(AsRef::as_ref)).then(|| Host { name, facts: told.map_or_else(BTreeMap::new, |told| told.facts.clone()) })
    };
    Survey::of(plane.registry.hosts().into_iter().filter_map(host).collect())
}
