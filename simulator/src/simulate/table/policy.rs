//! What others do: each policy sees runs and failures of the hosts with the release and of those without, and pulls or does not.

use super::numbers::{fisher, log_odds};
use crate::{chance::Chance, control::Simulation};

/// Runs and how many of them failed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Runs {
    pub(crate) all: u64,
    pub(crate) failed: u64,
}

impl Runs {
    pub(crate) fn add(&mut self, failed: bool) {
        self.all += 1;
        self.failed += u64::from(failed);
    }

    fn take(&mut self, more: Runs) {
        self.all += more.all;
        self.failed += more.failed;
    }

    fn rate(self) -> f64 {
        if self.all == 0 { 0.0 } else { self.failed as f64 / self.all as f64 }
    }
}

/// One tick, as telemetry without a crossover shows it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) exposed: usize,
    /// Hosts with the release.
    pub(crate) with: Runs,
    /// Hosts without it.
    pub(crate) waiting: Runs,
    /// Hosts that ran it for the first time.
    pub(crate) first_runs: Runs,
    pub(crate) first_host_failed: bool,
    /// Whether only the first wave is out.
    pub(crate) canaries_soak: bool,
    /// Whether one of five random canaries failed.
    pub(crate) canary_failed: bool,
}

/// The names, in the table's order; ours stands before them.
pub(crate) const NAMES: [&str; 10] = [
    "raw rate above 1 %",
    "raw rate above 0.1 %",
    "Flagger: 99 % success, 5 checks",
    "Argo: 95 % success, failureLimit 0",
    "hawkBit: 50 % of a group",
    "first host only",
    "5 random canaries",
    "Fisher's exact test at each tick, 0.05",
    "Fisher's exact test at each tick, 0.001",
    "SPRT on the pooled rate",
];
const CANARIES: usize = 5;
/// The pooled SPRT: twice the base rate of everybody else against it, errors of 0.001 and 0.1.
const SPRT_RATIO: f64 = 2.0;
const SPRT_ERRORS: (f64, f64) = (0.001, 0.1);

/// The hosts that have a release under a policy.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reach {
    /// Those of the same waves as ours.
    Waves,
    /// One.
    First,
    /// Five.
    Canaries,
}

/// Their state.
pub(crate) struct Policies {
    first: usize,
    canaries: Vec<usize>,
    failed_checks: u32,
    with: Runs,
    waiting: Runs,
    sprt: f64,
}

impl Policies {
    pub(crate) fn new(simulation: &Simulation, chance: &mut Chance) -> Self {
        let places = simulation.rollout.plan().places();
        let firsts: Vec<usize> = places.iter().enumerate().filter(|(_, place)| place.wave == 0).map(|(index, _)| index).collect();
        let first = firsts.get(chance.below(firsts.len())).copied().unwrap_or(0);
        let canaries = (0..CANARIES).map(|_| chance.below(places.len())).collect();
        Self { first, canaries, failed_checks: 0, with: Runs::default(), waiting: Runs::default(), sprt: 0.0 }
    }

    pub(crate) fn count(&self) -> usize {
        NAMES.len()
    }

    pub(crate) fn is_first(&self, host: usize) -> bool {
        self.first == host
    }

    pub(crate) fn is_canary(&self, host: usize) -> bool {
        self.canaries.contains(&host)
    }

    pub(crate) fn first_host(&self) -> [usize; 1] {
        [self.first]
    }

    pub(crate) fn canaries(&self) -> &[usize] {
        &self.canaries
    }

    /// Which of them pull at this tick, and which hosts have the release under each.
    pub(crate) fn observe(&mut self, seen: &Seen) -> [Option<Reach>; NAMES.len()] {
        self.with.take(seen.with);
        self.waiting.take(seen.waiting);
        self.failed_checks += u32::from(seen.with.rate() > 0.01);
        let p = if seen.with.all == 0 { 1.0 } else { fisher(self.with, self.waiting) };
        let base = self.waiting.rate().max(1e-4);
        self.sprt += log_odds(seen.with, base, (base * SPRT_RATIO).min(0.999));
        let bound = ((1.0 - SPRT_ERRORS.1) / SPRT_ERRORS.0).ln();
        let pull = |it: bool| it.then_some(Reach::Waves);
        [
            pull(seen.with.rate() > 0.01),
            pull(seen.with.rate() > 0.001),
            pull(self.failed_checks >= 5),
            pull(seen.with.rate() > 0.05),
            pull(seen.first_runs.all > 0 && seen.first_runs.rate() >= 0.5),
            seen.first_host_failed.then_some(Reach::First),
            seen.canary_failed.then_some(Reach::Canaries),
            pull(p < 0.05),
            pull(p < 0.001),
            pull(self.sprt > bound),
        ]
    }
}
