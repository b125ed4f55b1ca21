//! Those who were let in and are let in no more.

use crate::{
    desk::{Desk, body},
    rig::eventually,
};
use rustls::{ClientConnection, StreamOwned};
use serde_json::json;
use std::{
    io::{Read, Write},
    net::TcpStream,
};

/// SPIRE #711: evicted agents kept a live connection.
#[test]
fn a_ban_is_in_force_on_the_next_request_of_an_open_connection() {
    let desk = Desk::new();
    let mut stream = desk.server.connect(&desk.domain.host("web-1"));
    let mut ask = || {
        stream.write_all(b"GET /v1/credentials/db HTTP/1.1\r\nHost: cp.example.org\r\n\r\n").unwrap();
        let mut bytes = [0; 4096];
        let count = stream.read(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes[..count]).into_owned()
    };
    assert!(ask().starts_with("HTTP/1.1 200"));
    let change = |action: &str| body(&desk.post("hosts/change", &json!({"names": ["web-1"], "action": action, "reason": "a test"})));
    eventually("the host on record", || change("label")["code"] == "request.invalid" && change("ban")["touched"] == 1);
    let answer = ask();
    assert!(answer.starts_with("HTTP/1.1 403") && answer.contains("identity.banned"), "{answer}");
    assert_eq!(change("lift")["touched"], 1);
    assert!(ask().starts_with("HTTP/1.1 200"));
    for (action, code) in [("quarantine", "identity.quarantined"), ("evict", "identity.evicted")] {
        assert_eq!(change(action)["touched"], 1);
        assert!(ask().contains(code));
    }
    let bans: Vec<_> = desk.changes().into_iter().filter(|record| record["event"] == "hosts-banned").collect();
    assert_eq!(bans.len(), 1);
    assert_eq!((&bans[0]["by"], &bans[0]["reason"]), (&json!("spiffe://example.org/operator/admin/admin"), &json!("a test")));
}

#[test]
fn an_operators_ban_is_in_force_on_the_next_request_of_an_open_connection() {
    let desk = Desk::new();
    let ann = desk.operator("operator", "ann");
    let connection = ClientConnection::new(desk.server.tls(&ann), "cp.example.org".try_into().unwrap()).unwrap();
    let mut stream = StreamOwned::new(connection, TcpStream::connect(&desk.server.operators).unwrap());
    let mut ask = || {
        stream.write_all(b"GET /v1/operators/whoami HTTP/1.1\r\nHost: cp.example.org\r\n\r\n").unwrap();
        let mut bytes = [0; 4096];
        let count = stream.read(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes[..count]).into_owned()
    };
    assert!(ask().contains("spiffe://example.org/operator/operator/ann"));
    let ban = |lift: bool| desk.post("operators/ban", &json!({"name": "ann", "lift": lift, "reason": "she left"})).status;
    assert_eq!(ban(false), 200);
    let answer = ask();
    assert!(answer.starts_with("HTTP/1.1 403") && answer.contains("operator.banned"), "{answer}");
    assert_eq!(ban(false), 200, "said twice");
    assert_eq!(ban(true), 200);
    assert!(ask().starts_with("HTTP/1.1 200"));
}
