//! What the table must show; the command fails where it does not.

use super::{
    Row,
    numbers::{interval, quantile},
};
use crate::world::Harm;

/// Of a good release's rollouts so many are pulled at most in each case, and in all of them together as far as the interval goes.
const FALSE_PULLS_MAX: f64 = 0.001;
/// Fewer runs than this cannot say so.
const RUNS_TO_SAY_SO: u64 = 3_700;
/// Of a bad release's rollouts so many percent are pulled, where its stratum has at least so many hosts.
const DETECTED_PERCENT_MIN: u64 = 99;
const STRATUM_MIN: usize = 40;

/// What is not met.
pub(crate) fn unmet(good: &[Row], bad: &[Row]) -> Vec<String> {
    good.iter().filter_map(false_pulls).chain(false_pulls_of_all(good)).chain(bad.iter().filter_map(shortfall)).collect()
}

fn false_pulls(row: &Row) -> Option<String> {
    let pulled = pulled(row);
    let rate = pulled as f64 / row.runs.max(1) as f64;
    (rate > FALSE_PULLS_MAX).then(|| format!("{}: {pulled} of {} good releases were pulled", row.case.name, row.runs))
}

fn false_pulls_of_all(good: &[Row]) -> Option<String> {
    let (pulled, runs) = good.iter().fold((0, 0), |(sum, runs), row| (sum + pulled(row), runs + row.runs));
    let too_many = runs >= RUNS_TO_SAY_SO && interval(pulled, runs).1 > FALSE_PULLS_MAX;
    too_many.then(|| format!("{pulled} of {runs} good releases were pulled"))
}

fn pulled(row: &Row) -> u64 {
    row.policies.first().map_or(0, |ours| ours.pulled)
}

fn shortfall(row: &Row) -> Option<String> {
    let (ours, runs, name) = (row.policies.first()?, row.runs, row.case.name);
    let is_silent = row.case.harm == Harm::Kills;
    let enough = |count: u64| count * 100 >= runs * DETECTED_PERCENT_MIN;
    if row.case.stratum_hosts().is_some_and(|hosts| hosts >= STRATUM_MIN) && !(enough(ours.pulled) && enough(ours.named_right)) {
        return Some(format!("{name}: {} of {runs} were pulled, {} with the right stratum named first", ours.pulled, ours.named_right));
    }
    if !is_silent && row.missed > 0 {
        return Some(format!("{name}: {} hosts missed a credential", row.missed));
    }
    if row.case.harm == Harm::Fails(1_000_000) && row.case.stratum.is_none() {
        let (ticks, exposed) = (quantile(&mut ours.ticks.clone(), 100), quantile(&mut ours.exposed.clone(), 100));
        let within = usize::try_from(exposed).is_ok_and(|exposed| exposed * 100 < row.case.hosts);
        if ours.pulled < runs || ticks > 1 || !within {
            return Some(format!("{name}: {} of {runs} were pulled, after up to {ticks} ticks, from up to {exposed} hosts", ours.pulled));
        }
    }
    None
}
