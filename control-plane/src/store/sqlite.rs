//! The store in one file: SQLite with a write-ahead log and `synchronous=FULL`, so that a commit is on the disk when it returns.

use super::{
    Change, Conflict, Kind, Object,
    address::{Place, SCANNED_MAX, failed},
    audit::{Chain, Event, Record},
    migrate::migrate,
};
use crate::failure::{Code, Failure};
use rusqlite::{Connection, OpenFlags, OptionalExtension, Transaction, TransactionBehavior, params};
use std::{path::Path, time::Duration};

/// No index beside the keys: the log is written on every issue and read seldom.
pub(super) const TABLES: &str = "CREATE TABLE objects (
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    revision INTEGER NOT NULL,
    body TEXT,
    PRIMARY KEY (kind, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX objects_by_revision ON objects (revision);
CREATE TABLE audit (
    writer TEXT NOT NULL,
    number INTEGER NOT NULL,
    body TEXT NOT NULL,
    hash BLOB NOT NULL,
    PRIMARY KEY (writer, number)
) STRICT, WITHOUT ROWID;
CREATE TABLE checkpoints (
    writer TEXT NOT NULL,
    number INTEGER NOT NULL,
    line TEXT NOT NULL,
    PRIMARY KEY (writer)
) STRICT, WITHOUT ROWID;
PRAGMA user_version = 2;";
/// Of the tables.
pub(super) const VERSION: i64 = 2;
/// All that a start reads, and each look for what others changed: neither goes through the log.
const END: &str = "SELECT number, hash FROM audit WHERE writer = ?1 ORDER BY number DESC LIMIT 1";
const SINCE: &str = "SELECT kind, name, revision, body FROM objects WHERE revision > ?1 ORDER BY revision";
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

/// One connection to the file.
pub(crate) struct Sqlite(pub(super) Connection);

impl Sqlite {
    /// Opens a database that exists.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        match connect(path)? {
            (connection, VERSION) => Ok(Self(connection)),
            (_, version) => Err(unknown(path, version, "run pinnaced serve, which brings an older one up to date, or the pinnaced that made it")),
        }
    }

    /// Opens it for its writer, which brings an older one up to date.
    pub(super) fn open_for(path: &Path, writer: &str) -> Result<Self, Failure> {
        let (mut connection, version) = connect(path)?;
        if version != VERSION && !migrate(&mut connection, version, writer).map_err(|error| failed(path, &error))? {
            return Err(unknown(path, version, "run the pinnaced that made it"));
        }
        Ok(Self(connection))
    }

    /// Whether nothing was ever kept in it.
    pub(super) fn is_empty(&self) -> rusqlite::Result<bool> {
        self.0.query_row("SELECT NOT EXISTS (SELECT 1 FROM objects) AND NOT EXISTS (SELECT 1 FROM audit)", [], |row| row.get(0))
    }

    /// Where a writer's chain ends.
    pub(super) fn chain(&self, writer: &str) -> rusqlite::Result<Chain> {
        let mut statement = self.0.prepare(END)?;
        let end = statement.query_row([writer], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        Ok(end.map_or_else(|| Chain::new(writer), |(number, hash)| Chain { writer: writer.into(), number, hash }))
    }

    /// Commits all entries, each with its own outcome: one whose changes conflict leaves nothing. An error leaves nothing of any.
    pub(super) fn commit<'a>(
        &mut self,
        chain: &mut Chain,
        entries: impl Iterator<Item = (&'a Event, &'a [Change])>,
    ) -> rusqlite::Result<Vec<Result<i64, Conflict>>> {
        let mut end = chain.clone();
        let transaction = self.0.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut outcomes = Vec::new();
        {
            let mut insert = transaction.prepare_cached("INSERT INTO audit (writer, number, body, hash) VALUES (?1, ?2, ?3, ?4)")?;
            for (event, changes) in entries {
                let outcome = if changes.is_empty() { Ok(0) } else { change_all(&transaction, changes)? };
                if outcome.is_ok() {
                    let Record { number, body, hash } = end.append(event);
                    insert.execute(params![end.writer, number, body, hash])?;
                }
                outcomes.push(outcome);
            }
        }
        transaction.commit()?;
        *chain = end;
        Ok(outcomes)
    }

    /// All objects that changed after `revision`, in the order of their changes.
    pub(crate) fn since(&self, revision: i64) -> rusqlite::Result<Vec<Object>> {
        let mut statement = self.0.prepare_cached(SINCE)?;
        let rows = statement.query_map([revision], |row| {
            Ok((row.get::<_, String>(0)?, Object { kind: Kind::Setting, name: row.get(1)?, revision: row.get(2)?, body: row.get(3)? }))
        })?;
        // An object of a kind that only a newer program knows is not ours to read.
        let known = |(kind, object): (String, Object)| Kind::parse(&kind).map(|kind| Object { kind, ..object });
        rows.filter_map(|row| row.map(known).transpose()).collect()
    }

    /// Calls `each` with every line of the audit log: the records of each chain, oldest first, and then the checkpoints.
    pub(crate) fn each_line<E>(&self, mut each: impl FnMut(&str) -> Result<(), E>) -> rusqlite::Result<Result<(), E>> {
        // One transaction, so that the checkpoints are those of these records.
        let transaction = self.0.unchecked_transaction()?;
        let checkpoints = transaction
            .prepare("SELECT line FROM checkpoints ORDER BY writer")?
            .query_map([], |row| row.get(0))?
            .collect::<Result<Vec<String>, _>>()?;
        let mut statement = transaction.prepare("SELECT number, body, hash FROM audit ORDER BY writer, number")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let record = Record { number: row.get(0)?, body: row.get(1)?, hash: row.get(2)? };
            if let Err(error) = each(&record.exported()) {
                return Ok(Err(error));
            }
        }
        Ok(checkpoints.iter().try_for_each(|line| each(line)))
    }

    /// Calls `each` with records, the newest first, until it has enough or they are older than `since`.
    pub(crate) fn newest_records(&self, since: i64, mut each: impl FnMut(&str) -> bool) -> rusqlite::Result<()> {
        let mut statement =
            self.0.prepare("SELECT number, body, hash FROM audit WHERE body ->> 'time' >= ?1 ORDER BY body ->> 'time' DESC, number DESC LIMIT ?2")?;
        let mut rows = statement.query(params![since, SCANNED_MAX])?;
        while let Some(row) = rows.next()? {
            let record = Record { number: row.get(0)?, body: row.get(1)?, hash: row.get(2)? };
            if !each(&record.exported()) {
                break;
            }
        }
        Ok(())
    }

    /// Some records after a place, as they are exported, and the place of the last one unless it is the very last.
    pub(crate) fn records_after(&self, writer: &str, number: i64, most: usize) -> rusqlite::Result<(Vec<String>, Option<Place>)> {
        let mut statement =
            self.0.prepare("SELECT writer, number, body, hash FROM audit WHERE (writer, number) > (?1, ?2) ORDER BY writer, number LIMIT ?3")?;
        let rows = statement.query_map(params![writer, number, i64::try_from(most).unwrap_or(i64::MAX)], |row| {
            let record = Record { number: row.get(1)?, body: row.get(2)?, hash: row.get(3)? };
            Ok((record.exported(), (row.get(0)?, row.get(1)?)))
        })?;
        let (lines, mut places): (Vec<String>, Vec<Place>) = rows.collect::<rusqlite::Result<Vec<_>>>()?.into_iter().unzip();
        let next = if lines.len() == most { places.pop() } else { None };
        Ok((lines, next))
    }

    /// Every writer's newest checkpoint, as it is exported.
    pub(crate) fn checkpoints(&self) -> rusqlite::Result<Vec<String>> {
        self.0.prepare("SELECT line FROM checkpoints ORDER BY writer")?.query_map([], |row| row.get(0))?.collect()
    }

    /// Keeps the newest checkpoint of a writer.
    pub(super) fn keep_checkpoint(&self, writer: &str, number: i64, line: &str) -> rusqlite::Result<()> {
        self.0.execute("INSERT OR REPLACE INTO checkpoints (writer, number, line) VALUES (?1, ?2, ?3)", params![writer, number, line]).map(|_| ())
    }
}

/// The connection, and the version of its tables.
fn connect(path: &Path) -> Result<(Connection, i64), Failure> {
    let open = || -> rusqlite::Result<(Connection, i64)> {
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        connection.busy_timeout(BUSY_WAIT)?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        connection.pragma_update(None, "synchronous", "full")?;
        let version = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        Ok((connection, version))
    };
    open().map_err(|error| failed(path, &error))
}

fn unknown(path: &Path, version: i64, hint: &'static str) -> Failure {
    let because = format!("its schema is version {version}, and this program knows version {VERSION}");
    Failure::new(Code::StoreVersion, format!("cannot use {}", path.display()), because, hint)
}

/// All of the changes or none: on a conflict what was changed before it is undone.
fn change_all(transaction: &Transaction<'_>, changes: &[Change]) -> rusqlite::Result<Result<i64, Conflict>> {
    let revision: i64 = transaction.prepare_cached("SELECT coalesce(max(revision), 0) + 1 FROM objects")?.query_row([], |row| row.get(0))?;
    transaction.execute_batch("SAVEPOINT entry")?;
    for change in changes {
        if !change_one(transaction, change, revision)? {
            transaction.execute_batch("ROLLBACK TO entry; RELEASE entry")?;
            return Ok(Err(Conflict));
        }
    }
    transaction.execute_batch("RELEASE entry")?;
    Ok(Ok(revision))
}

/// Whether the object was what the change was made on.
fn change_one(transaction: &Transaction<'_>, change: &Change, revision: i64) -> rusqlite::Result<bool> {
    const NEW: &str = "INSERT INTO objects (kind, name, revision, body) VALUES (?1, ?2, ?3, ?4)
        ON CONFLICT (kind, name) DO UPDATE SET revision = excluded.revision, body = excluded.body WHERE objects.body IS NULL";
    const OLD: &str = "UPDATE objects SET revision = ?3, body = ?4 WHERE kind = ?1 AND name = ?2 AND revision = ?5 AND body IS NOT NULL";
    let (kind, name, body) = (change.kind.name(), &change.name, &change.body);
    let changed = if change.on == 0 {
        transaction.prepare_cached(NEW)?.execute(params![kind, name, revision, body])?
    } else {
        transaction.prepare_cached(OLD)?.execute(params![kind, name, revision, body, change.on])?
    };
    Ok(changed == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Vault #21042: 20 million stored certificates made a fail-over take 25 minutes.
    #[test]
    fn no_start_and_no_look_goes_through_what_was_ever_issued() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(TABLES).unwrap();
        for query in [END, SINCE] {
            let plan: String = connection.query_row(&format!("EXPLAIN QUERY PLAN {query}"), ["x"], |row| row.get(3)).unwrap();
            assert!(plan.starts_with("SEARCH "), "{query}: {plan}");
        }
    }
}
