//! Hosts that fetch all the time, and what must be on record of it.

use crate::rig::{Domain, Server};
use aws_lc_rs::digest::{SHA256, digest};
use protocol::{answer::Answer, audit, json::Value};
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use std::{
    collections::HashMap,
    io::{Read, Write},
    net::TcpStream,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

const CLIENTS: usize = 4;
/// For one fetch, whatever becomes of the control plane.
const PATIENCE: Duration = Duration::from_secs(20);

/// The `jti` of every credential that was answered while `act` went on.
pub(crate) fn during(server: &mut Server, identity: &Path, act: impl FnOnce(&mut Server)) -> Vec<String> {
    let (tls, address, over) = (server.tls(identity), server.hosts.clone(), AtomicBool::new(false));
    thread::scope(|scope| {
        let client = || {
            let mut got = Vec::new();
            while !over.load(Ordering::Relaxed) {
                let started = Instant::now();
                got.extend(fetch(&tls, &address));
                assert!(started.elapsed() < PATIENCE, "a fetch was left hanging for {:?}", started.elapsed());
            }
            got
        };
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(client)).collect();
        act(server);
        over.store(true, Ordering::Relaxed);
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    })
}

/// Kills the process again and again; gives what was answered.
pub(crate) fn killed(domain: &Domain, kills: u64) -> Vec<String> {
    let identity = domain.host("web-1");
    let mut answered = Vec::new();
    for kill in 0..kills {
        let mut server = Server::start(domain);
        // At any moment: before the first answer, in the midst of them, and between a commit and its answers.
        answered.extend(during(&mut server, &identity, |server| {
            thread::sleep(Duration::from_micros(20_000 + kill * 79_190 % 300_000));
            server.child.kill().unwrap();
        }));
    }
    answered
}

/// No credential was ever answered without its record, none is on record twice, and the chain holds.
pub(crate) fn is_on_record(domain: &Domain, answered: &[String]) {
    let mut recorded: HashMap<String, usize> = HashMap::new();
    for record in domain.records() {
        if let Some(jti) = record.get("jti").and_then(Value::as_str) {
            *recorded.entry(jti.into()).or_default() += 1;
        }
    }
    let missing = answered.iter().filter(|jti| !recorded.contains_key(*jti)).count();
    assert_eq!(missing, 0, "of {} credentials answered, so many are not on record", answered.len());
    assert!(recorded.values().all(|times| *times == 1), "a credential is on record twice");
    chain_holds(domain);
}

/// Every writer's records are sealed together with all before them.
pub(crate) fn chain_holds(domain: &Domain) {
    let lines = domain.audit_lines();
    let seal: audit::Seal = |before, bytes| digest(&SHA256, &[before.as_slice(), bytes].concat()).as_ref().try_into().unwrap();
    if let Err(broken) = audit::follow(lines.iter().map(String::as_str), seal) {
        panic!("{broken:?}");
    }
}

fn fetch(tls: &Arc<ClientConfig>, address: &str) -> Option<String> {
    let connection = ClientConnection::new(Arc::clone(tls), "cp.example.org".try_into().unwrap()).unwrap();
    let stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(3))).unwrap();
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
