//! Telemetry on a PostgreSQL server.

use super::{Batch, Before, HostRow, Mark, PIECE};
use crate::store::{Error, postgres::Postgres as Connection};
use std::{collections::HashMap, time::Duration};
use tokio_postgres::Client;

/// Under it rows are changed, so that sequences become visible in their order.
const LOCK: &str = "SELECT pg_advisory_xact_lock(1346981454, 2)";
const TABLES: &str = r#"CREATE TABLE IF NOT EXISTS telemetry_version (version BIGINT NOT NULL);
CREATE TABLE IF NOT EXISTS telemetry_hosts (
    host TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    sequence BIGINT NOT NULL,
    seen BIGINT NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS telemetry_hosts_by_sequence ON telemetry_hosts (sequence, host);
CREATE TABLE IF NOT EXISTS telemetry_events (
    at BIGINT NOT NULL,
    host TEXT COLLATE "C" NOT NULL,
    outbox TEXT NOT NULL,
    number BIGINT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (at, host, outbox, number)
);
CREATE INDEX IF NOT EXISTS telemetry_events_by_host ON telemetry_events (host, at);
CREATE TABLE IF NOT EXISTS telemetry_rollups (
    minute BIGINT NOT NULL,
    dimension TEXT NOT NULL,
    value TEXT NOT NULL,
    outcome TEXT NOT NULL,
    code TEXT NOT NULL,
    events BIGINT NOT NULL,
    elapsed_ms BIGINT NOT NULL,
    PRIMARY KEY (minute, dimension, value, outcome, code)
);
INSERT INTO telemetry_version SELECT 1 WHERE NOT EXISTS (SELECT FROM telemetry_version);"#;
const VERSION: i64 = 1;
const PATIENCE: Duration = Duration::from_secs(10);
const TOLD: &str =
    "INSERT INTO telemetry_hosts (host, sequence, seen, body) SELECT h, $1, s, b FROM unnest($2::text[], $3::bigint[], $4::text[]) AS t(h, s, b)
    ON CONFLICT (host) DO UPDATE SET sequence = excluded.sequence, seen = greatest(telemetry_hosts.seen, excluded.seen), body = excluded.body";
const HEARD: &str = "INSERT INTO telemetry_hosts (host, sequence, seen, body) SELECT h, $1, s, '{}' FROM unnest($2::text[], $3::bigint[]) AS t(h, s)
    ON CONFLICT (host) DO UPDATE SET sequence = excluded.sequence, seen = excluded.seen WHERE telemetry_hosts.seen < excluded.seen";
const EVENTS: &str =
    "INSERT INTO telemetry_events SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::text[]) ON CONFLICT DO NOTHING";
const COUNTS: &str = "INSERT INTO telemetry_rollups SELECT * FROM
        unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::bigint[])
    ON CONFLICT (minute, dimension, value, outcome, code) DO UPDATE
        SET events = telemetry_rollups.events + excluded.events, elapsed_ms = telemetry_rollups.elapsed_ms + excluded.elapsed_ms";

/// One connection. After an error it is of no use any more.
pub(crate) struct Postgres(Connection);

impl Postgres {
    pub(super) fn open(config: &tokio_postgres::Config) -> Result<Self, Error> {
        let connection = Connection::connect(config, PATIENCE)?;
        connection.batch(&format!("BEGIN; {LOCK}; {TABLES} COMMIT"))?;
        let version: i64 = connection.wait(connection.client().query_one("SELECT max(version) FROM telemetry_version", &[]))?.try_get(0)?;
        if version == VERSION {
            return Ok(Self(connection));
        }
        Err(Error::Other(format!("the telemetry's schema is version {version}, and this program knows version {VERSION}")))
    }

    pub(super) fn change<T>(&mut self, hosts: &[String], make: impl FnOnce(HashMap<String, String>) -> (Batch, T)) -> Result<T, Error> {
        let changed = async {
            let client = self.0.client();
            client.batch_execute(&format!("BEGIN; {LOCK}")).await?;
            let known = client.query("SELECT host, body FROM telemetry_hosts WHERE host = ANY($1)", &[&hosts]).await?;
            let known = known.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect::<Result<_, tokio_postgres::Error>>()?;
            let (batch, made) = make(known);
            write(client, &batch).await?;
            client.batch_execute("COMMIT").await?;
            Ok(made)
        };
        self.0.wait(changed)
    }

    pub(super) fn since(&self, (sequence, host): &Mark) -> Result<(Vec<HostRow>, Option<Mark>), Error> {
        const SINCE: &str =
            "SELECT host, seen, body, sequence FROM telemetry_hosts WHERE (sequence, host) > ($1, $2) ORDER BY sequence, host LIMIT $3";
        let most = i64::try_from(PIECE).unwrap_or(i64::MAX);
        let rows = self.0.wait(self.0.client().query(SINCE, &[sequence, host, &most]))?;
        let mark = rows.last().map(|row| Ok::<_, Error>((row.try_get(3)?, row.try_get(0)?))).transpose()?;
        let row = |row: &tokio_postgres::Row| Ok(HostRow { host: row.try_get(0)?, seen: row.try_get(1)?, body: row.try_get(2)? });
        Ok((rows.iter().map(row).collect::<Result<_, Error>>()?, mark))
    }

    pub(super) fn prune(&mut self, before: Before) -> Result<bool, Error> {
        const EVENTS: &str =
            "DELETE FROM telemetry_events WHERE ctid = ANY(ARRAY(SELECT ctid FROM telemetry_events WHERE at < $1 ORDER BY at LIMIT $2))";
        const HOSTS: &str = "DELETE FROM telemetry_hosts WHERE seen < $1 AND sequence < (SELECT max(sequence) FROM telemetry_hosts)";
        let most = i64::try_from(PIECE).unwrap_or(i64::MAX);
        let events = self.0.wait(self.0.client().execute(EVENTS, &[&before.events, &most]))?;
        self.0.wait(self.0.client().execute("DELETE FROM telemetry_rollups WHERE minute < $1", &[&before.minute]))?;
        self.0.wait(self.0.client().execute(HOSTS, &[&before.hosts]))?;
        Ok(events == PIECE as u64)
    }
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
        let keys: Vec<_> = batch.rollups.iter().collect();
        let minutes: Vec<i64> = keys.iter().map(|(key, _)| key.minute).collect();
        let dimensions: Vec<&str> = keys.iter().map(|(key, _)| key.dimension.as_str()).collect();
        let values: Vec<&str> = keys.iter().map(|(key, _)| key.value.as_str()).collect();
        let outcomes: Vec<&str> = keys.iter().map(|(key, _)| key.outcome.as_str()).collect();
        let codes: Vec<&str> = keys.iter().map(|(key, _)| key.code.as_str()).collect();
        let events: Vec<i64> = keys.iter().map(|(_, (events, _))| *events).collect();
        let elapsed: Vec<i64> = keys.iter().map(|(_, (_, elapsed))| *elapsed).collect();
        client.execute(COUNTS, &[&minutes, &dimensions, &values, &outcomes, &codes, &events, &elapsed]).await?;
    }
    Ok(())
}
