//! One host: the real trial of `core/host` on a fake network and disk.

use crate::{
    chance::Chance,
    world::{Harm, Tick, Traits, World},
};
use host::{
    due::Held,
    trial::{Begun, Probation, REHEARSAL, REPEATS, Side, Trial, Verdict, judge},
    update::parse_folder,
};
use protocol::{
    reason::Reason,
    release::Terms,
    trial::{COMMITTED, Crossover, Pair},
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
    pub(crate) before: i64,
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
    /// Whether a credential was delivered.
    pub(crate) delivered: bool,
    /// Whether that was done by the generation before, after the one in charge had failed.
    pub(crate) rescued: bool,
    pub(crate) crossovers: Vec<Crossover>,
    /// What ended in this run: [`COMMITTED`], or a reason's code.
    pub(crate) verdict: Option<&'static str>,
}

impl Said {
    /// Whether the release fits here, where that was found in this run.
    pub(crate) fn fit(&self) -> Option<bool> {
        self.verdict.map(|verdict| verdict == COMMITTED)
    }
}

/// What a run needs to know.
pub(crate) struct Moment<'a> {
    pub(crate) world: &'a World,
    pub(crate) tick: Tick,
    /// The host's own seconds.
    pub(crate) now: i64,
    /// Whether a run does all that a host's does: it tells also the crossovers that say nothing, and a trial ends in a rehearsal.
    pub(crate) whole: bool,
}

impl Machine {
    pub(crate) fn new(traits: Traits, harm: Harm, current_harm: Harm) -> Self {
        Self { traits, harm, current_harm, generation: 1, before: 1, ..Self::default() }
    }

    /// Takes a release that it has verified, and begins its trial; one that is under way follows its terms.
    pub(crate) fn begin(&mut self, folder: &str, terms: Terms, moment: &Moment<'_>) {
        match self.trial.as_mut().filter(|trial| trial.candidate == folder) {
            Some(trial) => {
                trial.follow(terms);
            }
            None => {
                self.trial = Some(Box::new(Trial::new(folder, terms, moment.now)));
                self.came_at = moment.tick;
            }
        }
    }

    /// The generation that is on trial.
    pub(crate) fn on_trial(&self) -> Option<i64> {
        self.trial.as_deref().map(generation_of)
    }

    /// Another release is on trial than the one that was committed last, which is the one in charge for it. This one does `harm`.
    pub(crate) fn change_roles(&mut self, harm: Harm) {
        if std::mem::take(&mut self.committed) {
            self.current_harm = self.harm;
        }
        (self.harm, self.attempts, self.probation) = (harm, 0, None);
    }

    /// Leaves a release for what was there before.
    pub(crate) fn leave(&mut self) {
        if self.committed {
            self.go_back();
        }
        (self.trial, self.denied) = (None, true);
    }

    /// What was there before is in charge.
    pub(crate) fn go_back(&mut self) {
        (self.generation, self.committed) = (self.before, false);
    }

    /// One run of the timer; `None` from a host that is no more, or whose power went.
    pub(crate) fn run(&mut self, name: &str, moment: &Moment<'_>, chance: &mut Chance) -> Option<Said> {
        if self.dead {
            return None;
        }
        if self.trial.is_none() && std::mem::take(&mut self.power_cut) {
            return None;
        }
        let mut said = Said::default();
        match self.trial.take() {
            Some(trial) if std::mem::take(&mut self.power_cut) => {
                self.lose_power(*trial, moment);
                return None;
            }
            Some(trial) => self.try_candidate(name, trial, &mut said, moment, chance),
            None if self.committed => self.run_committed(&mut said, moment, chance),
            None => said.delivered = self.work_alone(moment, chance),
        }
        if said.delivered {
            self.delivered_at = moment.tick;
        }
        (!self.dead).then_some(said)
    }

    /// What was on the disk when the power went is what the next run finds.
    fn lose_power(&mut self, mut trial: Trial, moment: &Moment<'_>) {
        trial.begin(moment.now);
        self.trial = Trial::from_json(trial.to_json().as_bytes()).map(Box::new);
    }

    /// The run of the one in charge, and where it failed the rescue.
    fn work_alone(&mut self, moment: &Moment<'_>, chance: &mut Chance) -> bool {
        self.attempt(Side::Current, moment, chance) || self.attempt(Side::Current, moment, chance)
    }

    fn try_candidate(&mut self, name: &str, mut trial: Box<Trial>, said: &mut Said, moment: &Moment<'_>, chance: &mut Chance) {
        match trial.begin(moment.now) {
            Begun::Crossover => {}
            // The run is the job, by the one in charge.
            Begun::Alone => {
                said.delivered = self.work_alone(moment, chance);
                self.trial = Some(trial);
                return;
            }
            Begun::Over => {
                (self.denied, said.verdict) = (true, Some(Reason::TrialInterrupted.code()));
                said.delivered = moment.whole && self.attempt(Side::Current, moment, chance);
                return;
            }
        }
        for crossover in 0..=REPEATS {
            let first = trial.first(name, crossover);
            let first_did = self.attempt(first, moment, chance);
            if self.dead {
                return;
            }
            let second_did = !first_did && self.attempt(other(first), moment, chance);
            said.delivered |= first_did || second_did;
            let pair = judge(first, first_did, second_did);
            note(&mut trial, (pair, crossover), if first_did { Reason::Ok } else { Reason::HttpUnavailable }, said, moment);
            if crossover == 0 && pair != Pair::Bad {
                break;
            }
        }
        if !moment.whole {
            trial.rehearsed = true;
        } else if trial.verdict(moment.now) == Verdict::Rehearse {
            self.rehearse(name, &mut trial, said, moment, chance);
        }
        trial.survive();
        match trial.verdict(moment.now) {
            Verdict::Open | Verdict::Rehearse => self.trial = Some(trial),
            Verdict::Commit => {
                (self.committed, said.verdict) = (true, Some(COMMITTED));
                (self.before, self.generation) = (self.generation, generation_of(&trial));
            }
            Verdict::Unfit => (self.denied, said.verdict) = (true, Some(Reason::TrialUnfit.code())),
        }
    }

    /// Both may have to stage the candidate's update, by the coin.
    fn rehearse(&mut self, name: &str, trial: &mut Trial, said: &mut Said, moment: &Moment<'_>, chance: &mut Chance) {
        let first = trial.first(name, REHEARSAL);
        let first_did = self.stage(first, moment, chance);
        let second_did = !first_did && self.stage(other(first), moment, chance);
        let pair = judge(first, first_did, second_did);
        note(trial, (pair, REHEARSAL), if first_did { Reason::Ok } else { Reason::TrialRehearsal }, said, moment);
    }

    /// Whether a generation can put the candidate where the next run would start it.
    fn stage(&mut self, side: Side, moment: &Moment<'_>, chance: &mut Chance) -> bool {
        let stuck = side == Side::Candidate && self.harm == Harm::Irreplaceable;
        self.harmed |= stuck;
        !stuck && !self.is_disturbed(moment, chance)
    }

    /// The committed release, and the rescue unit after it.
    fn run_committed(&mut self, said: &mut Said, moment: &Moment<'_>, chance: &mut Chance) {
        let did = self.attempt(Side::Candidate, moment, chance);
        if self.dead {
            return;
        }
        if did {
            (said.delivered, self.probation) = (true, None);
        } else if self.attempt(Side::Current, moment, chance) {
            (said.delivered, said.rescued) = (true, true);
            let mut probation = self.probation.take().unwrap_or_default();
            if probation.rescued("candidate", None, moment.now) {
                self.leave();
                said.verdict = Some(Reason::RescueSwapped.code());
            } else {
                self.probation = Some(probation);
            }
        }
    }

    /// Whether a generation does the whole job.
    fn attempt(&mut self, side: Side, moment: &Moment<'_>, chance: &mut Chance) -> bool {
        let disturbed = self.is_disturbed(moment, chance);
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

    fn is_disturbed(&self, moment: &Moment<'_>, chance: &mut Chance) -> bool {
        !moment.world.reaches(self.traits.site, moment.tick) || moment.world.disturbs(self.traits, moment.tick, chance)
    }
}

/// The generation on trial.
pub(crate) fn generation_of(trial: &Trial) -> i64 {
    parse_folder(&trial.candidate).map_or(0, |(generation, _)| generation)
}

/// Writes down a crossover; one that says nothing is told only by a whole run.
fn note(trial: &mut Trial, (pair, crossover): (Pair, i64), code: Reason, said: &mut Said, moment: &Moment<'_>) {
    trial.take(pair, crossover);
    if moment.whole || matches!(pair, Pair::Bad | Pair::Good) {
        let (release, code) = (trial.hash().to_owned(), code.code().to_owned());
        said.crossovers.push(Crossover { release, run: trial.run, crossover, pair, code });
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
        for (bad, good) in (0..40).flat_map(|bad| (0..40).map(move |good| (bad, good))) {
            let (host, fleet) = (host::trial::wealth(bad.into(), good.into()), rollout::wealth::of_pairs(bad, good).number());
            assert!((host / fleet - 1.0).abs() < 1e-5, "{bad} bad, {good} good: {host} and {fleet}");
        }
    }
}
