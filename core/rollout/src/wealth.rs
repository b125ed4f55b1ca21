//! What bets have made of a stake of one.
//!
//! Who bets against a fair coin can expect no gain, so a wealth of 1000 is a surprise of one in a thousand, at whatever moment it is
//! reached (Ville's inequality). Kept as a logarithm in whole millionths: a sum is the same in any order and on any machine.

use core::fmt::{self, Display};
use protocol::trial::{STAKES, UNFIT_WEALTH};

/// What a host can divide a stratum's wealth by at most: so much of the stake is not laid.
pub const OF_HOST_MIN: f64 = 0.125;
const MILLION: f64 = 1e6;

/// A wealth, as its natural logarithm in millionths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wealth(i64);

impl Wealth {
    /// The stake before any bet.
    pub const ONE: Self = Self(0);

    /// From its stored form.
    #[must_use]
    pub fn from_ln_millionths(ln: i64) -> Self {
        Self(ln)
    }

    /// As it is stored.
    #[must_use]
    pub fn ln_millionths(self) -> i64 {
        self.0
    }

    /// From a number above zero.
    #[must_use]
    pub fn of(number: f64) -> Self {
        Self::from_ln(libm::log(number))
    }

    /// As a number; infinite where a number ends.
    #[must_use]
    pub fn number(self) -> f64 {
        libm::exp(self.ln())
    }

    /// One wealth staked whole on the next bet.
    #[must_use]
    pub fn times(self, factor: Self) -> Self {
        Self(self.0.saturating_add(factor.0))
    }

    /// Undoes [`Wealth::times`].
    #[must_use]
    pub fn without(self, factor: Self) -> Self {
        Self(self.0.saturating_sub(factor.0))
    }

    /// The mean of several, which were an equal part of the stake each; one where there are none.
    #[must_use]
    pub fn mean(parts: impl Iterator<Item = Self> + Clone) -> Self {
        let Some(most) = parts.clone().max() else { return Self::ONE };
        let (sum, count) = parts.fold((0.0, 0.0), |(sum, count), part| (sum + libm::exp(part.ln() - most.ln()), count + 1.0));
        Self::from_ln(most.ln() + libm::log(sum / count))
    }

    fn ln(self) -> f64 {
        self.0 as f64 / MILLION
    }

    /// Rounded down: what rounding takes must not be found again as evidence.
    #[expect(clippy::cast_possible_truncation, reason = "a float beyond the range becomes the end of the range")]
    fn from_ln(ln: f64) -> Self {
        Self(libm::floor(ln * MILLION) as i64)
    }
}

impl Display for Wealth {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.number() {
            small if small < 10.0 => write!(out, "{small:.2}"),
            middle if middle < 1e6 => write!(out, "{middle:.0}"),
            _ => write!(out, "10^{:.0}", libm::floor(self.ln() / core::f64::consts::LN_10)),
        }
    }
}

/// What the stakes make of so many bad and good pairs, in whatever order they came.
#[must_use]
pub fn of_pairs(bad: u32, good: u32) -> Wealth {
    let part = |stake: f64| Wealth::from_ln(f64::from(bad) * libm::log1p(stake) + f64::from(good) * libm::log1p(-stake));
    Wealth::mean(STAKES.into_iter().map(part))
}

/// What one host's pairs are worth to its stratum: [`of_pairs`] of the part of the stake that is laid, and never more than
/// [`UNFIT_WEALTH`]. So a host that is broken or lies can neither pull a release nor save one. Both keep the bet fair or worse for
/// who bets: a sure part earns nothing, and a cap only takes.
#[must_use]
pub fn of_host(bad: u32, good: u32) -> Wealth {
    let laid = of_pairs(bad, good).number();
    Wealth::of((OF_HOST_MIN + (1.0 - OF_HOST_MIN) * laid).min(UNFIT_WEALTH))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn a_pair_that_is_bad_with_one_half_earns_nothing() {
        for (bad, good) in [(0, 0), (1, 0), (3, 2), (7, 1), (2, 9), (40, 30)] {
            for of in [of_pairs, of_host] {
                let next = f64::midpoint(of(bad + 1, good).number(), of(bad, good + 1).number());
                assert!(next <= of(bad, good).number() * 1.00001, "{bad} {good}: {next}");
            }
        }
    }

    #[test]
    fn a_host_moves_its_stratum_by_no_more_than_its_bounds() {
        assert!((of_host(10_000, 0).number() - UNFIT_WEALTH).abs() < 0.001);
        assert!((of_host(0, 10_000).number() - OF_HOST_MIN).abs() < 0.001);
    }

    #[test]
    fn it_is_read_as_a_number() {
        let shown = [Wealth::ONE, Wealth::of(20.4), Wealth::of(1000.4), Wealth::of(2.5e9), Wealth::from_ln_millionths(-700_000)];
        assert_eq!(shown.map(|wealth| format!("{wealth}")), ["1.00", "20", "1000", "10^9", "0.50"]);
    }
}
