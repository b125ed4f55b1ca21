//! What hosts tell: their newest state, recent events, and counts per minute, in tables of their own.
//!
//! With SQLite they are in a file of their own, so that writing them never waits for a credential's record nor the other way round;
//! with PostgreSQL they share the database over a connection of their own, in partitions by day. Each change of a host's row carries a sequence that
//! grows in the order of commits, so that whoever has a copy asks for what is newer.

mod postgres;
mod sqlite;

use super::{Address, Error};
use postgres::Postgres;
use service::fleet::Count;
use sqlite::Sqlite;
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

/// Rows of one answer.
pub(crate) const PIECE: usize = 4_096;

/// Where it is kept.
#[derive(Clone)]
pub(crate) enum Place {
    /// In this file, which is made if it is not there.
    File(PathBuf),
    /// In the store's own database.
    Server(Box<tokio_postgres::Config>),
}

/// A host's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HostRow {
    /// Its name.
    pub(crate) host: String,
    /// When it was last heard of, seconds since 1970.
    pub(crate) seen: i64,
    /// What it told, JSON.
    pub(crate) body: String,
}

/// One event as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EventRow {
    /// When it was, seconds since 1970.
    pub(crate) at: i64,
    /// Whose it is.
    pub(crate) host: String,
    /// Its outbox.
    pub(crate) outbox: String,
    /// Its number there.
    pub(crate) number: i64,
    /// The event, JSON.
    pub(crate) body: String,
}

/// What events are counted by: all of them, and those of hosts that have a fact in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RollupKey {
    /// Such as `os`; empty for all events.
    pub(crate) dimension: String,
    /// The value in that dimension.
    pub(crate) value: String,
    /// Minutes since 1970.
    pub(crate) minute: i64,
    /// What the runs came to.
    pub(crate) outcome: String,
    /// How they ended.
    pub(crate) code: String,
}

/// What is committed as one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Batch {
    /// Hosts that told something.
    pub(crate) hosts: Vec<HostRow>,
    /// Hosts that were heard of, and when.
    pub(crate) seen: Vec<(String, i64)>,
    /// Events.
    pub(crate) events: Vec<EventRow>,
    /// Counts to add, with the milliseconds that the runs took.
    pub(crate) rollups: HashMap<RollupKey, (i64, i64)>,
}

/// What is no longer kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Before {
    /// Events older than this.
    pub(crate) events: i64,
    /// Minutes older than this.
    pub(crate) minute: i64,
    /// Hosts not heard of since.
    pub(crate) hosts: i64,
}

/// Which counts are asked for, and how they are added up.
#[derive(Clone, Debug)]
pub(crate) struct Range {
    /// Such as `os`; empty for all events.
    pub(crate) dimension: String,
    /// The value in that dimension.
    pub(crate) value: String,
    /// The first minute and the last, since 1970.
    pub(crate) minutes: (i64, i64),
    /// So many minutes are one.
    pub(crate) step: i64,
}

/// A place in the sequence of changes: a sequence, and a host of it.
pub(crate) type Mark = (i64, String);

/// One connection.
pub(crate) enum Telemetry {
    /// To a file.
    Sqlite(Sqlite),
    /// To a server.
    Postgres(Box<Postgres>),
}

impl Telemetry {
    /// Connects, and makes the tables if there are none.
    pub(crate) fn open(place: &Place) -> Result<Self, Error> {
        match place {
            Place::File(path) => Sqlite::open(path).map(Self::Sqlite),
            Place::Server(config) => Postgres::open(config).map(|server| Self::Postgres(Box::new(server))),
        }
    }

    /// Connects to what there is, to read it.
    pub(crate) fn open_to_read(place: &Place) -> Result<Self, Error> {
        match place {
            Place::File(path) => Sqlite::open_to_read(path).map(Self::Sqlite),
            Place::Server(config) => Postgres::open_to_read(config).map(|server| Self::Postgres(Box::new(server))),
        }
    }

    /// Counts, each with the first minute of its step.
    pub(crate) fn counts(&self, range: &Range) -> Result<Vec<Count>, Error> {
        match self {
            Telemetry::Sqlite(file) => file.counts(range),
            Telemetry::Postgres(server) => server.counts(range),
        }
    }

    /// A host's recent events, the newest first: when each was, and its text.
    pub(crate) fn events_of(&self, host: &str, most: usize) -> Result<Vec<(i64, String)>, Error> {
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        match self {
            Telemetry::Sqlite(file) => file.events_of(host, most),
            Telemetry::Postgres(server) => server.events_of(host, most),
        }
    }

    /// Commits what `make` makes of the rows there are of these hosts; nobody else changes them meanwhile.
    pub(crate) fn change<T>(&mut self, hosts: &[String], make: impl FnOnce(HashMap<String, String>) -> (Batch, T)) -> Result<T, Error> {
        match self {
            Telemetry::Sqlite(file) => file.change(hosts, make),
            Telemetry::Postgres(server) => server.change(hosts, make),
        }
    }

    /// Hosts that changed after a mark, at most [`PIECE`], in the order of their changes, and the mark after them.
    pub(crate) fn since(&self, mark: &Mark) -> Result<(Vec<HostRow>, Option<Mark>), Error> {
        match self {
            Telemetry::Sqlite(file) => file.since(mark),
            Telemetry::Postgres(server) => server.since(mark),
        }
    }

    /// Drops some of what is older; whether there may be more.
    pub(crate) fn prune(&mut self, before: Before) -> Result<bool, Error> {
        match self {
            Telemetry::Sqlite(file) => file.prune(before),
            Telemetry::Postgres(server) => server.prune(before),
        }
    }
}

impl Place {
    /// Of the telemetry beside a store.
    pub(crate) fn of(address: &Address, file: &Path) -> Self {
        match address {
            Address::File(_) => Self::File(file.into()),
            Address::Server(server) => Self::Server(Box::new(server.config.clone())),
        }
    }
}
