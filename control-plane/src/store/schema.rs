//! The database file: its tables and how durable a commit is.

use crate::failure::Failure;
use rusqlite::{Connection, OpenFlags};
use std::{path::Path, time::Duration};

/// One table without an index beside its row number: the log is written on every issue and read seldom.
const TABLES: &str = "CREATE TABLE audit (
    id INTEGER PRIMARY KEY,
    time INTEGER NOT NULL,
    host TEXT NOT NULL,
    credential TEXT NOT NULL,
    jti TEXT NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
PRAGMA user_version = 1;";
const VERSION: i64 = 1;
const BUSY_WAIT: Duration = Duration::from_secs(5);

/// Makes a database that does not exist yet.
pub(crate) fn create(path: &Path) -> Result<(), Failure> {
    crate::files::make(path, crate::files::Readers::Owner, "")?;
    let make = || -> rusqlite::Result<()> {
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        connection.execute_batch(TABLES)
    };
    make().map_err(|error| failed(path, &error))
}

/// Opens an existing database for one writer; every commit is on the disk when it returns (WAL with synchronous=FULL).
pub(super) fn open(path: &Path) -> Result<Connection, Failure> {
    let open = || -> rusqlite::Result<(Connection, i64)> {
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        connection.busy_timeout(BUSY_WAIT)?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        connection.pragma_update(None, "synchronous", "full")?;
        let version = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        Ok((connection, version))
    };
    match open() {
        Ok((connection, VERSION)) => Ok(connection),
        Ok((_, version)) => Err(Failure::new(
            format!("cannot use {}", path.display()),
            format!("its schema is version {version}, and this program knows version {VERSION}"),
            "run the pinnaced that made it",
        )),
        Err(error) => Err(failed(path, &error)),
    }
}

pub(super) fn failed(path: &Path, error: &rusqlite::Error) -> Failure {
    Failure::new(format!("cannot use the database {}", path.display()), error, "check the path, its owner and free space")
}
