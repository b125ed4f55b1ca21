//! `pinnacectl` as an operator runs it, on small ELF files made here for both processors.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use protocol::site::{MAGIC, REGION_BYTES, decode_region};
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, PKCS_ED25519};
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output},
};

const X86_64: u16 = 62;
const AARCH64: u16 = 183;
/// Where the region begins in the files made here.
const REGION_AT: usize = 64;

const SITE: &str = r#"
name = "demo"
trust_domain = "example.org"
roots = ["ca/ca.crt"]
time_keys = ["keys/time.pub"]
[[endpoint]]
host = "cp.example.org"
port = 8443
addresses = ["192.0.2.10"]
[[credential]]
name = "db"
[[credential.delivery]]
kind = "file"
path = "/run/agent/db.token"
format = "raw"
mode = "0640"
"#;

#[test]
fn a_stamp_holds_the_site_and_nothing_else_changes_on_both_processors() {
    for (name, machine) in [("x86_64", X86_64), ("aarch64", AARCH64)] {
        let domain = domain(&format!("stamp-{name}"));
        let release = elf(machine, MAGIC);
        put(&domain, "pinnace", &release);
        fs::set_permissions(domain.join("pinnace"), fs::Permissions::from_mode(0o750)).unwrap();
        succeeds(&domain, &["stamp", "--site", "site.toml", "--binary", "pinnace", "--out", "stamped"]);

        let stamped = fs::read(domain.join("stamped")).unwrap();
        let region = REGION_AT..REGION_AT + REGION_BYTES;
        assert_eq!(decode_region(&stamped[region.clone()]).unwrap().name, "demo");
        assert_eq!(stamped[..region.start], release[..region.start]);
        assert_eq!(stamped[region.end..], release[region.end..]);
        assert_eq!(fs::metadata(domain.join("stamped")).unwrap().permissions().mode() & 0o7777, 0o750);
        assert!(!domain.join("stamped.pinnacectl-new").exists());
        succeeds(&domain, &["verify-stamp", "pinnace", "stamped"]);
    }
}

#[test]
fn a_stamp_depends_on_release_and_site_only() {
    let domain = domain("deterministic");
    put(&domain, "pinnace", &elf(X86_64, MAGIC));
    put(&domain, "long.toml", SITE.replace("\"192.0.2.10\"", "\"192.0.2.10\", \"192.0.2.11\", \"192.0.2.12\"").as_bytes());
    succeeds(&domain, &["stamp", "--site", "site.toml", "--binary", "pinnace", "--out", "first"]);
    succeeds(&domain, &["stamp", "--site", "long.toml", "--binary", "first", "--out", "second"]);
    succeeds(&domain, &["stamp", "--site", "site.toml", "--binary", "second", "--out", "second"]);
    assert_eq!(fs::read(domain.join("first")).unwrap(), fs::read(domain.join("second")).unwrap());
}

#[test]
fn a_byte_changed_outside_the_site_is_found() {
    let domain = domain("verify");
    let mut bytes = elf(X86_64, MAGIC);
    put(&domain, "a", &bytes);
    bytes[REGION_AT + REGION_BYTES] ^= 1;
    put(&domain, "b", &bytes);
    fails(&domain, &["verify-stamp", "a", "b"], "stamp.differs");
    put(&domain, "c", &elf(AARCH64, MAGIC));
    fails(&domain, &["verify-stamp", "a", "c"], "stamp.differs");
}

#[test]
fn what_is_no_release_is_refused_and_leaves_what_was_there() {
    let domain = domain("refused");
    put(&domain, "out", b"earlier");
    put(&domain, "text", b"#!/bin/sh\n");
    put(&domain, "newer", &elf(X86_64, b"PINNACE-SITE-99\n"));
    put(&domain, "cut", &elf(X86_64, MAGIC)[..REGION_AT + 100]);
    for binary in ["text", "newer", "cut", "absent"] {
        fails(&domain, &["stamp", "--site", "site.toml", "--binary", binary, "--out", "out"], "stamp.failed");
    }
    assert_eq!(fs::read(domain.join("out")).unwrap(), b"earlier");
}

#[test]
fn a_wrong_site_is_said_before_it_is_stamped() {
    let domain = domain("site");
    put(&domain, "pinnace", &elf(X86_64, MAGIC));
    succeeds(&domain, &["site", "check", "site.toml"]);
    for (from, to) in [
        ("[[endpoint]]", "colour = \"red\"\n[[endpoint]]"),
        ("format = \"raw\"", "format = \"xml\""),
        ("kind = \"file\"", "kind = \"pigeon\""),
        ("\"0640\"", "\"rw-r-----\""),
        ("ca/ca.crt", "ca/absent.crt"),
        ("192.0.2.10", "not-an-address"),
    ] {
        put(&domain, "wrong.toml", SITE.replace(from, to).as_bytes());
        fails(&domain, &["site", "check", "wrong.toml"], "site.invalid");
        fails(&domain, &["stamp", "--site", "wrong.toml", "--binary", "pinnace", "--out", "never"], "site.invalid");
    }
    assert!(!domain.join("never").exists());
}

#[test]
fn an_issued_identity_holds_under_the_ca_and_is_private() {
    let domain = domain("issue");
    succeeds(&domain, &["host", "issue", "--domain", ".", "--host", "web-1", "--out", "identity.pem"]);
    let pem = fs::read_to_string(domain.join("identity.pem")).unwrap();
    let (key, certificate) = (pem.find("BEGIN PRIVATE KEY").unwrap(), pem.find("BEGIN CERTIFICATE").unwrap());
    assert!(key < certificate);
    assert_eq!(fs::metadata(domain.join("identity.pem")).unwrap().permissions().mode() & 0o777, 0o600);

    let openssl = |arguments: &[&str]| text(&Command::new("openssl").args(arguments).current_dir(&domain).output().unwrap());
    let verified = openssl(&["verify", "-purpose", "sslclient", "-CAfile", "ca/ca.crt", "identity.pem"]);
    assert!(verified.contains("identity.pem: OK"), "{verified}");
    let shown = openssl(&["x509", "-noout", "-text", "-in", "identity.pem"]);
    for expected in ["URI:spiffe://example.org/host/web-1", "TLS Web Client Authentication", "ED25519"] {
        assert!(shown.contains(expected), "{expected} is not in {shown}");
    }
}

#[test]
fn an_operators_identity_says_the_role_and_is_private() {
    let domain = domain("operator");
    for role in ["viewer", "operator", "admin"] {
        let out = format!("{role}.pem");
        succeeds(&domain, &["operator", "issue", "--domain", ".", "--name", "ann", "--role", role, "--out", &out]);
        assert_eq!(fs::metadata(domain.join(&out)).unwrap().permissions().mode() & 0o777, 0o600);
        let shown = Command::new("openssl").args(["x509", "-noout", "-text", "-in", &out]).current_dir(&domain).output().unwrap();
        assert!(text(&shown).contains(&format!("URI:spiffe://example.org/operator/{role}/ann\n")), "{shown:?}");
        fails(&domain, &["operator", "issue", "--domain", ".", "--name", "ann", "--role", role, "--out", &out], "operator.not-issued");
    }
    fails(&domain, &["operator", "issue", "--domain", ".", "--name", "ann", "--role", "root", "--out", "no.pem"], "usage.invalid");
    for name in ["", "a/b", "Ann", "../ann"] {
        fails(&domain, &["operator", "issue", "--domain", ".", "--name", name, "--role", "viewer", "--out", "no.pem"], "operator.not-issued");
    }
    assert!(!domain.join("no.pem").exists());
}

#[test]
fn an_identity_is_never_overwritten_and_needs_a_name() {
    let domain = domain("no-issue");
    put(&domain, "identity.pem", b"earlier");
    fails(&domain, &["host", "issue", "--domain", ".", "--host", "web-1", "--out", "identity.pem"], "host.not-issued");
    assert_eq!(fs::read(domain.join("identity.pem")).unwrap(), b"earlier");
    for host in ["", "Web 1", "a/b"] {
        fails(&domain, &["host", "issue", "--domain", ".", "--host", host, "--out", "other.pem"], "host.not-issued");
    }
    assert!(!domain.join("other.pem").exists());
}

#[test]
fn a_mistyped_command_line_is_said_in_the_same_four_lines() {
    let domain = domain("usage");
    fails(&domain, &["stampp"], "usage.invalid");
    fails(&domain, &["stamp", "--site", "site.toml"], "usage.invalid");
    assert!(fails(&domain, &["token"], "usage.invalid").contains("because: it names no command, or half of one"));
    succeeds(&domain, &["--help"]);
    succeeds(&domain, &["--version"]);
}

/// A trust domain's folder with what pinnacectl reads from it.
fn domain(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(folder.join("ca")).unwrap();
    fs::create_dir_all(folder.join("keys")).unwrap();
    let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let mut parameters = CertificateParams::default();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    put(&folder, "ca/ca.crt", parameters.self_signed(&key).unwrap().pem().as_bytes());
    put(&folder, "ca/ca.key", key.serialize_pem().as_bytes());
    put(&folder, "keys/time.pub", ["ab"; 32].concat().as_bytes());
    put(&folder, "site.toml", SITE.as_bytes());
    folder
}

/// A little-endian ELF file of three sections: none, the region, and the section names.
fn elf(machine: u16, magic: &[u8]) -> Vec<u8> {
    let names = b"\0.pinnace_site\0.shstrtab\0";
    let names_at = REGION_AT + REGION_BYTES;
    let table_at = (names_at + names.len()).next_multiple_of(8);
    let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    for half in [2, machine] {
        file.extend(half.to_le_bytes());
    }
    file.extend(1_u32.to_le_bytes());
    for address in [0, 0, u64::try_from(table_at).unwrap()] {
        file.extend(address.to_le_bytes());
    }
    file.extend(0_u32.to_le_bytes());
    for half in [64_u16, 56, 0, 64, 3, 2] {
        file.extend(half.to_le_bytes());
    }
    file.extend(magic);
    file.resize(names_at, 0);
    file.extend(names);
    file.resize(table_at + 64, 0);
    for (name, kind, at, length) in [(1_u32, 1_u32, REGION_AT, REGION_BYTES), (15, 3, names_at, names.len())] {
        file.extend(name.to_le_bytes());
        file.extend(kind.to_le_bytes());
        file.extend([0; 16]);
        file.extend(u64::try_from(at).unwrap().to_le_bytes());
        file.extend(u64::try_from(length).unwrap().to_le_bytes());
        file.extend([0; 24]);
    }
    file
}

fn put(folder: &Path, name: &str, bytes: &[u8]) {
    fs::write(folder.join(name), bytes).unwrap();
}

fn pinnacectl(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pinnacectl")).args(arguments).current_dir(folder).output().unwrap()
}

fn succeeds(folder: &Path, arguments: &[&str]) {
    let output = pinnacectl(folder, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", text(&output));
}

/// The command fails, with its four lines and this code.
fn fails(folder: &Path, arguments: &[&str], code: &str) -> String {
    let output = pinnacectl(folder, arguments);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
    for start in ["pinnacectl: error: ", "pinnacectl: because: ", "pinnacectl: hint: "] {
        assert!(said.lines().any(|line| line.len() > start.len() && line.starts_with(start)), "{start:?} is not in {said}");
    }
    assert_eq!(said.lines().last(), Some(format!("pinnacectl: code={code}").as_str()));
    said
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
