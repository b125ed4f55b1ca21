//! A PostgreSQL server as one process's store, and the spool that bridges the time while it is away.
//!
//! Away, records without changes go into a file of this process, chained as ever; changes are refused, because others could not
//! see them. Back again, the spool goes to the server before anything else does. What became of a statement without an answer is
//! found out then: the writer's name is locked, so the old connection is gone, and the server's chain says what it kept.

use super::{
    Change, Error, NotWritten, Sqlite,
    address::{Address, Server},
    audit::{Chain, Event, Record, seal},
    postgres::Postgres,
};
use crate::failure::{Code, Failure};
use protocol::{audit::Hash, json::Value};
use rusqlite::params;
use std::{
    thread,
    time::{Duration, Instant},
};

const PIECE: i64 = 512;
const RETRY: Duration = Duration::from_secs(1);
const CONNECT: Duration = Duration::from_millis(500);
/// The server takes that long at most to notice that the process before this one is gone.
const NAME_TRIES: u32 = 50;
const NAME_PAUSE: Duration = Duration::from_millis(100);

/// The server, or the spool.
pub(super) struct Shared {
    server: Server,
    db: Option<Postgres>,
    spool: Sqlite,
    patience: Duration,
    lost: Option<Instant>,
    tried: Instant,
}

impl Shared {
    /// Connects, makes the tables, takes the writer's name and drains what a process before this one has left in the spool.
    pub(super) fn open(server: &Server, writer: &str, patience: Duration) -> Result<(Self, Chain), Failure> {
        let address = Address::Server(Box::new(server.clone()));
        if !server.spool.exists() {
            super::create(&server.spool)?;
        }
        let spool = Sqlite::open(&server.spool)?;
        let failed = |error: Error| address.failed(&error);
        let db = Postgres::connect(&server.config, patience).map_err(failed)?;
        db.prepare().map_err(failed)?;
        if !take_name(&db, writer).map_err(failed)? {
            let because = format!("another pinnaced is connected to it under the name {writer}");
            return Err(Failure::new(Code::StoreNameTaken, "cannot start", because, "give each process a name of its own in pinnaced.toml"));
        }
        let chain = drain(&db, &mut { spool }, writer).map_err(failed)?;
        let spool = Sqlite::open(&server.spool)?;
        Ok((Self { server: server.clone(), db: Some(db), spool, patience, lost: None, tried: Instant::now() }, chain))
    }

    /// Commits all entries, each with its own outcome.
    pub(super) fn commit(&mut self, chain: &mut Chain, entries: &[(&Event, &[Change])]) -> Vec<Result<i64, NotWritten>> {
        self.revive(chain);
        let plain: Vec<&Event> = entries.iter().filter(|(_, changes)| changes.is_empty()).map(|(event, _)| *event).collect();
        let changing: Vec<_> = entries.iter().filter(|(_, changes)| !changes.is_empty()).copied().collect();
        let kept = if plain.is_empty() || self.keep(chain, &plain) { Ok(0) } else { Err(NotWritten::Failed) };
        let mut changed = self.change(chain, &changing).into_iter();
        let outcome = |(_, changes): &(&Event, &[Change])| if changes.is_empty() { kept } else { changed.next().unwrap_or(Err(NotWritten::Failed)) };
        entries.iter().map(outcome).collect()
    }

    /// Keeps the newest checkpoint of a writer. One for spooled records is made once they are drained.
    pub(super) fn keep_checkpoint(&mut self, writer: &str, number: i64, line: &str) -> Result<bool, Error> {
        let Some(db) = &self.db else { return Ok(false) };
        let kept = db.keep_checkpoint(writer, number, line);
        if let Err(error) = kept {
            self.lose(&error);
            return Err(error);
        }
        Ok(true)
    }

    /// Looks after the connection while there is nothing to write.
    pub(super) fn rest(&mut self, chain: &mut Chain) {
        if let Some(Err(error)) = self.db.as_ref().map(Postgres::check) {
            self.lose(&error);
        }
        self.revive(chain);
    }

    /// For how long the server has been away.
    pub(super) fn away(&self) -> Option<Duration> {
        self.lost.map(|lost| lost.elapsed())
    }

    /// Records in the spool.
    pub(super) fn spooled(&self) -> i64 {
        self.spool.0.query_row("SELECT count(*) FROM audit", [], |row| row.get(0)).unwrap_or(0)
    }

    fn keep(&mut self, chain: &mut Chain, events: &[&Event]) -> bool {
        if let Some(db) = &self.db {
            let mut end = chain.clone();
            let records: Vec<Record> = events.iter().map(|event| end.append(event)).collect();
            match db.insert(&end.writer, &records) {
                Ok(()) => {
                    *chain = end;
                    return true;
                }
                Err(error) => self.lose(&error),
            }
        }
        if self.away().is_none_or(|away| away >= self.server.spool_max) {
            return false;
        }
        let nothing: &[Change] = &[];
        let spooled = self.spool.commit(chain, events.iter().map(|event| (*event, nothing)));
        if let Err(error) = &spooled {
            tracing::error!(event = "spool-failed", because = %error, hint = "check the disk of the spool");
        }
        spooled.is_ok()
    }

    fn change(&mut self, chain: &mut Chain, entries: &[(&Event, &[Change])]) -> Vec<Result<i64, NotWritten>> {
        let Some(db) = self.db.as_ref().filter(|_| !entries.is_empty()) else { return Vec::new() };
        match db.change(chain, entries) {
            Ok(outcomes) => outcomes.into_iter().map(|outcome| outcome.map_err(|_| NotWritten::Conflict)).collect(),
            Err(error) => {
                self.lose(&error);
                Vec::new()
            }
        }
    }

    fn lose(&mut self, error: &Error) {
        tracing::error!(event = "database-away", because = %error, spool_seconds = self.server.spool_max.as_secs(), hint = "start the database");
        self.db = None;
        self.lost.get_or_insert_with(Instant::now);
        self.tried = Instant::now();
    }

    /// Tries to come back, once a second.
    fn revive(&mut self, chain: &mut Chain) {
        if self.db.is_some() || self.tried.elapsed() < RETRY {
            return;
        }
        if let Ok(db) = Postgres::connect(&self.server.config, CONNECT.min(self.patience)) {
            match self.come_back(db, &chain.writer) {
                Ok(end) => *chain = end,
                Err(error) => tracing::warn!(event = "database-away", because = %error),
            }
        }
        self.tried = Instant::now();
    }

    fn come_back(&mut self, mut db: Postgres, writer: &str) -> Result<Chain, Error> {
        db.set_patience(self.patience);
        db.prepare()?;
        if !db.take_name(writer)? {
            return Err(Error::Other(format!("another connection holds the name {writer}")));
        }
        let end = drain(&db, &mut self.spool, writer)?;
        tracing::info!(event = "database-back", away_seconds = self.away().map_or(0, |away| away.as_secs()), number = end.number);
        (self.db, self.lost) = (Some(db), None);
        Ok(end)
    }
}

fn take_name(db: &Postgres, writer: &str) -> Result<bool, Error> {
    for _ in 0..NAME_TRIES {
        if db.take_name(writer)? {
            return Ok(true);
        }
        thread::sleep(NAME_PAUSE);
    }
    Ok(false)
}

/// Moves the spool to the server, in order; gives the end of the chain there. Stopped anywhere it can be done again.
fn drain(db: &Postgres, spool: &mut Sqlite, writer: &str) -> Result<Chain, Error> {
    let mut end = db.chain(writer)?;
    if let Some(first) = records(spool, writer, 1)?.first() {
        let there = db.hash_of(writer, first.number)? == Some(first.hash);
        if !there && !follows(&end, first) {
            // A change without an answer was kept after all, and has the place of the first spooled record.
            rechain(spool, end.clone())?;
        }
    }
    loop {
        let piece = records(spool, writer, PIECE)?;
        let Some(last) = piece.last() else { return Ok(end) };
        db.insert_again(writer, &piece)?;
        if db.hash_of(writer, last.number)? != Some(last.hash) {
            return Err(Error::Other("the database has other records than the spool under the same numbers".into()));
        }
        spool.0.execute("DELETE FROM audit WHERE writer = ?1 AND number <= ?2", params![writer, last.number])?;
        end = db.chain(writer)?;
    }
}

fn records(spool: &Sqlite, writer: &str, most: i64) -> Result<Vec<Record>, Error> {
    let mut statement = spool.0.prepare_cached("SELECT number, body, hash FROM audit WHERE writer = ?1 ORDER BY number LIMIT ?2")?;
    let rows = statement.query_map(params![writer, most], |row| Ok(Record { number: row.get(0)?, body: row.get(1)?, hash: row.get(2)? }))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn follows(end: &Chain, first: &Record) -> bool {
    let hash: Hash = seal(&end.hash, &first.body);
    end.number + 1 == first.number && hash == first.hash
}

/// Gives the spooled records the places after `end`, durably and all at once.
fn rechain(spool: &mut Sqlite, mut end: Chain) -> Result<(), Error> {
    let all = records(spool, &end.writer, i64::MAX)?;
    let transaction = spool.0.transaction()?;
    transaction.execute("DELETE FROM audit WHERE writer = ?1", [&end.writer])?;
    for old in all {
        let event = event_of(&old).ok_or_else(|| Error::Other("the spool holds what is no record".into()))?;
        let Record { number, body, hash } = end.append(&event);
        transaction.execute("INSERT INTO audit (writer, number, body, hash) VALUES (?1, ?2, ?3, ?4)", params![end.writer, number, body, hash])?;
    }
    Ok(transaction.commit()?)
}

/// What a record says, without its place.
fn event_of(record: &Record) -> Option<Event> {
    match protocol::json::parse(record.body.as_bytes()).ok()? {
        Value::Object(members) => Some(Event::of(members.into_iter().filter(|(name, _)| name != "writer" && name != "number").collect())),
        _ => None,
    }
}
