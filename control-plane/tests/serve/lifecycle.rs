//! Start, change, end.

use crate::rig::{Domain, POLICY, Server, eventually};
use std::{
    fs,
    io::{Read, Write},
    process::Command,
};

#[test]
fn sigterm_drains() {
    let domain = Domain::new();
    domain.set("header_seconds", 5);
    let mut server = Server::start(&domain);
    let ready = format!("http://{}/readyz", server.admin);
    assert_eq!(server.fetch(&ready, &[]).status, 200);
    let mut stream = server.connect(&domain.host("web-1"));
    stream.write_all(b"GET /v1/credentials/db HTTP/1.1\r\n").unwrap();
    stream.flush().unwrap();
    server.signal("TERM");
    eventually("a 503 on /readyz", || server.fetch(&ready, &[]).status == 503);
    assert_eq!(server.fetch(&format!("http://{}/livez", server.admin), &[]).status, 200);
    stream.write_all(b"Host: cp.example.org\r\n\r\n").unwrap();
    let mut start = [0_u8; 15];
    stream.read_exact(&mut start).unwrap();
    assert_eq!(&start, b"HTTP/1.1 200 OK");
    let _ = stream.read_to_end(&mut Vec::new());
    assert!(server.child.wait().unwrap().success());
    assert_eq!(domain.audit().len(), 1);
}

#[test]
fn a_new_certificate_is_taken_up_and_a_broken_one_is_not() {
    let domain = Domain::new();
    let server = Server::start(&domain);
    let web = domain.host("web-1");
    let shown = || {
        let mut stream = server.connect(&web);
        stream.flush().unwrap();
        stream.conn.peer_certificates().unwrap()[0].clone().into_owned()
    };
    let before = shown();
    fs::write(domain.path("server/server.crt"), "junk").unwrap();
    server.signal("HUP");
    let refused = || server.fetch(&format!("http://{}/metrics", server.admin), &[]).body.contains(r#"reloads_total{outcome="refused"}"#);
    eventually("a refused reload", refused);
    assert_eq!(shown(), before);
    let renewed = domain.renew_server();
    assert_ne!(renewed, before);
    eventually("the new certificate", || shown() == renewed);
}

#[test]
fn a_new_policy_is_taken_up_and_a_broken_one_is_not() {
    let domain = Domain::new();
    let server = Server::start(&domain);
    let web = domain.host("web-1");
    let status = |name| server.curl(&web, &format!("/v1/credentials/{name}"), &[]).status;
    assert_eq!((status("db"), status("closed")), (200, 403));
    fs::write(domain.path("policy.toml"), "[[credential]]\nname = 1").unwrap();
    server.signal("HUP");
    let refused = || server.fetch(&format!("http://{}/metrics", server.admin), &[]).body.contains(r#"reloads_total{outcome="refused"}"#);
    eventually("a refused reload", refused);
    assert_eq!(status("db"), 200);
    fs::write(domain.path("policy.toml"), POLICY.replace("vault-1", "web-1").replace(r#"["*"]"#, "[]")).unwrap();
    eventually("the new policy", || (status("db"), status("closed")) == (403, 200));
}

#[test]
fn init_leaves_an_existing_trust_domain_alone_and_serve_says_what_is_missing() {
    let domain = Domain::new();
    let run = |arguments: &[&str]| Command::new(env!("CARGO_BIN_EXE_pinnaced")).args(arguments).arg("--dir").arg(&domain.dir).output().unwrap();
    let before = fs::read(domain.path("ca/ca.key")).unwrap();
    assert!(!run(&["init", "--trust-domain", "example.org", "--name", "cp.example.org"]).status.success());
    assert_eq!(fs::read(domain.path("ca/ca.key")).unwrap(), before);
    assert!(!run(&["init", "--trust-domain", "example.org", "--name", "a\"b"]).status.success());
    fs::remove_file(domain.path("keys/jwt.key")).unwrap();
    let served = run(&["serve"]);
    let words = String::from_utf8_lossy(&served.stderr).into_owned();
    assert!(!served.status.success() && words.contains("jwt.key") && words.contains("hint:"), "{words}");
}
