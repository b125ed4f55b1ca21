//! `pinnaced keys`: what the rules allow, what they refuse, and what a serving process makes of it.

use crate::{
    keyed::{Key, field},
    rig::{Domain, Server, eventually},
};
use protocol::json::{self, Value};
use std::{
    fs,
    io::{Read, Write},
    os::unix::fs::PermissionsExt,
    process::Output,
    time::Duration,
};

/// An order, carried out; gives what was printed.
pub(crate) fn order(domain: &Domain, arguments: &[&str]) -> String {
    let output = attempt(domain, arguments);
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap().trim().into()
}

fn attempt(domain: &Domain, arguments: &[&str]) -> Output {
    domain.pinnaced(&[&["keys"], arguments].concat())
}

fn refused(domain: &Domain, arguments: &[&str], because: &str) {
    let output = attempt(domain, arguments);
    let words = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && words.contains(because) && words.contains("\npinnaced: code="), "{arguments:?}: {words}");
}

/// The identifier of the only key of this use and algorithm in this state.
pub(crate) fn key_of(domain: &Domain, purpose: &str, algorithm: &str, state: &str) -> String {
    assert!(order(domain, &["list"]).lines().any(|line| line.contains("active    20") && line.contains("Z  ")), "times are dates");
    let keys = json::parse(order(domain, &["list", "--json"]).as_bytes()).unwrap();
    let is = |key: &Value, name: &str, text: &str| key.get(name).and_then(Value::as_str) == Some(text);
    let fits = |key: &Value| is(key, "use", purpose) && is(key, "algorithm", algorithm) && is(key, "state", state);
    let mut found = keys.as_object().unwrap().iter().filter(|(_, key)| fits(key)).map(|(id, _)| id.clone());
    let one = found.next().unwrap_or_else(|| panic!("no {state} {purpose} key"));
    assert!(found.next().is_none(), "several");
    one
}

/// The key identifiers in the served JWKS.
fn served(server: &Server) -> Vec<String> {
    let keys = server.fetch(&format!("https://{}/.well-known/jwks.json", server.public), &[]).body;
    let keys = json::parse(keys.as_bytes()).unwrap();
    keys.get("keys").and_then(Value::as_array).unwrap().iter().map(|key| key.get("kid").and_then(Value::as_str).unwrap().into()).collect()
}

fn kid(server: &Server, domain: &Domain) -> String {
    let token = server.curl(&domain.host("web-1"), "/v1/credentials/db", &[]).text("token");
    let parts: Vec<&str> = token.split('.').collect();
    let header = protocol::base64url_decode(parts[0]).unwrap();
    json::parse(&header).unwrap().get("kid").and_then(Value::as_str).unwrap().into()
}

#[test]
fn what_init_made_signs_and_a_successor_goes_through_every_state() {
    let domain = Domain::new();
    let server = Server::start(&domain);
    let (old, first) = (key_of(&domain, "jwt", "ES256", "active"), kid(&server, &domain));
    let new = order(&domain, &["prepare", "--use", "jwt", "--reason", "yearly"]);
    let file = domain.path(&format!("keys/jwt-{new}.key"));
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    eventually("the prepared key", || served(&server).len() == 3);
    assert_eq!(kid(&server, &domain), first, "a prepared key signs nothing");
    refused(&domain, &["activate", &new], "it has not been published for long enough: 1440 min more");
    refused(&domain, &["activate", &new, "--force"], "there is no reason given");
    refused(&domain, &["activate", "0000000000000000"], "there is no such key");
    refused(&domain, &["retire", &old], "nothing would sign after it");
    refused(&domain, &["revoke", &old, "--reason", "x"], "nothing would sign after it");
    refused(&domain, &["prepare", "--use", "time", "--algorithm", "RS256"], "RS256 is not for it");
    let said = order(&domain, &["activate", &new, "--force", "--reason", "the old one leaked"]);
    assert!(said.contains(&format!("jwt key {new} is active\njwt key {old} is retired, published until ")), "{said}");
    eventually("the new key", || kid(&server, &domain) != first);
    assert_eq!(served(&server).len(), 3, "what the retired key signed can be verified");
    refused(&domain, &["revoke", &old], "there is no reason given");
    order(&domain, &["revoke", &old, "--reason", "the old one leaked"]);
    eventually("the revoked key's end", || served(&server).len() == 2 && !served(&server).contains(&first));
    let records = domain.records();
    let event = |name: &str| records.iter().find(|record| record.get("event").and_then(Value::as_str) == Some(name)).unwrap();
    assert_eq!(event("key-activated").get("forced"), Some(&Value::Bool(true)));
    for name in ["key-activated", "key-revoked"] {
        assert_eq!(event(name).get("reason").and_then(Value::as_str), Some("the old one leaked"));
    }
    assert!(event("key-prepared").get("keys").is_some() && event("keys-taken-in").get("keys").is_some());
}

#[test]
fn a_key_whose_private_half_is_missing_or_another_is_not_told_to_sign() {
    let domain = Domain::new();
    let server = Server::start(&domain);
    let new = order(&domain, &["prepare", "--use", "jwt"]);
    let file = domain.path(&format!("keys/jwt-{new}.key"));
    let good = fs::read(&file).unwrap();
    fs::remove_file(&file).unwrap();
    let forced = ["activate", &new, "--force", "--reason", "drill"];
    refused(&domain, &forced, &format!("jwt-{new}.key"));
    fs::copy(domain.path("keys/jwt.key"), &file).unwrap();
    refused(&domain, &forced, "there is another key");
    fs::write(&file, &good).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    refused(&domain, &forced, "others than its owner can get at the key");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let first = kid(&server, &domain);
    order(&domain, &forced);
    eventually("the new key", || kid(&server, &domain) != first);
}

#[test]
fn a_revoked_ca_lets_nobody_in_not_even_over_an_open_connection() {
    let domain = Domain::new();
    domain.set("header_seconds", 8);
    let server = Server::start(&domain);
    let old = key_of(&domain, "ca", "Ed25519", "active");
    let new = order(&domain, &["prepare", "--use", "ca"]);
    order(&domain, &["activate", &new, "--force", "--reason", "the CA leaked"]);
    let web = domain.host("web-1");
    let issued_by = || {
        let identity = domain.path("renewed-web-1.pem");
        fs::write(&identity, Key::new().renewed(&server, &web, "web-1")).unwrap();
        let pem = x509_parser::pem::Pem::iter_from_buffer(&fs::read(&identity).unwrap()).nth(1).unwrap().unwrap();
        (identity, pem.parse_x509().unwrap().issuer().to_string())
    };
    eventually("the new CA", || issued_by().1 == format!("CN=Pinnace CA of example.org {new}"));
    let (renewed, _) = issued_by();
    let get = b"GET /v1/whoami HTTP/1.1\r\nHost: cp.example.org\r\n\r\n";
    let mut open = server.connect(&web);
    let mut ask = || {
        open.write_all(get).unwrap();
        let mut start = [0; 12];
        open.read_exact(&mut start).unwrap();
        let rest = open.read(&mut [0; 4096]).unwrap();
        assert_ne!(rest, 0);
        String::from_utf8_lossy(&start).into_owned()
    };
    assert_eq!(ask(), "HTTP/1.1 200");
    order(&domain, &["revoke", &old, "--reason", "the CA leaked"]);
    let refused = |identity| {
        let reply = server.curl(identity, "/v1/whoami", &[]);
        (reply.status == 401).then(|| reply.text("code"))
    };
    eventually("the old CA's end", || refused(&web).as_deref() == Some("identity.unknown-authority"));
    assert_eq!(ask(), "HTTP/1.1 503", "the connection was opened when its CA was trusted");
    assert_eq!(server.curl(&renewed, "/v1/whoami", &[]).status, 200);
}

#[test]
fn time_and_ssh_keys_rotate() {
    let domain = Domain::new();
    let ssh = "[[credential]]\nname = \"server\"\nkind = \"ssh\"\ncertificate = \"host\"\nprincipals = [\"{host}\"]\nhosts = [\"*\"]\n";
    fs::write(domain.path("policy.toml"), ssh).unwrap();
    let server = Server::start(&domain);
    let web = domain.host("web-1");
    let time_key = || server.curl(&web, "/v1/time?nonce=00112233445566778899aabbccddeeff", &[]).text("key");
    let authority = || field(&Key::new().certified(&server, &web, "server"), "authority").to_string();
    let (time, line) = (time_key(), authority());
    for purpose in ["time", "ssh"] {
        let new = order(&domain, &["prepare", "--use", purpose]);
        order(&domain, &["activate", &new, "--force", "--reason", "drill"]);
    }
    eventually("the new time key", || time_key() != time);
    eventually("clients trust the old and the new", || authority().lines().count() == 2 && authority().contains(&line));
    order(&domain, &["revoke", &key_of(&domain, "ssh", "Ed25519", "retired"), "--reason", "drill"]);
    eventually("the old line's end", || authority().lines().count() == 1 && authority() != line);
}

#[test]
fn a_retired_key_whose_time_is_over_is_dropped_by_itself() {
    let domain = Domain::new();
    let server = Server::start(&domain);
    let old = key_of(&domain, "jwt", "ES256", "active");
    let new = order(&domain, &["prepare", "--use", "jwt"]);
    order(&domain, &["activate", &new, "--force", "--reason", "drill"]);
    eventually("the prepared key", || served(&server).len() == 3);
    // The record is set back in place of the clock.
    let store = rusqlite::Connection::open(domain.path("pinnaced.db")).unwrap();
    store.busy_timeout(Duration::from_secs(5)).unwrap();
    let aged = "UPDATE objects SET body = json_set(body, '$.published_until', unixepoch() - 1),
        revision = (SELECT max(revision) + 1 FROM objects) WHERE kind = 'key' AND name = ?1";
    assert_eq!(store.execute(aged, [&old]).unwrap(), 1);
    eventually("the old key's end", || served(&server).len() == 2);
    assert_eq!(key_of(&domain, "jwt", "ES256", "dropped"), old);
}

#[test]
fn a_key_that_an_operator_made_is_taken_from_its_place() {
    let domain = Domain::new();
    let made = |bits: &str| {
        let path = domain.path(&format!("keys/rsa-{bits}.key"));
        let file = path.display().to_string();
        let size = format!("rsa_keygen_bits:{bits}");
        let output = std::process::Command::new("openssl").args(["genpkey", "-algorithm", "RSA", "-pkeyopt", &size, "-out", &file]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
        format!("keys/rsa-{bits}.key")
    };
    let prepare = |place: &str| ["prepare", "--use", "jwt", "--algorithm", "RS256", "--place", place].map(ToOwned::to_owned);
    let (large, small) = (prepare(&made("3072")), prepare(&made("1024")));
    fn strs(arguments: &[String]) -> Vec<&str> {
        arguments.iter().map(String::as_str).collect()
    }
    order(&domain, &strs(&large));
    refused(&domain, &strs(&large), "the key is prepared");
    refused(&domain, &strs(&small), "RSA key of 2048 to 4096 bits");
}

#[test]
fn a_replica_without_the_private_key_goes_on_with_the_one_before_until_it_has_it() {
    let domain = Domain::new();
    let here = Server::start(&domain);
    let replica = Domain { dir: domain.path("replica") };
    let mut copied = std::process::Command::new("cp");
    copied.args(["-a", "--"]).args(["ca", "server", "keys", "secrets", "policy.toml"].map(|name| domain.path(name)));
    fs::create_dir(&replica.dir).unwrap();
    assert!(copied.arg(&replica.dir).status().unwrap().success());
    let database = domain.path("pinnaced.db").display().to_string();
    let config = fs::read_to_string(domain.path("pinnaced.toml")).unwrap().replace("\"pinnaced.db\"", &format!("{database:?}"));
    fs::write(replica.path("pinnaced.toml"), format!("name = \"replica\"\n{config}")).unwrap();
    let there = Server::start(&replica);
    let old = kid(&here, &domain);
    assert_eq!(kid(&there, &replica), old);
    let new = order(&domain, &["prepare", "--use", "jwt"]);
    order(&domain, &["activate", &new, "--force", "--reason", "drill"]);
    eventually("the new key here", || kid(&here, &domain) != old);
    eventually("everybody knows both", || served(&there) == served(&here));
    assert_eq!(kid(&there, &replica), old, "it signs with what it has");
    let file = format!("keys/jwt-{new}.key");
    fs::copy(domain.path(&file), replica.path(&file)).unwrap();
    eventually("the new key there", || kid(&there, &replica) == kid(&here, &domain));
    let log = there.end();
    assert!(log.contains(r#""event":"reload-refused","what":"keys","code":"file.unreadable""#), "{log}");
}
