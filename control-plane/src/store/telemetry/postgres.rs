//! Telemetry on a PostgreSQL server.

use super::{Batch, Before, HostRow, Mark, PIECE, Range};
use crate::store::{Error, postgres::Postgres as Connection};
use service::fleet::Count;
use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};
use tokio_postgres::{Client, error::SqlState};

/// Under it rows are changed, so that sequences become visible in their order.
const LOCK: &str = "SELECT pg_advisory_xact_lock(1346981454, 2)";
const TABLES: &str = r#"CREATE TABLE IF NOT EXISTS telemetry_version (version BIGINT NOT NULL);
CREATE TABLE IF NOT EXISTS telemetry_hosts (
    host TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    sequence BIGINT NOT NULL,
    seen BIGINT NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS telemetry_hosts_by_sequence ON telemetry_hosts (sequence, host);"#;
/// A partition for each day, so that what is too old goes without being looked at.
const PARTED: &str = r#"CREATE TABLE telemetry_events (
    at BIGINT NOT NULL,
    host TEXT COLLATE "C" NOT NULL,
    outbox TEXT NOT NULL,
    number BIGINT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (at, host, outbox, number)
) PARTITION BY RANGE (at);
CREATE INDEX telemetry_events_by_host ON telemetry_events (host, at);
CREATE TABLE telemetry_rollups (
    dimension TEXT COLLATE "C" NOT NULL,
    value TEXT COLLATE "C" NOT NULL,
    minute BIGINT NOT NULL,
    outcome TEXT NOT NULL,
    code TEXT NOT NULL,
    events BIGINT NOT NULL,
    elapsed_ms BIGINT NOT NULL,
    PRIMARY KEY (dimension, value, minute, outcome, code)
) PARTITION BY RANGE (minute);
INSERT INTO telemetry_version VALUES (2);"#;
/// Version 1 had no partitions.
const ASIDE_1: &str = "DROP INDEX telemetry_events_by_host;
ALTER TABLE telemetry_events RENAME TO telemetry_events_1;
ALTER TABLE telemetry_rollups RENAME TO telemetry_rollups_1;";
const FROM_1: &str = "INSERT INTO telemetry_events SELECT * FROM telemetry_events_1;
INSERT INTO telemetry_rollups SELECT dimension, value, minute, outcome, code, events, elapsed_ms FROM telemetry_rollups_1;
DROP TABLE telemetry_events_1, telemetry_rollups_1;";
const DAYS_1: &str = "SELECT at / 86400 FROM telemetry_events_1 UNION SELECT minute / 1440 FROM telemetry_rollups_1";
const VERSION: i64 = 2;
const DAY_SECONDS: i64 = 86_400;
const DAY_MINUTES: i64 = 1_440;
const PATIENCE: Duration = Duration::from_secs(10);
const TOLD: &str =
    "INSERT INTO telemetry_hosts (host, sequence, seen, body) SELECT h, $1, s, b FROM unnest($2::text[], $3::bigint[], $4::text[]) AS t(h, s, b)
    ON CONFLICT (host) DO UPDATE SET sequence = excluded.sequence, seen = greatest(telemetry_hosts.seen, excluded.seen), body = excluded.body";
const HEARD: &str = "INSERT INTO telemetry_hosts (host, sequence, seen, body) SELECT h, $1, s, '{}' FROM unnest($2::text[], $3::bigint[]) AS t(h, s)
    ON CONFLICT (host) DO UPDATE SET sequence = excluded.sequence, seen = excluded.seen WHERE telemetry_hosts.seen < excluded.seen";
const EVENTS: &str =
    "INSERT INTO telemetry_events SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::text[]) ON CONFLICT DO NOTHING";
const COUNTS: &str = "INSERT INTO telemetry_rollups SELECT * FROM
        unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::bigint[], $7::bigint[])
    ON CONFLICT (dimension, value, minute, outcome, code) DO UPDATE
        SET events = telemetry_rollups.events + excluded.events, elapsed_ms = telemetry_rollups.elapsed_ms + excluded.elapsed_ms";

const COUNTED: &str = "SELECT min(minute), outcome, code, sum(events)::bigint, sum(elapsed_ms)::bigint FROM telemetry_rollups
    WHERE dimension = $1 AND value = $2 AND minute BETWEEN $3 AND $4 GROUP BY minute / $5, outcome, code";
const EVENTS_OF: &str = "SELECT at, body FROM telemetry_events WHERE host = $1 ORDER BY at DESC LIMIT $2";
const PARTITIONS: &str =
    "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent IN ('telemetry_events'::regclass, 'telemetry_rollups'::regclass)";

/// One connection. After an error it is of no use any more.
pub(crate) struct Postgres {
    connection: Connection,
    /// Days, since 1970, that partitions are there for.
    days: BTreeSet<i64>,
}

impl Postgres {
    pub(super) fn open(config: &tokio_postgres::Config) -> Result<Self, Error> {
        let server = Self::open_to_read(config)?;
        server.connection.batch(&format!("BEGIN; {LOCK}; {TABLES}"))?;
        let newest = server.connection.client().query_one("SELECT max(version) FROM telemetry_version", &[]);
        match server.connection.wait(newest)?.try_get(0)? {
            None => server.connection.batch(PARTED)?,
            Some(1_i64) => server.take_over_1()?,
            Some(VERSION) => (),
            Some(version) => {
                return Err(Error::Other(format!("the telemetry's schema is version {version}, and this program knows version {VERSION}")));
            }
        }
        server.connection.batch("COMMIT")?;
        Ok(server)
    }

    pub(super) fn open_to_read(config: &tokio_postgres::Config) -> Result<Self, Error> {
        Ok(Self { connection: Connection::connect(config, PATIENCE)?, days: BTreeSet::new() })
    }

    fn take_over_1(&self) -> Result<(), Error> {
        self.connection.batch(&format!("{ASIDE_1} {PARTED}"))?;
        let days = self.connection.wait(self.connection.client().query(DAYS_1, &[]))?;
        for row in &days {
            self.connection.batch(&partitions(row.try_get(0)?))?;
        }
        self.connection.batch(FROM_1)
    }

    pub(super) fn counts(&self, range: &Range) -> Result<Vec<Count>, Error> {
        let Range { dimension, value, minutes: (first, last), step } = range;
        let rows = self.connection.wait(self.connection.client().query(COUNTED, &[dimension, value, first, last, &(*step).max(1)]))?;
        let count = |row: &tokio_postgres::Row| {
            Ok(Count {
                minute: row.try_get(0)?,
                outcome: row.try_get(1)?,
                code: row.try_get(2)?,
                events: row.try_get(3)?,
                elapsed_ms: row.try_get(4)?,
            })
        };
        rows.iter().map(count).collect()
    }

    pub(super) fn events_of(&self, host: &str, most: i64) -> Result<Vec<(i64, String)>, Error> {
        let rows = self.connection.wait(self.connection.client().query(EVENTS_OF, &[&host, &most]))?;
        rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
    }

    pub(super) fn change<T>(&mut self, hosts: &[String], make: impl FnOnce(HashMap<String, String>) -> (Batch, T)) -> Result<T, Error> {
        let Self { connection, days } = self;
        let changed = async {
            let client = connection.client();
            client.batch_execute(&format!("BEGIN; {LOCK}")).await?;
            let known = client.query("SELECT host, body FROM telemetry_hosts WHERE host = ANY($1)", &[&hosts]).await?;
            let known = known.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect::<Result<_, tokio_postgres::Error>>()?;
            let (batch, made) = make(known);
            for day in days_of(&batch).difference(days) {
                client.batch_execute(&partitions(*day)).await?;
            }
            write(client, &batch).await?;
            client.batch_execute("COMMIT").await?;
            days.extend(days_of(&batch));
            Ok(made)
        };
        connection.wait(changed)
    }

    pub(super) fn since(&self, (sequence, host): &Mark) -> Result<(Vec<HostRow>, Option<Mark>), Error> {
        const SINCE: &str =
            "SELECT host, seen, body, sequence FROM telemetry_hosts WHERE (sequence, host) > ($1, $2) ORDER BY sequence, host LIMIT $3";
        let most = i64::try_from(PIECE).unwrap_or(i64::MAX);
        let rows = self.connection.wait(self.connection.client().query(SINCE, &[sequence, host, &most]))?;
        let mark = rows.last().map(|row| Ok::<_, Error>((row.try_get(3)?, row.try_get(0)?))).transpose()?;
        let row = |row: &tokio_postgres::Row| Ok(HostRow { host: row.try_get(0)?, seen: row.try_get(1)?, body: row.try_get(2)? });
        Ok((rows.iter().map(row).collect::<Result<_, Error>>()?, mark))
    }

    pub(super) fn prune(&mut self, before: Before) -> Result<bool, Error> {
        const HOSTS: &str = "DELETE FROM telemetry_hosts WHERE seen < $1 AND sequence < (SELECT max(sequence) FROM telemetry_hosts)";
        self.connection.wait(self.connection.client().execute(HOSTS, &[&before.hosts]))?;
        let names = self.connection.wait(self.connection.client().query(PARTITIONS, &[]))?;
        for row in &names {
            let name: String = row.try_get(0)?;
            if is_over(&name, before) && !self.drop_partition(&name)? {
                break;
            }
        }
        self.days.retain(|day| !is_over(&events_partition(*day), before) && !is_over(&rollups_partition(*day), before));
        Ok(false)
    }

    /// Drops a partition unless somebody reads it: a dump, for one, must not make the writer wait.
    fn drop_partition(&self, name: &str) -> Result<bool, Error> {
        let dropped = self.connection.batch(&format!("SET lock_timeout = '1s'; DROP TABLE IF EXISTS {name}; RESET lock_timeout"));
        match dropped {
            Err(Error::Postgres(error)) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) => {
                self.connection.batch("RESET lock_timeout")?;
                Ok(false)
            }
            other => other.map(|()| true),
        }
    }
}

fn events_partition(day: i64) -> String {
    format!("telemetry_events_{day}")
}

fn rollups_partition(day: i64) -> String {
    format!("telemetry_rollups_{day}")
}

/// The statements that make a day's partitions.
fn partitions(day: i64) -> String {
    let (events, rollups, next) = (events_partition(day), rollups_partition(day), day + 1);
    format!(
        "CREATE TABLE IF NOT EXISTS {events} PARTITION OF telemetry_events FOR VALUES FROM ({}) TO ({});
        CREATE TABLE IF NOT EXISTS {rollups} PARTITION OF telemetry_rollups FOR VALUES FROM ({}) TO ({});",
        day * DAY_SECONDS,
        next * DAY_SECONDS,
        day * DAY_MINUTES,
        next * DAY_MINUTES
    )
}

/// Whether all that a partition holds is too old.
fn is_over(name: &str, before: Before) -> bool {
    let next = |day: &str| day.parse::<i64>().ok().map(|day| day + 1);
    let events = name.strip_prefix("telemetry_events_").and_then(next).is_some_and(|day| day * DAY_SECONDS <= before.events);
    events || name.strip_prefix("telemetry_rollups_").and_then(next).is_some_and(|day| day * DAY_MINUTES <= before.minute)
}

fn days_of(batch: &Batch) -> BTreeSet<i64> {
    let events = batch.events.iter().map(|row| row.at.div_euclid(DAY_SECONDS));
    events.chain(batch.rollups.keys().map(|key| key.minute.div_euclid(DAY_MINUTES))).collect()
}

async fn write(client: &Client, batch: &Batch) -> Result<(), tokio_postgres::Error> {
    let newest = client.query_one("SELECT coalesce(max(sequence), 0) + 1 FROM telemetry_hosts", &[]).await?;
    let sequence: i64 = newest.try_get(0)?;
    if !batch.hosts.is_empty() {
        let names: Vec<&str> = batch.hosts.iter().map(|row| row.host.as_str()).collect();
        let seen: Vec<i64> = batch.hosts.iter().map(|row| row.seen).collect();
        let bodies: Vec<&str> = batch.hosts.iter().map(|row| row.body.as_str()).collect();
        client.execute(TOLD, &[&sequence, &names, &seen, &bodies]).await?;
    }
    if !batch.seen.is_empty() {
        let names: Vec<&str> = batch.seen.iter().map(|(host, _)| host.as_str()).collect();
        let seen: Vec<i64> = batch.seen.iter().map(|(_, seen)| *seen).collect();
        client.execute(HEARD, &[&sequence, &names, &seen]).await?;
    }
    if !batch.events.is_empty() {
        let times: Vec<i64> = batch.events.iter().map(|row| row.at).collect();
        let hosts: Vec<&str> = batch.events.iter().map(|row| row.host.as_str()).collect();
        let outboxes: Vec<&str> = batch.events.iter().map(|row| row.outbox.as_str()).collect();
        let numbers: Vec<i64> = batch.events.iter().map(|row| row.number).collect();
        let bodies: Vec<&str> = batch.events.iter().map(|row| row.body.as_str()).collect();
        client.execute(EVENTS, &[&times, &hosts, &outboxes, &numbers, &bodies]).await?;
    }
    if !batch.rollups.is_empty() {
        let keys: Vec<_> = batch.rollups.iter().collect();
        let minutes: Vec<i64> = keys.iter().map(|(key, _)| key.minute).collect();
        let dimensions: Vec<&str> = keys.iter().map(|(key, _)| key.dimension.as_str()).collect();
        let values: Vec<&str> = keys.iter().map(|(key, _)| key.value.as_str()).collect();
        let outcomes: Vec<&str> = keys.iter().map(|(key, _)| key.outcome.as_str()).collect();
        let codes: Vec<&str> = keys.iter().map(|(key, _)| key.code.as_str()).collect();
        let events: Vec<i64> = keys.iter().map(|(_, (events, _))| *events).collect();
        let elapsed: Vec<i64> = keys.iter().map(|(_, (_, elapsed))| *elapsed).collect();
        client.execute(COUNTS, &[&dimensions, &values, &minutes, &outcomes, &codes, &events, &elapsed]).await?;
    }
    Ok(())
}
