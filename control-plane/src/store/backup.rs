//! The whole store in one file, and the way back. The file is an SQLite database with the store's own tables, whichever database
//! it came from, so that a store can also move from one kind to the other.

use super::{
    Address, Error, Sqlite,
    audit::{Chain, seal},
    create,
    postgres::Postgres,
};
use crate::{
    failure::{Code, Failure},
    files::{self, Readers},
};
use rusqlite::{Connection, OpenFlags};
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

/// For one statement on a server, of which the longest copies a thousand rows.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a backup holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Content {
    /// Hosts, tokens, versions of the policy, keys and settings.
    pub(crate) objects: i64,
    /// Audit records.
    pub(crate) records: i64,
}

/// Copies the store as it is at one moment into a new file; whoever serves goes on meanwhile.
pub(crate) fn backup(address: &Address, out: &Path) -> Result<Content, Failure> {
    if out.exists() {
        return Err(Failure::new(
            Code::FileUnwritable,
            format!("cannot write {}", out.display()),
            "it is there already",
            "name a file that does not exist",
        ));
    }
    let copied = match address {
        Address::File(path) => Sqlite::open(path).and_then(|store| copy_file(&store.0, out)),
        Address::Server(server) => Postgres::connect(&server.config, PATIENCE)
            .map_err(|error| address.failed(&error))
            .and_then(|server| create(out).and_then(|()| copy_server(&server, out).map_err(|error| address.failed(&error)))),
    };
    let content = copied.and_then(|()| open(out)).and_then(|file| verify(&file, out));
    if content.is_err() {
        remove(out);
    }
    content
}

/// Puts a backup into a store that holds nothing.
pub(crate) fn restore(address: &Address, from: &Path) -> Result<Content, Failure> {
    let file = open(from)?;
    let content = verify(&file, from)?;
    let full = || {
        let because = "there is something in the database already";
        Failure::new(Code::StoreNotEmpty, "cannot restore", because, "move the database away, or name an empty one in pinnaced.toml")
    };
    match address {
        Address::File(path) => {
            if path.exists() && !Sqlite::open(path)?.is_empty().map_err(|error| super::address::failed(path, &error))? {
                return Err(full());
            }
            put_file(&file, path)?;
        }
        Address::Server(server) => {
            let failed = |error: Error| address.failed(&error);
            let db = Postgres::connect(&server.config, PATIENCE).map_err(failed)?;
            db.prepare().map_err(failed)?;
            if !db.fill_from(&file).map_err(failed)? {
                return Err(full());
            }
        }
    }
    Ok(content)
}

fn copy_server(server: &Postgres, out: &Path) -> Result<(), Error> {
    let file = Connection::open_with_flags(out, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    server.copy_to(&file)?;
    one_file(&file)?;
    Ok(())
}

fn copy_file(from: &Connection, out: &Path) -> Result<(), Failure> {
    files::make(out, Readers::Owner, "")?;
    let copy = || -> rusqlite::Result<()> {
        from.execute("VACUUM INTO ?1", [out.to_string_lossy()])?;
        one_file(&Connection::open_with_flags(out, OpenFlags::SQLITE_OPEN_READ_WRITE)?)
    };
    copy().map_err(|error| files::cannot_write(out, &error))?;
    let synced = fs::File::open(out).and_then(|file| file.sync_all());
    synced.map_err(|error| files::cannot_write(out, &error))
}

/// Made beside it and renamed; what SQLite keeps beside the old file is not the new one's.
fn put_file(from: &Connection, path: &Path) -> Result<(), Failure> {
    let fresh = beside(path, "-restored");
    remove(&fresh);
    copy_file(from, &fresh)?;
    remove(path);
    fs::rename(&fresh, path).map_err(|error| super::address::failed(path, &error))
}

/// Without a log of its own, so that the file alone is everything.
fn one_file(file: &Connection) -> rusqlite::Result<()> {
    file.pragma_update(None, "journal_mode", "delete")
}

fn remove(path: &Path) {
    for path in [path.to_path_buf(), beside(path, "-wal"), beside(path, "-shm")] {
        // What is not there need not be removed.
        let _ = fs::remove_file(path);
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn open(path: &Path) -> Result<Connection, Failure> {
    let failed = |because: String| {
        Failure::new(Code::BackupUnusable, format!("cannot use {}", path.display()), because, "name a file that pinnaced backup has made")
    };
    let opened = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(|error| failed(error.to_string()))?;
    let version: i64 = opened.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(|error| failed(error.to_string()))?;
    if version != super::sqlite::VERSION {
        return Err(failed(format!("it is no backup of version {}", super::sqlite::VERSION)));
    }
    Ok(opened)
}

/// Every record must follow from the one before it.
fn verify(file: &Connection, path: &Path) -> Result<Content, Failure> {
    let broken = |because: String| Failure::new(Code::BackupUnusable, format!("cannot use {}", path.display()), because, "use another backup");
    let read = || -> rusqlite::Result<Result<Content, String>> {
        let sound: String = file.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
        if sound != "ok" {
            return Ok(Err(sound));
        }
        let mut statement = file.prepare("SELECT writer, number, body, hash FROM audit ORDER BY writer, number")?;
        let (mut rows, mut records, mut end) = (statement.query([])?, 0, Chain::new(""));
        while let Some(row) = rows.next()? {
            let (writer, number, body, hash): (String, i64, String, [u8; 32]) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
            if writer != end.writer {
                end = Chain::new(&writer);
            }
            if number != end.number + 1 || seal(&end.hash, &body) != hash {
                return Ok(Err(format!("the audit log of {writer} does not hold from its record {number} on")));
            }
            (end.number, end.hash, records) = (number, hash, records + 1);
        }
        let objects = file.query_row("SELECT count(*) FROM objects WHERE body IS NOT NULL", [], |row| row.get(0))?;
        Ok(Ok(Content { objects, records }))
    };
    read().map_err(|error| broken(error.to_string()))?.map_err(broken)
}
