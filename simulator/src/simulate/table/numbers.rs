//! The textbook's numbers: Fisher's exact test, a likelihood ratio, the Clopper-Pearson interval, quantiles.

use super::policy::Runs;
use libm::lgamma;

/// Fisher's exact test, one-sided: how likely so many failures or more fall on the first group by chance.
pub(crate) fn fisher(with: Runs, waiting: Runs) -> f64 {
    let (all, failed) = (with.all + waiting.all, with.failed + waiting.failed);
    if with.failed == 0 {
        return 1.0;
    }
    let expected = failed as f64 * with.all as f64 / all as f64;
    if (with.failed as f64) <= expected {
        return 1.0;
    }
    let term = |count: u64| (choose(with.all, count) + choose(waiting.all, failed - count) - choose(all, failed)).exp();
    let last = failed.min(with.all);
    let (mut count, mut current) = (with.failed, term(with.failed));
    let mut sum = current;
    while count < last && current > sum * 1e-12 {
        // The next term of a hypergeometric distribution from this one.
        let up = (with.all - count) as f64 * (failed - count) as f64;
        let down = (count + 1) as f64 * (waiting.all + count + 1 - failed) as f64;
        current *= up / down;
        count += 1;
        sum += current;
    }
    sum.min(1.0)
}

/// The logarithm of a binomial coefficient.
fn choose(of: u64, count: u64) -> f64 {
    if count > of {
        return f64::NEG_INFINITY;
    }
    lgamma(of as f64 + 1.0) - lgamma(count as f64 + 1.0) - lgamma((of - count) as f64 + 1.0)
}

/// How much likelier a rate makes these runs than the base rate does, as a logarithm.
pub(crate) fn log_odds(runs: Runs, base: f64, rate: f64) -> f64 {
    let failed = runs.failed as f64;
    failed * (rate / base).ln() + (runs.all as f64 - failed) * ((1.0 - rate) / (1.0 - base)).ln()
}

/// The Clopper-Pearson interval of a rate, 95 %.
pub(crate) fn interval(hits: u64, of: u64) -> (f64, f64) {
    let low = if hits == 0 { 0.0 } else { solve(|rate| 1.0 - at_most(hits - 1, of, rate) - 0.025) };
    let high = if hits == of { 1.0 } else { solve(|rate| 0.025 - at_most(hits, of, rate)) };
    (low, high)
}

/// Where a growing function passes zero.
fn solve(function: impl Fn(f64) -> f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..50 {
        let middle = f64::midpoint(low, high);
        if function(middle) < 0.0 { low = middle } else { high = middle }
    }
    low
}

/// The probability of at most so many hits.
fn at_most(hits: u64, of: u64, rate: f64) -> f64 {
    let term = |count: u64| (choose(of, count) + count as f64 * rate.ln() + (of - count) as f64 * (-rate).ln_1p()).exp();
    (0..=hits).map(term).sum::<f64>().min(1.0)
}

/// The value that a share of the sorted values does not pass.
pub(crate) fn quantile(values: &mut [u64], percent: usize) -> u64 {
    values.sort_unstable();
    let at = (values.len() * percent).div_ceil(100).saturating_sub(1);
    values.get(at).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_the_textbooks() {
        let runs = |failed, all| Runs { all, failed };
        // Fisher's tea: four of four cups right by chance in one of seventy.
        assert!((fisher(runs(4, 4), runs(0, 4)) - 1.0 / 70.0).abs() < 1e-9);
        assert!((fisher(runs(3, 4), runs(1, 4)) - 17.0 / 70.0).abs() < 1e-9);
        // The rule of three, and its exact form.
        assert!((interval(0, 100).1 - (1.0 - 0.025_f64.powf(0.01))).abs() < 1e-9);
        let (low, high) = interval(10, 100);
        assert!((low - 0.0490).abs() < 1e-4 && (high - 0.1762).abs() < 1e-4, "{low} {high}");
        assert_eq!(interval(7, 7).1, 1.0);
        assert_eq!([quantile(&mut [3, 1, 2], 50), quantile(&mut [1, 2, 3, 4], 95)], [2, 4]);
    }
}
