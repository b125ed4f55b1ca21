//! One round: what hosts told, what people want, and what follows.

use super::{Change, Fleet, take};
use crate::{
    release::{Catalog, Offer},
    rollout::{Good, HEAD, Head, InForce, Wanted, name},
};
use rollout::{
    Rollout,
    decide::{Progress, Wish, breach, decide},
    decision::{Breach, Decision, HoldReason},
    evidence::Discordant,
    step::{Inputs, Step},
};
use std::collections::HashSet;

/// What a round is thought from.
pub struct Ground<'a> {
    /// What is in force.
    pub in_force: &'a InForce,
    /// What people want of the rollout.
    pub wanted: &'a Wanted,
    /// The releases that there are.
    pub catalog: &'a Catalog,
    /// What hosts told.
    pub fleet: &'a dyn Fleet,
    /// Seconds since 1970.
    pub now: i64,
}

/// The rollout as the driver goes on with it from what is on record.
pub struct Working {
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
pub struct Proposal {
    /// The rollout's number.
    pub rollout: i64,
    /// The number of the step in its chain.
    pub step: i64,
    /// When it was decided, seconds since 1970.
    pub at: i64,
    /// The generation that it is about.
    pub generation: i64,
    /// What was decided.
    pub decision: Decision,
    /// The objects to be stored, all or none.
    pub changes: Vec<Change>,
    /// The rollout once they are.
    pub applied: Box<Rollout>,
}

/// What the driver sees between two steps.
#[derive(Clone, Debug)]
pub struct Live {
    /// The rollout.
    pub rollout: i64,
    /// When it was seen, seconds since 1970.
    pub at: i64,
    /// How far it has come.
    pub progress: Progress,
    /// The evidence.
    pub breach: Breach,
}

impl Working {
    /// From what is in force, if that is a rollout.
    pub fn begin(in_force: &InForce) -> Option<Self> {
        let rollout = in_force.rollout.clone()?;
        let (number, revision) = (in_force.head.rollout, in_force.revision);
        let pairs = rollout.evidence().pairs().map(|(host, Discordant { run, crossover, .. })| (host, run, crossover)).collect();
        let silences = rollout.evidence().silences().len();
        Some(Self { number, revision, rollout, taken: 0, pairs, silences })
    }

    /// Whether nothing else is in force than what it goes on from.
    pub fn is_on(&self, in_force: &InForce) -> bool {
        self.number == in_force.head.rollout && self.revision == in_force.revision
    }

    /// After its proposal has become durable, and the head has that revision. Reports that came too early for the wave count from
    /// here on.
    #[must_use]
    pub fn stepped(self, applied: Rollout, revision: i64) -> Self {
        let pairs = applied.evidence().pairs().map(|(host, Discordant { run, crossover, .. })| (host, run, crossover)).collect();
        let silences = applied.evidence().silences().len();
        Self { revision, rollout: applied, taken: 0, pairs, silences, ..self }
    }

    /// The rollout as it stands between two steps.
    pub fn rollout(&self) -> &Rollout {
        &self.rollout
    }

    /// What is seen between two steps.
    pub fn live(&self, now: i64) -> Live {
        let (rollout, bet) = (&self.rollout, self.rollout.evidence().bet());
        let breach = breach(rollout.plan(), rollout.evidence(), bet);
        Live { rollout: self.number, at: now, progress: rollout.progress().clone(), breach }
    }

    /// Takes in what is new, and proposes a step if there is one to take.
    pub fn round(&mut self, ground: &Ground<'_>) -> Option<Proposal> {
        let Ground { in_force, wanted, fleet, now, .. } = *ground;
        self.rollout.wish(wanted.wish(self.rollout.progress().out));
        let decision = if self.rollout.has_ended() {
            self.after_the_end(in_force, now)?
        } else if !fleet.is_whole() {
            // Nobody is silent because we have not listened yet.
            self.wanted_pull(now)?
        } else {
            self.taken = take::crossovers(&mut self.rollout, fleet, in_force.head.generation, self.taken);
            let heard = fleet.heard(self.rollout.plan());
            let decision = self.rollout.tick(now, |place| heard.get(place).copied().unwrap_or_default())?;
            if self.says_little(&decision, &in_force.head, now) {
                return None;
            }
            decision
        };
        Some(self.propose(ground, decision))
    }

    /// Once it is done only a person can have it pulled, once.
    fn after_the_end(&self, in_force: &InForce, now: i64) -> Option<Decision> {
        let releases = &self.rollout.plan().terms().releases;
        let pulled = releases.iter().all(|release| in_force.head.pulled.contains(release));
        self.wanted_pull(now).filter(|_| !pulled)
    }

    /// The pull that a person wants, from what is on record.
    fn wanted_pull(&self, now: i64) -> Option<Decision> {
        let Wish::Pull(_) = self.rollout.progress().wish else { return None };
        Some(decide(self.rollout.plan(), self.rollout.progress(), self.rollout.evidence(), now))
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

    fn propose(&self, ground: &Ground<'_>, decision: Decision) -> Proposal {
        let Ground { in_force, now, .. } = *ground;
        let parent = in_force.head.step;
        let step = Step { number: parent + 1, parent, at: now, decision: decision.clone(), inputs: self.inputs() };
        let mut applied = self.rollout.clone();
        applied.apply(decision.clone(), now);
        let head = Head { step: step.number, stepped_at: now, ..self.head_after(ground, &decision) };
        let change = |name: String, on: i64, body: String| Change { name, on, body: Some(body) };
        // Whatever changes the head changes the record with it.
        let changes = vec![
            change(HEAD.into(), in_force.revision, serde_json::to_string(&head).unwrap_or_default()),
            change(name::record(self.number), in_force.revision, applied.to_json()),
            change(name::step(self.number, step.number), 0, step.to_value().to_string()),
        ];
        let generation = head.generation;
        Proposal { rollout: self.number, step: step.number, at: now, generation, decision, changes, applied: Box::new(applied) }
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

    fn head_after(&self, ground: &Ground<'_>, decision: &Decision) -> Head {
        let head = ground.in_force.head.clone();
        let releases = &self.rollout.plan().terms().releases;
        match decision {
            Decision::Done { .. } => {
                let meant = ground.catalog.of_generation(head.generation, ground.now).filter(|offer| releases.contains(&offer.sha256));
                let good =
                    |offer: &Offer| (offer.release.platform.clone(), Good { generation: offer.release.generation, sha256: offer.sha256.clone() });
                head.with_good(meant.map(good))
            }
            Decision::Pull(_) => head.without(releases),
            Decision::Advance { .. } | Decision::Hold(_) => head,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::Told;
    use rollout::{
        decision::{PullReason, Word},
        plan::{Plan, Terms},
        survey::{Host, Survey},
    };
    use std::collections::BTreeMap;

    /// What hosts told, before any of it was read.
    struct Unread;

    impl Fleet for Unread {
        fn is_whole(&self) -> bool {
            false
        }

        fn told_since(&self, change: u64, _take: &mut dyn FnMut(&str, &Told)) -> u64 {
            change
        }

        fn heard(&self, plan: &Plan) -> Vec<i64> {
            vec![0; plan.places().len()]
        }
    }

    #[test]
    fn a_pull_that_a_person_wants_before_anything_was_read_takes_nobody_for_silent() {
        let hosts = (0..100).map(|number| Host { name: format!("host-{number:03}"), facts: BTreeMap::new() }).collect();
        let mut rollout = Rollout::new(Plan::draw(&Survey::of(hosts), Terms::usual("r", 1, 6, "6", 60)), 0);
        for now in (0..600).step_by(30) {
            if let Some(decision) = rollout.tick(now, |_| now) {
                rollout.apply(decision, now);
            }
        }
        let in_force = InForce { revision: 1, head: Head { rollout: 1, ..Head::default() }, rollout: Some(rollout) };
        let (wanted, catalog) = (Wanted::Pull { who: "ann".into(), why: "complaints".into() }, Catalog::default());
        let round =
            |wanted| Working::begin(&in_force).unwrap().round(&Ground { in_force: &in_force, wanted, catalog: &catalog, fleet: &Unread, now: 610 });
        let proposal = round(&wanted).unwrap();
        let word = Word { who: "ann".into(), why: "complaints".into() };
        assert_eq!(proposal.decision, Decision::Pull(PullReason::Wanted(word)));
        assert!(proposal.applied.evidence().silences().is_empty());
        assert!(round(&Wanted::Nothing).is_none());
    }
}
