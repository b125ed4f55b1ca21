//! One host: the real trial of `core/host` on a fake network and disk.

use crate::{
    chance::Chance,
    world::{Harm, Tick, Traits, World},
};
use host::{
    due::Held,
    trial::{Probation, REPEATS, Side, Trial, Verdict, judge},
};
use protocol::{
    release::Terms,
    trial::{Crossover, Pair},
};

/// A host's state, as its disk holds it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Machine {
    pub(crate) traits: Traits,
    /// What the candidate does here.
    pub(crate) harm: Harm,
    /// What the current generation does here.
    pub(crate) current_harm: Harm,
    pub(crate) trial: Option<Box<Trial>>,
    pub(crate) committed: bool,
    /// Whether the release does not fit here, and is never tried again.
    pub(crate) denied: bool,
    /// Whether it will never run again.
    pub(crate) dead: bool,
    /// Whether the candidate ever failed or killed it.
    pub(crate) harmed: bool,
    /// The generation in charge, and the one before.
    pub(crate) generation: i64,
    before: i64,
    /// When a credential was last delivered.
    pub(crate) delivered_at: Tick,
    /// What is in place, where a simulation is exact.
    pub(crate) held: Option<Box<Held>>,
    /// Whether the power goes in the next run, after it has begun.
    pub(crate) power_cut: bool,
    came_at: Tick,
    attempts: u32,
    probation: Option<Box<Probation>>,
}

/// What a run says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Said {
    pub(crate) crossovers: Vec<Crossover>,
    /// Whether the release fits here, where that was found in this run.
    pub(crate) fit: Option<bool>,
}

/// What a run needs to know.
pub(crate) struct Moment<'a> {
    pub(crate) world: &'a World,
    pub(crate) tick: Tick,
    /// The host's own seconds.
    pub(crate) now: i64,
    /// The release's generation.
    pub(crate) generation: i64,
}

impl Machine {
    pub(crate) fn new(traits: Traits, harm: Harm, current_harm: Harm) -> Self {
        Self { traits, harm, current_harm, generation: 1, before: 1, ..Self::default() }
    }

    /// Takes a release that it has verified, and begins its trial.
    pub(crate) fn begin(&mut self, folder: &str, terms: Terms, moment: &Moment<'_>) {
        match &mut self.trial {
            Some(trial) => {
                trial.follow(terms);
            }
            None if self.denied || self.committed => {}
            None => {
                self.trial = Some(Box::new(Trial::new(folder, terms, moment.now)));
                self.came_at = moment.tick;
            }
        }
    }

    /// Leaves a release for what was there before.
    pub(crate) fn leave(&mut self) {
        if self.committed {
            self.generation = self.before;
        }
        (self.trial, self.committed, self.denied) = (None, false, true);
    }

    /// What it runs is the current generation for whatever comes next.
    pub(crate) fn settle(&mut self) {
        (self.trial, self.committed, self.denied, self.attempts, self.probation) = (None, false, false, 0, None);
        self.harm = Harm::None;
    }

    /// One run of the timer; `None` from a host that is no more.
    pub(crate) fn run(&mut self, name: &str, moment: &Moment<'_>, chance: &mut Chance) -> Option<Said> {
        if self.dead {
            return None;
        }
        if self.trial.is_none() && std::mem::take(&mut self.power_cut) {
            return None;
        }
        let mut said = Said::default();
        match self.trial.take() {
            Some(trial) => self.try_candidate(name, trial, &mut said, moment, chance),
            None if self.committed => self.run_committed(&mut said, moment, chance),
            None => {
                if self.attempt(Side::Current, moment, chance) || self.attempt(Side::Current, moment, chance) {
                    self.delivered_at = moment.tick;
                }
            }
        }
        (!self.dead).then_some(said)
    }

    fn try_candidate(&mut self, name: &str, mut trial: Box<Trial>, said: &mut Said, moment: &Moment<'_>, chance: &mut Chance) {
        let begun = trial.begin(moment.now);
        if std::mem::take(&mut self.power_cut) {
            // What was on the disk when the power went is what the next run finds.
            self.trial = Trial::from_json(trial.to_json().as_bytes()).map(Box::new);
            return;
        }
        if !begun {
            self.denied = true;
            said.fit = Some(false);
            return;
        }
        for crossover in 0..=REPEATS {
            let first = trial.first(name, crossover);
            let first_did = self.attempt(first, moment, chance);
            if self.dead {
                return;
            }
            let second_did = !first_did && self.attempt(other(first), moment, chance);
            if crossover == 0 && (first_did || second_did) {
                self.delivered_at = moment.tick;
            }
            let pair = judge(first, first_did, second_did);
            trial.take(pair, crossover);
            if matches!(pair, Pair::Bad | Pair::Good) {
                let (release, code) = (trial.hash().to_owned(), "http.unavailable".to_owned());
                said.crossovers.push(Crossover { release, run: trial.run, crossover, pair, code });
            }
            if crossover == 0 && pair != Pair::Bad {
                break;
            }
        }
        trial.survive();
        // A rehearsal touches no network: what is verified can be staged and run again.
        trial.rehearsed = true;
        match trial.verdict(moment.now) {
            Verdict::Open | Verdict::Rehearse => self.trial = Some(trial),
            Verdict::Commit => {
                (self.committed, said.fit) = (true, Some(true));
                (self.before, self.generation) = (self.generation, moment.generation);
            }
            Verdict::Unfit => (self.denied, said.fit) = (true, Some(false)),
        }
    }

    /// The committed release, and the rescue unit after it.
    fn run_committed(&mut self, said: &mut Said, moment: &Moment<'_>, chance: &mut Chance) {
        let did = self.attempt(Side::Candidate, moment, chance);
        if self.dead {
            return;
        }
        if did {
            self.delivered_at = moment.tick;
            self.probation = None;
        } else if self.attempt(Side::Current, moment, chance) {
            self.delivered_at = moment.tick;
            let mut probation = self.probation.take().unwrap_or_default();
            if probation.rescued("candidate", None, moment.now) {
                self.leave();
                said.fit = Some(false);
            } else {
                self.probation = Some(probation);
            }
        }
    }

    /// Whether a generation does the whole job.
    fn attempt(&mut self, side: Side, moment: &Moment<'_>, chance: &mut Chance) -> bool {
        let disturbed = !moment.world.reaches(self.traits.site, moment.tick) || moment.world.disturbs(self.traits, moment.tick, chance);
        let fails = match side {
            Side::Current => self.current_harm.fails(0, 0, chance),
            Side::Candidate => {
                self.attempts += 1;
                self.dead = self.harm == Harm::Kills;
                let fails = self.harm.fails(self.attempts, moment.tick - self.came_at, chance);
                self.harmed |= fails || self.dead;
                fails
            }
        };
        !(disturbed || fails || self.dead)
    }
}

fn other(side: Side) -> Side {
    match side {
        Side::Candidate => Side::Current,
        Side::Current => Side::Candidate,
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_host_and_the_fleet_bet_alike() {
        assert_eq!(host::trial::STAKES, rollout::wealth::STAKES);
        assert_eq!(host::trial::UNFIT_WEALTH.to_bits(), rollout::wealth::OF_HOST_MAX.to_bits());
    }
}
