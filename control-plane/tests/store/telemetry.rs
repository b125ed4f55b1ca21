//! What hosts tell several processes on one database.

use crate::{
    postgres::Postgres,
    replicas::second,
    rig::{Domain, Server, eventually},
    told::{report, send},
};
use std::thread;

#[test]
fn what_is_told_to_two_replicas_at_once_counts_once_and_outlives_the_database() {
    let (postgres, domain) = (Postgres::start(), Domain::new());
    postgres.keep(&domain, 60);
    let one = Server::start(&domain);
    let two = second(&domain);
    let host = domain.host("web-1");
    thread::scope(|scope| {
        for (server, last) in [(&one, 10), (&two, 12), (&one, 14), (&two, 16)].into_iter().cycle().take(12) {
            let host = &host;
            scope.spawn(move || assert_eq!(send(server, host, &report('a', 1..=last)).status, 200));
        }
    });
    assert_eq!(postgres.number("SELECT count(*) FROM telemetry_events"), 16);
    assert_eq!(postgres.number("SELECT sum(events) FROM telemetry_rollups WHERE dimension = ''"), 16);
    postgres.stop();
    assert_eq!(send(&one, &host, &report('a', 1..=20)).status, 503);
    assert_eq!(one.curl(&host, "/v1/credentials/db", &[]).status, 200);
    postgres.run();
    for server in [&one, &two] {
        eventually("reports are taken again", || send(server, &host, &report('a', 1..=20)).status == 200);
    }
    assert_eq!(postgres.number("SELECT count(*) FROM telemetry_events"), 20);
}

/// A database of the version before has no partitions; what is too old goes with its day.
#[test]
fn what_was_counted_before_is_kept_by_day_and_old_days_go() {
    const BEFORE: &str = "CREATE TABLE telemetry_version (version BIGINT NOT NULL);
        INSERT INTO telemetry_version VALUES (1);
        CREATE TABLE telemetry_hosts (host TEXT COLLATE \"C\" NOT NULL PRIMARY KEY, sequence BIGINT NOT NULL, seen BIGINT NOT NULL, body TEXT NOT NULL);
        CREATE TABLE telemetry_events (at BIGINT NOT NULL, host TEXT COLLATE \"C\" NOT NULL, outbox TEXT NOT NULL, number BIGINT NOT NULL,
            body TEXT NOT NULL, PRIMARY KEY (at, host, outbox, number));
        CREATE INDEX telemetry_events_by_host ON telemetry_events (host, at);
        CREATE TABLE telemetry_rollups (minute BIGINT NOT NULL, dimension TEXT NOT NULL, value TEXT NOT NULL, outcome TEXT NOT NULL,
            code TEXT NOT NULL, events BIGINT NOT NULL, elapsed_ms BIGINT NOT NULL, PRIMARY KEY (minute, dimension, value, outcome, code));
        INSERT INTO telemetry_events SELECT extract(epoch FROM now())::bigint - days * 86400, 'web-1', 'b', 1, '{}' FROM unnest(ARRAY[0, 1, 100]) AS days;
        INSERT INTO telemetry_rollups SELECT at / 60, '', '', 'delivered', 'ok', 1, 10 FROM telemetry_events;";
    let (postgres, domain) = (Postgres::start(), Domain::new());
    postgres.keep(&domain, 60);
    postgres.execute(BEFORE);
    let server = Server::start(&domain);
    let host = domain.host("web-1");
    let late = |number: i64| {
        let mut late = report('a', number..=number);
        late.events.iter_mut().for_each(|event| event.at -= 3 * 86_400);
        late
    };
    // The day of a late event has a partition of its own, which nobody made before.
    for _ in 0..2 {
        assert_eq!(send(&server, &host, &late(1)).status, 200);
        assert_eq!(send(&server, &host, &report('a', 1..=2)).status, 200);
    }
    eventually("what is too old is gone", || {
        postgres.number("SELECT count(*) FROM telemetry_events WHERE at < extract(epoch FROM now()) - 90 * 86400") == 0
    });
    eventually("also of the counts", || postgres.number("SELECT sum(events) FROM telemetry_rollups WHERE dimension = ''") == 4);
    assert_eq!(postgres.number("SELECT count(*) FROM telemetry_rollups WHERE minute < extract(epoch FROM now()) / 60 - 50 * 1440"), 0);
    let partitions = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'telemetry_rollups'::regclass";
    assert!((3..=4).contains(&postgres.number(partitions)), "today, yesterday, and three days ago");
    assert_eq!(postgres.number("SELECT max(version) FROM telemetry_version"), 2);
    let asked = serde_json::json!({"since_seconds": 8 * 86_400, "step_seconds": 3600}).to_string();
    let series = server.operate(&domain.path("operators/admin.pem"), "/v1/operators/fleet/series", Some(&asked));
    let points: serde_json::Value = serde_json::from_str(&series.body).unwrap();
    let runs: i64 = points["points"].as_array().unwrap().iter().map(|point| point["runs"].as_i64().unwrap()).sum();
    assert_eq!(runs, 4, "{series:?}");
}
