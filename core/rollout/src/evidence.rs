//! The evidence against a release: what three bets against it have made of their stakes.
//!
//! A *discordant pair* is a crossover in which the generation that went first failed and the other did the whole job at once. It is bad
//! if the candidate went first. A fair coin, independent of everything, chose who goes first; so if the candidate is no worse, a
//! discordant pair is bad with a probability of at most one half, whatever the network, the clocks, the control plane or the flakiness
//! of the host do. All state is counts and whole numbers: the order of reports does not matter, and the same record gives the same wealth.

use crate::{
    silence::{Bets, Silence},
    wealth::{self, Wealth},
};
use alloc::{collections::BTreeMap, vec::Vec};

/// Pairs that are kept for one host: the earliest.
pub const PAIRS_MAX: usize = 64;
/// Pairs of one host that count in the bet on harm everywhere: the first. A host that is disturbed all the time says as much as any
/// other, and a harm that is small and everywhere shows on many hosts once.
pub const PAIRS_EVERYWHERE_MAX: usize = 1;

/// A discordant pair; host, run and crossover name it, so that it counts once however often it is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Discordant {
    /// The run of the host's trial, from 1.
    pub run: i64,
    /// 0 for the run itself, then its repeats.
    pub crossover: i64,
    /// Whether it was the candidate that failed.
    pub bad: bool,
}

/// Bad and good pairs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// The candidate failed, and the current generation did the job.
    pub bad: u32,
    /// The current generation failed, and the candidate did the job.
    pub good: u32,
}

impl Count {
    fn of<'a>(pairs: impl Iterator<Item = &'a Discordant>) -> Self {
        pairs.fold(
            Self::default(),
            |count, pair| {
                if pair.bad { Self { bad: count.bad + 1, ..count } } else { Self { good: count.good + 1, ..count } }
            },
        )
    }

    fn replace(&mut self, old: Self, new: Self) {
        self.bad = self.bad.saturating_sub(old.bad).saturating_add(new.bad);
        self.good = self.good.saturating_sub(old.good).saturating_add(new.good);
    }
}

/// What is known of one stratum.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) pairs: Count,
    pub(crate) hosts: u32,
    pub(crate) silent: u32,
    wealth: Wealth,
    silences: Bets,
}

impl Tally {
    /// What the richer of its two bets has.
    pub(crate) fn wealth(&self) -> Wealth {
        self.wealth.max(self.silences.wealth())
    }
}

/// All that was reported, and what it is worth.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    strata: Vec<Tally>,
    hosts: BTreeMap<usize, Vec<Discordant>>,
    everywhere: Count,
    silences: Vec<Silence>,
}

/// The three bets, each with a third of the stake, and their mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bet {
    /// On harm to one kind of host: the mean over strata of the product over their hosts.
    pub concentrated: Wealth,
    /// On a small harm everywhere: the first pairs of all hosts together.
    pub diffuse: Wealth,
    /// On silence: the mean over strata and ratios.
    pub silence: Wealth,
    /// The mean of the three.
    pub all: Wealth,
}

impl Evidence {
    /// Nothing was reported yet.
    #[must_use]
    pub fn none(strata: usize) -> Self {
        Self { strata: alloc::vec![Tally::default(); strata], ..Self::default() }
    }

    /// Takes a pair of a host in a stratum, and says whether it is new.
    pub fn take(&mut self, host: usize, stratum: usize, pair: Discordant) -> bool {
        let Some(tally) = self.strata.get_mut(stratum) else { return false };
        let pairs = self.hosts.entry(host).or_default();
        let Err(at) = pairs.binary_search_by_key(&(pair.run, pair.crossover), |known| (known.run, known.crossover)) else { return false };
        if at >= PAIRS_MAX {
            return false;
        }
        let old = counts(pairs);
        tally.hosts += u32::from(pairs.is_empty());
        pairs.insert(at, pair);
        pairs.truncate(PAIRS_MAX);
        let new = counts(pairs);
        tally.pairs.replace(old.0, new.0);
        tally.wealth = tally.wealth.without(wealth::of_host(old.0.bad, old.0.good)).times(wealth::of_host(new.0.bad, new.0.good));
        self.everywhere.replace(old.1, new.1);
        true
    }

    /// Takes a host's first silence.
    pub fn take_silence(&mut self, stratum: usize, silence: Silence) {
        if let Some(tally) = self.strata.get_mut(stratum) {
            tally.silent += u32::from(silence.treated);
            tally.silences.take(silence);
            self.silences.push(silence);
        }
    }

    /// What it is worth.
    #[must_use]
    pub fn bet(&self) -> Bet {
        let concentrated = Wealth::mean(self.strata.iter().map(|tally| tally.wealth));
        let diffuse = wealth::of_pairs(self.everywhere.bad, self.everywhere.good);
        let silences: Vec<Wealth> = self.strata.iter().map(|tally| tally.silences.wealth()).collect();
        let silence = Wealth::mean(silences.into_iter());
        Bet { concentrated, diffuse, silence, all: Wealth::mean([concentrated, diffuse, silence].into_iter()) }
    }

    /// All pairs, each with its host.
    pub fn pairs(&self) -> impl Iterator<Item = (usize, Discordant)> {
        self.hosts.iter().flat_map(|(host, pairs)| pairs.iter().map(|pair| (*host, *pair)))
    }

    /// All silences, in their order.
    #[must_use]
    pub fn silences(&self) -> &[Silence] {
        &self.silences
    }

    /// The pairs that count in the bet on harm everywhere.
    #[must_use]
    pub fn everywhere(&self) -> Count {
        self.everywhere
    }

    pub(crate) fn strata(&self) -> &[Tally] {
        &self.strata
    }
}

/// All pairs of a host, and those that count everywhere.
fn counts(pairs: &[Discordant]) -> (Count, Count) {
    (Count::of(pairs.iter()), Count::of(pairs.iter().take(PAIRS_EVERYWHERE_MAX)))
}
