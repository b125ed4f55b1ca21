//! Hosts that are to fetch before their time, and a process that is to be left alone.

use crate::desk::{Desk, body, refused};
use crate::rig::Reply;
use serde_json::{Value, json};

/// What a host is answered that holds what was issued then.
fn ask(desk: &Desk, host: &str, issued: i64) -> Reply {
    let header = format!("Pinnace-Issued: {issued}");
    desk.server.curl(&desk.domain.host(host), "/v1/credentials/db", &["-H", &header])
}

fn issued_at(reply: &Reply) -> i64 {
    body(reply)["issued_at"].as_i64().unwrap_or_else(|| panic!("{reply:?}"))
}

#[test]
fn a_host_holds_on_to_what_it_has_until_a_wave_wants_it_to_fetch() {
    let desk = Desk::with_host();
    let held = issued_at(&desk.server.curl(&desk.domain.host("web-1"), "/v1/credentials/db", &[]));
    let before = desk.domain.audit().len();
    let reply = ask(&desk, "web-1", held);
    assert_eq!((reply.status, reply.body.as_str()), (304, ""), "{reply:?}");
    assert_eq!(desk.domain.audit().len(), before, "nothing was issued");
    let start = |hosts: &str, dry_run: bool| {
        let asked = json!({"hosts": hosts, "per_second": 1000, "reason": "the key leaked", "dry_run": dry_run});
        let reply = desk.post("wave/start", &asked);
        assert_eq!(reply.status, 200, "{reply:?}");
        body(&reply)
    };
    std::thread::sleep(std::time::Duration::from_millis(1100));
    assert_eq!(start("*", true)["touched"], 1);
    assert_eq!(ask(&desk, "web-1", held).status, 304, "it was only tried");
    start("db-*", false);
    assert_eq!(ask(&desk, "web-1", held).status, 304, "it is for others");
    assert_eq!(start("web-*", false)["seconds"], 1);
    let wave = body(&desk.get("status"))["wave"].clone();
    assert_eq!((&wave["hosts"], wave["ends"].as_i64().unwrap() - wave["since"].as_i64().unwrap()), (&json!("web-*"), 1));
    let fetched = ask(&desk, "web-1", held);
    assert!(fetched.status == 200 && issued_at(&fetched) > held, "{fetched:?}");
    assert_eq!(ask(&desk, "web-1", issued_at(&fetched)).status, 304, "once is enough");
    assert_eq!(desk.post("wave/stop", &json!({"reason": "done"})).status, 200);
    assert_eq!(ask(&desk, "web-1", held).status, 304);
    assert_eq!(body(&desk.get("status"))["wave"], Value::Null);
}

#[test]
fn whoever_may_not_have_it_is_told_so_and_not_to_hold_on() {
    let desk = Desk::with_host();
    assert_eq!(refused(&desk.server.curl(&desk.domain.host("web-1"), "/v1/credentials/closed", &["-H", "Pinnace-Issued: 1"])).0, 403);
    assert_eq!(desk.post("hosts/change", &json!({"names": ["web-1"], "action": "ban", "reason": "a test"})).status, 200);
    assert_eq!(refused(&ask(&desk, "web-1", i64::MAX)), (403, "identity.banned".into()));
    for odd in ["-1", "x", "", "99999999999999999999"] {
        let reply = desk.server.curl(&desk.domain.host("web-2"), "/v1/credentials/db", &["-H", &format!("Pinnace-Issued: {odd}")]);
        assert_eq!(reply.status, 200, "{odd:?} says nothing");
    }
}

#[test]
fn a_process_that_is_set_aside_is_not_ready_and_says_goodbye_but_turns_nobody_away() {
    let desk = Desk::with_host();
    let ready = || desk.server.fetch(&format!("http://{}/readyz", desk.server.admin), &[]);
    let host = desk.domain.host("web-1");
    assert_eq!(ready().status, 200);
    assert_eq!(desk.post("drain", &json!({"on": true, "reason": "a new disk", "dry_run": true})).status, 200);
    assert_eq!(ready().status, 200);
    assert_eq!(desk.post("drain", &json!({"on": true, "reason": "a new disk"})).status, 200);
    assert_eq!((ready().status, ready().body.as_str()), (503, "draining\n"));
    let served = desk.server.curl(&host, "/v1/credentials/db", &[]);
    assert!(served.status == 200 && served.head.contains("connection: close"), "{served:?}");
    assert_eq!(body(&desk.get("status"))["draining"], true);
    assert_eq!(desk.post("drain", &json!({"on": false, "reason": "done"})).status, 200);
    assert_eq!(ready().status, 200);
    assert!(!desk.server.curl(&host, "/v1/credentials/db", &[]).head.contains("connection: close"));
}
