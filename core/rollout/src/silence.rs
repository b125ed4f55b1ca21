//! Whether hosts that have the release fall silent sooner than those that wait for it: an anytime-valid log-rank test
//! (ter Schure, Perez-Ortiz, Ly, Grunwald 2024).
//!
//! Who has the release was drawn at random inside a stratum. So if the release is harmless, the next host to fall silent is one that
//! has it with the probability p = share of such hosts among those at risk, whatever makes hosts fall silent. A bet that it falls on
//! them multiplies the wealth by `psi / (1 + (psi - 1) p)` if it does, and by `1 / (1 + (psi - 1) p)` if not: in the mean by one.

use crate::wealth::Wealth;
use alloc::vec::Vec;

/// How many times likelier a harmful release makes silence, one bet on each.
pub const RATIOS: [f64; 5] = [3.0, 10.0, 40.0, 200.0, 2000.0];

/// A host's first silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Silence {
    /// The host, as a place of the plan.
    pub host: usize,
    /// Whether it has the release.
    pub treated: bool,
    /// Hosts at risk in its stratum that have the release, itself included.
    pub treated_at_risk: u32,
    /// Hosts at risk in its stratum that wait for it, itself included.
    pub waiting_at_risk: u32,
}

/// What the silences of one stratum are worth, by ratio.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bets([Wealth; RATIOS.len()]);

impl Bets {
    pub(crate) fn take(&mut self, silence: Silence) {
        let treated = f64::from(silence.treated_at_risk);
        let share = treated / (treated + f64::from(silence.waiting_at_risk)).max(1.0);
        for (wealth, ratio) in self.0.iter_mut().zip(RATIOS) {
            let won = if silence.treated { ratio } else { 1.0 };
            *wealth = wealth.times(Wealth::of(won / (1.0 + (ratio - 1.0) * share)));
        }
    }

    pub(crate) fn wealth(&self) -> Wealth {
        Wealth::mean(self.0.iter().copied())
    }
}

/// Hosts at risk in each stratum: who was heard of when the wave began, and has not fallen silent since.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct AtRisk(Vec<(u32, u32)>);

impl AtRisk {
    pub(crate) fn count(strata: usize, hosts: impl Iterator<Item = (usize, bool)>) -> Self {
        let mut counts = alloc::vec![(0, 0); strata];
        for (stratum, treated) in hosts {
            if let Some((with, waiting)) = counts.get_mut(stratum) {
                *(if treated { with } else { waiting }) += 1;
            }
        }
        Self(counts)
    }

    /// The host leaves, and what is known at that moment is on record.
    pub(crate) fn leave(&mut self, host: usize, stratum: usize, treated: bool) -> Option<Silence> {
        let (with, waiting) = self.0.get_mut(stratum)?;
        let silence = Silence { host, treated, treated_at_risk: *with, waiting_at_risk: *waiting };
        let count = if treated { with } else { waiting };
        *count = count.checked_sub(1)?;
        Some(silence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_the_mean_a_silence_earns_nothing() {
        for (with, waiting) in [(1, 1), (4, 36), (15, 385), (98, 2)] {
            let after = |treated| {
                let mut bets = Bets::default();
                bets.take(Silence { host: 0, treated, treated_at_risk: with, waiting_at_risk: waiting });
                bets.wealth().number()
            };
            let share = f64::from(with) / f64::from(with + waiting);
            let mean = share * after(true) + (1.0 - share) * after(false);
            assert!((0.9999..=1.0).contains(&mean), "{with} {waiting}: {mean}");
        }
    }

    #[test]
    fn the_canaries_of_one_stratum_that_all_fall_silent_are_proof() {
        let hosts = (0..400).map(|host| (0, host < 15));
        let mut at_risk = AtRisk::count(1, hosts);
        let mut bets = Bets::default();
        for host in 0..15 {
            bets.take(at_risk.leave(host, 0, true).unwrap());
        }
        assert!(bets.wealth() > Wealth::of(1e15), "{}", bets.wealth());
    }
}
