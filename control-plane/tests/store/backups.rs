//! The store in one file, taken while somebody serves, and put back into either database; and files of an earlier version.

use crate::{
    postgres::Postgres,
    rig::{Domain, Server, eventually},
    traffic::chain_holds,
};
use protocol::json::Value;
use rusqlite::Connection;
use std::{fs, path::Path, process::Output, thread, time::Duration};

const CHANGE: &str = "/v1/operators/hosts/change";

fn ordered(server: &Server, domain: &Domain, path: &str, asked: &str) -> String {
    let reply = server.operate(&domain.path("operators/admin.pem"), path, Some(asked));
    assert_eq!(reply.status, 200, "{asked}: {}", reply.body);
    reply.body
}

fn words(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout)
}

/// A domain with a banned host, a token that nobody has spent, and a backup taken while credentials are issued.
fn backed_up(domain: &Domain) {
    let server = Server::start(domain);
    let (web, bad) = (domain.host("web-1"), domain.host("web-2"));
    for host in [&web, &bad] {
        assert_eq!(server.curl(host, "/v1/credentials/db", &[]).status, 200);
    }
    let banned = r#"{"names":["web-2"],"action":"ban","reason":"a test"}"#;
    let ban = || server.operate(&domain.path("operators/admin.pem"), CHANGE, Some(banned)).body.contains("\"touched\":1");
    eventually("the host on record and banned", ban);
    ordered(&server, domain, "/v1/operators/tokens/create", r#"{"hosts":"*","ttl_seconds":600,"reason":"a test"}"#);
    thread::scope(|scope| {
        let traffic = scope.spawn(|| (0..30).filter(|_| server.curl(&web, "/v1/credentials/db", &[]).status == 200).count());
        thread::sleep(Duration::from_millis(50));
        let backup = domain.pinnaced(&["backup", "--out", &at(domain, "backup.db")]);
        assert!(backup.status.success() && words(&backup).contains("audit records"), "{}", words(&backup));
        assert_eq!(traffic.join().unwrap(), 30, "whoever serves goes on");
    });
    // What happens from here on is not in it.
    ordered(&server, domain, CHANGE, r#"{"names":["web-1"],"action":"ban","reason":"too late"}"#);
    let again = domain.pinnaced(&["backup", "--out", &at(domain, "backup.db")]);
    assert!(!again.status.success() && words(&again).contains("it is there already"), "{}", words(&again));
}

/// The restored control plane knows what the backed up one knew.
fn restored(domain: &Domain) {
    let restore = domain.pinnaced(&["restore", "--from", &at(domain, "backup.db")]);
    assert!(restore.status.success() && words(&restore).contains("1 unspent tokens are ended"), "{}", words(&restore));
    let twice = domain.pinnaced(&["restore", "--from", &at(domain, "backup.db")]);
    assert!(!twice.status.success() && words(&twice).contains("something in the database already"), "{}", words(&twice));
    let server = Server::start(domain);
    assert_eq!(server.curl(&domain.host("web-1"), "/v1/credentials/db", &[]).status, 200);
    assert_eq!(server.curl(&domain.host("web-2"), "/v1/credentials/db", &[]).text("code"), "identity.banned");
    let tokens = server.operate(&domain.path("operators/admin.pem"), "/v1/operators/tokens", None).body;
    assert!(tokens.contains("\"tokens\":[]"), "{tokens}");
    chain_holds(domain);
    let records = domain.records();
    assert!(records.iter().any(|record| record.get("event").and_then(Value::as_str) == Some("restored")));
}

fn at(domain: &Domain, name: &str) -> String {
    domain.path(name).display().to_string()
}

fn forget_store(domain: &Domain) {
    for name in ["pinnaced.db", "pinnaced.db-wal", "pinnaced.db-shm"] {
        let _ = fs::remove_file(domain.path(name));
    }
}

#[test]
fn a_backup_taken_while_serving_is_restored_into_a_new_file() {
    let domain = Domain::new();
    backed_up(&domain);
    forget_store(&domain);
    restored(&domain);
}

#[test]
fn a_store_moves_from_a_file_to_postgresql_and_back_with_all_it_holds() {
    let (postgres, domain) = (Postgres::start(), Domain::new());
    backed_up(&domain);
    forget_store(&domain);
    let plain = fs::read_to_string(domain.path("pinnaced.toml")).unwrap();
    postgres.keep(&domain, 60);
    restored(&domain);
    let records = domain.records();
    fs::remove_file(domain.path("backup.db")).unwrap();
    let backup = domain.pinnaced(&["backup", "--out", &at(&domain, "backup.db")]);
    assert!(backup.status.success(), "{}", words(&backup));
    fs::write(domain.path("pinnaced.toml"), plain).unwrap();
    let restore = domain.pinnaced(&["restore", "--from", &at(&domain, "backup.db")]);
    assert!(restore.status.success(), "{}", words(&restore));
    let events = |records: &[Value]| records.iter().filter(|record| record.get("event").is_some()).count();
    assert_eq!(events(&domain.records()), events(&records) + 1, "and the record of this restore");
    chain_holds(&domain);
}

#[test]
fn what_is_no_whole_backup_is_not_restored() {
    let domain = Domain::new();
    backed_up(&domain);
    forget_store(&domain);
    let refused = |file: &str, because: &str| {
        let said = domain.pinnaced(&["restore", "--from", &at(&domain, file)]);
        assert!(
            !said.status.success() && words(&said).contains(because) && words(&said).contains("code=backup.unusable"),
            "{file}: {}",
            words(&said)
        );
        assert!(!domain.path("pinnaced.db").exists(), "{file}: nothing is left behind");
    };
    refused("nothing.db", "unable to open");
    fs::write(domain.path("text.db"), "no database").unwrap();
    refused("text.db", "not a database");
    tampered(&domain.path("backup.db"), &domain.path("removed.db"), "DELETE FROM audit WHERE number = 3");
    refused("removed.db", "does not hold from its record 4 on");
    tampered(&domain.path("backup.db"), &domain.path("changed.db"), "UPDATE audit SET body = replace(body, 'event', 'EVENT') WHERE number = 5");
    refused("changed.db", "does not hold from its record");
    let whole = fs::read(domain.path("backup.db")).unwrap();
    fs::write(domain.path("cut.db"), &whole[..whole.len() / 2]).unwrap();
    refused("cut.db", "cannot use");
}

fn tampered(from: &Path, to: &Path, how: &str) {
    fs::copy(from, to).unwrap();
    assert!(Connection::open(to).unwrap().execute(how, []).unwrap() > 0);
}

/// Version 1 was one table of what was issued, without a chain.
#[test]
fn a_file_of_version_1_is_brought_up_to_date_with_all_its_records() {
    let domain = Domain::new();
    forget_store(&domain);
    let old = Connection::open(domain.path("pinnaced.db")).unwrap();
    old.execute_batch(
        "CREATE TABLE audit (id INTEGER PRIMARY KEY, time INTEGER NOT NULL, host TEXT NOT NULL, credential TEXT NOT NULL, jti TEXT NOT NULL,
             expires_at INTEGER NOT NULL) STRICT;
         INSERT INTO audit VALUES (1, 100, 'spiffe://example.org/host/web-1', 'db', 'aa', 160), (2, 101, 'spiffe://example.org/host/web-2', 'db', 'bb', 161);
         PRAGMA user_version = 1;",
    )
    .unwrap();
    drop(old);
    let look = domain.pinnaced(&["audit"]);
    assert!(!look.status.success() && words(&look).contains("run pinnaced serve, which brings an older one up to date"), "{}", words(&look));
    let server = Server::start(&domain);
    assert_eq!(server.curl(&domain.host("web-1"), "/v1/credentials/db", &[]).status, 200);
    let issued = domain.audit();
    let texts = |name: &str| issued.iter().map(|record| record.get(name).and_then(Value::as_str).unwrap().to_string()).collect::<Vec<_>>();
    assert_eq!(texts("host"), ["web-1", "web-2", "web-1"]);
    assert_eq!(texts("jti")[..2], ["aa", "bb"]);
    chain_holds(&domain);
}
