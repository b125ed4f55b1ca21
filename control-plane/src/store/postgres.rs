//! The store on a PostgreSQL server: one connection, driven by the thread that uses it.

use super::{
    Change, Conflict, Error, Kind, Object,
    address::{Place, SCANNED_MAX},
    audit::{Chain, Event, Record},
};
use rusqlite::{Connection, params};
use std::{future::Future, time::Duration};
use tokio::{
    runtime::{Builder, Runtime},
    time::timeout,
};
use tokio_postgres::{Client, Config, NoTls, Row, Statement};

const VERSION: i64 = 2;
/// The lock under which changes are made, and tables.
const CHANGES_LOCK: &str = "SELECT pg_advisory_xact_lock(1346981454, 1)";
/// Names sort by their bytes, as they do in SQLite.
const TABLES: &str = r#"CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL);
CREATE TABLE IF NOT EXISTS objects (
    kind TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    revision BIGINT NOT NULL,
    body TEXT,
    PRIMARY KEY (kind, name)
);
CREATE INDEX IF NOT EXISTS objects_by_revision ON objects (revision);
CREATE TABLE IF NOT EXISTS audit (
    writer TEXT COLLATE "C" NOT NULL,
    number BIGINT NOT NULL,
    body TEXT NOT NULL,
    hash BYTEA NOT NULL,
    PRIMARY KEY (writer, number)
);
CREATE TABLE IF NOT EXISTS checkpoints (
    writer TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    number BIGINT NOT NULL,
    line TEXT NOT NULL
);
INSERT INTO schema_version SELECT 2 WHERE NOT EXISTS (SELECT FROM schema_version);"#;
const INSERT: &str = "INSERT INTO audit SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::bytea[]) ON CONFLICT DO NOTHING";
const NEW: &str = "INSERT INTO objects (kind, name, revision, body) VALUES ($1, $2, $3, $4)
    ON CONFLICT (kind, name) DO UPDATE SET revision = excluded.revision, body = excluded.body WHERE objects.body IS NULL";
const OLD: &str = "UPDATE objects SET revision = $3, body = $4 WHERE kind = $1 AND name = $2 AND revision = $5 AND body IS NOT NULL";
const PIECE: usize = 1000;

/// One connection. After an error it is of no use any more: what became of the last statement is unknown.
pub(super) struct Postgres {
    runtime: Runtime,
    client: Client,
    patience: Duration,
}

impl Postgres {
    /// Connects; no statement may take longer than `patience`.
    pub(super) fn connect(config: &Config, patience: Duration) -> Result<Self, Error> {
        let runtime = Builder::new_current_thread().enable_all().build().map_err(|error| Error::Other(error.to_string()))?;
        let connect = async {
            let (client, connection) = config.connect(NoTls).await?;
            tokio::spawn(connection);
            Ok(client)
        };
        let client = wait(&runtime, patience, connect)?;
        Ok(Self { runtime, client, patience })
    }

    /// Makes the tables, unless there are some, and looks whether they are those this program knows.
    pub(super) fn prepare(&self) -> Result<(), Error> {
        self.batch(&format!("BEGIN; {CHANGES_LOCK}; {TABLES} COMMIT"))?;
        // Without it a commit could be answered before it is on the disk.
        self.batch("SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'")?;
        let version: i64 = self.wait(self.client.query_one("SELECT max(version) FROM schema_version", &[]))?.try_get(0)?;
        if version == VERSION {
            return Ok(());
        }
        Err(Error::Other(format!("its schema is version {version}, and this program knows version {VERSION}")))
    }

    /// Takes the name of a writer for as long as this connection lives; whether it was free.
    pub(super) fn take_name(&self, writer: &str) -> Result<bool, Error> {
        let row = self.wait(self.client.query_one("SELECT pg_try_advisory_lock(1346981455, hashtext($1))", &[&writer]))?;
        Ok(row.try_get(0)?)
    }

    /// Whether the server answers.
    pub(super) fn check(&self) -> Result<(), Error> {
        self.batch("")
    }

    /// Where a writer's chain ends.
    pub(super) fn chain(&self, writer: &str) -> Result<Chain, Error> {
        const END: &str = "SELECT number, hash FROM audit WHERE writer = $1 ORDER BY number DESC LIMIT 1";
        let end = self.wait(self.client.query_opt(END, &[&writer]))?;
        end.map_or_else(|| Ok(Chain::new(writer)), |row| Ok(Chain { writer: writer.into(), number: row.try_get(0)?, hash: hash(&row, 1)? }))
    }

    /// The hash of one record.
    pub(super) fn hash_of(&self, writer: &str, number: i64) -> Result<Option<[u8; 32]>, Error> {
        let found = self.wait(self.client.query_opt("SELECT hash FROM audit WHERE writer = $1 AND number = $2", &[&writer, &number]))?;
        found.map(|row| hash(&row, 0)).transpose()
    }

    /// For statements of other tables.
    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// Bounds what follows.
    pub(super) fn set_patience(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// Commits new records.
    pub(super) fn insert(&self, writer: &str, records: &[Record]) -> Result<(), Error> {
        if self.wait(insert(&self.client, writer, records))? == records.len() as u64 {
            return Ok(());
        }
        Err(Error::Other("the database has other records under the same numbers".into()))
    }

    /// Commits records of which some may be there already.
    pub(super) fn insert_again(&self, writer: &str, records: &[Record]) -> Result<(), Error> {
        self.wait(insert(&self.client, writer, records)).map(|_| ())
    }

    /// Commits entries with changes, each with its own outcome: one whose changes conflict leaves nothing.
    pub(super) fn change(&self, chain: &mut Chain, entries: &[(&Event, &[Change])]) -> Result<Vec<Result<i64, Conflict>>, Error> {
        let mut end = chain.clone();
        let outcomes = self.wait(change_all(&self.client, &mut end, entries))?;
        *chain = end;
        Ok(outcomes)
    }

    /// Keeps the newest checkpoint of a writer.
    pub(super) fn keep_checkpoint(&self, writer: &str, number: i64, line: &str) -> Result<(), Error> {
        const KEEP: &str = "INSERT INTO checkpoints (writer, number, line) VALUES ($1, $2, $3)
            ON CONFLICT (writer) DO UPDATE SET number = excluded.number, line = excluded.line";
        self.wait(self.client.execute(KEEP, &[&writer, &number, &line])).map(|_| ())
    }

    /// All objects that changed after `revision`, in the order of their changes.
    pub(super) fn since(&self, revision: i64) -> Result<Vec<Object>, Error> {
        const SINCE: &str = "SELECT kind, name, revision, body FROM objects WHERE revision > $1 ORDER BY revision";
        let rows = self.wait(self.client.query(SINCE, &[&revision]))?;
        let mut objects = Vec::new();
        for row in rows {
            // An object of a kind that only a newer program knows is not ours to read.
            if let Some(kind) = Kind::parse(row.try_get(0)?) {
                objects.push(Object { kind, name: row.try_get(1)?, revision: row.try_get(2)?, body: row.try_get(3)? });
            }
        }
        Ok(objects)
    }

    /// Calls `each` with every line of the audit log: the records of each chain, oldest first, and then the checkpoints.
    pub(super) fn each_line<E>(&self, mut each: impl FnMut(&str) -> Result<(), E>) -> Result<Result<(), E>, Error> {
        // One snapshot, so that the checkpoints are those of these records.
        self.batch("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")?;
        let checkpoints = self.checkpoints()?;
        let mut ended = Ok(());
        self.scan("ORDER BY writer, number", |line| {
            ended = each(line);
            ended.is_ok()
        })?;
        self.batch("COMMIT")?;
        Ok(ended.and_then(|()| checkpoints.iter().try_for_each(|line| each(line))))
    }

    /// Calls `each` with records, the newest first, until it has enough or they are older than `since`.
    pub(super) fn newest_records(&self, since: i64, each: impl FnMut(&str) -> bool) -> Result<(), Error> {
        const TIME: &str = "(body::json ->> 'time')::bigint";
        self.batch("BEGIN READ ONLY")?;
        self.scan(&format!("WHERE {TIME} >= {since} ORDER BY {TIME} DESC, number DESC LIMIT {SCANNED_MAX}"), each)?;
        self.batch("COMMIT")
    }

    /// Some records after a place, as they are exported, and the place of the last one unless it is the very last.
    pub(super) fn records_after(&self, writer: &str, number: i64, most: usize) -> Result<(Vec<String>, Option<Place>), Error> {
        const AFTER: &str = "SELECT writer, number, body, hash FROM audit WHERE (writer, number) > ($1, $2) ORDER BY writer, number LIMIT $3";
        let rows = self.wait(self.client.query(AFTER, &[&writer, &number, &i64::try_from(most).unwrap_or(i64::MAX)]))?;
        let lines = rows.iter().map(|row| record(row, 1).map(|record| record.exported())).collect::<Result<Vec<_>, _>>()?;
        let last = rows.last().filter(|_| rows.len() == most);
        let place = last.map(|row| Ok::<_, Error>((row.try_get(0)?, row.try_get(1)?))).transpose()?;
        Ok((lines, place))
    }

    /// Every writer's newest checkpoint, as it is exported.
    pub(super) fn checkpoints(&self) -> Result<Vec<String>, Error> {
        let rows = self.wait(self.client.query("SELECT line FROM checkpoints ORDER BY writer", &[]))?;
        rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }

    /// Copies everything, as it is at one moment, into an SQLite database with empty tables.
    pub(super) fn copy_to(&self, file: &Connection) -> Result<(), Error> {
        self.batch("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")?;
        let transaction = file.unchecked_transaction()?;
        self.rows("objects", "SELECT kind, name, revision, body FROM objects", |row| {
            let (kind, name, revision, body): (&str, &str, i64, Option<&str>) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?);
            file.prepare_cached("INSERT INTO objects (kind, name, revision, body) VALUES (?1, ?2, ?3, ?4)")?
                .execute(params![kind, name, revision, body])?;
            Ok(true)
        })?;
        self.rows("records", "SELECT writer, number, body, hash FROM audit", |row| {
            let (writer, Record { number, body, hash }) = (row.try_get::<_, &str>(0)?, record(row, 1)?);
            file.prepare_cached("INSERT INTO audit (writer, number, body, hash) VALUES (?1, ?2, ?3, ?4)")?
                .execute(params![writer, number, body, hash])?;
            Ok(true)
        })?;
        self.rows("ends", "SELECT writer, number, line FROM checkpoints", |row| {
            let (writer, number, line): (&str, i64, &str) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
            file.execute("INSERT INTO checkpoints (writer, number, line) VALUES (?1, ?2, ?3)", params![writer, number, line])?;
            Ok(true)
        })?;
        transaction.commit()?;
        self.batch("COMMIT")
    }

    /// Copies everything from an SQLite database, unless there is something here; whether it was copied.
    pub(super) fn fill_from(&self, file: &Connection) -> Result<bool, Error> {
        self.batch(&format!("BEGIN; {CHANGES_LOCK}"))?;
        let empty = self.client.query_one("SELECT NOT EXISTS (SELECT FROM objects) AND NOT EXISTS (SELECT FROM audit)", &[]);
        if !self.wait(empty)?.try_get::<_, bool>(0)? {
            return self.batch("ROLLBACK").map(|()| false);
        }
        let insert: Statement = self.wait(self.client.prepare("INSERT INTO objects (kind, name, revision, body) VALUES ($1, $2, $3, $4)"))?;
        let mut objects = file.prepare("SELECT kind, name, revision, body FROM objects")?;
        let mut rows = objects.query([])?;
        while let Some(row) = rows.next()? {
            let (kind, name, revision, body): (String, String, i64, Option<String>) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
            self.wait(self.client.execute(&insert, &[&kind, &name, &revision, &body]))?;
        }
        let mut records = file.prepare("SELECT writer, number, body, hash FROM audit ORDER BY writer, number")?;
        let mut rows = records.query([])?;
        let (mut writer, mut piece) = (String::new(), Vec::new());
        while let Some(row) = rows.next()? {
            let next: String = row.get(0)?;
            if next != writer || piece.len() == PIECE {
                self.insert(&writer, &std::mem::take(&mut piece))?;
                writer = next;
            }
            piece.push(Record { number: row.get(1)?, body: row.get(2)?, hash: row.get(3)? });
        }
        self.insert(&writer, &piece)?;
        let mut ends = file.prepare("SELECT writer, number, line FROM checkpoints")?;
        let mut rows = ends.query([])?;
        while let Some(row) = rows.next()? {
            self.keep_checkpoint(&row.get::<_, String>(0)?, row.get(1)?, &row.get::<_, String>(2)?)?;
        }
        self.batch("COMMIT").map(|()| true)
    }

    /// Goes through records, inside the open transaction.
    fn scan(&self, which: &str, mut each: impl FnMut(&str) -> bool) -> Result<(), Error> {
        self.rows("records", &format!("SELECT number, body, hash FROM audit {which}"), |row| Ok(each(&record(row, 0)?.exported())))
    }

    /// Goes through what a query finds in pieces, inside the open transaction, for as long as more is wanted.
    fn rows(&self, cursor: &str, query: &str, mut each: impl FnMut(&Row) -> Result<bool, Error>) -> Result<(), Error> {
        self.batch(&format!("DECLARE {cursor} NO SCROLL CURSOR FOR {query}"))?;
        let fetch: Statement = self.wait(self.client.prepare(&format!("FETCH {PIECE} FROM {cursor}")))?;
        loop {
            let rows = self.wait(self.client.query(&fetch, &[]))?;
            for row in &rows {
                if !each(row)? {
                    return Ok(());
                }
            }
            if rows.len() < PIECE {
                return Ok(());
            }
        }
    }

    /// Runs statements that take nothing and give nothing.
    pub(super) fn batch(&self, statements: &str) -> Result<(), Error> {
        self.wait(self.client.batch_execute(statements))
    }

    /// Waits for what the server does, and no longer than is patient.
    pub(super) fn wait<T>(&self, work: impl Future<Output = Result<T, tokio_postgres::Error>>) -> Result<T, Error> {
        wait(&self.runtime, self.patience, work)
    }
}

fn wait<T>(runtime: &Runtime, patience: Duration, work: impl Future<Output = Result<T, tokio_postgres::Error>>) -> Result<T, Error> {
    let ended = runtime.block_on(async { timeout(patience, work).await });
    ended.map_or_else(|_| Err(Error::Other("the database did not answer in time".into())), |ended| ended.map_err(Error::from))
}

async fn insert(client: &Client, writer: &str, records: &[Record]) -> Result<u64, tokio_postgres::Error> {
    let writers = vec![writer; records.len()];
    let numbers: Vec<i64> = records.iter().map(|record| record.number).collect();
    let bodies: Vec<&str> = records.iter().map(|record| record.body.as_str()).collect();
    let hashes: Vec<&[u8]> = records.iter().map(|record| record.hash.as_slice()).collect();
    client.execute(INSERT, &[&writers, &numbers, &bodies, &hashes]).await
}

/// One transaction, under the lock that makes revisions visible in their order.
async fn change_all(client: &Client, end: &mut Chain, entries: &[(&Event, &[Change])]) -> Result<Vec<Result<i64, Conflict>>, tokio_postgres::Error> {
    client.batch_execute(&format!("BEGIN; {CHANGES_LOCK}")).await?;
    let newest = client.query_one("SELECT coalesce(max(revision), 0) FROM objects", &[]).await?;
    let mut revision: i64 = newest.try_get(0)?;
    let (mut outcomes, mut records) = (Vec::new(), Vec::new());
    for (event, changes) in entries {
        let outcome = change_entry(client, changes, revision + 1).await?;
        if outcome.is_ok() {
            revision += 1;
            records.push(end.append(event));
        }
        outcomes.push(outcome);
    }
    insert(client, &end.writer, &records).await?;
    client.execute("SELECT pg_notify('pinnaced', $1)", &[&revision.to_string()]).await?;
    client.batch_execute("COMMIT").await?;
    Ok(outcomes)
}

/// All of the changes or none: on a conflict what was changed before it is undone.
async fn change_entry(client: &Client, changes: &[Change], revision: i64) -> Result<Result<i64, Conflict>, tokio_postgres::Error> {
    client.batch_execute("SAVEPOINT entry").await?;
    for Change { kind, name, on, body } in changes {
        let changed = if *on == 0 {
            client.execute(NEW, &[&kind.name(), name, &revision, body]).await?
        } else {
            client.execute(OLD, &[&kind.name(), name, &revision, body, on]).await?
        };
        if changed != 1 {
            client.batch_execute("ROLLBACK TO SAVEPOINT entry; RELEASE SAVEPOINT entry").await?;
            return Ok(Err(Conflict));
        }
    }
    client.batch_execute("RELEASE SAVEPOINT entry").await?;
    Ok(Ok(revision))
}

fn record(row: &Row, first: usize) -> Result<Record, Error> {
    Ok(Record { number: row.try_get(first)?, body: row.try_get(first + 1)?, hash: hash(row, first + 2)? })
}

fn hash(row: &Row, column: usize) -> Result<[u8; 32], Error> {
    let bytes: &[u8] = row.try_get(column)?;
    bytes.try_into().map_err(|_| Error::Other("a record's hash is not 32 bytes long".into()))
}
