//! The store as its one writer sees it.

use super::{
    Address, Change, Conflict, Error, NotWritten, Sqlite,
    audit::{Chain, Event},
    shared::Shared,
};
use crate::failure::Failure;
use std::time::Duration;

/// One of the two databases.
pub(super) enum Backend {
    /// A file.
    Sqlite(Sqlite),
    /// A server.
    Shared(Box<Shared>),
}

impl Backend {
    /// Opens the store, and says where the writer's chain ends.
    pub(super) fn open(address: &Address, writer: &str, patience: Duration) -> Result<(Self, Chain), Failure> {
        match address {
            Address::File(path) => {
                let store = Sqlite::open_for(path, writer)?;
                let chain = store.chain(writer).map_err(|error| address.failed(&error.into()))?;
                Ok((Self::Sqlite(store), chain))
            }
            Address::Server(server) => Shared::open(server, writer, patience).map(|(shared, chain)| (Self::Shared(Box::new(shared)), chain)),
        }
    }

    /// Commits all entries, each with its own outcome.
    pub(super) fn commit(&mut self, chain: &mut Chain, entries: &[(&Event, &[Change])]) -> Vec<Result<i64, NotWritten>> {
        match self {
            Backend::Shared(shared) => shared.commit(chain, entries),
            Backend::Sqlite(store) => match store.commit(chain, entries.iter().copied()) {
                Ok(outcomes) => outcomes.into_iter().map(|outcome| outcome.map_err(|Conflict| NotWritten::Conflict)).collect(),
                Err(error) => {
                    tracing::error!(event = "commit-failed", because = %error, entries = entries.len(), hint = "check the disk of the database");
                    vec![Err(NotWritten::Failed); entries.len()]
                }
            },
        }
    }

    /// Keeps the newest checkpoint of a writer; whether there was where to keep it.
    pub(super) fn keep_checkpoint(&mut self, writer: &str, number: i64, line: &str) -> Result<bool, Error> {
        match self {
            Backend::Sqlite(store) => Ok(store.keep_checkpoint(writer, number, line).map(|()| true)?),
            Backend::Shared(shared) => shared.keep_checkpoint(writer, number, line),
        }
    }

    /// Looks after the connection while there is nothing to write.
    pub(super) fn rest(&mut self, chain: &mut Chain) {
        if let Backend::Shared(shared) = self {
            shared.rest(chain);
        }
    }

    /// For how long the database has been away, and how many records wait for it.
    pub(super) fn away(&self) -> Option<(Duration, i64)> {
        match self {
            Backend::Sqlite(_) => None,
            Backend::Shared(shared) => shared.away().map(|away| (away, shared.spooled())),
        }
    }
}
