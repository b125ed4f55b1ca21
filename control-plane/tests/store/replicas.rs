//! Several processes on one database.

use crate::{
    postgres::Postgres,
    rig::{Domain, Server, eventually},
};
use std::{
    fs,
    process::Command,
    time::{Duration, Instant},
};

/// A second process of the same trust domain.
pub(crate) fn second(domain: &Domain) -> Server {
    let path = domain.path("pinnaced.toml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("name = \"second\"\n{text}").replace("[store]\n", "[store]\nspool = \"second.db\"\n")).unwrap();
    let server = Server::start(domain);
    fs::write(&path, text).unwrap();
    server
}

#[test]
fn a_ban_made_on_one_replica_is_in_force_on_the_other_within_two_seconds() {
    let (postgres, domain) = (Postgres::start(), Domain::new());
    postgres.keep(&domain, 60);
    // Hearing of it must be enough, without the look that is taken every period.
    domain.set("reload_seconds", 60);
    let one = Server::start(&domain);
    let two = second(&domain);
    let host = domain.host("web-1");
    for server in [&one, &two] {
        assert_eq!(server.curl(&host, "/v1/credentials/db", &[]).status, 200);
    }
    let asked = r#"{"names":["web-1"],"action":"ban","reason":"a test"}"#;
    let ban = || one.operate(&domain.path("operators/admin.pem"), "/v1/operators/hosts/change", Some(asked)).body.contains("\"touched\":1");
    eventually("the host on record and banned", ban);
    let start = Instant::now();
    while two.curl(&host, "/v1/credentials/db", &[]).status == 200 {
        assert!(start.elapsed() < Duration::from_secs(30), "the other replica does not know of the ban");
    }
}

#[test]
fn a_second_process_of_the_same_name_refuses_to_start() {
    let (postgres, domain) = (Postgres::start(), Domain::new());
    postgres.keep(&domain, 60);
    let _one = Server::start(&domain);
    let second = Command::new(env!("CARGO_BIN_EXE_pinnaced")).args(["serve", "--dir"]).arg(&domain.dir).output().unwrap();
    let said = String::from_utf8(second.stderr).unwrap();
    assert!(!second.status.success() && said.contains("under the name pinnaced") && said.ends_with("code=store.name-taken\n"), "{said}");
}
