//! A crowd on record: put into a trust domain's databases as its own program writes them, on SQLite or PostgreSQL.

use crate::{
    crowd::{INTERVAL, Member},
    postgres::Postgres,
    rig::{Domain, Server, eventually},
    told::now,
};
use rusqlite::Connection;
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};

const PIECE: usize = 1_000;
const DAY_MINUTES: i64 = 1_440;

/// Puts them in, with so many days of counts; nobody serves the trust domain meanwhile.
pub(crate) fn load(domain: &Domain, postgres: Option<&Postgres>, members: &[Member], days: i64) {
    // The first start makes the tables; that of telemetry once it listens.
    let first = Server::start(domain);
    let status = || first.operate(&domain.path("operators/admin.pem"), "/v1/operators/fleet/status", Some("{}")).body;
    eventually("the tables", || status().contains("\"whole\":true"));
    first.end();
    let now = now();
    let telemetry = if postgres.is_some() { "telemetry_" } else { "" };
    let said = [hosts(telemetry, members, now), counts(telemetry, members, days, now)].concat();
    match postgres {
        Some(postgres) => {
            let day = now / 60 / DAY_MINUTES;
            let partitions: String = (day - days..=day).map(partition).collect();
            postgres.execute_all(&[objects(members, now), partitions, said].concat());
        }
        None => {
            for (file, statements) in [("pinnaced.db", objects(members, now)), ("telemetry.db", said)] {
                let connection = Connection::open(domain.path(file)).unwrap();
                connection.busy_timeout(Duration::from_secs(5)).unwrap();
                connection.execute_batch(&format!("BEGIN; {statements} COMMIT;")).unwrap();
            }
        }
    }
}

fn partition(day: i64) -> String {
    let (from, to) = (day * DAY_MINUTES, (day + 1) * DAY_MINUTES);
    format!("CREATE TABLE IF NOT EXISTS telemetry_rollups_{day} PARTITION OF telemetry_rollups FOR VALUES FROM ({from}) TO ({to});\n")
}

fn objects(members: &[Member], now: i64) -> String {
    let row = |(member, number): (&Member, usize)| {
        let (certificate, reason) = (now - member.unheard, if member.status == "active" { "" } else { "a copy of it was seen" });
        let body = json!({
            "labels": {"site": member.site, "role": member.role}, "status": member.status, "status_reason": reason, "key": null,
            "newest_certificate": certificate - 20 * 86_400, "certificate_ends": certificate + 29 * 86_400,
        });
        format!("({number}, '{}', '{body}')", member.name)
    };
    statements(members, row, |rows| {
        format!("INSERT INTO objects SELECT 'host', column2, column1 + (SELECT max(revision) FROM objects), column3 FROM (VALUES {rows}) AS rows;\n")
    })
}

fn hosts(prefix: &str, members: &[Member], now: i64) -> String {
    let row = |(member, number): (&Member, usize)| {
        format!("('{}', {}, {}, '{}')", member.name, number / PIECE + 1, now - member.unheard, body(member, now))
    };
    statements(members, row, |rows| format!("INSERT INTO {prefix}hosts (host, sequence, seen, body) VALUES {rows};\n"))
}

/// In pieces, numbered from 1.
fn statements(members: &[Member], row: impl Fn((&Member, usize)) -> String, statement: impl Fn(&str) -> String) -> String {
    let rows: Vec<String> = members.iter().zip(1..).map(row).collect();
    rows.chunks(PIECE).map(|rows| statement(&rows.join(", "))).collect()
}

/// A run of each host in half an hour, of which some fail every minute, by everything that is counted.
fn counts(prefix: &str, members: &[Member], days: i64, now: i64) -> String {
    let (from, to) = (now / 60 - days * DAY_MINUTES, now / 60);
    let mut slices: BTreeMap<(&str, String), usize> = BTreeMap::from([(("", String::new()), members.len())]);
    for member in members {
        let facts = ["os", "kernel", "arch", "init", "virt", "egress"].map(|name| (name, member.facts[name].clone()));
        for slice in facts.into_iter().chain([("clock", member.clock.into()), ("generation", member.generation.to_string())]) {
            *slices.entry(slice).or_default() += 1;
        }
    }
    let all = members.len();
    let of = |((dimension, value), hosts): (&(&str, String), &usize)| {
        let (runs, rare) = (hosts / 30, format!("((1 + minute % 3) * {hosts} / {all})"));
        let minutes = format!("WITH RECURSIVE minutes (minute) AS (SELECT {from} UNION ALL SELECT minute + 1 FROM minutes WHERE minute + 1 < {to})");
        let row = |outcome, code, events: &str, each| {
            format!(
                "{minutes} INSERT INTO {prefix}rollups (dimension, value, minute, outcome, code, events, elapsed_ms) \
                 SELECT '{dimension}', '{value}', minute, '{outcome}', '{code}', {events}, {events} * {each} FROM minutes WHERE {events} > 0;\n"
            )
        };
        [row("delivered", "ok", &format!("({runs} - {rare})"), 180), row("failed", "dns.timeout", &rare, 5_000)].concat()
    };
    slices.iter().map(of).collect()
}

fn body(member: &Member, now: i64) -> Value {
    let at = now - member.unheard;
    let failed = member.code != "ok";
    let mut facts = member.facts.clone();
    facts.insert("clock_offset".into(), member.clock.into());
    json!({
        "facts": facts, "reported_at": at, "failing_since": if failed { at - 5_400 } else { 0 },
        "newest": {
            "at": at, "code": member.code, "outcome": if failed { "failed" } else { "delivered" }, "generation": member.generation, "elapsed_ms": 180,
        },
        "holds": {"db": at + 2 * INTERVAL},
    })
}
