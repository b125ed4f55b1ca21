//! Hosts whose clock is wrong: the control plane's signed time lets them in, and nothing else does.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use protocol::time::TimeAnswer;
use tests::evil::answer::{delivered, http, ok, signed_time};
use tests::evil::authority::now;
use tests::evil::ground::{Ground, Want};
use tests::evil::peer::{Peer, Script, script};
use tests::evil::rows;
use tests::evil::tls::{self, Clients};

const YEAR: i64 = 31_557_600;

/// What the control plane answers to `GET /v1/time`: the trust domain's folder and the nonce are given.
type Says = fn(&Path, &str) -> Vec<u8>;

fn telling(ground: &Ground, says: Says) -> Script {
    let config = tls::config(&ground.authority.server(&["localhost"]), Clients::Of(&ground.authority));
    let domain = ground.rig.path("domain");
    script(move |call| {
        let mut stream = tls::accept(&config, call)?;
        loop {
            let line = call.request(&mut stream)?;
            let nonce = line.split_once("nonce=").map(|(_, rest)| rest.split(' ').next().unwrap_or_default());
            stream.write_all(&nonce.map_or_else(delivered, |nonce| says(&domain, nonce)))?;
            stream.flush()?;
        }
    })
}

/// Runs the client with its clock this far off.
fn meet(ground: &Ground, says: Says, offset: i64, want: Want) -> (tests::rig::Outcome, Peer) {
    let peer = Peer::start(&telling(ground, says));
    ground.stamp("localhost", peer.port);
    let mut command = Command::new(env!("CARGO_BIN_EXE_weird-host"));
    command.arg("--clock-offset").arg(offset.to_string()).arg("--").arg(ground.rig.client());
    let outcome = ground.expect_of(&mut command, want);
    (outcome, peer)
}

#[test]
fn a_proved_time_lets_a_host_in_whose_clock_is_years_off() {
    rows::check(&[("slow", -10 * YEAR), ("fast", 10 * YEAR)], |offset| {
        let ground = Ground::new();
        let (outcome, peer) = meet(&ground, |domain, nonce| ok(&signed_time(domain, nonce, now()).to_json()), *offset, Want::Delivered);
        let skew = outcome.last_event.get("clock_skew_seconds").and_then(serde_json::Value::as_i64).expect("the skew");
        assert!((skew - offset).abs() <= 2, "{skew} is not {offset}");
        let requests = peer.requests();
        assert_eq!(requests.len(), 3, "{requests:?}");
        assert!(requests[0].starts_with("GET /v1/time?nonce=") && requests[1].starts_with("GET /v1/credentials/db "), "{requests:?}");
        assert!(requests[2].starts_with("POST /v1/events "), "{requests:?}");
    });
}

#[test]
fn a_right_clock_asks_for_no_time() {
    let ground = Ground::new();
    let (_, peer) = meet(&ground, |_, _| http("500 Internal Server Error", "", ""), 0, Want::Delivered);
    assert_eq!(peer.requests(), ["GET /v1/credentials/db HTTP/1.1", "POST /v1/events HTTP/1.1"]);
}

#[test]
fn a_time_that_is_not_proved_lets_nobody_in() {
    let rows: [(&str, (Says, &[&str])); 14] = [
        ("forged signature", (|domain, nonce| time(&TimeAnswer { signature: "00".repeat(64), ..signed_time(domain, nonce, now()) }), UNPROVEN)),
        ("signature of another time", (|domain, nonce| time(&TimeAnswer { time: now() - 5, ..signed_time(domain, nonce, now()) }), UNPROVEN)),
        ("short signature", (|domain, nonce| time(&TimeAnswer { signature: "00".into(), ..signed_time(domain, nonce, now()) }), UNPROVEN)),
        ("signature that is no hex", (|domain, nonce| time(&TimeAnswer { signature: "xyz".into(), ..signed_time(domain, nonce, now()) }), UNPROVEN)),
        ("unknown key", (|domain, nonce| time(&TimeAnswer { key: "ab".repeat(32), ..signed_time(domain, nonce, now()) }), UNPROVEN)),
        ("empty key", (|domain, nonce| time(&TimeAnswer { key: String::new(), ..signed_time(domain, nonce, now()) }), UNPROVEN)),
        ("an answer to an earlier nonce", (|domain, _| time(&signed_time(domain, &"5a".repeat(16), now())), UNPROVEN)),
        (
            "an earlier answer under this nonce",
            (|domain, nonce| time(&TimeAnswer { nonce: nonce.into(), ..signed_time(domain, &"5a".repeat(16), now()) }), UNPROVEN),
        ),
        ("no such page", (|_, _| http("404 Not Found", "", "{}"), UNPROVEN)),
        (
            "a refusal with control characters",
            (|_, _| http("503 Unavailable", "", "{\"code\":\"x\\u001b[2J\",\"because\":\"\\u001b[31m\\r\\n\\u009bm\"}"), UNPROVEN),
        ),
        ("a page", (|_, _| ok("<html>"), UNPROVEN)),
        ("nothing", (|_, _| ok(""), UNPROVEN)),
        ("a credential", (|_, _| delivered(), UNPROVEN)),
        (
            "a proved time at which the certificate does not hold",
            (|domain, nonce| time(&signed_time(domain, nonce, now() + YEAR)), &["tls.certificate-expired"]),
        ),
    ];
    rows::check(&rows, |(says, codes)| {
        let ground = Ground::new();
        let (_, peer) = meet(&ground, *says, -10 * YEAR, Want::Reason(codes));
        let requests = peer.requests();
        assert!(!requests.is_empty() && requests.iter().all(|line| line.starts_with("GET /v1/time?nonce=")), "{requests:?}");
        let mut nonces = requests.clone();
        nonces.sort();
        nonces.dedup();
        assert_eq!(nonces.len(), requests.len(), "a nonce was used twice: {requests:?}");
    });
}

const UNPROVEN: &[&str] = &["tls.clock-skew"];

fn time(answer: &TimeAnswer) -> Vec<u8> {
    ok(&answer.to_json())
}
