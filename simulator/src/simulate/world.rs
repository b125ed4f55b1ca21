//! What disturbs hosts whatever they run, and what a release does to them.

use crate::chance::Chance;
use std::ops::Range;

/// Runs of any host that are disturbed, millionths of attempts.
const DISTURBED: u32 = 1_000;
/// The same of a flaky host.
const FLAKY: u32 = 100_000;

/// Ticks of the fleet's timers.
pub(crate) type Tick = u32;

/// What happens around the fleet.
#[derive(Clone, Debug, Default)]
pub(crate) struct World {
    /// When no attempt of any host succeeds, and nobody hears of hosts.
    pub(crate) outages: Vec<Range<Tick>>,
    /// When none of a site's hosts gets through.
    pub(crate) site_outages: Vec<(usize, Range<Tick>)>,
    /// When the hosts whose clock is off fail all attempts more and more often: millionths a tick.
    pub(crate) drift: u32,
    /// Reports of a site that are lost for good, millionths.
    pub(crate) lost: Option<(usize, u32)>,
    /// Reports that come up to eight ticks late, millionths; as many come twice.
    pub(crate) late: u32,
}

impl World {
    /// Whether a host's attempts can reach the control plane at all.
    pub(crate) fn reaches(&self, site: usize, tick: Tick) -> bool {
        !self.outages.iter().any(|outage| outage.contains(&tick))
            && !self.site_outages.iter().any(|(down, outage)| *down == site && outage.contains(&tick))
    }

    /// Whether an attempt is disturbed, whoever makes it.
    pub(crate) fn disturbs(&self, traits: Traits, tick: Tick, chance: &mut Chance) -> bool {
        let base = if traits.flaky { FLAKY } else { DISTURBED };
        let drift = if traits.clock_off { self.drift.saturating_mul(tick).min(300_000) } else { 0 };
        chance.millionths(base + drift)
    }
}

/// What makes a host special, beside its facts.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Traits {
    pub(crate) site: usize,
    pub(crate) flaky: bool,
    pub(crate) clock_off: bool,
}

/// What a generation does wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Harm {
    /// Nothing.
    #[default]
    None,
    /// So many of its attempts fail, millionths.
    Fails(u32),
    /// Every attempt fails from so many ticks after it came.
    After(Tick),
    /// Every so-manyth attempt fails.
    Every(u32),
    /// Once it has run, the host is never heard of again.
    Kills,
    /// It does the job, and could never be replaced: no update of its own succeeds.
    Irreplaceable,
}

impl Harm {
    /// Whether an attempt fails: the generation's so-manyth on this host, so many ticks after it came.
    pub(crate) fn fails(self, attempt: u32, age: Tick, chance: &mut Chance) -> bool {
        match self {
            Self::None | Self::Kills | Self::Irreplaceable => false,
            Self::Fails(millionths) => chance.millionths(millionths),
            Self::After(ticks) => age >= ticks,
            Self::Every(every) => attempt.is_multiple_of(every.max(1)),
        }
    }
}
