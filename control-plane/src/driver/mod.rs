//! The rollouts' driver: of all processes on a store the one that leads goes round after round, and every process answers hosts
//! from what is on record.
//!
//! A round takes in what hosts told, thinks, and stores what it has decided together with the record it was decided from and the head
//! that brings it in force, in one commit. A driver that dies before it has decided nothing; after it, it has decided once.

mod record;

pub(crate) use record::{object, start, survey};

use crate::{
    api::{ControlPlane, now},
    store::{Kind, Lead, NotWritten, audit::Event},
};
use record::change;
use service::{
    drive::{Ground, Proposal, Working},
    rollout::{HEAD, InForce, Wanted, name},
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// Between two looks whether something else is in force.
const LOOK: Duration = Duration::from_millis(200);
/// Rounds in an interval, within bounds.
const ROUNDS_PER_INTERVAL: u64 = 20;
const ROUND_SECONDS_MAX: u64 = 15;

/// Drives and follows, for as long as the process serves.
pub(crate) async fn run(plane: Arc<ControlPlane>) {
    let mut driver = Some(Driver { lead: Lead::new(plane.store.clone()), working: None });
    let mut next = Instant::now();
    let mut wish = 0;
    loop {
        tokio::time::sleep(LOOK).await;
        follow(&plane).await;
        let in_force = plane.in_force.load();
        let known = plane.registry.other(Kind::Rollout, &name::wish(in_force.head.rollout)).map_or(0, |known| known.revision);
        if !plane.release_rules.rollouts || in_force.head.rollout == 0 || (Instant::now() < next && known == wish) {
            continue;
        }
        wish = known;
        next = Instant::now() + pace(plane.release_rules.interval(plane.policy.load().lifetime_seconds_max()));
        driver = drive(&plane, driver).await;
    }
}

fn pace(interval: i64) -> Duration {
    Duration::from_millis((interval.unsigned_abs() * 1_000 / ROUNDS_PER_INTERVAL).clamp(200, ROUND_SECONDS_MAX * 1_000))
}

/// A wish to lead, and the rollout as this process drives it.
struct Driver {
    lead: Lead,
    working: Option<Working>,
}

/// One round: the thinking on a thread of its own, then the commit, then what was decided is in force.
async fn drive(plane: &Arc<ControlPlane>, driver: Option<Driver>) -> Option<Driver> {
    let mut driver = driver.unwrap_or_else(|| Driver { lead: Lead::new(plane.store.clone()), working: None });
    let thinking = Arc::clone(plane);
    let thought = tokio::task::spawn_blocking(move || {
        let proposal = driver.round(&thinking);
        (driver, proposal)
    });
    let Ok((mut driver, proposal)) = thought.await else {
        tracing::error!(event = "rollout-round-failed", hint = "report it; the next round begins from what is on record");
        return None;
    };
    let Some(Proposal { rollout, step, at, generation, decision, changes, applied }) = proposal else { return Some(driver) };
    let event = Event::new("rollout-decided", at)
        .with("rollout", rollout)
        .with("step", step)
        .with("generation", generation)
        .with("decision", decision.to_string());
    match plane.change(event, changes.into_iter().map(change).collect()).await {
        Ok(()) => {
            tracing::info!(event = "rollout-decided", decision = %decision);
            follow(plane).await;
            let revision = plane.in_force.load().revision;
            driver.working = driver.working.map(|working| working.stepped(*applied, revision));
        }
        Err(NotWritten::Conflict) => {
            driver.working = None;
            plane.catch_up().await;
        }
        // It may be on record all the same: the next round begins from what is.
        Err(because) => {
            tracing::warn!(event = "rollout-not-decided", decision = %decision, ?because);
            driver.working = None;
            plane.catch_up().await;
        }
    }
    Some(driver)
}

impl Driver {
    fn round(&mut self, plane: &ControlPlane) -> Option<Proposal> {
        let leads = self.lead.holds();
        plane.metrics.drives(leads);
        if !leads {
            self.working = None;
            plane.live.store(None);
            return None;
        }
        let in_force = plane.in_force.load_full();
        if self.working.as_ref().is_none_or(|working| !working.is_on(&in_force)) {
            self.working = Working::begin(&in_force);
        }
        let working = self.working.as_mut()?;
        let (wanted, offered) = (Wanted::read(object(plane, &name::wish(in_force.head.rollout)).as_ref()), plane.offered.load());
        let ground = Ground { in_force: &in_force, wanted: &wanted, catalog: &offered.catalog, fleet: &plane.telemetry, now: now() };
        let proposal = working.round(&ground);
        let live = working.live(now());
        plane.metrics.rollout_stands(&in_force, &live);
        plane.live.store(Some(Arc::new(live)));
        proposal
    }
}

/// Puts in force what the head on record says, if it says something new.
pub(crate) async fn follow(plane: &Arc<ControlPlane>) {
    let known = plane.registry.other(Kind::Rollout, HEAD).map_or(0, |known| known.revision);
    if known != plane.in_force.load().revision {
        let reading = Arc::clone(plane);
        // A thread that failed has said so; the next look tries again.
        let _ = tokio::task::spawn_blocking(move || current(&reading)).await;
    }
}

/// What is in force as this process knows the store; it may take a moment.
pub(crate) fn current(plane: &ControlPlane) -> Arc<InForce> {
    let known = plane.registry.other(Kind::Rollout, HEAD).map_or(0, |known| known.revision);
    if known != plane.in_force.load().revision {
        match InForce::read(&plane.in_force.load(), |name| object(plane, name)) {
            Ok(Some(in_force)) => plane.in_force.store(Arc::new(in_force)),
            // Half of a commit has come; the rest is a moment behind.
            Ok(None) => (),
            Err(because) => tracing::error!(event = "rollout-unreadable", because, hint = "a newer pinnaced wrote it; update this one"),
        }
    }
    plane.in_force.load_full()
}
