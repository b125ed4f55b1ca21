//! What several processes do at once on one database.

use crate::{
    keyed::one_token_lets_one_in,
    postgres::Postgres,
    replicas::second,
    rig::{Domain, Server, eventually},
};
use protocol::json::{self, Value};
use std::{fs, process::Command};

/// SPIRE 1.14: a join token was accepted twice when it was used concurrently.
#[test]
fn of_two_who_spend_a_token_at_once_on_two_replicas_one_comes_in() {
    let (postgres, domain) = (Postgres::start(), Domain::new());
    postgres.keep(&domain, 60);
    let one = Server::start(&domain);
    let two = second(&domain);
    one_token_lets_one_in(&domain, [&one, &two]);
}

#[test]
fn keys_are_ordered_about_beside_a_process_that_serves() {
    let (postgres, domain) = (Postgres::start(), Domain::new());
    postgres.keep(&domain, 60);
    let server = Server::start(&domain);
    assert_eq!(server.curl(&domain.host("web-1"), "/v1/credentials/db", &[]).status, 200);
    let spool = fs::read(domain.path("spool.db")).unwrap();
    let prepared = domain.pinnaced(&["keys", "prepare", "--use", "jwt", "--reason", "a test"]);
    assert!(prepared.status.success(), "{prepared:?}");
    assert_eq!(fs::read(domain.path("spool.db")).unwrap(), spool, "the spool is the serving process's");
    let served = || {
        let set = server.fetch(&format!("https://{}/.well-known/jwks.json", server.public), &[]).body;
        json::parse(set.as_bytes()).unwrap().get("keys").and_then(Value::as_array).unwrap().len()
    };
    eventually("the prepared key is published", || served() == 3);
    assert_eq!(server.curl(&domain.host("web-1"), "/v1/credentials/db", &[]).status, 200);
}

#[test]
fn init_lays_a_trust_domain_out_for_postgresql() {
    let (postgres, model) = (Postgres::start(), Domain::new());
    let dir = model.path("shared");
    let init = Command::new(env!("CARGO_BIN_EXE_pinnaced"))
        .args([
            "init",
            "--trust-domain",
            "example.org",
            "--name",
            "cp.example.org",
            "--name",
            "127.0.0.1",
            "--postgres",
            &postgres.address(),
            "--dir",
        ])
        .arg(&dir)
        .output()
        .unwrap();
    assert!(init.status.success(), "{init:?}");
    let domain = Domain { dir };
    fs::write(domain.path("policy.toml"), "[[credential]]\nname = \"db\"\nkind = \"jwt\"\naudience = [\"a\"]\nhosts = [\"*\"]\n").unwrap();
    assert!(!domain.path("pinnaced.db").exists());
    let server = Server::start(&domain);
    assert_eq!(server.curl(&domain.host("web-1"), "/v1/credentials/db", &[]).status, 200);
    assert_eq!(domain.audit().len(), 1);
    let refused = Command::new(env!("CARGO_BIN_EXE_pinnaced"))
        .args(["init", "--trust-domain", "example.org", "--name", "a", "--postgres", "host=/x user=p password=secret", "--dir"])
        .arg(model.path("other"))
        .output()
        .unwrap();
    let words = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success() && words.contains("holds a password") && !words.contains("secret"), "{words}");
}
