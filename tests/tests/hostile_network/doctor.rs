//! `pinnace doctor` on a hostile network: it ends in time too, and names the first stage that fails.

use std::time::Duration;

use protocol::membership::Whoami;
use protocol::reason::Reason;
use serde_json::Value;
use tests::evil::answer::{http, ok};
use tests::evil::authority::Authority;
use tests::evil::ground::{DEADLINE, Ground};
use tests::evil::peer::{BlackHole, Peer, Script, script};
use tests::evil::rows;
use tests::evil::tls::{self, Clients};

use crate::free_port;

type Row = (&'static str, (fn(&Ground) -> Script, &'static str, &'static str));

#[test]
fn the_first_stage_that_fails_is_named_in_time() {
    let rows: [Row; 9] = [
        ("honest", (|ground| ground.saying(&ok(&known("db"))), "", "ok")),
        ("granting something else", (|ground| ground.saying(&ok(&known("other"))), "policy", "http.forbidden")),
        ("saying nothing", (|ground| ground.saying(&ok("{}")), "policy", "http.not-json")),
        (
            "silent",
            (
                |_| {
                    script(|call| {
                        call.hold();
                        Ok(())
                    })
                },
                "tls",
                "tls.timeout",
            ),
        ),
        ("closing", (|_| script(|_| Ok(())), "tls", "tls.closed")),
        ("of another CA", (strange, "tls", "tls.unknown-authority")),
        ("busy", (|ground| ground.saying(&http("503 Service Unavailable", "Retry-After: 60\r\n", "{}")), "http", "http.unavailable")),
        ("a portal", (|ground| ground.saying(&http("302 Found", "Location: https://localhost/\r\n", "")), "http", "http.redirect")),
        (
            "steering terminals",
            (|ground| ground.saying(&http("403 No", "", "{\"code\":\"\\u001b[2J\",\"because\":\"\\u009b\\r\\n\"}")), "http", "http.forbidden"),
        ),
    ];
    rows::check(&rows, |(script, stage, code)| {
        let ground = Ground::new();
        let peer = Peer::start(&script(&ground));
        ground.stamp("localhost", peer.port);
        examine(&ground, stage, code);
    });
}

/// What a control plane says that grants one credential.
fn known(credential: &str) -> String {
    let known = Whoami {
        subject: "spiffe://example.org/host/web-1".to_owned(),
        status: "active".to_owned(),
        labels: Vec::new(),
        credentials: vec![credential.to_owned()],
        certificate_expires_at: 0,
        time: 0,
    };
    known.to_json()
}

fn strange(ground: &Ground) -> Script {
    let config = tls::config(&Authority::stranger().server(&["localhost"]), Clients::Of(&ground.authority));
    script(move |call| tls::accept(&config, call).map(drop))
}

#[test]
fn no_connection_is_named_in_time() {
    let ground = Ground::new();
    ground.stamp("localhost", free_port());
    examine(&ground, "tcp", "connect.refused");
    let hole = BlackHole::open();
    ground.stamp("localhost", hole.port);
    examine(&ground, "tcp", "connect.timeout");
}

fn examine(ground: &Ground, stage: &str, code: &str) {
    for arguments in [&["doctor", "--json"][..], &["doctor"]] {
        let outcome = ground.rig.run(arguments);
        assert_eq!(outcome.reason().map(Reason::code), Some(code), "{outcome:#?}");
        assert!(outcome.elapsed <= Duration::from_secs(u64::from(DEADLINE) + 1), "too late: {outcome:#?}");
        assert!(!outcome.stdout.contains(|character: char| character.is_control() && character != '\n'), "{outcome:#?}");
        if arguments.len() == 2 {
            let checks = outcome.last_event.get("checks").and_then(Value::as_array).expect("checks");
            let failed: Vec<&str> = checks.iter().filter(|check| check["ok"] == false).filter_map(|check| check["stage"].as_str()).collect();
            assert_eq!(failed.join(" "), stage, "{outcome:#?}");
        }
    }
}
