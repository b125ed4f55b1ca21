//! Where the store is, what goes wrong there, and reading from it.

use super::{Object, Sqlite, postgres::Postgres};
use crate::failure::{Code, Failure};
use std::{
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

const PATIENCE: Duration = Duration::from_secs(10);
/// Records that one question looks at.
pub(super) const SCANNED_MAX: i64 = 1_000_000;

/// A writer, and the number of one of its records.
pub(crate) type Place = (String, i64);

/// Where the store is.
#[derive(Clone)]
pub(crate) enum Address {
    /// An SQLite file.
    File(PathBuf),
    /// A PostgreSQL server, and what bridges the time while it is away.
    Server(Box<Server>),
}

/// A PostgreSQL server.
#[derive(Clone)]
pub(crate) struct Server {
    /// How to reach it.
    pub(crate) config: tokio_postgres::Config,
    /// The SQLite file that takes records while it is away.
    pub(crate) spool: PathBuf,
    /// For how long.
    pub(crate) spool_max: Duration,
}

impl Address {
    /// The same store for a command beside the process that serves: it bridges nothing, and leaves that process's spool alone.
    pub(crate) fn beside(self, word: &str) -> Self {
        match self {
            Self::File(path) => Self::File(path),
            Self::Server(mut server) => {
                server.spool.set_extension(format!("{word}.db"));
                server.spool_max = Duration::ZERO;
                Self::Server(server)
            }
        }
    }

    /// What goes wrong with it, as a person is told.
    pub(crate) fn failed(&self, error: &Error) -> Failure {
        match self {
            Address::File(path) => failed(path, error),
            Address::Server(_) => {
                Failure::new(Code::StoreUnavailable, "cannot use the PostgreSQL database", error, "check that it runs, and [store] in pinnaced.toml")
            }
        }
    }
}

/// What a failing database file means to a person.
pub(crate) fn failed(path: &Path, error: &(impl fmt::Display + ?Sized)) -> Failure {
    Failure::new(Code::StoreUnavailable, format!("cannot use the database {}", path.display()), error, "check the path, its owner and free space")
}

/// Why the store did not do it.
#[derive(Debug)]
pub(crate) enum Error {
    /// SQLite says so.
    Sqlite(rusqlite::Error),
    /// PostgreSQL says so, or cannot be reached.
    Postgres(tokio_postgres::Error),
    /// Anything else.
    Other(String),
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Sqlite(error) => error.fmt(out),
            Error::Postgres(error) => match (error.as_db_error(), std::error::Error::source(error)) {
                (Some(error), _) => error.message().fmt(out),
                (None, Some(source)) => write!(out, "{error}: {source}"),
                (None, None) => error.fmt(out),
            },
            Error::Other(because) => because.fmt(out),
        }
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        Error::Sqlite(error)
    }
}

impl From<tokio_postgres::Error> for Error {
    fn from(error: tokio_postgres::Error) -> Self {
        Error::Postgres(error)
    }
}

/// One connection for reading; it blocks its thread.
pub(crate) enum Reader {
    /// To a file.
    Sqlite(Sqlite),
    /// To a server.
    #[expect(private_interfaces, reason = "nobody outside looks into a reader")]
    Postgres(Postgres),
}

impl Reader {
    /// Connects to a store that exists.
    pub(crate) fn open(address: &Address) -> Result<Self, Failure> {
        match address {
            Address::File(path) => Sqlite::open(path).map(Self::Sqlite),
            Address::Server(server) => Postgres::connect(&server.config, PATIENCE).map(Self::Postgres).map_err(|error| address.failed(&error)),
        }
    }

    /// All objects that changed after `revision`, in the order of their changes.
    pub(crate) fn since(&self, revision: i64) -> Result<Vec<Object>, Error> {
        match self {
            Reader::Sqlite(store) => Ok(store.since(revision)?),
            Reader::Postgres(store) => store.since(revision),
        }
    }

    /// Calls `each` with every line of the audit log: the records of each chain, oldest first, and then the checkpoints.
    pub(crate) fn each_line<E>(&self, each: impl FnMut(&str) -> Result<(), E>) -> Result<Result<(), E>, Error> {
        match self {
            Reader::Sqlite(store) => Ok(store.each_line(each)?),
            Reader::Postgres(store) => store.each_line(each),
        }
    }

    /// Calls `each` with records, the newest first, until it has enough or they are older than `since`.
    pub(crate) fn newest_records(&self, since: i64, each: impl FnMut(&str) -> bool) -> Result<(), Error> {
        match self {
            Reader::Sqlite(store) => Ok(store.newest_records(since, each)?),
            Reader::Postgres(store) => store.newest_records(since, each),
        }
    }

    /// Some records after a place, as they are exported, and the place of the last one unless it is the very last.
    pub(crate) fn records_after(&self, writer: &str, number: i64, most: usize) -> Result<(Vec<String>, Option<Place>), Error> {
        match self {
            Reader::Sqlite(store) => Ok(store.records_after(writer, number, most)?),
            Reader::Postgres(store) => store.records_after(writer, number, most),
        }
    }

    /// Every writer's newest checkpoint, as it is exported.
    pub(crate) fn checkpoints(&self) -> Result<Vec<String>, Error> {
        match self {
            Reader::Sqlite(store) => Ok(store.checkpoints()?),
            Reader::Postgres(store) => store.checkpoints(),
        }
    }
}
