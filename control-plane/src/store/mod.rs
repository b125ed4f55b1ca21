//! What the control plane keeps: objects that change (hosts, tokens, policy, keys) and the audit log that only grows.
//!
//! One writer per process commits both, in groups, and every commit is durable when it returns. An object carries the revision
//! of its last change: whoever changes it names the revision it has read, and a change made on old ground is refused, so that
//! of two who spend one token one wins. Readers ask for what is newer than the revision they know.

mod address;
pub(crate) mod audit;
mod backend;
mod backup;
mod lead;
mod listen;
mod migrate;
mod postgres;
mod shared;
mod sqlite;
pub(crate) mod telemetry;
mod writer;

pub(crate) use address::{Address, Error, Reader, Server};
pub(crate) use backup::{backup, restore};
pub(crate) use lead::Lead;
pub(crate) use listen::listen;
pub(crate) use sqlite::{Sqlite, create};
pub(crate) use writer::{Entry, Log, NotWritten, Standing};

/// What kind of object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// A host, under its name.
    Host,
    /// An enrolment token, under the SHA-256 of its text.
    Token,
    /// The policy in force, under `current`, and the earlier ones under their numbers.
    Policy,
    /// A signing key, under its identifier.
    Key,
    /// Anything there is one of.
    Setting,
    /// A rollout's plan, its record, a step of its chain, what people want of it, or what is in force of all.
    Rollout,
}

impl Kind {
    const ALL: [Self; 6] = [Self::Host, Self::Token, Self::Policy, Self::Key, Self::Setting, Self::Rollout];

    /// Its word in the database.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Host => "host",
            Kind::Token => "token",
            Kind::Policy => "policy",
            Kind::Key => "key",
            Kind::Setting => "setting",
            Kind::Rollout => "rollout",
        }
    }

    /// By its word.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// One object as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Object {
    /// What kind.
    pub(crate) kind: Kind,
    /// Its name among its kind.
    pub(crate) name: String,
    /// The revision of its last change.
    pub(crate) revision: i64,
    /// What it says, JSON; `None` once it is deleted.
    pub(crate) body: Option<String>,
}

/// One object as it shall be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    /// What kind.
    pub(crate) kind: Kind,
    /// Its name among its kind.
    pub(crate) name: String,
    /// The revision the change is made on; 0 for an object that there is not.
    pub(crate) on: i64,
    /// What it shall say, JSON; `None` to delete it.
    pub(crate) body: Option<String>,
}

/// The object was changed by someone else in the meantime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Conflict;
