//! Telemetry in a file.

use super::{Batch, Before, EventRow, HostRow, Mark, PIECE, Range, RollupKey};
use crate::store::Error;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Transaction, TransactionBehavior, params};
use service::fleet::Count;
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
";
const ROLLUPS: &str = "CREATE TABLE rollups (
    dimension TEXT NOT NULL,
    value TEXT NOT NULL,
    minute INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    code TEXT NOT NULL,
    events INTEGER NOT NULL,
    elapsed_ms INTEGER NOT NULL,
    PRIMARY KEY (dimension, value, minute, outcome, code)
) STRICT, WITHOUT ROWID;
PRAGMA user_version = 2;";
/// Version 1 had the counts in the order of their minutes.
const FROM_1: &str = "INSERT INTO rollups SELECT dimension, value, minute, outcome, code, events, elapsed_ms FROM rollups_1; DROP TABLE rollups_1;";
const VERSION: i64 = 2;
const BUSY_WAIT: Duration = Duration::from_secs(5);
const SINCE: &str = "SELECT host, seen, body, sequence FROM hosts WHERE (sequence, host) > (?1, ?2) ORDER BY sequence, host LIMIT ?3";

const COUNTS: &str = "SELECT min(minute), outcome, code, sum(events), sum(elapsed_ms) FROM rollups
    WHERE dimension = ?1 AND value = ?2 AND minute BETWEEN ?3 AND ?4 GROUP BY minute / ?5, outcome, code";
const EVENTS_OF: &str = "SELECT at, body FROM events WHERE host = ?1 ORDER BY at DESC LIMIT ?2";
const NEXT_SLICE: &str = "SELECT dimension, value FROM rollups WHERE (dimension, value) > (?1, ?2) ORDER BY dimension, value LIMIT 1";
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
            0 => connection.execute_batch(&format!("BEGIN IMMEDIATE; {TABLES} {ROLLUPS} COMMIT"))?,
            1 => connection.execute_batch(&format!("BEGIN IMMEDIATE; ALTER TABLE rollups RENAME TO rollups_1; {ROLLUPS} {FROM_1} COMMIT"))?,
            VERSION => (),
            other => return Err(Error::Other(format!("its schema is version {other}, and this program knows version {VERSION}"))),
        }
        Ok(Self(connection))
    }

    pub(super) fn open_to_read(path: &Path) -> Result<Self, Error> {
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        connection.busy_timeout(BUSY_WAIT)?;
        Ok(Self(connection))
    }

    pub(super) fn counts(&self, range: &Range) -> Result<Vec<Count>, Error> {
        let Range { dimension, value, minutes: (first, last), step } = range;
        let mut statement = self.0.prepare(COUNTS)?;
        let count = |row: &rusqlite::Row<'_>| {
            Ok(Count { minute: row.get(0)?, outcome: row.get(1)?, code: row.get(2)?, events: row.get(3)?, elapsed_ms: row.get(4)? })
        };
        let rows = statement.query_map(params![dimension, value, first, last, (*step).max(1)], count)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    pub(super) fn events_of(&self, host: &str, most: i64) -> Result<Vec<(i64, String)>, Error> {
        let mut statement = self.0.prepare(EVENTS_OF)?;
        let rows = statement.query_map(params![host, most], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
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
        self.prune_counts(before.minute)?;
        self.0.execute("DELETE FROM hosts WHERE seen < ?1 AND sequence < (SELECT max(sequence) FROM hosts)", [before.hosts])?;
        Ok(events == PIECE)
    }

    /// Slice by slice, so that none of what stays is gone through.
    fn prune_counts(&self, before: i64) -> Result<(), Error> {
        let mut slice = (String::new(), String::new());
        // The slice of all events is the first, and lies before every other.
        loop {
            self.0
                .prepare_cached("DELETE FROM rollups WHERE dimension = ?1 AND value = ?2 AND minute < ?3")?
                .execute(params![slice.0, slice.1, before])?;
            let mut next = self.0.prepare_cached(NEXT_SLICE)?;
            match next.query_row(params![slice.0, slice.1], |row| Ok((row.get(0)?, row.get(1)?))).optional()? {
                Some(found) => slice = found,
                None => return Ok(()),
            }
        }
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
        "INSERT INTO rollups (dimension, value, minute, outcome, code, events, elapsed_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
            ON CONFLICT DO UPDATE SET events = events + excluded.events, elapsed_ms = elapsed_ms + excluded.elapsed_ms",
    )?;
    // In the order of the table, so that each of its pages is written once.
    let mut rollups: Vec<_> = batch.rollups.iter().collect();
    rollups.sort_unstable();
    for (RollupKey { dimension, value, minute, outcome, code }, (events, elapsed)) in rollups {
        count.execute(params![dimension, value, minute, outcome, code, events, elapsed])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_often_is_found_without_going_through_the_fleet() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(&format!("{TABLES} {ROLLUPS}")).unwrap();
        for (query, holes) in [(SINCE, 3), (NEXT, 0), (COUNTS, 5), (EVENTS_OF, 2), (NEXT_SLICE, 2)] {
            let explained = format!("EXPLAIN QUERY PLAN {query}");
            let plan: String = connection.query_row(&explained, rusqlite::params_from_iter(vec![1; holes]), |row| row.get(3)).unwrap();
            assert!(plan.starts_with("SEARCH "), "{query}: {plan}");
        }
    }

    #[test]
    fn counts_of_version_1_are_kept_and_old_ones_go() {
        let folder = std::env::temp_dir().join(format!("pinnace-telemetry-{}", std::process::id()));
        let path = folder.join("telemetry.db");
        std::fs::create_dir_all(&folder).unwrap();
        let old = Connection::open(&path).unwrap();
        old.execute_batch(TABLES).unwrap();
        old.execute_batch(
            "CREATE TABLE rollups (minute INTEGER NOT NULL, dimension TEXT NOT NULL, value TEXT NOT NULL, outcome TEXT NOT NULL,
                code TEXT NOT NULL, events INTEGER NOT NULL, elapsed_ms INTEGER NOT NULL,
                PRIMARY KEY (minute, dimension, value, outcome, code)) STRICT, WITHOUT ROWID;
            INSERT INTO rollups VALUES (10, '', '', 'delivered', 'ok', 3, 30), (11, '', '', 'failed', 'dns.timeout', 1, 5),
                (10, 'generation', '7', 'delivered', 'ok', 3, 30), (12, 'os', 'rhel7', 'delivered', 'ok', 2, 7);
            PRAGMA user_version = 1;",
        )
        .unwrap();
        drop(old);
        let mut file = Sqlite::open(&path).unwrap();
        let counts = |file: &Sqlite, dimension: &str, value: &str, step| {
            file.counts(&Range { dimension: dimension.into(), value: value.into(), minutes: (0, 100), step }).unwrap()
        };
        let all: Vec<_> = counts(&file, "", "", 1).into_iter().map(|count| (count.minute, count.outcome, count.events)).collect();
        assert_eq!(all, [(10, "delivered".to_string(), 3), (11, "failed".to_string(), 1)]);
        assert_eq!(counts(&file, "os", "rhel7", 60)[0].events, 2);
        file.prune(Before { events: 0, minute: 11, hosts: 0 }).unwrap();
        assert_eq!((counts(&file, "", "", 1).len(), counts(&file, "generation", "7", 1).len(), counts(&file, "os", "rhel7", 1).len()), (1, 0, 1));
        drop(file);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
