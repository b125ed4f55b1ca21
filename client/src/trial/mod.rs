//! The trial: a release that was verified does this host's job in turns with the generation in charge, and never owns the last step.
//!
//! The generation in charge is the supervisor. It writes down that a run has begun before anything else, throws the coin, starts the
//! candidate as a child with a copy of the state, looks at what it has staged as it looks at what comes over the network, and hands
//! over what is good with its own code. Whoever fails is relieved by the other within the run.

mod attempt;
mod ground;
mod rehearsal;
mod rescue;

pub(crate) use attempt::redirect;
pub(crate) use rehearsal::{command as rehearse, replace};
pub(crate) use rescue::rescue;

use crate::{
    failure::Failure,
    fetch::Wanted,
    run::now,
    state::State,
    sys::start,
    update::{self, Generations},
};
use ground::Ground;
use host::trial::{Begun, REHEARSAL, REPEATS, Side, Trial, Verdict, judge};
use protocol::{
    answer::Answer,
    event::Event,
    reason::Reason,
    release::Terms,
    site::Site,
    trial::{COMMITTED, Crossover, Pair},
};
use std::time::{Duration, Instant};

/// What became of a credential: each of those that were wanted, in their order.
pub(crate) type Results = Vec<Result<Answer, Failure>>;

/// Does the whole job for some of the credentials as the generation in charge; says too whether what came of it tells nothing of
/// anybody else, because the host had to come back first.
pub(crate) type Current<'f> = &'f mut dyn FnMut(&[&Wanted<'_>]) -> (Results, bool);

/// A run under a trial.
pub(crate) struct Supervisor {
    trial: Trial,
    ground: Ground,
    /// What the crossovers of this run said.
    crossovers: Vec<Crossover>,
    /// What ended in this run, and the release it is about.
    verdict: Option<(&'static str, String)>,
}

/// Begins a candidate's trial; one that is under way follows its terms.
pub(crate) fn begin(state: &mut State, candidate: &str, terms: Terms) -> Result<Trial, Failure> {
    match state.trial().filter(|trial| trial.candidate == candidate) {
        Some(mut trial) => {
            if trial.follow(terms) {
                state.save_trial(&trial)?;
            }
            Ok(trial)
        }
        None => {
            let trial = Trial::new(candidate, terms, now());
            state.save_trial(&trial)?;
            Ok(trial)
        }
    }
}

impl Supervisor {
    /// For a run that has a job to do; `None` where no release is on trial, or the run before died under one. The run is on record as
    /// begun when this returns.
    pub(crate) fn enter(site: &Site, state: &mut State, host: &str, host_file: Option<&str>) -> Option<Self> {
        let mut trial = state.trial()?;
        let ground = Ground::new(site, state.path(), &trial.candidate, host, host_file);
        let mut supervisor = Self { trial: trial.clone(), ground, crossovers: Vec::new(), verdict: None };
        // The run that committed or denied it died before it forgot the trial.
        if update::current(state.path()).as_deref() == Some(&trial.candidate) || state.record().denies(trial.hash()) {
            state.end_trial();
            return None;
        }
        let begun = trial.begin(now());
        if begun != Begun::Crossover {
            supervisor.ground.clear();
        }
        if begun == Begun::Over {
            supervisor.end(state, Reason::TrialInterrupted);
            return Some(supervisor);
        }
        match state.save_trial(&trial) {
            Ok(()) => {
                supervisor.trial = trial;
                (begun == Begun::Crossover).then_some(supervisor)
            }
            // What cannot be written down is not begun.
            Err(failure) => {
                state.warnings.push(failure);
                None
            }
        }
    }

    /// Fetches everything, one generation relieving the other.
    pub(crate) fn fetch(&mut self, wanted: &[&Wanted<'_>], current: Current<'_>) -> Results {
        if self.verdict.is_some() {
            return current(wanted).0;
        }
        self.cross(0, wanted, current)
    }

    /// After a bad pair: the same once more as a dry run, up to four times, while `until` has not come.
    pub(crate) fn repeat(&mut self, wanted: &[&Wanted<'_>], until: Instant, current: Current<'_>) {
        let bad = |supervisor: &Self| supervisor.crossovers.iter().any(|crossover| crossover.pair == Pair::Bad);
        for crossover in 1..=REPEATS {
            if !bad(self) || Instant::now() >= until || self.trial.verdict(now()) == Verdict::Unfit {
                return;
            }
            let dry: Vec<Wanted<'_>> = wanted.iter().map(|wanted| wanted.anew()).collect();
            self.cross(crossover, &dry.iter().collect::<Vec<_>>(), current);
        }
    }

    fn cross(&mut self, crossover: i64, wanted: &[&Wanted<'_>], current: Current<'_>) -> Results {
        let first = self.trial.first(self.ground.host(), crossover);
        let mut results: Results = wanted.iter().map(|_| Err(Failure::new(Reason::Internal, "nobody was asked"))).collect();
        let mut did_it = [false; 2];
        let mut is_void = false;
        let mut code = Reason::Ok;
        let order = if first == Side::Candidate { [Side::Candidate, Side::Current] } else { [Side::Current, Side::Candidate] };
        for (turn, side) in order.into_iter().enumerate() {
            let (missing, open): (Vec<usize>, Vec<&Wanted<'_>>) =
                wanted.iter().enumerate().filter(|(index, _)| results.get(*index).is_none_or(Result::is_err)).unzip();
            let (came, tells_nothing) = match side {
                Side::Candidate => self.ground.attempt(&open),
                Side::Current => current(&open),
            };
            is_void |= tells_nothing;
            let failed = came.iter().find_map(|result| result.as_ref().err()).map(|failure| failure.reason);
            code = if turn == 0 { failed.unwrap_or(Reason::Ok) } else { code };
            for (index, result) in missing.into_iter().zip(came) {
                // Where both fail, the generation in charge says why.
                if let Some(place) = results.get_mut(index).filter(|_| result.is_ok() || side == Side::Current || turn == 0) {
                    *place = result;
                }
            }
            if let Some(did) = did_it.get_mut(turn) {
                *did = failed.is_none();
            }
            if failed.is_none() {
                break;
            }
        }
        let pair = if is_void { Pair::Void } else { judge(first, did_it[0], did_it[1]) };
        self.note(crossover, pair, code);
        results
    }

    fn note(&mut self, crossover: i64, pair: Pair, code: Reason) {
        self.trial.take(pair, crossover);
        let (release, run, code) = (self.trial.hash().to_owned(), self.trial.run, code.code().to_owned());
        self.crossovers.push(Crossover { release, run, crossover, pair, code });
    }

    /// Whether the candidate has to rehearse its own update in this run.
    pub(crate) fn wants_rehearsal(&self) -> bool {
        self.verdict.is_none() && self.trial.verdict(now()) == Verdict::Rehearse
    }

    /// Lets both rehearse the candidate's update, by the coin, the one that goes second only if the first fails.
    pub(crate) fn rehearse(&mut self, state: &State, current: &mut dyn FnMut(&str, &str) -> Result<(), Failure>) {
        let first = self.trial.first(self.ground.host(), REHEARSAL);
        let mut by = |side| match side {
            Side::Candidate => self.ground.rehearse(state),
            Side::Current => self.ground.prepare_rehearsal(state).and_then(|()| current(&self.ground.path(), &self.trial.candidate)),
        };
        let second = if first == Side::Candidate { Side::Current } else { Side::Candidate };
        let first_did_it = by(first);
        let second_did_it = if first_did_it.is_err() { by(second) } else { Ok(()) };
        let is_void = [&first_did_it, &second_did_it].iter().any(|did| matches!(did, Err(failure) if failure.reason == Reason::TrialUnstartable));
        let pair = if is_void { Pair::Void } else { judge(first, first_did_it.is_ok(), first_did_it.is_err() && second_did_it.is_ok()) };
        self.note(REHEARSAL, pair, first_did_it.map_or_else(|failure| failure.reason, |()| Reason::Ok));
    }

    /// Writes down what was seen so far; the run still counts as one that may die.
    pub(crate) fn checkpoint(&self, state: &State) {
        if self.verdict.is_none() && self.crossovers.iter().any(|crossover| crossover.pair == Pair::Bad) {
            // What cannot be written counts as not seen.
            let _ = state.save_trial(&self.trial);
        }
    }

    /// Writes down what this run has shown, and does what follows from it.
    pub(crate) fn leave(&mut self, state: &mut State) {
        if self.verdict.is_some() {
            return;
        }
        self.ground.clear();
        self.trial.survive();
        match self.trial.verdict(now()) {
            Verdict::Unfit => self.end(state, Reason::TrialUnfit),
            Verdict::Commit => self.commit(state),
            Verdict::Open | Verdict::Rehearse => self.save(state),
        }
    }

    fn save(&self, state: &mut State) {
        if let Err(failure) = state.save_trial(&self.trial) {
            state.warnings.push(failure);
        }
    }

    /// The candidate is denied by its hash before the trial is forgotten.
    fn end(&mut self, state: &mut State, reason: Reason) {
        update::deny(state, self.trial.hash());
        state.end_trial();
        self.verdict = Some((reason.code(), self.trial.hash().to_owned()));
    }

    fn commit(&mut self, state: &mut State) {
        match Generations::open(state).and_then(|generations| generations.switch(&self.trial.candidate)) {
            Ok(()) => {
                state.end_trial();
                self.verdict = Some((COMMITTED, self.trial.hash().to_owned()));
            }
            // The next run tries again, and this one has not died.
            Err(failure) => {
                state.warnings.push(failure);
                self.save(state);
            }
        }
    }

    /// Adds what this run's trial came to.
    pub(crate) fn tell(self, event: &mut Event) {
        event.crossovers = self.crossovers;
        if let Some((verdict, release)) = self.verdict {
            (event.verdict, event.verdict_on) = (verdict.to_owned(), release);
        }
    }
}

/// Arms the watchdog anew for one half of a run under a trial: the job, in which each generation has its deadline; and what follows,
/// in which repeats begin within one deadline and the last of them takes two.
pub(crate) fn watch(site: &Site) {
    start::watchdog(site.deadline_seconds.saturating_mul(4).saturating_add(GRACE_SECONDS * 4));
}

/// What a candidate has beyond the deadline that it keeps itself.
const GRACE_SECONDS: u32 = 2;

fn bound(site: &Site) -> Duration {
    Duration::from_secs(site.deadline_seconds.saturating_add(GRACE_SECONDS).into())
}
