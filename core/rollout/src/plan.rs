//! A plan: which host takes a release in which wave. It is drawn once and never changes; another decision is another plan.

use crate::{
    draw::{self, Drawn},
    survey::Survey,
};
use alloc::{
    string::{String, ToString},
    vec::Vec,
};
use core::fmt::{self, Display};
use protocol::release::Terms as Trial;

/// A wave: a part of the fleet that takes the release at once, and how long it is watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wave {
    /// What people call it.
    pub name: String,
    /// The share of the fleet that has the release when the wave is out; of the first wave, the budget of canaries.
    pub share_permille: u32,
    /// How long it is watched at least.
    pub soak_seconds: i64,
}

/// What a plan is drawn from, beside the fleet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The rollout's name; with a host's name it draws the host's wave.
    pub id: String,
    /// Which plan of this control plane it is: every plan has a higher number than the one before.
    pub number: i64,
    /// The number of the plan that this one replaces; 0 for none.
    pub parent: i64,
    /// The release's generation.
    pub generation: i64,
    /// SHA-256 of its binaries, one for each platform, hexadecimal.
    pub releases: Vec<String>,
    /// Seconds between two runs of a host.
    pub interval_seconds: i64,
    /// How the release earns a host.
    pub trial: Trial,
    /// The waves, first to last.
    pub waves: Vec<Wave>,
    /// Hosts that a wave may harm at most, as far as the trials before it can promise.
    pub harmed_hosts_max: u32,
}

impl Terms {
    /// The usual terms: a canary of 0.8 %, and with those added for their facts under 1 %, then 5, 25 and 98 %.
    #[must_use]
    pub fn usual(id: &str, number: i64, generation: i64, release: &str, interval_seconds: i64) -> Self {
        let wave = |(name, share_permille, runs): (&str, u32, i64)| Wave {
            name: name.to_string(),
            share_permille,
            soak_seconds: interval_seconds.saturating_mul(runs),
        };
        Self {
            id: id.to_string(),
            number,
            parent: 0,
            generation,
            releases: [release.to_string()].into(),
            interval_seconds,
            trial: Trial { runs: TRIAL_RUNS, seconds: interval_seconds.saturating_mul(TRIAL_INTERVALS) },
            waves: [("canary", 8, 32), ("early", 50, 28), ("quarter", 250, 28), ("most", 980, 28)].map(wave).into(),
            harmed_hosts_max: 20,
        }
    }
}

/// Clean runs of a trial; the candidate goes first in every other run.
const TRIAL_RUNS: i64 = 10;
/// Intervals that a trial takes at least: what shows after a dozen runs shows in a trial.
const TRIAL_INTERVALS: i64 = 28;

/// A host's place in a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The host.
    pub host: String,
    /// Its stratum, as an index.
    pub stratum: usize,
    /// Its wave, as an index; the number of waves for who is held back to the end.
    pub wave: usize,
    /// Whether chance put it there, so that those who are not there can be compared with it; false for a canary that was chosen for
    /// its facts.
    pub drawn: bool,
}

/// Who takes a release when, and who is compared with whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    pub(crate) terms: Terms,
    pub(crate) strata: Vec<String>,
    /// In the order of the hosts' names.
    pub(crate) places: Vec<Place>,
    pub(crate) uncovered: Vec<String>,
}

/// Who must not be followed: a plan that was replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outdated {
    /// The plan that was offered.
    pub offered: i64,
    /// The plan that is known.
    pub known: i64,
}

impl Display for Outdated {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "plan {} was replaced by plan {}", self.offered, self.known)
    }
}

impl Plan {
    /// Draws a plan for a fleet. The same fleet and terms give the same plan.
    #[must_use]
    pub fn draw(survey: &Survey, terms: Terms) -> Self {
        let Drawn { places, uncovered } = draw::draw(survey, &terms);
        let strata = survey.strata().iter().map(|stratum| stratum.name.clone()).collect();
        Self { terms, strata, places, uncovered }
    }

    /// What it was drawn from.
    #[must_use]
    pub fn terms(&self) -> &Terms {
        &self.terms
    }

    /// The strata's names; a place's stratum is an index into them.
    #[must_use]
    pub fn strata(&self) -> &[String] {
        &self.strata
    }

    /// Every host's place, in the order of their names.
    #[must_use]
    pub fn places(&self) -> &[Place] {
        &self.places
    }

    /// Facts that no canary has, such as `kernel=2.6`: what the first wave cannot try.
    #[must_use]
    pub fn uncovered(&self) -> &[String] {
        &self.uncovered
    }

    /// Where a host stands in [`Plan::places`].
    #[must_use]
    pub fn find(&self, host: &str) -> Option<usize> {
        self.places.binary_search_by(|place| place.host.as_str().cmp(host)).ok()
    }

    /// How many hosts come with a wave.
    #[must_use]
    pub fn size(&self, wave: usize) -> usize {
        self.places.iter().filter(|place| place.wave == wave).count()
    }

    /// Whether this plan may be followed by who knows of a plan already, be it a driver or a host.
    ///
    /// # Errors
    /// It was replaced.
    pub fn follow(&self, known: i64) -> Result<(), Outdated> {
        if self.terms.number < known { Err(Outdated { offered: self.terms.number, known }) } else { Ok(()) }
    }
}
