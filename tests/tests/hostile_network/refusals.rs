//! Statuses and credentials that are well-formed HTTP and yet no reason to touch what is in place.

use std::io::Write as _;
use std::process::Command;
use std::time::Duration;

use protocol::answer::{Answer, Kind};
use protocol::reason::Reason;
use tests::evil::answer::{HOST, delivered, good, http, ok, token};
use tests::evil::authority::now;
use tests::evil::ground::{Ground, HELD_SINCE, Want};
use tests::evil::peer::{Peer, Script, script};
use tests::evil::rows;
use tests::evil::tls::{self, Clients};
use tests::rig::{RAW_FILE, Site};

use crate::{meet, reason};

/// Answers each request with the next of these, the last one again and again, and never closes first.
fn in_turn(ground: &Ground, answers: Vec<Vec<u8>>) -> Script {
    let config = tls::config(&ground.authority.server(&["localhost"]), Clients::Of(&ground.authority));
    let next = std::sync::atomic::AtomicUsize::new(0);
    script(move |call| {
        let mut tls = tls::accept(&config, call)?;
        loop {
            call.request(&mut tls)?;
            let turn = next.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            tls.write_all(&answers[turn.min(answers.len() - 1)])?;
            tls.flush()?;
        }
    })
}

#[test]
fn statuses_that_are_not_200() {
    const REFUSAL: &str = "{\"version\":1,\"code\":\"policy.denied\",\"error\":\"e\",\"because\":\"b\",\"hint\":\"h\"}";
    type Row = (&'static str, (fn() -> Vec<u8>, Want));
    let rows: [Row; 19] = [
        ("401", (|| http("401 Unauthorized", "", REFUSAL), reason(&["http.unauthorized"]))),
        ("403", (|| http("403 Forbidden", "", REFUSAL), reason(&["http.forbidden"]))),
        ("404", (|| http("404 Not Found", "", REFUSAL), reason(&["http.not-found"]))),
        ("429", (|| http("429 Too Many Requests", "", REFUSAL), reason(&["http.throttled"]))),
        ("500", (|| http("500 Internal Server Error", "", "oops"), reason(&["http.server-error"]))),
        ("502 with a page", (|| http("502 Bad Gateway", "", "<html>"), reason(&["http.server-error"]))),
        ("503", (|| http("503 Service Unavailable", "", REFUSAL), reason(&["http.unavailable"]))),
        ("503, Retry-After: soon", (|| http("503 Service Unavailable", "Retry-After: soon\r\n", REFUSAL), reason(&["http.unavailable"]))),
        ("503, Retry-After: -1", (|| http("503 Service Unavailable", "Retry-After: -1\r\n", REFUSAL), reason(&["http.unavailable"]))),
        (
            "503, Retry-After with a date",
            (|| http("503 Service Unavailable", "Retry-After: Wed, 21 Oct 2026 07:28:00 GMT\r\n", REFUSAL), reason(&["http.unavailable"])),
        ),
        ("204", (|| b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(), reason(&["http.unexpected-status"]))),
        ("304", (|| b"HTTP/1.1 304 Not Modified\r\n\r\n".to_vec(), reason(&["http.redirect"]))),
        ("206", (|| http("206 Partial Content", "", &good(0).to_json()), reason(&["http.unexpected-status"]))),
        ("403 whose body never comes", (|| b"HTTP/1.1 403 Forbidden\r\nContent-Length: 50\r\n\r\n".to_vec(), reason(&["http.forbidden"]))),
        ("503 whose body never ends", (|| [&b"HTTP/1.1 503 No\r\n\r\n"[..], &[b'x'; 100_000]].concat(), reason(&["http.unavailable"]))),
        ("200 with a page", (|| ok("<!DOCTYPE html><title>Sign in</title>"), reason(&["http.not-json"]))),
        (
            "200 that calls itself a page",
            (|| b"HTTP/1.1 200 OK\r\nContent-Type: Text/HTML\r\nContent-Length: 7\r\n\r\nSign in".to_vec(), reason(&["http.not-json"])),
        ),
        ("200 with nothing", (|| ok(""), reason(&["http.empty"]))),
        ("200 with a blank", (|| ok(" \r\n"), reason(&["http.empty", "credential.malformed"]))),
    ];
    rows::check(&rows, |(answer, want)| {
        let ground = Ground::new();
        let (outcome, peer) = meet(&ground, &in_turn(&ground, vec![answer()]), *want);
        let code = Reason::from_code(outcome.code()).expect("a reason");
        assert_eq!(peer.connections() > 1, code.retry(), "tried again or not: {outcome:#?}");
    });
}

#[test]
fn a_redirect_is_not_followed() {
    rows::check(
        &[("301", "301 Moved Permanently"), ("302", "302 Found"), ("307", "307 Temporary Redirect"), ("308", "308 Permanent Redirect")],
        |status| {
            let ground = Ground::new();
            let target = Peer::start(&ground.honest());
            let location = format!("Location: https://localhost:{}/v1/credentials/db\r\n", target.port);
            meet(&ground, &in_turn(&ground, vec![http(status, &location, "")]), reason(&["http.redirect"]));
            assert_eq!(target.connections(), 0, "the redirect was followed");
        },
    );
}

#[test]
fn retry_after_is_kept_to() {
    rows::check(&[("503", "503 Service Unavailable"), ("429", "429 Too Many Requests")], |status| {
        let ground = Ground::new();
        let (outcome, peer) = meet(&ground, &in_turn(&ground, vec![http(status, "Retry-After: 1\r\n", "{}"), delivered()]), Want::Delivered);
        assert!(outcome.elapsed >= Duration::from_secs(1), "too early: {outcome:#?}");
        assert_eq!(peer.requests().iter().filter(|line| line.starts_with("GET /v1/credentials/")).count(), 2, "{:?}", peer.requests());
    });
}

#[test]
fn a_retry_after_beyond_the_deadline_ends_the_run_at_once() {
    rows::check(&[("a minute", "60"), ("an age", "18446744073709551615"), ("more than 64 bits", "99999999999999999999")], |seconds| {
        let ground = Ground::new();
        let busy = http("503 Service Unavailable", &format!("Retry-After: {seconds}\r\n"), "{}");
        let (outcome, peer) = meet(&ground, &in_turn(&ground, vec![busy, delivered()]), reason(&["http.unavailable"]));
        assert!(outcome.elapsed < Duration::from_millis(800), "it waited: {outcome:#?}");
        assert_eq!(peer.requests().len(), 1);
    });
}

#[test]
fn json_that_is_none_of_ours() {
    type Row = (&'static str, (fn() -> String, Want));
    const MALFORMED: Want = reason(&["credential.malformed"]);
    let rows: [Row; 13] = [
        ("truncated", (|| good(0).to_json()[..200].to_owned(), MALFORMED)),
        ("deep", (|| "[".repeat(30_000), MALFORMED)),
        ("deep and closed", (|| format!("{}1{}", "[".repeat(30_000), "]".repeat(30_000)), MALFORMED)),
        ("huge numbers", (|| edited("\"fetch_after\":0", &format!("\"fetch_after\":{}", "9".repeat(5_000))), MALFORMED)),
        ("an exponent", (|| edited("\"fetch_after\":0", "\"fetch_after\":1e999"), MALFORMED)),
        ("a fraction", (|| edited("\"fetch_after\":0", "\"fetch_after\":0.5"), MALFORMED)),
        ("a text for a number", (|| edited("\"fetch_after\":0", "\"fetch_after\":\"0\""), MALFORMED)),
        ("a member twice", (|| edited("\"fetch_after\":0", "\"fetch_after\":0,\"kind\":\"jwt\""), MALFORMED)),
        ("a member twice, once escaped", (|| edited("\"fetch_after\":0", "\"fetch_after\":0,\"\\u006bind\":\"jwt\""), MALFORMED)),
        ("another value behind it", (|| good(0).to_json() + "{}", MALFORMED)),
        ("an array", (|| format!("[{}]", good(0).to_json()), MALFORMED)),
        ("another version", (|| edited("\"version\":1", "\"version\":2"), reason(&["credential.unsupported"]))),
        ("an unknown kind", (|| edited("\"jwt\"", "\"kerberos\""), reason(&["credential.unsupported"]))),
    ];
    rows::check(&rows, |(body, want)| {
        let ground = Ground::new();
        meet(&ground, &in_turn(&ground, vec![ok(&body())]), *want);
    });
}

fn edited(from: &str, to: &str) -> String {
    let json = good(0).to_json();
    assert!(json.contains(from), "{json}");
    json.replacen(from, to, 1)
}

#[test]
fn credentials_that_are_worse_than_none() {
    type Row = (&'static str, (fn() -> Answer, Want));
    let rows: [Row; 15] = [
        ("already over", (|| Answer { expires_in: 0, expires_at: now(), ..good(0) }, reason(&["credential.expired"]))),
        ("over before it began", (|| Answer { expires_in: -3_600, expires_at: now() - 3_600, ..good(0) }, reason(&["credential.expired"]))),
        ("older than the one held", (|| good(-HELD_SINCE - 1_000), reason(&["credential.older"]))),
        ("shorter-lived than the one held", (|| lasting(60), reason(&["credential.shorter-lived"]))),
        ("of another name", (|| Answer { credential: "other".into(), ..good(0) }, reason(&["credential.wrong-name"]))),
        ("of a name that clears the screen", (|| Answer { credential: "db\u{1b}[2J\u{9b}\r".into(), ..good(0) }, reason(&["credential.wrong-name"]))),
        ("for another host", (|| Answer { subject: "spiffe://example.org/host/web-2".into(), ..good(0) }, reason(&["credential.wrong-subject"]))),
        ("for a host that clears the screen", (|| Answer { subject: "\u{1b}[2J\u{7f}\n".into(), ..good(0) }, reason(&["credential.wrong-subject"]))),
        ("empty token", (|| Answer { token: String::new(), ..good(0) }, reason(&["credential.empty"]))),
        ("a secret without fields", (|| Answer { kind: Kind::Secret, ..good(0) }, reason(&["credential.empty"]))),
        ("a token that is none", (|| Answer { token: "SSSSSSSSSSSSSSSS".into(), ..good(0) }, reason(&["credential.malformed"]))),
        (
            "a token for another host",
            (|| Answer { token: token("spiffe://example.org/host/web-2", now() + 3_600), ..good(0) }, reason(&["credential.wrong-subject"])),
        ),
        ("a token that ends earlier than it says", (|| Answer { token: token(HOST, now() + 60), ..good(0) }, reason(&["credential.expired"]))),
        ("a token that ends later than it says", (|| Answer { token: token(HOST, now() + 9_999), ..good(0) }, reason(&["credential.malformed"]))),
        ("times that contradict each other", (|| Answer { expires_in: 60, ..good(0) }, reason(&["credential.malformed"]))),
    ];
    rows::check(&rows, |(answer, want)| {
        let ground = Ground::new();
        meet(&ground, &in_turn(&ground, vec![ok(&answer().to_json())]), *want);
    });
}

fn lasting(seconds: i64) -> Answer {
    Answer { expires_in: seconds, expires_at: now() + seconds, token: token(HOST, now() + seconds), ..good(0) }
}

#[test]
fn no_refusal_writes_control_characters_to_a_log_or_a_terminal() {
    let nasty = "\\u001b[31mred\\u0007\\r\\npinnace: code=ok\\u0000\\u007f\\u009b2J\\u202e";
    let refusal = format!("{{\"version\":1,\"code\":\"{nasty}\",\"error\":\"{nasty}\",\"because\":\"{nasty}\",\"hint\":\"{nasty}\"}}");
    let credential = Answer { subject: "\u{1b}[2J\u{7f}\r\u{9b}".into(), ..good(0) }.to_json();
    let cases =
        [("a refusal", (http("403 Forbidden", "", &refusal), "http.forbidden")), ("a credential", (ok(&credential), "credential.wrong-subject"))];
    rows::check(&cases, |(answer, code)| {
        let ground = Ground::new();
        let peer = Peer::start(&in_turn(&ground, vec![answer.clone()]));
        ground.stamp("localhost", peer.port);
        let outcome = ground.rig.run(&[]);
        outcome.expect_reason(code);
        assert_clean(&outcome.stdout);
        let typescript = ground.rig.path("typescript");
        let terminal = Command::new("script").args(["-q", "-e", "-c"]).arg(ground.rig.client()).arg(&typescript).output().expect("script");
        let shown = String::from_utf8_lossy(&terminal.stdout).replace("\r\n", "\n");
        assert!(shown.contains(&format!("\npinnace: code={code}")), "{shown:?}");
        assert_eq!(shown.lines().filter(|line| line.starts_with("pinnace: code=")).count(), 1, "a line of its own making: {shown:?}");
        assert_clean(&shown);
    });
}

fn assert_clean(text: &str) {
    let raw = |character: char| character != '\n' && (character.is_control() || ('\u{202a}'..='\u{202e}').contains(&character));
    assert!(!text.contains(raw), "a raw control character: {text:?}");
}

#[test]
fn one_bad_credential_does_not_keep_the_others_away() {
    type Row = (&'static str, (fn() -> Vec<u8>, &'static [&'static str]));
    let rows: [Row; 7] = [
        ("403", (|| http("403 Forbidden", "", "{}"), &["http.forbidden"])),
        ("500", (|| http("500 Internal Server Error", "", "{}"), &["http.server-error"])),
        ("503 for a minute", (|| http("503 Service Unavailable", "Retry-After: 60\r\n", "{}"), &["http.unavailable"])),
        ("nothing", (|| ok(""), &["http.empty"])),
        ("of another name", (|| ok(&Answer { credential: "other".into(), ..good(0) }.to_json()), &["credential.wrong-name"])),
        ("too large", (|| http("200 OK", "", &"x".repeat(100_000)), &["http.too-large"])),
        ("no HTTP", (|| vec![0xff; 100], &["http.malformed"])),
    ];
    rows::check(&rows, |(bad, codes)| {
        let ground = Ground::new();
        let (config, bad) = (tls::config(&ground.authority.server(&["localhost"]), Clients::Of(&ground.authority)), bad());
        let peer = Peer::start(&script(move |call| {
            let mut tls = tls::accept(&config, call)?;
            loop {
                let second = call.request(&mut tls)?.contains("/second ");
                tls.write_all(&if second { ok(&Answer { credential: "second".into(), ..good(0) }.to_json()) } else { bad.clone() })?;
                tls.flush()?;
            }
        }));
        let more = "[[credential]]\nname = \"second\"\n".to_owned() + &RAW_FILE.replace("db.token", "second.token");
        ground.stamp_with("localhost", peer.port, &Site { deliveries: format!("{RAW_FILE}{more}"), ..Site::default() });
        ground.expect(reason(codes));
        assert!(ground.rig.path("run/second.token").exists(), "the second credential is not there: {:?}", peer.requests());
        assert_eq!(peer.requests().iter().filter(|line| line.contains("/second ")).count(), 1, "asked for again: {:?}", peer.requests());
    });
}
