//! What was answered is on record, whatever became of the process that answered.

use crate::rig::{Domain, Server};
use aws_lc_rs::digest::{SHA256, digest};
use protocol::{answer::Answer, json::Value};
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use std::{
    collections::HashSet,
    io::{Read, Write},
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

const KILLS: u64 = 50;
const CLIENTS: usize = 4;

/// No credential was ever answered without its record, and the chain holds from the first record to the last.
#[test]
fn killed_fifty_times_under_load_it_has_answered_nothing_that_is_not_on_record() {
    let domain = Domain::new();
    let identity = domain.host("web-1");
    let mut answered = Vec::new();
    for kill in 0..KILLS {
        let mut server = Server::start(&domain);
        let (tls, address, over) = (server.tls(&identity), server.hosts.clone(), AtomicBool::new(false));
        let got = thread::scope(|scope| {
            let client = || {
                let mut got = Vec::new();
                while !over.load(Ordering::Relaxed) {
                    got.extend(fetch(&tls, &address));
                }
                got
            };
            let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(client)).collect();
            // At any moment: before the first answer, in the midst of them, and between a commit and its answers.
            thread::sleep(Duration::from_micros(20_000 + kill * 79_190 % 300_000));
            server.child.kill().unwrap();
            over.store(true, Ordering::Relaxed);
            clients.into_iter().flat_map(|client| client.join().unwrap()).collect::<Vec<String>>()
        });
        answered.extend(got);
    }
    let records = domain.records();
    let recorded: HashSet<&str> = records.iter().filter_map(|record| record.get("jti").and_then(Value::as_str)).collect();
    assert!(answered.len() > 100, "only {} credentials were answered", answered.len());
    assert!(answered.iter().all(|jti| recorded.contains(jti.as_str())), "a credential is not on record");
    assert!(records.len() >= answered.len());
    chain_holds(&domain.audit_lines());
}

fn fetch(tls: &Arc<ClientConfig>, address: &str) -> Option<String> {
    let connection = ClientConnection::new(Arc::clone(tls), "cp.example.org".try_into().unwrap()).unwrap();
    let stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    let mut stream = StreamOwned::new(connection, stream);
    stream.write_all(b"GET /v1/credentials/db HTTP/1.1\r\nHost: cp.example.org\r\nConnection: close\r\n\r\n").ok()?;
    let mut bytes = Vec::new();
    // A connection that was cut after a whole answer has still answered.
    let _ = stream.read_to_end(&mut bytes);
    let text = String::from_utf8(bytes).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let answer = head.starts_with("HTTP/1.1 200").then(|| Answer::from_json(body.as_bytes()).ok())??;
    let claims = protocol::base64url_decode(answer.token.split('.').nth(1)?)?;
    protocol::json::parse(&claims).ok()?.get("jti").and_then(Value::as_str).map(ToOwned::to_owned)
}

/// Every record is sealed together with all before it.
fn chain_holds(lines: &[String]) {
    let mut before = vec![0; 32];
    let records = lines.iter().filter(|line| !line.contains("\"checkpoint\""));
    for (number, line) in (1..).zip(records) {
        let (body, hash) = line.rsplit_once(",\"hash\":\"").unwrap();
        let body = format!("{body}}}");
        assert!(body.starts_with(&format!("{{\"writer\":\"pinnaced\",\"number\":{number},")), "{line}");
        before = digest(&SHA256, &[before.as_slice(), body.as_bytes()].concat()).as_ref().to_vec();
        assert_eq!(hash.strip_suffix("\"}").unwrap(), protocol::hex_encode(&before), "{line}");
    }
}
