//! The questions about the fleet: how it is, what fails and why, which hosts, one host, since when.
//!
//! They are answered from a snapshot: a row for each host, with its facts as numbers, so that a question goes over ninety thousand
//! of them in some milliseconds. What was before the newest run of each host is in the counts per minute.

mod horizon;
mod host;
mod interval;
mod list;
mod matching;
mod series;
mod snapshot;
mod spread;
mod status;
mod why;

pub use horizon::{Horizon, HorizonStep};
pub use host::{HostEvent, HostHistory};
pub use list::{FleetMap, HostLine, HostPage};
pub use matching::Matcher;
pub use series::{Count, DROPPED, Series, Slice};
pub use snapshot::{Seen, Snapshot};
pub use status::{FleetStatus, Group};
pub use why::{Corner, SUPPORT, Why};

/// After how many intervals without a word a host is silent, in halves.
const SILENT_HALF_INTERVALS: i64 = 5;
/// After how many seconds without a word a host is missing.
pub const MISSING_SECONDS: i64 = 7 * 86_400;

/// What a host is to the fleet's view. Whoever has not been heard of lately is never healthy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Its newest run left a credential in place.
    Healthy,
    /// The same, and a release is on trial there.
    Updating,
    /// Its newest run failed.
    Failing,
    /// No word for more than two and a half intervals.
    Silent,
    /// No word for more than seven days, or never one.
    Missing,
    /// Operators have put it out, or clone detection has.
    Quarantined,
}

impl State {
    /// Every one of them.
    pub const ALL: [Self; 6] = [Self::Healthy, Self::Updating, Self::Failing, Self::Silent, Self::Missing, Self::Quarantined];

    /// Its word, the same in filters, on pages and on the host.
    pub fn name(self) -> &'static str {
        match self {
            State::Healthy => "healthy",
            State::Updating => "updating",
            State::Failing => "failing",
            State::Silent => "silent",
            State::Missing => "missing",
            State::Quarantined => "quarantined",
        }
    }

    /// Whether it was heard of lately, and is served: of such a host we know how it is.
    pub fn is_known(self) -> bool {
        matches!(self, State::Healthy | State::Updating | State::Failing)
    }
}

#[cfg(test)]
mod tests;
