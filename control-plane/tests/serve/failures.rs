//! What `pinnaced` says when it cannot: error, because, hint, and the code of docs/operations.md.

use crate::rig::{Domain, Server};
use std::{
    fs,
    net::TcpListener,
    os::unix::fs::{PermissionsExt, symlink},
    path::PathBuf,
    process::Command,
};

const SERVE: [&str; 5] = ["serve", "--listen-hosts", "127.0.0.1:0", "--listen-public", "127.0.0.1:0"];

/// The words of a command that must fail with this code, without anything that moves a cursor.
fn fails(arguments: &[&str], code: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_pinnaced")).args(arguments).output().unwrap();
    let words = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {words}");
    let said: Vec<&str> = words.lines().filter_map(|line| line.strip_prefix("pinnaced: ")).collect();
    let [error, because, hint, last] = said[..] else { panic!("{arguments:?}: {words}") };
    for (line, head) in [(error, "error: "), (because, "because: "), (hint, "hint: ")] {
        assert!(line.len() > head.len() && line.starts_with(head), "{words}");
    }
    assert_eq!(last, format!("code={code}"), "{words}");
    assert!(words.ends_with(&format!("{last}\n")) && !words.contains(|letter: char| letter.is_control() && letter != '\n'), "{words:?}");
    words
}

impl Domain {
    fn fails(&self, arguments: &[&str], code: &str) -> String {
        fails(&[arguments, &["--dir", &self.dir.display().to_string()]].concat(), code)
    }

    /// Has the file be something else for as long as `pinnaced` fails over it.
    fn fails_with(&self, file: &str, text: &str, code: &str) -> String {
        let (path, usual): (PathBuf, String) = (self.path(file), fs::read_to_string(self.path(file)).unwrap());
        fs::write(&path, text).unwrap();
        let words = self.fails(&SERVE, code);
        fs::write(path, usual).unwrap();
        words
    }
}

#[test]
fn a_command_line_that_is_not_understood_says_what_is_wrong_with_it() {
    assert!(fails(&[], "usage.invalid").contains("because: it names no command"));
    assert!(fails(&["keys"], "usage.invalid").contains("because: it names no command"));
    assert!(fails(&["serv"], "usage.invalid").contains("'serve'"));
    assert!(fails(&["serve"], "usage.invalid").contains("--dir"));
    fails(&["serve", "--dir", "\u{1b}[2J", "--listen-hosts", "\u{1b}[31mhere"], "usage.invalid");
    fails(&["init", "--dir", "/nowhere", "--trust-domain", "Example Org", "--name", "cp.example.org"], "usage.invalid");
    let version = Command::new(env!("CARGO_BIN_EXE_pinnaced")).arg("--version").output().unwrap();
    assert!(version.status.success() && version.stdout.starts_with(b"pinnaced ") && version.stderr.is_empty(), "{version:?}");
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let domain = Domain::new();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = Command::new(env!("CARGO_BIN_EXE_pinnaced")).args(["keys", "list", "--dir"]).arg(&domain.dir).stdout(writer).output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(141), ""));
}

#[test]
fn what_lies_in_the_folder_is_told_apart() {
    let domain = Domain::new();
    let dir = domain.dir.display().to_string();
    fails(&["init", "--dir", &dir, "--trust-domain", "example.org", "--name", "cp.example.org"], "domain.exists");
    fails(&["init", "--dir", "/proc/new", "--trust-domain", "example.org", "--name", "cp.example.org"], "file.unwritable");
    fails(&["serve", "--dir", "/nowhere"], "file.unreadable");
    let config = fs::read_to_string(domain.path("pinnaced.toml")).unwrap();
    assert!(domain.fails_with("pinnaced.toml", &format!("colour = 1\n{config}"), "config.invalid").contains("colour"));
    domain.fails_with("pinnaced.toml", &format!("# \u{1b}[2J\n{config}"), "config.invalid");
    let mirror = format!("{config}\n[mirror]\nurl = \"ftp://mirror.example\"\n");
    domain.fails_with("pinnaced.toml", &mirror, "config.invalid");
    domain.fails_with("policy.toml", "[[credential]]\nname = 1", "policy.invalid");
    domain.fails_with("server/server.crt", "no certificate", "certificate.unusable");
    domain.fails_with("server/server.crt", &fs::read_to_string(domain.path("ca/ca.crt")).unwrap(), "certificate.unusable");
    domain.fails_with("keys/audit.key", "no key", "key.unusable");
    domain.fails_with("keys/jwt.key", &fs::read_to_string(domain.path("keys/time.key")).unwrap(), "key.unusable");
    let key = domain.path("keys/jwt.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    domain.fails(&SERVE, "key.exposed");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    domain.fails(&["keys", "activate", "0000000000000000"], "key.refused");
    domain.fails(&["backup", "--out", &domain.path("policy.toml").display().to_string()], "file.unwritable");
    domain.fails(&["backup", "--out", "/proc/backup.db"], "file.unwritable");
    let module = "\n[pkcs11]\nmodule = \"keys/none.so\"\ntoken_label = \"t\"\npin_file = \"keys/jwt.key\"\n";
    fs::write(domain.path("pinnaced.toml"), config + module).unwrap();
    domain.fails(&["keys", "prepare", "--use", "jwt", "--place", "pkcs11:object=one"], "pkcs11.failed");
}

#[test]
fn a_database_that_is_not_to_be_had_is_told_from_one_of_another_time() {
    let domain = Domain::new();
    let (database, aside) = (domain.path("pinnaced.db"), domain.path("aside.db"));
    let backup = domain.path("backup.db").display().to_string();
    assert!(domain.pinnaced(&["backup", "--out", &backup]).status.success());
    domain.fails(&["restore", "--from", &domain.path("policy.toml").display().to_string()], "backup.unusable");
    assert!(domain.pinnaced(&["keys", "list"]).status.success());
    domain.fails(&["restore", "--from", &backup], "store.not-empty");
    let newer = rusqlite::Connection::open(&database).unwrap();
    let version: i64 = newer.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    newer.pragma_update(None, "user_version", 999).unwrap();
    domain.fails(&SERVE, "store.version");
    domain.fails(&["audit"], "store.version");
    newer.pragma_update(None, "user_version", version).unwrap();
    drop(newer);
    fs::rename(&database, &aside).unwrap();
    symlink("/nowhere/at-all.db", &database).unwrap();
    domain.fails(&SERVE, "store.unavailable");
    let path = domain.path("pinnaced.toml");
    let config = fs::read_to_string(&path).unwrap();
    fs::write(&path, config + "\n[store]\npostgres = \"host=/nowhere user=pinnaced dbname=pinnaced\"\n").unwrap();
    assert!(domain.fails(&SERVE, "store.unavailable").contains("PostgreSQL"));
}

#[test]
fn an_address_that_is_taken_is_told_from_one_that_is_not_ours() {
    let (domain, taken) = (Domain::new(), TcpListener::bind("127.0.0.1:0").unwrap());
    let taken = taken.local_addr().unwrap().to_string();
    let at = |address: &str, code: &str| domain.fails(&["serve", "--listen-hosts", address, "--listen-public", "127.0.0.1:0"], code);
    assert!(at(&taken, "listen.in-use").contains(&format!("cannot listen for hosts at {taken}")));
    // TEST-NET-1 (RFC 5737) is nobody's.
    at("192.0.2.1:0", "listen.refused");
}

#[test]
fn what_fails_while_it_serves_has_its_code_in_the_log() {
    let domain = Domain::new();
    let server = Server::start(&domain);
    fs::write(domain.path("policy.toml"), "[[credential]]\nname = 1").unwrap();
    server.signal("HUP");
    let refused = || server.fetch(&format!("http://{}/metrics", server.admin), &[]).body.contains(r#"reloads_total{outcome="refused"}"#);
    crate::rig::eventually("a refused reload", refused);
    let log = server.end();
    assert!(log.contains(r#""event":"reload-refused","what":"policy","code":"policy.invalid""#), "{log}");
}
