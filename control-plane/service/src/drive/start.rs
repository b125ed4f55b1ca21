//! The beginning of a rollout: who is in the fleet, which plan is drawn, and what is stored.

use super::Change;
use crate::{
    host::{Host as Record, Status},
    release::{self, Catalog, Rules},
    rollout::{HEAD, Head, InForce, ROLLOUTS_KEPT, name},
    telemetry::Told,
};
use rollout::{
    Rollout,
    plan::{Plan, Terms},
    survey::{Host, Survey},
};
use std::collections::BTreeMap;

/// Who starts it, and why.
pub struct Wish {
    /// The generation to be rolled out.
    pub generation: i64,
    /// Who wants it.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// What is known when one is to start.
pub struct Outset<'a> {
    /// How releases reach hosts.
    pub rules: &'a Rules,
    /// How often a host fetches, seconds.
    pub interval: i64,
    /// What is in force.
    pub in_force: &'a InForce,
    /// The releases that there are.
    pub catalog: &'a Catalog,
    /// Whether all that hosts told has been read.
    pub is_whole: bool,
    /// The objects of rollouts on record: their names and revisions.
    pub on_record: Vec<(String, i64)>,
    /// Seconds since 1970.
    pub now: i64,
}

/// A rollout that can start.
pub struct Started {
    /// Its number.
    pub number: i64,
    /// Its plan.
    pub plan: Plan,
    /// The objects to be stored, all or none.
    pub changes: Vec<Change>,
}

/// Draws a rollout of a generation over the hosts that `survey` finds for its channel and generation.
///
/// # Errors
/// Why it cannot start: because and hint.
pub fn start(outset: &Outset<'_>, wish: &Wish, survey: impl FnOnce(&str, i64) -> Survey) -> Result<Started, (String, &'static str)> {
    let Outset { rules, interval, in_force, catalog, is_whole, now, .. } = *outset;
    let head = &in_force.head;
    let refused = |because: &str, hint| Err((because.to_string(), hint));
    if !rules.rollouts {
        return refused("rollouts = false: every host of its channel has a release at once", "set rollouts = true under [releases]");
    }
    if in_force.rollout.as_ref().is_some_and(|rollout| !rollout.has_ended()) {
        return Err((format!("the rollout of generation {} is under way", head.generation), "pull it, or let it end"));
    }
    if !is_whole {
        return refused("what hosts told has not been read yet", "try again in a moment; where the log says telemetry-away, mend that first");
    }
    let offers: Vec<_> = catalog.of_generation(wish.generation, now).collect();
    let Some(channel) = offers.first().map(|offer| offer.release.channel.clone()) else {
        return refused("no such generation is signed, in time and above the floor", "see pinnacectl release status, and publish it");
    };
    if offers.iter().any(|offer| head.pulled.contains(&offer.sha256)) {
        return refused("it was pulled, and hosts deny it by its hash", "build what is mended as another generation");
    }
    let number = head.rollout + 1;
    let releases: Vec<String> = offers.iter().map(|offer| offer.sha256.clone()).collect();
    let id = format!("{number}-{}", releases.join("-"));
    let usual = Terms::usual(&id, number, wish.generation, "", interval);
    let terms = Terms {
        parent: head.rollout,
        releases,
        trial: rules.terms(interval).unwrap_or(protocol::release::Terms { runs: 0, seconds: 0 }),
        waves: rules.waves(usual.waves.clone(), interval),
        ..usual
    };
    let plan = Plan::draw(&survey(&channel, wish.generation), terms);
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
    Ok(Started { number, changes: changes(outset, &after, &plan), plan })
}

fn changes(outset: &Outset<'_>, head: &Head, plan: &Plan) -> Vec<Change> {
    let change = |name: String, on: i64, body: Option<String>| Change { name, on, body };
    let record = Rollout::new(plan.clone(), outset.now).to_json();
    let mut changes = vec![
        change(HEAD.into(), outset.in_force.revision, serde_json::to_string(head).ok()),
        change(name::plan(head.rollout), 0, Some(plan.to_json())),
        change(name::record(head.rollout), 0, Some(record)),
    ];
    let old = head.rollout - ROLLOUTS_KEPT;
    let ends = [name::plan(old), name::record(old), name::wish(old)];
    let forgotten = outset.on_record.iter().filter(|(known, _)| ends.contains(known) || known.starts_with(&name::steps(old)));
    changes.extend(forgotten.map(|(known, revision)| change(known.clone(), *revision, None)));
    changes
}

/// Of the hosts on record, each with what it told, those that are served; for a release only those of its channel that run nothing
/// newer.
pub fn survey<'a>(hosts: impl IntoIterator<Item = (&'a str, &'a Record, Option<&'a Told>)>, release: Option<(&str, i64)>) -> Survey {
    let fits = |record: &Record, told: Option<&Told>| {
        let newer = |generation: i64| told.and_then(|told| told.newest.as_ref()).is_some_and(|newest| newest.generation > generation);
        record.status == Status::Active && release.is_none_or(|(channel, generation)| release::is_for(channel, &record.labels) && !newer(generation))
    };
    let facts = |told: Option<&Told>| told.map_or_else(BTreeMap::new, |told| told.facts.clone());
    let host = |(name, record, told): (&str, &Record, Option<&Told>)| fits(record, told).then(|| Host { name: name.to_string(), facts: facts(told) });
    Survey::of(hosts.into_iter().filter_map(host).collect())
}
