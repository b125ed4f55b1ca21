//! A trial's words: the coin that says which generation goes first, and what a crossover of the two came to.
//!
//! The coin is fair and independent of everything a host, its network or its clock does, and anybody who knows the host, the
//! release and the run can throw it again. So of two generations that are equally good, a crossover in which just one of them
//! failed speaks against either as often.

use crate::{
    hash::stable_hash,
    json::{self, Value},
};
use alloc::{
    format,
    string::{String, ToString},
};

/// The shares of its wealth that each of the bettors against a release puts on the next discordant pair being bad.
pub const STAKES: [f64; 4] = [0.25, 0.5, 0.75, 0.95];
/// The wealth at which a release is unfit for a host; one host's pairs are worth no more to a rollout.
pub const UNFIT_WEALTH: f64 = 128.0;

/// Whether the candidate goes first in a crossover: `release` is its SHA-256 in hexadecimal, `run` the trial's run, counted from 1,
/// `crossover` 0 for the one that delivers and more for its repeats.
#[must_use]
pub fn candidate_goes_first(host: &str, release: &str, run: i64, crossover: i64) -> bool {
    stable_hash(&["pinnace-coin-v1", host, release, &format!("{run}"), &format!("{crossover}")]) & 1 == 1
}

/// What a trial's end is called in which the candidate went live; every other end is called by its reason's code.
pub const COMMITTED: &str = "committed";

/// What a crossover says of the candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pair {
    /// It went first and did the whole job.
    Clean,
    /// It went first and failed, and the current generation did the job at once.
    Bad,
    /// The current generation went first and failed, and the candidate did the job at once.
    Good,
    /// Nothing: the current generation went first and did the job, or both failed, or what failed lies outside both.
    Void,
}

impl Pair {
    /// Every one of them.
    pub const ALL: [Self; 4] = [Self::Clean, Self::Bad, Self::Good, Self::Void];

    /// Its word on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Pair::Clean => "clean",
            Pair::Bad => "bad",
            Pair::Good => "good",
            Pair::Void => "void",
        }
    }

    /// By its word.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|pair| pair.name() == name)
    }

    /// Whether this can come of a coin that fell so: who failed first is who went first.
    #[must_use]
    pub fn fits(self, candidate_first: bool) -> bool {
        match self {
            Pair::Clean | Pair::Bad => candidate_first,
            Pair::Good => !candidate_first,
            Pair::Void => true,
        }
    }
}

/// One crossover, as a host reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crossover {
    /// The candidate's SHA-256, hexadecimal.
    pub release: String,
    /// The trial's run, counted from 1.
    pub run: i64,
    /// 0 for the crossover that delivers, more for its repeats.
    pub crossover: i64,
    /// What it says.
    pub pair: Pair,
    /// How whoever failed failed, a code of the table; `ok` where nobody did.
    pub code: String,
}

impl Crossover {
    /// As it goes over the wire and into the outbox.
    #[must_use]
    pub fn to_value(&self) -> Value {
        json::object([
            ("release", self.release.as_str().into()),
            ("run", self.run.into()),
            ("crossover", self.crossover.into()),
            ("pair", self.pair.name().into()),
            ("code", self.code.as_str().into()),
        ])
    }

    /// Whether it can have come from the coin of `host`.
    #[must_use]
    pub fn is_possible(&self, host: &str) -> bool {
        self.pair.fits(candidate_goes_first(host, &self.release, self.run, self.crossover))
    }

    /// From the wire or the outbox; `None` if it is none.
    #[must_use]
    pub fn from_value(value: &Value) -> Option<Self> {
        let text = |name| value.get(name).and_then(Value::as_str);
        let number = |name| value.get(name).and_then(Value::as_i64);
        let release = text("release").filter(|release| is_sha256(release))?.to_string();
        let run = number("run").filter(|run| (1..=RUNS_MAX).contains(run))?;
        let crossover = number("crossover").filter(|crossover| (0..=REPEATS_MAX).contains(crossover))?;
        let pair = Pair::parse(text("pair")?)?;
        let code = text("code").filter(|code| code.len() <= CODE_BYTES_MAX)?.to_string();
        Some(Self { release, run, crossover, pair, code })
    }
}

/// Repeats of a crossover in one run, at most.
pub const REPEATS_MAX: i64 = 5;
/// No trial takes more runs.
pub const RUNS_MAX: i64 = 1_000_000;
const CODE_BYTES_MAX: usize = 64;

/// Whether a text is a SHA-256 in lower-case hexadecimal.
#[must_use]
pub fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn the_coin_is_fair_for_every_host_run_and_repeat() {
        let release = "ab".repeat(32);
        let throws: Vec<bool> = (0..200)
            .flat_map(|host| (1..=50).map(move |run| (host, run)))
            .map(|(host, run)| candidate_goes_first(&format!("host-{host}"), &release, run, 0))
            .collect();
        let heads = throws.iter().filter(|first| **first).count();
        // 10,000 throws: the standard deviation is 50.
        assert!((4_800..5_200).contains(&heads), "{heads}");
        let again = throws.windows(2).filter(|pair| pair.first() == pair.last()).count();
        assert!((4_800..5_200).contains(&again), "one throw tells of the next: {again}");
        let repeats = (1..=10_000).filter(|run| candidate_goes_first("a", &release, *run, 0) == candidate_goes_first("a", &release, *run, 1)).count();
        assert!((4_800..5_200).contains(&repeats), "a run tells of its repeat: {repeats}");
    }

    #[test]
    fn a_crossover_that_the_coin_contradicts_is_impossible() {
        let release = "ab".repeat(32);
        for run in 1..20 {
            for pair in Pair::ALL {
                let crossover = Crossover { release: release.clone(), run, crossover: 0, pair, code: "ok".into() };
                assert_eq!(crossover.is_possible("web-1"), pair.fits(candidate_goes_first("web-1", &release, run, 0)));
                assert_eq!(Crossover::from_value(&crossover.to_value()), Some(crossover));
            }
        }
        let large = Crossover { release: "x".into(), run: 1, crossover: 0, pair: Pair::Void, code: "ok".into() };
        assert_eq!(Crossover::from_value(&large.to_value()), None);
    }
}
