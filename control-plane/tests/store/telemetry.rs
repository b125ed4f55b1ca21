//! What hosts tell several processes on one database.

use crate::{
    postgres::Postgres,
    rig::{Domain, Server, eventually},
    told::{report, send},
};
use std::{fs, thread};

#[test]
fn what_is_told_to_two_replicas_at_once_counts_once_and_outlives_the_database() {
    let (postgres, domain) = (Postgres::start(), Domain::new());
    postgres.keep(&domain, 60);
    let one = Server::start(&domain);
    let path = domain.path("pinnaced.toml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("name = \"second\"\n{text}").replace("[store]\n", "[store]\nspool = \"second.db\"\n")).unwrap();
    let two = Server::start(&domain);
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
