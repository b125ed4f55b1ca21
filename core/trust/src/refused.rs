//! Why metadata or a target was not believed.

use alloc::string::String;
use core::fmt::{self, Display};

/// What was refused, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The role, or the target's path.
    pub what: String,
    /// Why.
    pub why: Why,
}

/// The attack, or the mistake, that a check stands against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It is not metadata: a portal's page, half a file, another format.
    NotMetadata,
    /// It is metadata, and a field is missing or out of form.
    Malformed,
    /// It is larger than it may be.
    TooLarge,
    /// Too few of the role's keys signed it; one key counts once, under however many names.
    Unsigned,
    /// It is not the version that was asked for.
    WrongVersion,
    /// It is older than what is trusted already.
    Rollback,
    /// It has ended: whoever serves it keeps newer metadata back.
    Expired,
    /// It is not the file that the metadata above it names: parts of different times, or of different repositories.
    Mixed,
    /// The repository does not have it.
    Missing,
    /// No role vouches for this target.
    NoSuchTarget,
    /// More delegations than are followed.
    TooDeep,
    /// More successors of the root than are followed at once; the next run goes on from there.
    TooManyRoots,
    /// A target is not what the metadata says: other bytes, or another length.
    WrongTarget,
}

impl Why {
    /// In words, after "it".
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Why::NotMetadata => "is not metadata",
            Why::Malformed => "is malformed",
            Why::TooLarge => "is larger than it may be",
            Why::Unsigned => "is not signed by enough of its role's keys",
            Why::WrongVersion => "is not the version asked for",
            Why::Rollback => "is older than what is trusted already",
            Why::Expired => "has ended",
            Why::Mixed => "is not what the metadata above it names",
            Why::Missing => "is not in the repository",
            Why::NoSuchTarget => "is vouched for by no role",
            Why::TooDeep => "lies behind too many delegations",
            Why::TooManyRoots => "has more successors than are followed at once",
            Why::WrongTarget => "is not the file that the metadata describes",
        }
    }

    /// Together with what it is about.
    #[must_use]
    pub fn about(self, what: &str) -> Refused {
        Refused { what: what.into(), why: self }
    }
}

impl Display for Refused {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.what)?;
        out.write_str(" ")?;
        out.write_str(self.why.words())
    }
}
