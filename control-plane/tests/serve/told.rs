//! Reports of hosts, and what is kept of them.

use crate::rig::{Domain, PATIENCE, Reply, Server};
use protocol::{
    event::{Event, Report, Taken},
    phases::{Phase, Phases},
    trial::{Crossover, Pair},
};
use rusqlite::Connection;
use std::{
    ops::RangeInclusive,
    path::Path,
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// Seconds since 1970.
pub(crate) fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

/// Events under these numbers of the outbox with this letter.
pub(crate) fn report(outbox: char, numbers: RangeInclusive<i64>) -> Report {
    let event = |number| Event { number, at: now(), code: "ok".into(), outcome: "delivered".into(), generation: 3, ..Event::default() };
    Report { outbox: outbox.to_string().repeat(16), now: now(), events: numbers.map(event).collect(), ..Report::default() }
}

/// An event whose every free text is this one. All fields are named: one that comes to be must be decided upon here.
pub(crate) fn event_of(text: &str) -> Event {
    Event {
        number: 1,
        at: now(),
        code: text.into(),
        outcome: text.into(),
        elapsed_ms: 20,
        phases: Phases::new([(Phase::Tls, 9)]),
        attempts: 1,
        generation: 3,
        update: text.into(),
        identity: text.into(),
        crossovers: vec![Crossover { release: "0".repeat(64), run: 1, crossover: 0, pair: Pair::Void, code: text.into() }],
        verdict: text.into(),
        verdict_on: text.into(),
    }
}

/// A host sends it.
pub(crate) fn send(server: &Server, host: &Path, report: &Report) -> Reply {
    send_text(server, host, &report.to_json())
}

fn send_text(server: &Server, host: &Path, text: &str) -> Reply {
    server.curl(host, "/v1/events", &["-H", "Expect:", "--data-binary", text])
}

/// A host sends it until it is taken, as hosts do whose report was put off; gives the newest number of events on record.
pub(crate) fn send_until_taken(server: &Server, host: &Path, report: &Report) -> i64 {
    send_text_until_taken(server, host, &report.to_json())
}

/// The same with what no release here would make of a report.
pub(crate) fn send_text_until_taken(server: &Server, host: &Path, text: &str) -> i64 {
    let end = Instant::now() + PATIENCE;
    loop {
        let reply = send_text(server, host, text);
        if reply.status == 200 {
            return Taken::from_json(reply.body.as_bytes()).unwrap().0;
        }
        assert!(reply.status == 503 && Instant::now() < end, "{}: {reply:?}", host.display());
        thread::sleep(Duration::from_millis(100));
    }
}

/// The file that telemetry is kept in.
pub(crate) struct Database(Connection);

impl Database {
    pub(crate) fn of(domain: &Domain) -> Self {
        let connection = Connection::open(domain.path("telemetry.db")).unwrap();
        connection.busy_timeout(Duration::from_secs(5)).unwrap();
        Self(connection)
    }

    pub(crate) fn number(&self, query: &str) -> i64 {
        self.0.query_row(query, [], |row| row.get(0)).unwrap()
    }

    pub(crate) fn text(&self, query: &str) -> String {
        self.0.query_row(query, [], |row| row.get(0)).unwrap()
    }

    /// Nobody else writes until it is released.
    pub(crate) fn hold(&self) {
        self.0.execute_batch("BEGIN IMMEDIATE").unwrap();
    }

    pub(crate) fn release(&self) {
        self.0.execute_batch("COMMIT").unwrap();
    }
}
