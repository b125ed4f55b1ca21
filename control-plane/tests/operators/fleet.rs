//! Questions about the fleet, on what hosts really told.

use crate::{
    desk::{Desk, body, refused},
    rig::eventually,
    told::{Database, event_of, now, report, send, send_until_taken},
};
use protocol::{
    event::{Event, Report},
    phases::{Phase, Phases},
};
use serde_json::{Value, json};

fn told(code: &str, facts: &[(&str, &str)]) -> Report {
    let outcome = if code == "ok" { "delivered" } else { "failed" };
    let (at, phases) = (now() - 5, Phases::new([(Phase::Resolve, 1), (Phase::Connect, 2), (Phase::Tls, 9)]));
    let event = Event { number: 1, at, code: code.into(), outcome: outcome.into(), generation: 3, elapsed_ms: 20, phases, ..Event::default() };
    let facts = facts.iter().map(|(name, value)| ((*name).to_string(), (*value).to_string())).collect();
    Report { events: vec![event], facts, ..report('a', 1..=1) }
}

fn tell(desk: &Desk, host: &str, report: &Report) {
    send_until_taken(&desk.server, &desk.domain.host(host), report);
}

fn ask(desk: &Desk, question: &str, asked: &Value) -> Value {
    let reply = desk.post(&format!("fleet/{question}"), asked);
    assert_eq!(reply.status, 200, "{question} {asked}: {reply:?}");
    body(&reply)
}

fn names(desk: &Desk, filter: &str) -> Vec<String> {
    let hosts = ask(desk, "hosts", &json!({"filter": filter}));
    hosts["hosts"].as_array().unwrap().iter().map(|host| host["name"].as_str().unwrap().to_string()).collect()
}

#[test]
fn what_hosts_told_answers_every_question() {
    let desk = Desk::new();
    for number in 0..4 {
        tell(&desk, &format!("old-{number}"), &told("http.closed", &[("os", "rhel7"), ("kernel", "3.10"), ("arch", "x86_64")]));
    }
    for number in 0..8 {
        tell(&desk, &format!("web-{number}"), &told("ok", &[("os", "debian12"), ("kernel", "6.1"), ("arch", "x86_64")]));
    }
    tell(&desk, "web-0", &Report { dropped: 7, ..told("ok", &[]) });
    assert_eq!(desk.server.curl(&desk.domain.host("web-1"), "/v1/credentials/db", &[]).status, 200);
    let in_picture = |status: &Value| status["known"] == 12 && status["dropped_events"] == 7 && status["horizon"]["holding"] == 1;
    eventually("all of it is in the picture", || in_picture(&ask(&desk, "status", &json!({}))));

    let status = ask(&desk, "status", &json!({}));
    assert_eq!((&status["failing"], &status["hosts"], &status["dropped_events"]), (&json!(4), &json!(12), &json!(7)));
    assert_eq!(status["codes"][0]["word"], "http.closed");
    let first = &status["horizon"];
    assert_eq!((&first["first_host"], &first["holding"]), (&json!("web-1"), &json!(1)), "{status}");
    assert!(first["first_at"].as_i64().unwrap() > now());

    let served = desk.server.fetch(&format!("http://{}/metrics", desk.server.admin), &[]).body;
    for state in status["states"].as_array().unwrap() {
        let line = format!("pinnaced_hosts{{state={}}} {}\n", state["word"], state["hosts"]);
        assert!(served.contains(&line), "{line}: {served}");
    }
    assert_eq!(served.matches("\npinnaced_hosts{").count(), 6, "the same words");

    assert_eq!(names(&desk, "kernel<4"), ["old-0", "old-1", "old-2", "old-3"]);
    assert_eq!(names(&desk, "state=failing host=*-2"), ["old-2"]);
    assert_eq!(names(&desk, "state=silent"), Vec::<String>::new());
    let why = ask(&desk, "why", &json!({}));
    let corner = &why["corners"][0];
    assert_eq!((&corner["code"], &corner["cases"], &corner["of"]), (&json!("http.closed"), &json!(4), &json!(4)), "{why}");
    assert_eq!(names(&desk, corner["filter"].as_str().unwrap()).len(), 4, "its filter lists them");

    let host = ask(&desk, "host", &json!({"name": "old-1"}));
    assert_eq!((&host["host"]["state"], &host["events"][0]["code"]), (&json!("failing"), &json!("http.closed")));
    let phases = json!({"resolve_ms": 1, "connect_ms": 2, "tls_ms": 9, "request_ms": null, "deliver_ms": null});
    assert_eq!(host["events"][0]["phases"], phases, "what the run did not come to is null");
    assert!(host["hint"].as_str().is_some_and(|hint| !hint.is_empty()) && host["policy"]["db"].is_string(), "{host}");
    assert_eq!(refused(&desk.post("fleet/host", &json!({"name": "nobody"}))), (404, "host.unknown".into()));

    let sum = |series: &Value, member: &str| series["points"].as_array().unwrap().iter().map(|point| point[member].as_i64().unwrap()).sum::<i64>();
    let all = ask(&desk, "series", &json!({"since_seconds": 3600, "step_seconds": 60}));
    assert_eq!((sum(&all, "runs"), sum(&all, "failed"), sum(&all, "dropped")), (12, 4, 7));
    let old = ask(&desk, "series", &json!({"filter": "os=rhel7", "since_seconds": 3600}));
    assert_eq!((sum(&old, "runs"), sum(&old, "failed")), (4, 4));
    let terms = ask(&desk, "complete", &json!({"text": "state=failing os=r"}));
    assert_eq!(terms["terms"], json!(["os=rhel7"]));
    assert_eq!(ask(&desk, "map", &json!({"filter": "os=rhel7"}))["cells"], json!([2, 2, 2, 2]));
}

#[test]
fn what_is_wrong_with_a_filter_is_shown_at_its_character() {
    let desk = Desk::new();
    for question in ["status", "why", "hosts", "map", "series"] {
        let reply = desk.post(&format!("fleet/{question}"), &json!({"filter": "os=rhel7 kernal<4"}));
        assert_eq!(refused(&reply), (400, "filter.invalid".into()));
        let (because, hint) = (body(&reply)["because"].clone(), body(&reply)["hint"].clone());
        assert_eq!(because, "\"kernal\" is no key\n  os=rhel7 kernal<4\n           ^");
        assert!(hint.as_str().unwrap().starts_with("did you mean kernel?"), "{hint}");
    }
    assert_eq!(refused(&desk.post("fleet/series", &json!({"filter": "host=web-1"}))), (400, "filter.history".into()));
    for asked in [json!({"limit": 1001}), json!({"filter": "x".repeat(1001)}), json!({"filter": 7}), json!({"sort": "name"})] {
        assert_eq!(desk.post("fleet/hosts", &asked).status, 400, "{asked}");
    }
}

/// Whatever a host says of itself, or a person asks, stays text: in SQL, in JSON, in the filter that a group lists itself by.
#[test]
fn what_hosts_say_and_people_ask_is_nothing_but_text() {
    const EVIL: [&str; 10] = [
        "'; DROP TABLE hosts; --",
        "\" OR 1=1 --",
        "\\",
        "\"}],\"version\":9,\"x\":[{\"",
        "<script>alert(1)</script>",
        "=HYPERLINK(\"http://evil\")",
        "$(touch /tmp/evil)",
        "rhel7 state=healthy",
        "*",
        "a,b",
    ];
    let desk = Desk::new();
    for (number, evil) in EVIL.iter().enumerate() {
        tell(&desk, &format!("evil-{number}"), &Report { events: vec![event_of(evil)], ..told("ok", &[("os", evil), ("color", evil)]) });
    }
    let os = |number: usize| body(&desk.post("fleet/host", &json!({"name": format!("evil-{number}")})))["host"]["facts"]["os"].clone();
    eventually("what all hosts told is in the picture", || EVIL.iter().enumerate().all(|(number, evil)| os(number) == *evil));
    for (number, evil) in EVIL.iter().enumerate() {
        let name = format!("evil-{number}");
        let host = ask(&desk, "host", &json!({"name": name}));
        assert_eq!(
            (&host["host"]["facts"]["os"], &host["host"]["code"], &host["host"]["outcome"]),
            (&json!(evil), &json!("unknown"), &json!("other"))
        );
        assert_eq!(host["events"][0]["update"], *evil);
        let filter = format!("os={} fact.color={}", protocol::filter::quoted(evil), protocol::filter::quoted(evil));
        let found = names(&desk, &filter);
        let expected = if *evil == "*" { EVIL.len() } else { 1 };
        assert!(found.len() == expected && found.contains(&name), "{filter}: {found:?}");
        let series =
            ask(&desk, "series", &json!({"filter": format!("os={}", protocol::filter::quoted(&evil.replace('*', "x"))), "since_seconds": 3600}));
        assert!(series["points"].is_array());
        for text in [(*evil).to_string(), format!("os={evil}"), format!("host='{evil}'"), format!("fact.{evil}=x"), format!("{evil}=x")] {
            for question in ["hosts", "series"] {
                let status = desk.post(&format!("fleet/{question}"), &json!({"filter": text})).status;
                assert!(status == 200 || status == 400, "{question} {text}: {status}");
            }
            assert_eq!(desk.post("fleet/complete", &json!({"text": text})).status, 200, "{text}");
            assert_eq!(desk.post("fleet/host", &json!({"name": text})).status, 404, "{text}");
        }
        for controls in ["\u{1b}[31m", "a\nb", "\0"] {
            let refused = send(&desk.server, &desk.domain.host("web-9"), &told("ok", &[("os", controls)]));
            assert_eq!(refused.status, 400, "what moves a terminal's cursor is no fact");
        }
    }
    let database = Database::of(&desk.domain);
    assert_eq!(database.number("SELECT count(*) FROM hosts WHERE body LIKE '%color%'"), i64::try_from(EVIL.len()).unwrap());
    assert_eq!(database.number("SELECT sum(events) FROM rollups WHERE dimension = ''"), i64::try_from(EVIL.len()).unwrap());
}
