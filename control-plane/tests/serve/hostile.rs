//! Slow, silent and crowding clients, and a database that stands still.

use crate::rig::{Domain, Server};
use std::{
    io::{Read, Write},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

/// Far more than the server's bounds here, far less than the reader's own time-out.
const CUT_WITHIN: Duration = Duration::from_secs(20);

#[test]
fn a_silent_handshake_is_cut() {
    let domain = Domain::new();
    let server = Server::start(&domain);
    for address in [&server.hosts, &server.public] {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(b"\x16\x03\x01").unwrap();
        assert_cut(&mut stream);
    }
}

#[test]
fn a_client_that_says_nothing_after_the_handshake_is_cut() {
    let domain = Domain::new();
    let server = Server::start(&domain);
    let mut stream = server.connect(&domain.host("web-1"));
    stream.flush().unwrap();
    assert_cut(&mut stream);
}

#[test]
fn a_slow_header_is_cut_however_steadily_it_drips() {
    let domain = Domain::new();
    let server = Server::start(&domain);
    let mut stream = server.connect(&domain.host("web-1"));
    stream.write_all(b"GET /v1/credentials/db HTTP/1.1\r\nX-Slow: ").unwrap();
    let started = Instant::now();
    while stream.write_all(b"a").and_then(|()| stream.flush()).is_ok() {
        assert!(started.elapsed() < CUT_WITHIN, "still open");
        thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(domain.audit().len(), 0);
}

#[test]
fn an_endless_header_is_refused() {
    let domain = Domain::new();
    let server = Server::start(&domain);
    let header = format!("X-Long: {}", "a".repeat(100_000));
    let reply = server.curl(&domain.host("web-1"), "/v1/credentials/db", &["-H", &header]);
    assert!(reply.status == 431 || reply.status == 0, "{reply:?}");
    assert_eq!(server.curl(&domain.host("web-1"), "/v1/credentials/db", &[]).status, 200);
}

fn assert_cut(stream: &mut impl Read) {
    let started = Instant::now();
    let mut bytes = Vec::new();
    // An end and a reset are both a cut; the reader's own time-out is not.
    let _ = stream.read_to_end(&mut bytes);
    assert!(started.elapsed() < CUT_WITHIN, "still open");
}

/// Nothing leaves unrecorded: with the database held, one of two requests waits and fails closed, the other finds no room.
#[test]
fn a_held_database_stops_issuing_and_a_full_house_says_when_to_come_again() {
    let domain = Domain::new();
    domain.set("requests", 1).set("waiting", 0);
    let server = Server::start(&domain);
    let web = domain.host("web-1");
    let holder = rusqlite::Connection::open(domain.path("pinnaced.db")).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    thread::scope(|scope| {
        let both = [(); 2].map(|()| scope.spawn(|| server.curl(&web, "/v1/credentials/db", &[])));
        let mut codes = both.map(|asked| {
            let reply = asked.join().unwrap();
            assert!(reply.status == 503 && reply.head.contains("retry-after: "), "{reply:?}");
            reply.text("code")
        });
        codes.sort();
        assert_eq!(codes, ["audit.unavailable", "overload.requests"]);
    });
    holder.execute_batch("ROLLBACK").unwrap();
    drop(holder);
    crate::rig::eventually("issuing", || server.curl(&web, "/v1/credentials/db", &[]).status == 200);
}

#[test]
fn more_connections_than_allowed_wait_their_turn() {
    let domain = Domain::new();
    domain.set("connections", 1);
    let server = Server::start(&domain);
    let silent = TcpStream::connect(&server.hosts).unwrap();
    let reply = server.curl(&domain.host("web-1"), "/v1/credentials/db", &[]);
    assert_eq!(reply.status, 200, "the silent one was cut and this one served: {reply:?}");
    drop(silent);
}

#[test]
fn running_out_of_open_files_is_a_pause_not_an_end() {
    let domain = Domain::new();
    let server = Server::start_with_files(&domain, 40);
    let crowd: Vec<TcpStream> = (0..60).map(|_| TcpStream::connect(&server.hosts).unwrap()).collect();
    crate::rig::eventually("service for an honest host", || server.curl(&domain.host("web-1"), "/v1/credentials/db", &[]).status == 200);
    let metrics = || server.fetch(&format!("http://{}/metrics", server.admin), &[]).body;
    eventually_counted(metrics);
    drop(crowd);
}

/// The crowd has really met the limit.
fn eventually_counted(metrics: impl Fn() -> String) {
    let counted = || metrics().lines().any(|line| line.strip_prefix("pinnaced_accepts_failed_total ").is_some_and(|count| count != "0"));
    crate::rig::eventually("an accept that failed", counted);
}
