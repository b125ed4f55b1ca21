//! Telemetry in a file.

use super::{Batch, Before, EventRow, HostRow, Mark, PIECE, RollupKey};
use crate::store::Error;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Transaction, TransactionBehavior, params};
use std::{collections::HashMap, path::Path, time::Duration};

const TABLES: &str = "CREATE TABLE hosts (
    host TEXT NOT NULL PRIMARY KEY,
    sequence INTEGER NOT NULL,
    seen INTEGER NOT NULL,
    body TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX hosts_by_sequence ON hosts (sequence, host);
CREATE TABLE events (
    at INTEGER NOT NULL,
    host TEXT NOT NULL,
    outbox TEXT NOT NULL,
    number INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (at, host, outbox, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX events_by_host ON events (host, at);
CREATE TABLE rollups (
    minute INTEGER NOT NULL,
    dimension TEXT NOT NULL,
    value TEXT NOT NULL,
    outcome TEXT NOT NULL,
    code TEXT NOT NULL,
    events INTEGER NOT NULL,
    elapsed_ms INTEGER NOT NULL,
    PRIMARY KEY (minute, dimension, value, outcome, code)
) STRICT, WITHOUT ROWID;
PRAGMA user_version = 1;";
const VERSION: i64 = 1;
const BUSY_WAIT: Duration = Duration::from_secs(5);
const SINCE: &str = "SELECT host, seen, body, sequence FROM hosts WHERE (sequence, host) > (?1, ?2) ORDER BY sequence, host LIMIT ?3";

const NEXT: &str = "SELECT coalesce(max(sequence), 0) + 1 FROM hosts";

/// One connection.
pub(crate) struct Sqlite(Connection);

impl Sqlite {
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        if !path.exists() {
            crate::files::make(path, crate::files::Readers::Owner, "").map_err(|failure| Error::Other(failure.because().into()))?;
        }
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        connection.busy_timeout(BUSY_WAIT)?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        connection.pragma_update(None, "synchronous", "full")?;
        let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        match version {
            0 => connection.execute_batch(&format!("BEGIN IMMEDIATE; {TABLES} COMMIT"))?,
            VERSION => (),
            other => return Err(Error::Other(format!("its schema is version {other}, and this program knows version {VERSION}"))),
        }
        Ok(Self(connection))
    }

    pub(super) fn change<T>(&mut self, hosts: &[String], make: impl FnOnce(HashMap<String, String>) -> (Batch, T)) -> Result<T, Error> {
        let transaction = self.0.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut known = HashMap::new();
        {
            let mut find = transaction.prepare_cached("SELECT body FROM hosts WHERE host = ?1")?;
            for host in hosts {
                if let Some(body) = find.query_row([host], |row| row.get(0)).optional()? {
                    known.insert(host.clone(), body);
                }
            }
        }
        let (batch, made) = make(known);
        write(&transaction, &batch)?;
        transaction.commit()?;
        Ok(made)
    }

    pub(super) fn since(&self, (sequence, host): &Mark) -> Result<(Vec<HostRow>, Option<Mark>), Error> {
        let mut statement = self.0.prepare_cached(SINCE)?;
        let rows = statement.query_map(params![sequence, host, i64::try_from(PIECE).unwrap_or(i64::MAX)], |row| {
            Ok((HostRow { host: row.get(0)?, seen: row.get(1)?, body: row.get(2)? }, row.get(3)?))
        })?;
        let rows: Vec<(HostRow, i64)> = rows.collect::<Result<_, _>>()?;
        let mark = rows.last().map(|(row, sequence)| (*sequence, row.host.clone()));
        Ok((rows.into_iter().map(|(row, _)| row).collect(), mark))
    }

    pub(super) fn prune(&mut self, before: Before) -> Result<bool, Error> {
        const EVENTS: &str = "DELETE FROM events WHERE (at, host, outbox, number) IN
            (SELECT at, host, outbox, number FROM events WHERE at < ?1 ORDER BY at LIMIT ?2)";
        let most = i64::try_from(PIECE).unwrap_or(i64::MAX);
        let events = self.0.execute(EVENTS, params![before.events, most])?;
        self.0.execute("DELETE FROM rollups WHERE minute < ?1", [before.minute])?;
        self.0.execute("DELETE FROM hosts WHERE seen < ?1 AND sequence < (SELECT max(sequence) FROM hosts)", [before.hosts])?;
        Ok(events == PIECE)
    }
}

fn write(transaction: &Transaction<'_>, batch: &Batch) -> rusqlite::Result<()> {
    let sequence: i64 = transaction.query_row(NEXT, [], |row| row.get(0))?;
    let mut told = transaction.prepare_cached(
        "INSERT INTO hosts (host, sequence, seen, body) VALUES (?1, ?2, ?3, ?4)
            ON CONFLICT (host) DO UPDATE SET sequence = excluded.sequence, seen = max(seen, excluded.seen), body = excluded.body",
    )?;
    for HostRow { host, seen, body } in &batch.hosts {
        told.execute(params![host, sequence, seen, body])?;
    }
    let mut heard = transaction.prepare_cached(
        "INSERT INTO hosts (host, sequence, seen, body) VALUES (?1, ?2, ?3, '{}')
            ON CONFLICT (host) DO UPDATE SET sequence = excluded.sequence, seen = excluded.seen WHERE seen < excluded.seen",
    )?;
    for (host, seen) in &batch.seen {
        heard.execute(params![host, sequence, seen])?;
    }
    let mut event = transaction.prepare_cached("INSERT OR IGNORE INTO events (at, host, outbox, number, body) VALUES (?1, ?2, ?3, ?4, ?5)")?;
    for EventRow { at, host, outbox, number, body } in &batch.events {
        event.execute(params![at, host, outbox, number, body])?;
    }
    let mut count = transaction.prepare_cached(
        "INSERT INTO rollups (minute, dimension, value, outcome, code, events, elapsed_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
            ON CONFLICT DO UPDATE SET events = events + excluded.events, elapsed_ms = elapsed_ms + excluded.elapsed_ms",
    )?;
    for (RollupKey { minute, dimension, value, outcome, code }, (events, elapsed)) in &batch.rollups {
        count.execute(params![minute, dimension, value, outcome, code, events, elapsed])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_new_is_found_without_going_through_the_fleet() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(TABLES).unwrap();
        for (query, holes) in [(SINCE, 3), (NEXT, 0)] {
            let explained = format!("EXPLAIN QUERY PLAN {query}");
            let plan: String = connection.query_row(&explained, rusqlite::params_from_iter(vec![1; holes]), |row| row.get(3)).unwrap();
            assert!(plan.starts_with("SEARCH "), "{query}: {plan}");
        }
    }
}
