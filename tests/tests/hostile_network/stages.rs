//! Servers that speak no TLS, stop in the middle of it, or do not stop.

use std::io::{self, Write as _};
use std::sync::Arc;

use rustls::ServerConfig;
use tests::evil::answer::delivered;
use tests::evil::ground::{Ground, Want};
use tests::evil::peer::{Call, Script, drip, script};
use tests::evil::rows;
use tests::evil::tls::{self, Clients};

use crate::{check, meet, reason};

#[test]
fn what_is_not_tls_at_all() {
    const NOT_TLS: Want = reason(&["tls.not-tls"]);
    const PROTOCOL: Want = reason(&["tls.protocol"]);
    check(&[
        ("plain HTTP", (|_| after_hello(|_| delivered()), NOT_TLS)),
        ("an HTTP error", (|_| after_hello(|_| b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()), NOT_TLS)),
        ("the banner of another service", (|_| after_hello(|_| b"220 mail.example.org ESMTP\r\n".to_vec()), NOT_TLS)),
        ("a megabyte of zeros", (|_| after_hello(|_| vec![0; 1 << 20]), NOT_TLS)),
        ("the client's own hello", (|_| after_hello(<[u8]>::to_vec), PROTOCOL)),
        ("an alert", (|_| after_hello(|_| vec![21, 3, 3, 0, 2, 2, 40]), PROTOCOL)),
        ("a ServerHello of TLS 1.1", (|_| after_hello(|_| server_hello_1_1()), PROTOCOL)),
    ]);
}

/// Says what this makes of the client's hello, and no more.
fn after_hello(says: fn(&[u8]) -> Vec<u8>) -> Script {
    script(move |call| {
        let hello = tls::read_record(&mut call.stream)?;
        call.stream.write_all(&says(&hello))?;
        call.hold();
        Ok(())
    })
}

/// A ServerHello of RFC 4346: version 3.2, a random, no session, one old cipher suite.
fn server_hello_1_1() -> Vec<u8> {
    let body = [&[3, 2][..], &[7; 32], &[0], &[0, 0x2f], &[0]].concat();
    let length = u8::try_from(body.len()).unwrap_or(0);
    [&[22, 3, 2, 0, length + 4, 2, 0, 0, length][..], &body].concat()
}

/// How far a conversation goes before something happens to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Connected,
    ClientHello,
    ServerHello,
    AllButTheLastByteOfTheHandshake,
    Handshake,
    Request,
    Head,
    Body,
}

/// What happens to it then.
#[derive(Clone, Copy, Debug)]
enum End {
    Reset,
    Close,
    Silence,
}

fn cut(ground: &Ground, stage: Stage, end: End) -> Script {
    let config = config(ground);
    script(move |call| {
        if matches!(end, End::Reset) {
            call.reset();
        }
        go_to(call, stage, &config)?;
        if matches!(end, End::Silence) {
            call.hold();
        }
        Ok(())
    })
}

fn go_to(call: &mut Call, stage: Stage, config: &Arc<ServerConfig>) -> io::Result<()> {
    match stage {
        Stage::Connected => return Ok(()),
        Stage::ClientHello => return tls::read_record(&mut call.stream).map(drop),
        Stage::ServerHello => {
            let flight = tls::first_flight(config, &mut call.stream)?;
            return call.stream.write_all(tls::first_record(&flight));
        }
        Stage::AllButTheLastByteOfTheHandshake => {
            let flight = tls::first_flight(config, &mut call.stream)?;
            return call.stream.write_all(&flight[..flight.len() - 1]);
        }
        _ => {}
    }
    let mut tls = tls::accept(config, call)?;
    if stage == Stage::Handshake {
        return Ok(());
    }
    call.request(&mut tls)?;
    let answer = delivered();
    let head = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap_or(0) + 4;
    let length = match stage {
        Stage::Head => head / 2,
        Stage::Body => head + 100,
        _ => 0,
    };
    tls.write_all(&answer[..length])?;
    tls.flush()
}

#[test]
fn a_conversation_that_ends_at_any_stage() {
    use End::{Close, Reset, Silence};
    use Stage::{AllButTheLastByteOfTheHandshake, Body, ClientHello, Connected, Handshake, Head, Request, ServerHello};
    // A reset right after the connection was taken may be met before or after the connection counts as made.
    const AT_ONCE: &[&str] = &["tls.closed", "connect.refused"];
    let cases = [
        (Connected, Reset, AT_ONCE),
        (ClientHello, Reset, &["tls.closed"]),
        (ServerHello, Reset, &["tls.closed"]),
        (AllButTheLastByteOfTheHandshake, Reset, &["tls.closed"]),
        (Handshake, Reset, &["http.closed"]),
        (Request, Reset, &["http.closed"]),
        (Head, Reset, &["http.closed"]),
        (Body, Reset, &["http.closed"]),
        (Connected, Close, &["tls.closed"]),
        (ClientHello, Close, &["tls.closed"]),
        (ServerHello, Close, &["tls.closed"]),
        (AllButTheLastByteOfTheHandshake, Close, &["tls.closed"]),
        (Handshake, Close, &["http.closed"]),
        (Request, Close, &["http.closed"]),
        (Head, Close, &["http.closed"]),
        (Body, Close, &["http.closed"]),
        (Connected, Silence, &["tls.timeout"]),
        (ClientHello, Silence, &["tls.timeout"]),
        (ServerHello, Silence, &["tls.timeout"]),
        (AllButTheLastByteOfTheHandshake, Silence, &["tls.timeout"]),
        (Handshake, Silence, &["http.timeout"]),
        (Request, Silence, &["http.timeout"]),
        (Head, Silence, &["http.timeout"]),
        (Body, Silence, &["http.timeout"]),
    ];
    let named: Vec<(String, _)> = cases.iter().map(|case| (format!("{:?}, {:?}", case.0, case.1), case)).collect();
    let rows: Vec<(&str, _)> = named.iter().map(|(name, case)| (name.as_str(), *case)).collect();
    rows::check(&rows, |(stage, end, codes)| {
        let ground = Ground::new();
        meet(&ground, &cut(&ground, *stage, *end), reason(codes));
    });
}

#[test]
fn a_run_says_in_which_phase_its_time_went() {
    let cases: [(Stage, &'static [&'static str], &[&str]); 2] = [
        (Stage::ClientHello, &["tls.timeout"], &["connect_ms", "resolve_ms", "tls_ms"]),
        (Stage::Request, &["http.timeout"], &["connect_ms", "request_ms", "resolve_ms", "tls_ms"]),
    ];
    for (stage, codes, came_to) in cases {
        let ground = Ground::new();
        let (outcome, _peer) = meet(&ground, &cut(&ground, stage, End::Silence), reason(codes));
        let phases = outcome.last_event["phases"].as_object().expect("phases");
        assert_eq!(phases.keys().map(String::as_str).collect::<Vec<_>>(), came_to, "{outcome:#?}");
        let time = |value: &serde_json::Value| value.as_i64().unwrap_or(-1);
        let silent = if stage == Stage::Request { "request_ms" } else { "tls_ms" };
        let (all, elapsed) = (phases.values().map(time).sum::<i64>(), time(&outcome.last_event["elapsed_ms"]));
        // The first attempt waits for half of the deadline; the pause before the second is in no phase.
        assert!(time(&phases[silent]) >= 500 && time(&phases[silent]) * 2 > all && all <= elapsed, "{outcome:#?}");
    }
}

#[test]
fn one_byte_a_second() {
    check(&[("in the handshake", (dripping_handshake, reason(&["tls.timeout"]))), ("in the answer", (dripping_answer, reason(&["http.timeout"])))]);
}

fn config(ground: &Ground) -> Arc<ServerConfig> {
    tls::config(&ground.authority.server(&["localhost"]), Clients::Of(&ground.authority))
}

fn dripping_handshake(ground: &Ground) -> Script {
    let config = config(ground);
    script(move |call| {
        let flight = tls::first_flight(&config, &mut call.stream)?;
        drip(&mut call.stream, &flight)
    })
}

fn dripping_answer(ground: &Ground) -> Script {
    let config = config(ground);
    script(move |call| {
        let mut tls = tls::accept(&config, call)?;
        call.request(&mut tls)?;
        drip(&mut tls, &delivered())
    })
}

#[test]
fn a_peer_that_fails_once_costs_one_attempt() {
    let ground = Ground::new();
    let (broken, honest) = (cut(&ground, Stage::ServerHello, End::Reset), ground.honest());
    let (_, peer) = meet(&ground, &script(move |call| if call.number == 1 { broken(call) } else { honest(call) }), Want::Delivered);
    assert_eq!(peer.connections(), 2);
}

#[test]
fn talk_after_the_handshake() {
    check(&[
        ("key updates without end", (key_updates, reason(&["tls.protocol"]))),
        ("twenty tickets, and then the answer", (tickets, Want::Delivered)),
        ("records of one byte", (small_records, Want::Delivered)),
    ]);
}

fn key_updates(ground: &Ground) -> Script {
    let config = config(ground);
    script(move |call| {
        let mut tls = tls::accept(&config, call)?;
        call.request(&mut tls)?;
        loop {
            tls.conn.refresh_traffic_keys().map_err(io::Error::other)?;
            tls.flush()?;
        }
    })
}

fn tickets(ground: &Ground) -> Script {
    let mut config = config(ground).as_ref().clone();
    config.send_tls13_tickets = 20;
    let config = Arc::new(config);
    script(move |call| {
        let mut tls = tls::accept(&config, call)?;
        call.request(&mut tls)?;
        tls.write_all(&delivered())?;
        tls::close(&mut tls)
    })
}

fn small_records(ground: &Ground) -> Script {
    let config = config(ground);
    script(move |call| {
        let mut tls = tls::accept(&config, call)?;
        call.request(&mut tls)?;
        for byte in delivered() {
            tls.write_all(&[byte])?;
            tls.flush()?;
        }
        tls::close(&mut tls)
    })
}
