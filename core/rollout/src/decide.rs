//! Advance, hold or pull: the one place where it is decided.

use crate::{
    decision::{Breach, Decision, HoldReason, PullReason, Source, Suspect, Word},
    evidence::{Bet, Evidence, Tally},
    plan::{Plan, Wave},
    wealth::Wealth,
};
use alloc::{string::String, vec::Vec};
use core::cmp::Reverse;

/// Evidence that pulls: at most one harmless release in so many is ever pulled.
pub const PULL_AT: f64 = 1000.0;
/// Evidence that holds.
pub const HOLD_AT: f64 = 20.0;
/// Of the hosts that have the release, one in so many may be unheard of; one host always may.
const UNHEARD_PART_MAX: u32 = 50;
/// The rule of three: no failure in n trials leaves a rate of at most 3/n, with 95 % confidence.
const RULE_OF_THREE: u32 = 3;
const SUSPECTS_MAX: usize = 3;

/// How far a rollout has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Waves that are out.
    pub out: usize,
    /// When the last of them began, seconds since 1970.
    pub since: i64,
    /// Trials that ended well.
    pub trials: u32,
    /// Trials that ended in `unfit here`.
    pub unfit: u32,
    /// Hosts with the release that should have been heard of lately.
    pub expected: u32,
    /// Those that were.
    pub heard: u32,
    /// What people want.
    pub wish: Wish,
}

/// What a person wants of a rollout.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Wish {
    /// That it goes its way.
    #[default]
    None,
    /// That it waits.
    Pause(Word),
    /// That it advances when so many waves are out, whatever it waits for; not that it passes over evidence.
    Promote(usize),
    /// That it is pulled.
    Pull(Word),
}

/// Decides. It changes nothing.
#[must_use]
pub fn decide(plan: &Plan, progress: &Progress, evidence: &Evidence, now: i64) -> Decision {
    let bet = evidence.bet();
    if bet.all >= Wealth::of(PULL_AT) {
        return Decision::Pull(PullReason::Worse(breach(plan, evidence, bet)));
    }
    match &progress.wish {
        Wish::Pull(word) => return Decision::Pull(PullReason::Wanted(word.clone())),
        Wish::Pause(word) => return Decision::Hold(HoldReason::Paused(word.clone())),
        Wish::None | Wish::Promote(_) => {}
    }
    if bet.all >= Wealth::of(HOLD_AT) {
        return Decision::Hold(HoldReason::Doubt(breach(plan, evidence, bet)));
    }
    let next = u32::try_from(plan.size(progress.out)).unwrap_or(u32::MAX);
    let promoted = progress.wish == Wish::Promote(progress.out);
    match wait(plan, progress, next, now).filter(|_| !promoted) {
        Some(reason) => Decision::Hold(reason),
        None => forward(plan, progress, next),
    }
}

/// What the next wave waits for, the first thing first.
fn wait(plan: &Plan, progress: &Progress, next: u32, now: i64) -> Option<HoldReason> {
    let wave: &Wave = plan.terms().waves.get(progress.out.checked_sub(1)?)?;
    let until = progress.since.saturating_add(wave.soak_seconds);
    if now < until {
        return Some(HoldReason::Soaking { until });
    }
    let Progress { heard, expected, trials, .. } = *progress;
    if expected.saturating_sub(heard) > (expected / UNHEARD_PART_MAX).max(1) {
        return Some(HoldReason::Quiet { heard, expected });
    }
    let needed = next.saturating_mul(RULE_OF_THREE).div_ceil(plan.terms().harmed_hosts_max.max(1));
    (trials < needed).then_some(HoldReason::TooFewTrials { trials, needed })
}

fn forward(plan: &Plan, progress: &Progress, next: u32) -> Decision {
    let trials = progress.trials;
    match plan.terms().waves.get(progress.out) {
        Some(wave) => Decision::Advance { wave: progress.out, name: wave.name.clone(), hosts: next, trials },
        None => Decision::Done { trials },
    }
}

/// The evidence, with the strata named that it comes from.
#[must_use]
pub fn breach(plan: &Plan, evidence: &Evidence, bet: Bet) -> Breach {
    let suspect = |(tally, name): (&Tally, &String)| Suspect {
        stratum: name.clone(),
        wealth: tally.wealth(),
        pairs: tally.pairs,
        hosts: tally.hosts,
        silent: tally.silent,
    };
    let mut strata: Vec<Suspect> = evidence.strata().iter().zip(plan.strata()).map(suspect).filter(|suspect| suspect.wealth > Wealth::ONE).collect();
    strata.sort_by_key(|suspect| Reverse(suspect.wealth));
    strata.truncate(SUSPECTS_MAX);
    let bets = [(bet.concentrated, Source::Concentrated), (bet.diffuse, Source::Diffuse), (bet.silence, Source::Silence)];
    let source = bets.into_iter().rev().max_by_key(|(wealth, _)| *wealth).map_or(Source::Diffuse, |(_, source)| source);
    Breach { bet, source, everywhere: evidence.everywhere(), strata }
}
