//! How a release earns this host: for a number of runs the generation in charge and the candidate take turns by a fair coin, and
//! whoever fails is relieved by the other within the run.
//!
//! The generation in charge keeps this record, judges what the candidate has staged, and takes every last step. What a crossover
//! says is a bet at even odds or better for a candidate that is no worse: the wealth of betting on "bad" pairs reaches 128 with a
//! probability of at most 1/128, however long it is watched (Ville's inequality).

use alloc::string::{String, ToString};
use protocol::{
    json::{self, Value},
    release::Terms,
    trial::{Pair, STAKES, UNFIT_WEALTH, candidate_goes_first},
};

/// Runs with a crossover that may die in a row; one that comes to its end gives its try back.
const TRIES: i64 = 3;
/// Repeats of a crossover after a bad pair, as dry runs in the same run.
pub const REPEATS: i64 = 4;
/// The rehearsal's place among the crossovers of a run: after those of the job.
pub const REHEARSAL: i64 = REPEATS + 1;

/// Which generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The one on trial.
    Candidate,
    /// The one in charge.
    Current,
}

/// A trial under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trial {
    /// The candidate's folder name: generation and hash.
    pub candidate: String,
    /// What it has to show.
    pub terms: Terms,
    /// When the trial began, in this host's own seconds.
    pub started_at: i64,
    /// Runs begun.
    pub run: i64,
    /// Runs that may still die before the trial ends by that.
    pub tries_left: i64,
    /// Runs in which the candidate went first and did the whole job.
    pub clean: i64,
    /// Bad pairs.
    pub bad: i64,
    /// Good pairs.
    pub good: i64,
    /// Whether the candidate has rehearsed its own update.
    pub rehearsed: bool,
    /// Whether it has tried to.
    pub rehearsing: bool,
    /// Whether the run that died last was followed by one without the candidate.
    pub relieved: bool,
}

/// How a run under a trial begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begun {
    /// With a crossover.
    Crossover,
    /// Without the candidate: the run before died, perhaps of it, and this one does its job.
    Alone,
    /// With the end of the trial: too many have died.
    Over,
}

/// What a trial has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on.
    Open,
    /// The candidate has shown enough, but not yet that it can be replaced.
    Rehearse,
    /// The candidate goes live.
    Commit,
    /// The candidate fails here where the generation in charge succeeds.
    Unfit,
}

impl Trial {
    /// Begins one.
    #[must_use]
    pub fn new(candidate: &str, terms: Terms, now: i64) -> Self {
        let candidate = candidate.to_string();
        Self {
            candidate,
            terms,
            started_at: now,
            run: 0,
            tries_left: TRIES,
            clean: 0,
            bad: 0,
            good: 0,
            rehearsed: false,
            rehearsing: false,
            relieved: false,
        }
    }

    /// Follows the terms as the control plane gives them now, and says whether they are others: a release in doubt is tried for longer.
    pub fn follow(&mut self, terms: Terms) -> bool {
        core::mem::replace(&mut self.terms, terms) != terms
    }

    /// The candidate's hash.
    #[must_use]
    pub fn hash(&self) -> &str {
        self.candidate.split_once('-').map_or("", |(_, hash)| hash)
    }

    /// Begins a run: one with a crossover counts as dead until [`Trial::survive`]. What this changes must be on the disk before the run
    /// does anything else.
    pub fn begin(&mut self, now: i64) -> Begun {
        // A clock that stepped back begins the least time anew; the runs stay.
        self.started_at = self.started_at.min(now);
        if self.tries_left <= 0 {
            return Begun::Over;
        }
        self.relieved = self.tries_left < TRIES && !self.relieved;
        if self.relieved {
            return Begun::Alone;
        }
        self.tries_left -= 1;
        self.run = self.run.saturating_add(1);
        Begun::Crossover
    }

    /// A run with a crossover has come to its end.
    pub fn survive(&mut self) {
        self.tries_left = TRIES;
    }

    /// Who goes first in a crossover of this run: 0 for the one that delivers.
    #[must_use]
    pub fn first(&self, host: &str, crossover: i64) -> Side {
        if candidate_goes_first(host, self.hash(), self.run, crossover) { Side::Candidate } else { Side::Current }
    }

    /// Takes in what a crossover says.
    pub fn take(&mut self, pair: Pair, crossover: i64) {
        if crossover == REHEARSAL {
            (self.rehearsing, self.rehearsed) = (true, matches!(pair, Pair::Clean | Pair::Good));
        }
        match pair {
            Pair::Clean if crossover == 0 => self.clean = self.clean.saturating_add(1),
            Pair::Clean | Pair::Void => {}
            Pair::Bad => self.bad = self.bad.saturating_add(1),
            Pair::Good => self.good = self.good.saturating_add(1),
        }
    }

    /// What the trial has come to.
    #[must_use]
    pub fn verdict(&self, now: i64) -> Verdict {
        if wealth(self.bad, self.good) >= UNFIT_WEALTH {
            return Verdict::Unfit;
        }
        let enough = self.clean >= self.terms.runs && now.saturating_sub(self.started_at) >= self.terms.seconds;
        match (enough, self.rehearsed) {
            (true, true) => Verdict::Commit,
            (true, false) => Verdict::Rehearse,
            // Where a release is in doubt because it cannot be replaced, only more rehearsals can end the doubt.
            (false, false) if self.rehearsing => Verdict::Rehearse,
            (false, _) => Verdict::Open,
        }
    }

    /// As a state file's body.
    #[must_use]
    pub fn to_json(&self) -> String {
        json::object([
            ("candidate", self.candidate.as_str().into()),
            ("runs", self.terms.runs.into()),
            ("seconds", self.terms.seconds.into()),
            ("started_at", self.started_at.into()),
            ("run", self.run.into()),
            ("tries_left", self.tries_left.into()),
            ("clean", self.clean.into()),
            ("bad", self.bad.into()),
            ("good", self.good.into()),
            ("rehearsed", self.rehearsed.into()),
            ("rehearsing", self.rehearsing.into()),
            ("relieved", self.relieved.into()),
        ])
        .to_string()
    }

    /// From a state file's body.
    #[must_use]
    pub fn from_json(bytes: &[u8]) -> Option<Self> {
        let value = json::parse(bytes).ok()?;
        let number = |name| value.get(name).and_then(Value::as_i64).filter(|number| *number >= 0);
        let flag = |name| value.get(name).and_then(Value::as_bool).unwrap_or(false);
        let candidate = value.get("candidate")?.as_str()?.to_string();
        crate::update::parse_folder(&candidate)?;
        Some(Self {
            candidate,
            terms: Terms { runs: number("runs")?, seconds: number("seconds")? },
            started_at: value.get("started_at")?.as_i64()?,
            run: number("run")?,
            tries_left: number("tries_left")?,
            clean: number("clean")?,
            bad: number("bad")?,
            good: number("good")?,
            rehearsed: value.get("rehearsed")?.as_bool()?,
            // Files of releases that did not know these have none.
            rehearsing: flag("rehearsing"),
            relieved: flag("relieved"),
        })
    }
}

/// What a crossover says: who went first, whether it did the whole job, and whether the other, if it had to, did what was left.
#[must_use]
pub fn judge(first: Side, first_did_it: bool, second_did_it: bool) -> Pair {
    match (first, first_did_it, second_did_it) {
        (Side::Candidate, true, _) => Pair::Clean,
        (Side::Candidate, false, true) => Pair::Bad,
        (Side::Current, false, true) => Pair::Good,
        (Side::Current, true, _) | (_, false, false) => Pair::Void,
    }
}

/// The wealth of the bettors after so many bad and good pairs, from 1. `core/rollout` keeps the same as a logarithm, because there the
/// pairs of a fleet come together; on one host the products are numbers, and take no mathematical library.
#[must_use]
pub fn wealth(bad: i64, good: i64) -> f64 {
    let power = |base: f64, exponent: i64| (0..exponent.min(POWER_MAX)).fold(1.0, |product, _| product * base);
    STAKES.iter().map(|stake| power(1.0 + stake, bad) * power(1.0 - stake, good)).sum::<f64>() / 4.0
}

/// 1.95 to that power is still a number, and nothing changes beyond.
const POWER_MAX: i64 = 1_000;

/// A generation that was committed, and failed since: what the rescue counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Probation {
    /// The committed generation's folder name.
    pub current: String,
    /// Rescues in a row in which the one before succeeded.
    pub rescues: i64,
    /// When the last of them was, in this host's own seconds.
    pub rescued_at: i64,
}

/// Rescues in a row after which the generation before comes back for good.
const RESCUES_MAX: i64 = 2;

impl Probation {
    /// Takes in that the generation before did what `current` had failed to do; `succeeded_at` is when `current` last succeeded. Whether
    /// the one before comes back.
    pub fn rescued(&mut self, current: &str, succeeded_at: Option<i64>, now: i64) -> bool {
        let in_a_row = self.current == current && succeeded_at.is_none_or(|succeeded| succeeded < self.rescued_at);
        self.rescues = if in_a_row { self.rescues.saturating_add(1) } else { 1 };
        (self.current, self.rescued_at) = (current.to_string(), now);
        self.rescues >= RESCUES_MAX
    }

    /// As a state file's body.
    #[must_use]
    pub fn to_json(&self) -> String {
        json::object([("current", self.current.as_str().into()), ("rescues", self.rescues.into()), ("rescued_at", self.rescued_at.into())])
            .to_string()
    }

    /// From a state file's body.
    #[must_use]
    pub fn from_json(bytes: &[u8]) -> Option<Self> {
        let value = json::parse(bytes).ok()?;
        Some(Self {
            current: value.get("current")?.as_str()?.to_string(),
            rescues: value.get("rescues")?.as_i64()?,
            rescued_at: value.get("rescued_at")?.as_i64()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{format, vec::Vec};

    fn trial() -> Trial {
        Trial::new(&format!("7-{}", "ab".repeat(32)), Terms { runs: 3, seconds: 100 }, 1_000)
    }

    #[test]
    fn a_trial_round_trips_and_nothing_else_is_one() {
        let mut begun = trial();
        assert_eq!(begun.begin(1_001), Begun::Crossover);
        begun.take(Pair::Bad, 2);
        assert_eq!(Trial::from_json(begun.to_json().as_bytes()), Some(begun));
        assert_eq!(Trial::from_json(b"{}"), None);
        assert_eq!(Trial::from_json(trial().to_json().replace("7-ab", "../ab").as_bytes()), None);
    }

    #[test]
    fn a_candidate_goes_live_after_clean_runs_the_least_time_and_a_rehearsal() {
        let (mut trial, mut repeated) = (trial(), trial());
        (0..3).for_each(|_| trial.take(Pair::Clean, 0));
        assert_eq!(trial.verdict(1_099), Verdict::Open, "too soon");
        assert_eq!(trial.verdict(1_100), Verdict::Rehearse);
        trial.rehearsed = true;
        assert_eq!(trial.verdict(1_100), Verdict::Commit);
        (1..4).for_each(|crossover| repeated.take(Pair::Clean, crossover));
        assert_eq!(repeated.verdict(9_999), Verdict::Open, "dry runs are no runs");
    }

    #[test]
    fn a_trial_under_way_follows_its_terms() {
        let mut trial = trial();
        (0..3).for_each(|_| trial.take(Pair::Clean, 0));
        trial.rehearsed = true;
        let usual = trial.terms;
        assert!(trial.follow(Terms { runs: 1000, ..usual }));
        assert_eq!(trial.verdict(1_100), Verdict::Open, "there is doubt");
        assert!(trial.follow(usual) && !trial.follow(usual));
        assert_eq!(trial.verdict(1_100), Verdict::Commit, "it has gone, and what was seen counts");
    }

    /// Found by the simulation: in doubt a trial asks for a thousand runs, and so nobody rehearsed what the doubt was about.
    #[test]
    fn a_rehearsal_that_failed_is_tried_again_also_while_there_is_doubt() {
        let mut trial = trial();
        (0..3).for_each(|_| trial.take(Pair::Clean, 0));
        assert_eq!(trial.verdict(1_100), Verdict::Rehearse);
        trial.take(Pair::Bad, REHEARSAL);
        let usual = trial.terms;
        trial.follow(Terms { runs: 1000, ..usual });
        assert_eq!(Trial::from_json(trial.to_json().as_bytes()).unwrap().verdict(1_100), Verdict::Rehearse);
        trial.take(Pair::Clean, REHEARSAL);
        assert_eq!((trial.verdict(1_100), trial.clean), (Verdict::Open, 3), "it has rehearsed, and is in doubt all the same");
        trial.follow(usual);
        assert_eq!(trial.verdict(1_100), Verdict::Commit);
    }

    #[test]
    fn a_clock_that_steps_back_or_far_ahead_changes_no_verdict_on_what_was_seen() {
        let mut trial = trial();
        assert_eq!(trial.begin(500), Begun::Crossover);
        assert_eq!(trial.started_at, 500, "the least time begins anew");
        assert_eq!(trial.verdict(i64::MAX), Verdict::Open, "time alone is not enough");
    }

    #[test]
    fn runs_that_die_end_the_trial_and_runs_that_end_do_not() {
        let mut dying = trial();
        let begun: Vec<Begun> = (0..7).map(|_| dying.begin(1_000)).collect();
        let [crossover, alone] = [Begun::Crossover, Begun::Alone];
        assert_eq!(begun, [crossover, alone, crossover, alone, crossover, Begun::Over, Begun::Over], "none dies of it twice in a row");
        let mut living = trial();
        for _ in 0..100 {
            assert_eq!(living.begin(1_000), Begun::Crossover);
            living.survive();
        }
        let mut recovered = trial();
        assert_eq!([recovered.begin(1_000), recovered.begin(1_000), recovered.begin(1_000)], [crossover, alone, crossover]);
        recovered.survive();
        assert_eq!((recovered.begin(1_000), recovered.run), (crossover, 3));
    }

    #[test]
    fn nine_bad_pairs_are_a_verdict_and_good_ones_speak_against_it() {
        let mut trial = trial();
        (0..8).for_each(|_| trial.take(Pair::Bad, 0));
        assert_eq!(trial.verdict(1_001), Verdict::Open);
        trial.take(Pair::Bad, 1);
        assert_eq!(trial.verdict(1_001), Verdict::Unfit);
        trial.take(Pair::Good, 0);
        assert_eq!(trial.verdict(1_001), Verdict::Open);
    }

    /// elastic-agent #15557: one 429 rolls back a good release. What fails both says nothing.
    #[test]
    fn what_fails_both_says_nothing_of_the_candidate() {
        assert_eq!(judge(Side::Candidate, true, false), Pair::Clean);
        assert_eq!(judge(Side::Candidate, false, true), Pair::Bad);
        assert_eq!(judge(Side::Candidate, false, false), Pair::Void);
        assert_eq!(judge(Side::Current, true, false), Pair::Void);
        assert_eq!(judge(Side::Current, false, true), Pair::Good);
        assert_eq!(judge(Side::Current, false, false), Pair::Void);
    }

    /// Exactly, over every sequence of twelve fair pairs, and each stopped as the host stops.
    #[test]
    fn a_candidate_that_is_no_worse_is_called_unfit_at_most_once_in_128() {
        let (mut stopped, mut final_wealth) = (0, Vec::new());
        for sequence in 0_u32..1 << 16 {
            let (mut bad, mut good) = (0, 0);
            for turn in 0..16 {
                if sequence >> turn & 1 == 1 {
                    bad += 1;
                } else {
                    good += 1;
                }
                if wealth(bad, good) >= UNFIT_WEALTH {
                    stopped += 1;
                    break;
                }
            }
            final_wealth.push(wealth(bad, good));
        }
        let mean = final_wealth.iter().sum::<f64>() / 65_536.0;
        assert!((mean - 1.0).abs() < 1e-9, "a fair game: {mean}");
        assert!(f64::from(stopped) / 65_536.0 <= 1.0 / UNFIT_WEALTH, "{stopped}");
    }

    /// elastic-agent #2873: a committed release that fails is left for the one before, but not for one bad minute.
    #[test]
    fn two_rescues_in_a_row_bring_the_generation_before_back() {
        let mut probation = Probation::default();
        assert!(!probation.rescued("7-a", Some(90), 100));
        assert!(!probation.rescued("7-a", Some(110), 120), "it succeeded in between");
        assert!(probation.rescued("7-a", Some(110), 140));
        assert_eq!(Probation::from_json(probation.to_json().as_bytes()), Some(probation.clone()));
        assert!(!probation.rescued("8-b", None, 160), "another generation");
        assert!(probation.rescued("8-b", None, 180), "it never succeeded");
    }
}
