//! The control plane: pinnaced's rules of releases, rollouts and telemetry, on a store in memory.
//!
//! It performs what `control-plane/src/driver` performs: it stores what `service::drive` proposes in one commit, and answers hosts from
//! what is on record.

use super::{store::Store, telemetry::Telemetry};
use crate::signed::PLATFORM;
use protocol::{event::Report, json, release::Assignment};
use rollout::{
    Rollout,
    decision::Decision,
    step::{Step, check},
};
use service::{
    drive::{Change, Ground, Outset, Wish, Working, start, survey},
    host::Host,
    release::{Catalog, Rules},
    rollout::{Asker, InForce, Wanted, name},
    telemetry::TooMuch,
};

pub(crate) struct Plane {
    pub(crate) in_force: InForce,
    catalog: Catalog,
    rules: Rules,
    interval: i64,
    store: Store,
    telemetry: Telemetry,
    working: Option<Working>,
    /// What is on record of each host.
    host: Host,
}

impl Plane {
    pub(crate) fn new(names: impl IntoIterator<Item = String>, catalog: Catalog, interval: i64) -> Self {
        Self {
            in_force: InForce::default(),
            catalog,
            rules: Rules::default(),
            interval,
            store: Store::default(),
            telemetry: Telemetry::of(names),
            working: None,
            host: Host::default(),
        }
    }

    /// The newest rollout as it is on record.
    pub(crate) fn rollout(&self) -> Option<&Rollout> {
        self.in_force.rollout.as_ref()
    }

    /// The same with what came since the last step.
    pub(crate) fn seen(&self) -> Option<&Rollout> {
        self.working.as_ref().map_or_else(|| self.rollout(), |working| Some(working.rollout()))
    }

    /// Starts a rollout, as `pinnacectl rollout start` does.
    ///
    /// # Errors
    /// Why it cannot start.
    pub(crate) fn start(&mut self, generation: i64, now: i64) -> Result<(), String> {
        let outset = Outset {
            rules: &self.rules,
            interval: self.interval,
            in_force: &self.in_force,
            catalog: &self.catalog,
            is_whole: true,
            on_record: self.store.on_record(),
            now,
        };
        let wish = Wish { generation, by: "story".into(), reason: "it is time".into() };
        let hosts = self.telemetry.hosts().map(|(name, told)| (name, &self.host, Some(told)));
        let started = start(&outset, &wish, |channel, generation| survey(hosts, Some((channel, generation)))).map_err(|(because, _)| because)?;
        self.commit(started.changes)?;
        self.follow()
    }

    /// Stores what a person wants of the rollout under way.
    pub(crate) fn want(&mut self, wanted: impl FnOnce(&Rollout) -> Wanted) -> Result<(), String> {
        let wanted = wanted(self.rollout().ok_or("there is no rollout to want something of")?);
        let name = name::wish(self.in_force.head.rollout);
        let on = self.store.object(&name).map_or(0, |known| known.revision);
        let body = serde_json::to_string(&wanted).ok();
        self.commit(vec![Change { name, on, body }])
    }

    /// One round of the driver.
    pub(crate) fn round(&mut self, now: i64) -> Result<Option<Decision>, String> {
        if self.working.as_ref().is_none_or(|working| !working.is_on(&self.in_force)) {
            self.working = Working::begin(&self.in_force);
        }
        let Some(mut working) = self.working.take() else { return Ok(None) };
        let wanted = Wanted::read(self.store.object(&name::wish(self.in_force.head.rollout)).as_ref());
        let ground = Ground { in_force: &self.in_force, wanted: &wanted, catalog: &self.catalog, fleet: &self.telemetry, now };
        let Some(proposal) = working.round(&ground) else {
            self.working = Some(working);
            return Ok(None);
        };
        self.commit(proposal.changes)?;
        self.follow()?;
        self.working = Some(working.stepped(*proposal.applied, self.in_force.revision));
        Ok(Some(proposal.decision))
    }

    /// The process dies, and another goes on from what is on record.
    pub(crate) fn restart(&mut self) -> Result<(), String> {
        self.telemetry.restart()?;
        (self.working, self.in_force) = (None, InForce::default());
        self.follow()
    }

    /// What a host is to run.
    pub(super) fn assign(&self, host: &str, generation: i64, now: i64) -> Assignment {
        let asker = Asker { host, labels: &self.host.labels, platform: PLATFORM, generation, interval: self.interval };
        self.in_force.assign(&self.catalog, &self.rules, &asker, now)
    }

    pub(super) fn take(&mut self, host: usize, report: &Report, now: i64) -> Result<i64, TooMuch> {
        self.telemetry.take(host, report, now)
    }

    pub(super) fn hear(&mut self, host: usize, now: i64) {
        self.telemetry.hear(host, now);
    }

    /// Makes every decision on record again from what is stored with it.
    pub(crate) fn check_chain(&self) -> Result<(), String> {
        let Some(rollout) = self.rollout() else { return Ok(()) };
        let prefix = name::steps(self.in_force.head.rollout);
        let step = |body: &str| Step::from_value(&json::parse(body.as_bytes()).ok()?);
        let steps: Option<Vec<Step>> = self.store.beginning(&prefix).map(|object| step(&object.body)).collect();
        let steps = steps.ok_or("a step on record is none")?;
        check(rollout.plan(), &steps).map_err(|broken| format!("the chain on record does not hold: {broken}"))?;
        let newest = steps.last().map_or(0, |step| step.number);
        if newest == self.in_force.head.step { Ok(()) } else { Err(format!("step {newest} is on record, and another is in force")) }
    }

    fn commit(&mut self, changes: Vec<Change>) -> Result<(), String> {
        self.store.commit(changes).map_err(|_| "a commit was refused, and nobody else is there".to_owned())
    }

    /// What is on record is in force.
    fn follow(&mut self) -> Result<(), String> {
        self.in_force = InForce::read(&self.in_force, |name| self.store.object(name))?.ok_or("half of a commit is on record")?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        signed::{Publisher, Signer},
        site::store::Conflict,
    };

    fn started() -> Plane {
        let mut publisher = Publisher::new().unwrap();
        publisher.publish(2, 1, Signer::Targets).unwrap();
        let names = (0..200).map(|number| format!("host-{number:03}"));
        let mut plane = Plane::new(names, publisher.catalog(0).unwrap(), 900);
        plane.start(2, 0).unwrap();
        plane
    }

    #[test]
    fn of_two_drivers_on_the_same_ground_one_decides() {
        let mut plane = started();
        let before = plane.in_force.clone();
        let mut other = Working::begin(&before).unwrap();
        assert!(matches!(plane.round(0), Ok(Some(Decision::Advance { wave: 0, .. }))));
        let ground = Ground { in_force: &before, wanted: &Wanted::Nothing, catalog: &plane.catalog, fleet: &plane.telemetry, now: 0 };
        let proposal = other.round(&ground).unwrap();
        let on_record = plane.store.on_record();
        assert_eq!(plane.store.commit(proposal.changes), Err(Conflict));
        assert_eq!((plane.store.on_record(), other.is_on(&plane.in_force)), (on_record, false));
        plane.check_chain().unwrap();
    }

    #[test]
    fn a_step_that_was_changed_on_record_is_seen() {
        let mut plane = started();
        plane.round(0).unwrap();
        let name = name::step(1, 1);
        let step = plane.store.object(&name).unwrap();
        let body = step.body.replacen("\"trials\":0", "\"trials\":9", 1);
        assert_ne!(body, *step.body);
        plane.store.commit(vec![Change { name, on: step.revision, body: Some(body) }]).unwrap();
        assert!(plane.check_chain().is_err_and(|broken| broken.starts_with("the chain on record does not hold: ")));
    }

    #[test]
    fn a_rollout_is_not_started_over_another_and_goes_on_from_what_is_on_record() {
        let mut plane = started();
        assert_eq!(plane.start(2, 900), Err("the rollout of generation 2 is under way".to_owned()));
        plane.round(0).unwrap();
        let before = plane.rollout().cloned();
        plane.restart().unwrap();
        assert_eq!(plane.rollout().cloned(), before);
        plane.want(|_| Wanted::Pull { who: "ann".into(), why: "it was wrong".into() }).unwrap();
        plane.restart().unwrap();
        assert!(matches!(plane.round(900), Ok(Some(Decision::Pull(_)))));
        assert_eq!(plane.assign("host-000", 2, 900).pulled.len(), 1);
        plane.check_chain().unwrap();
    }
}
