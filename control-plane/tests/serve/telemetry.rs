//! What hosts tell, over HTTP and in the database.

use crate::{
    rig::{Domain, Server, eventually},
    told::{Database, report, send, send_text_until_taken, send_until_taken},
};
use protocol::{
    event::{REPORT_BYTES_MAX, Report},
    phases::{Phase, Phases},
};
use std::{
    fs, thread,
    time::{Duration, Instant},
};

#[test]
fn duplicates_late_and_reordered_reports_count_once_also_across_a_restart() {
    let domain = Domain::new();
    let host = domain.host("web-1");
    let server = Server::start(&domain);
    let tell = |server: &Server, numbers| send_until_taken(server, &host, &report('a', numbers));
    assert_eq!(tell(&server, 1..=5), 5);
    assert_eq!(tell(&server, 1..=5), 5);
    assert_eq!(tell(&server, 3..=9), 9);
    drop(server);
    let server = Server::start(&domain);
    assert_eq!(tell(&server, 2..=4), 9, "a late one");
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| assert_eq!(tell(&server, 8..=20), 20));
        }
    });
    let database = Database::of(&domain);
    assert_eq!(database.number("SELECT count(*) FROM events WHERE host = 'web-1'"), 20);
    assert_eq!(database.number("SELECT sum(events) FROM rollups WHERE dimension = ''"), 20);
    assert_eq!(database.number("SELECT sum(events) FROM rollups WHERE dimension = 'generation' AND value = '3'"), 20);
    let metrics = server.fetch(&format!("http://{}/metrics", server.admin), &[]).body;
    assert!(metrics.contains("pinnaced_events_taken_total 11\n"), "{metrics}");
}

/// Hosts are on many releases: with and without phases, and with ones that nobody here knows.
#[test]
fn events_are_kept_with_their_phases_by_whatever_release_they_were_made() {
    let domain = Domain::new();
    let server = Server::start(&domain);
    let host = domain.host("web-1");
    let mut measured = report('a', 1..=2);
    measured.events[1].phases = Phases::new([(Phase::Connect, 3), (Phase::Tls, 12)]);
    let of_tomorrow = measured.to_json().replace("\"tls_ms\":12", "\"tls_ms\":12,\"queue_ms\":7");
    assert_eq!(send_text_until_taken(&server, &host, &of_tomorrow), 2);
    let of_nobody = of_tomorrow.replace("\"tls_ms\":12", "\"tls_ms\":-12");
    assert_eq!(server.curl(&host, "/v1/events", &["--data-binary", &of_nobody]).status, 400);
    let database = Database::of(&domain);
    let kept = |phases: &str| database.number(&format!("SELECT count(*) FROM events WHERE body LIKE '%{phases}%'"));
    assert_eq!((kept(""), kept("\"phases\":{\"connect_ms\":3,\"tls_ms\":12}")), (2, 1));
}

#[test]
fn only_a_host_that_is_served_tells_and_only_what_has_the_form_of_the_protocol() {
    let domain = Domain::new();
    let server = Server::start(&domain);
    let host = domain.host("web-1");
    let url = format!("https://{}/v1/events", server.hosts);
    let nobody = server.fetch(&url, &["--data-binary", &report('a', 1..=1).to_json()]);
    assert_eq!((nobody.status, nobody.text("code").as_str()), (401, "identity.none"));
    for body in ["{}", "<html>", r#"{"version":1}"#] {
        let reply = server.curl(&host, "/v1/events", &["--data-binary", body]);
        assert_eq!((reply.status, reply.text("code").as_str()), (400, "request.body"), "{body}");
    }
    fs::write(domain.path("large"), vec![b' '; REPORT_BYTES_MAX + 1]).unwrap();
    let large = server.curl(&host, "/v1/events", &["--data-binary", &format!("@{}", domain.path("large").display()), "-H", "Expect:"]);
    assert_eq!(large.status, 400, "{large:?}");
    assert_eq!(server.curl(&host, "/v1/events", &[]).status, 404, "there is nothing to read");
    let flood = (0..10).map(|piece| send(&server, &host, &report('a', piece * 60 + 1..=piece * 60 + 60)).status).collect::<Vec<_>>();
    assert!(flood.starts_with(&[200; 4]) && flood.contains(&429), "{flood:?}");
    assert_eq!(send_until_taken(&server, &domain.host("web-2"), &report('a', 1..=1)), 1, "others go on");
}

/// Telemetry that cannot be written costs no credential, and no host loses what it has to tell.
#[test]
fn with_the_telemetry_held_credentials_go_on_and_reports_are_put_off() {
    let domain = Domain::new();
    let server = Server::start(&domain);
    let host = domain.host("web-1");
    assert_eq!(send_until_taken(&server, &host, &report('a', 1..=1)), 1);
    let database = Database::of(&domain);
    database.hold();
    let start = Instant::now();
    thread::scope(|scope| {
        let told = scope.spawn(|| send(&server, &host, &report('a', 1..=2)));
        for _ in 0..10 {
            assert_eq!(server.curl(&host, "/v1/credentials/db", &[]).status, 200);
        }
        assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
        let told = told.join().unwrap();
        assert_eq!((told.status, told.text("code").as_str()), (503, "telemetry.busy"));
        assert!(told.head.contains("retry-after:"), "{}", told.head);
    });
    database.release();
    eventually("reports are taken again", || send(&server, &host, &report('a', 1..=2)).status == 200);
    eventually("each is there once", || database.number("SELECT count(*) FROM events") == 2);
}

#[test]
fn a_file_that_is_no_database_costs_telemetry_alone() {
    let domain = Domain::new();
    fs::write(domain.path("telemetry.db"), vec![7; 4096]).unwrap();
    let server = Server::start(&domain);
    let host = domain.host("web-1");
    assert_eq!(server.curl(&host, "/v1/credentials/db", &[]).status, 200);
    assert_eq!(send(&server, &host, &report('a', 1..=1)).status, 503);
    fs::remove_file(domain.path("telemetry.db")).unwrap();
    eventually("it is mended", || send(&server, &host, &report('a', 1..=1)).status == 200);
}

#[test]
fn who_was_heard_of_is_on_record_and_what_a_host_is_is_kept() {
    let domain = Domain::new();
    let server = Server::start(&domain);
    assert_eq!(server.curl(&domain.host("web-1"), "/v1/credentials/db", &[]).status, 200);
    let facts = vec![("kernel".to_string(), "3.10".to_string())];
    let slow = Report { now: 1_000, facts, ..report('a', 1..=1) };
    assert_eq!(send_until_taken(&server, &domain.host("web-2"), &slow), 1);
    let database = Database::of(&domain);
    let recent = "SELECT count(*) FROM hosts WHERE seen > unixepoch() - 30";
    eventually("both were heard of", || database.number(recent) == 2);
    let body = database.text("SELECT body FROM hosts WHERE host = 'web-2'");
    assert!(body.contains(r#""kernel":"3.10""#) && body.contains(r#""clock_offset":"years behind""#), "{body}");
}
