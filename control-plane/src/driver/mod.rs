//! The rollouts' driver: of all processes on a store the one that leads goes round after round, and every process answers hosts
//! from what is on record.
//!
//! A round takes in what hosts told, thinks, and stores what it has decided together with the record it was decided from and the head
//! that brings it in force, in one commit. A driver that dies before it has decided nothing; after it, it has decided once.

mod round;
pub(crate) mod start;
mod take;

pub(crate) use take::{Standing, standing};

use crate::{
    api::{ControlPlane, now},
    store::{Kind, Lead, NotWritten},
};
use rollout::{Rollout, decide::Progress, decision::Breach, plan::Plan};
use round::{Proposal, Working};
use service::rollout::{HEAD, Head, InForce, name};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// Between two looks whether something else is in force.
const LOOK: Duration = Duration::from_millis(200);
/// Rounds in an interval, within bounds.
const ROUNDS_PER_INTERVAL: u64 = 20;
const ROUND_SECONDS_MAX: u64 = 15;

/// What the driver sees between two steps.
#[derive(Clone, Debug)]
pub(crate) struct Live {
    /// The rollout.
    pub(crate) rollout: i64,
    /// When it was seen, seconds since 1970.
    pub(crate) at: i64,
    /// How far it has come.
    pub(crate) progress: Progress,
    /// The evidence.
    pub(crate) breach: Breach,
}

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
    let Some(Proposal { event, changes, decision, applied }) = proposal else { return Some(driver) };
    match plane.change(event, changes).await {
        Ok(()) => {
            tracing::info!(event = "rollout-decided", decision = %decision);
            follow(plane).await;
            driver.working = driver.working.map(|working| working.stepped(*applied, plane));
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
        let proposal = working.round(plane, &in_force, now());
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
        match read(plane) {
            Ok(Some(in_force)) => plane.in_force.store(Arc::new(in_force)),
            // Half of a commit has come; the rest is a moment behind.
            Ok(None) => (),
            Err(because) => tracing::error!(event = "rollout-unreadable", because, hint = "a newer pinnaced wrote it; update this one"),
        }
    }
    plane.in_force.load_full()
}

/// The head and its rollout, as they are on record; `None` while only some of a commit has been taken in.
fn read(plane: &ControlPlane) -> Result<Option<InForce>, String> {
    let Some(known) = plane.registry.other(Kind::Rollout, HEAD) else { return Ok(Some(InForce::default())) };
    let head: Head = serde_json::from_str(&known.value).map_err(|error| error.to_string())?;
    let object = |name: &str| plane.registry.other(Kind::Rollout, name);
    // Whatever changes the head changes the record with it.
    let record = object(&name::record(head.rollout)).filter(|record| record.revision == known.revision);
    let (Some(record), Some(plan)) = (record, object(&name::plan(head.rollout))) else { return Ok(None) };
    let before = plane.in_force.load();
    let same = before.rollout.as_ref().filter(|_| before.head.rollout == head.rollout).map(|rollout| rollout.plan().clone());
    let plan = same.map_or_else(|| Plan::from_json(plan.value.as_bytes()).ok_or("its plan is no plan"), Ok)?;
    let rollout = Rollout::from_json(plan, record.value.as_bytes()).ok_or("its record is none of its plan's")?;
    Ok(Some(InForce { revision: known.revision, head, rollout: Some(rollout) }))
}
