//! One round of the driver: what hosts told, what people want, and what follows.

use super::{Live, take};
use crate::{
    api::ControlPlane,
    store::{Change, Kind, audit::Event},
};
use rollout::{
    Rollout,
    decide::{Wish, breach, decide},
    decision::{Decision, HoldReason},
    evidence::Discordant,
    step::{Inputs, Step},
};
use service::rollout::{Good, HEAD, Head, InForce, Wanted, name};
use std::collections::HashSet;

/// The rollout as the driver goes on with it from what is on record.
pub(super) struct Working {
    number: i64,
    /// The revision of the head that it goes on from.
    revision: i64,
    rollout: Rollout,
    /// Changes of the fleet up to this one were taken in.
    taken: u64,
    /// What the chain holds already.
    pairs: HashSet<(usize, i64, i64)>,
    silences: usize,
}

/// What is to be made durable, and what follows from it.
pub(super) struct Proposal {
    pub(super) event: Event,
    pub(super) changes: Vec<Change>,
    pub(super) decision: Decision,
    pub(super) applied: Box<Rollout>,
}

impl Working {
    pub(super) fn begin(in_force: &InForce) -> Option<Self> {
        let rollout = in_force.rollout.clone()?;
        let (number, revision) = (in_force.head.rollout, in_force.revision);
        let pairs = rollout.evidence().pairs().map(|(host, Discordant { run, crossover, .. })| (host, run, crossover)).collect();
        let silences = rollout.evidence().silences().len();
        Some(Self { number, revision, rollout, taken: 0, pairs, silences })
    }

    /// Whether nothing else is in force than what it goes on from.
    pub(super) fn is_on(&self, in_force: &InForce) -> bool {
        self.number == in_force.head.rollout && self.revision == in_force.revision
    }

    /// After its proposal has become durable. Reports that came too early for the wave count from here on.
    pub(super) fn stepped(self, applied: Rollout, plane: &ControlPlane) -> Self {
        let in_force = plane.in_force.load();
        let pairs = applied.evidence().pairs().map(|(host, Discordant { run, crossover, .. })| (host, run, crossover)).collect();
        let silences = applied.evidence().silences().len();
        Self { revision: in_force.revision, rollout: applied, taken: 0, pairs, silences, ..self }
    }

    pub(super) fn live(&self, now: i64) -> Live {
        let (rollout, bet) = (&self.rollout, self.rollout.evidence().bet());
        let breach = breach(rollout.plan(), rollout.evidence(), bet);
        Live { rollout: self.number, at: now, progress: rollout.progress().clone(), breach }
    }

    pub(super) fn round(&mut self, plane: &ControlPlane, in_force: &InForce, now: i64) -> Option<Proposal> {
        let wanted = wanted(plane, self.number);
        self.rollout.wish(wanted.wish(self.rollout.progress().out));
        let decision = if self.rollout.has_ended() {
            self.after_the_end(in_force, now)?
        } else {
            if plane.telemetry.fleet().is_whole() {
                self.taken = take::crossovers(&mut self.rollout, &plane.telemetry.fleet(), in_force.head.generation, self.taken);
            } else if !matches!(wanted, Wanted::Pull { .. }) {
                // Nobody is silent because we have not listened yet.
                return None;
            }
            let heard = take::heard(self.rollout.plan(), &plane.telemetry);
            let decision = self.rollout.tick(now, |place| heard.get(place).copied().unwrap_or_default())?;
            if self.says_little(&decision, &in_force.head, now) {
                return None;
            }
            decision
        };
        Some(self.propose(plane, in_force, decision, now))
    }

    /// Once it is done only a person can have it pulled, once.
    fn after_the_end(&self, in_force: &InForce, now: i64) -> Option<Decision> {
        let Wish::Pull(_) = self.rollout.progress().wish else { return None };
        let releases = &self.rollout.plan().terms().releases;
        let pulled = releases.iter().all(|release| in_force.head.pulled.contains(release));
        let decision = decide(self.rollout.plan(), self.rollout.progress(), self.rollout.evidence(), now);
        (!pulled && matches!(decision, Decision::Pull(_))).then_some(decision)
    }

    /// Whether it waits for what it has waited for, and only a count is another: that is a step once an interval.
    fn says_little(&self, decision: &Decision, head: &Head, now: i64) -> bool {
        let same = match (self.rollout.standing(), decision) {
            (Some(Decision::Hold(before)), Decision::Hold(after)) => std::mem::discriminant(before) == std::mem::discriminant(after),
            _ => false,
        };
        let counts = matches!(decision, Decision::Hold(HoldReason::Quiet { .. } | HoldReason::TooFewTrials { .. } | HoldReason::Doubt(_)));
        same && counts && now < head.stepped_at.saturating_add(self.rollout.plan().terms().interval_seconds)
    }

    fn propose(&self, plane: &ControlPlane, in_force: &InForce, decision: Decision, now: i64) -> Proposal {
        let parent = in_force.head.step;
        let step = Step { number: parent + 1, parent, at: now, decision: decision.clone(), inputs: self.inputs() };
        let mut applied = self.rollout.clone();
        applied.apply(decision.clone(), now);
        let head = Head { step: step.number, stepped_at: now, ..head_after(plane, in_force, &self.rollout, &decision, now) };
        let revision = |name: &str| plane.registry.other(Kind::Rollout, name).map_or(0, |known| known.revision);
        let change = |name: String, on: i64, body: String| Change { kind: Kind::Rollout, name, on, body: Some(body) };
        let record = name::record(self.number);
        let changes = vec![
            change(HEAD.into(), in_force.revision, serde_json::to_string(&head).unwrap_or_default()),
            change(record.clone(), revision(&record), applied.to_json()),
            change(name::step(self.number, step.number), 0, step.to_value().to_string()),
        ];
        let event = Event::new("rollout-decided", now)
            .with("rollout", self.number)
            .with("step", step.number)
            .with("generation", head.generation)
            .with("decision", decision.to_string());
        Proposal { event, changes, decision, applied: Box::new(applied) }
    }

    fn inputs(&self) -> Inputs {
        let evidence = self.rollout.evidence();
        let new = |(host, pair): &(usize, Discordant)| !self.pairs.contains(&(*host, pair.run, pair.crossover));
        Inputs {
            progress: self.rollout.progress().clone(),
            pairs: evidence.pairs().filter(new).collect(),
            silences: evidence.silences().iter().skip(self.silences).copied().collect(),
        }
    }
}

/// What people want of a rollout.
pub(crate) fn wanted(plane: &ControlPlane, rollout: i64) -> Wanted {
    let known = plane.registry.other(Kind::Rollout, &name::wish(rollout));
    known.and_then(|known| serde_json::from_str(&known.value).ok()).unwrap_or_default()
}

fn head_after(plane: &ControlPlane, in_force: &InForce, rollout: &Rollout, decision: &Decision, now: i64) -> Head {
    let head = in_force.head.clone();
    let releases = &rollout.plan().terms().releases;
    match decision {
        Decision::Done { .. } => {
            let offered = plane.offered.load();
            let meant = offered.catalog.of_generation(head.generation, now).filter(|offer| releases.contains(&offer.sha256));
            let good = |offer: &service::release::Offer| {
                (offer.release.platform.clone(), Good { generation: offer.release.generation, sha256: offer.sha256.clone() })
            };
            head.with_good(meant.map(good))
        }
        Decision::Pull(_) => head.without(releases),
        Decision::Advance { .. } | Decision::Hold(_) => head,
    }
}
