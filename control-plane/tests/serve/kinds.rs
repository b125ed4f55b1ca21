//! Each kind of credential, and those who consume it.

use crate::rig::{Domain, Reply, Server};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use protocol::{
    answer::{Answer, Kind},
    json::{self, Value},
    membership::{BINDING_BYTES, BINDING_LABEL, KeyRequest, PublicKey, proof_message},
};
use std::{
    fs,
    io::{Read, Write},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

const POLICY: &str = r#"
[[credential]]
name = "svid"
kind = "x509"
dns_names = ["{host}.example.org"]
hosts = ["*"]

[[credential]]
name = "login"
kind = "ssh"
certificate = "user"
principals = ["deploy", "{host}"]
extensions = ["permit-pty"]
hosts = ["*"]

[[credential]]
name = "server"
kind = "ssh"
certificate = "host"
principals = ["{host}.example.org"]
hosts = ["*"]

[[credential]]
name = "old"
kind = "jwt"
algorithm = "RS256"
audience = ["old"]
subject = "spiffe://{trust_domain}/app/{host}"
hosts = ["*"]
"#;

fn domain() -> Domain {
    let domain = Domain::new();
    fs::write(domain.path("policy.toml"), POLICY).unwrap();
    domain
}

/// A key made as the host makes it, and the answer to a request for a certificate over it.
fn keyed(server: &Server, identity: &Path, name: &str, tamper: bool) -> (Ed25519KeyPair, u16, String) {
    let pair = Ed25519KeyPair::generate().unwrap();
    let mut stream = server.connect(identity);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock).unwrap();
    }
    let binding = stream.conn.export_keying_material([0; BINDING_BYTES], BINDING_LABEL.as_bytes(), None).unwrap();
    let key = PublicKey(pair.public_key().as_ref().try_into().unwrap());
    let subject = if tamper { "another" } else { name };
    let message = proof_message("credential", subject, &protocol::hex_encode(&key.0), &binding);
    let body = KeyRequest { key, proof: pair.sign(message.as_bytes()).as_ref().to_vec() }.to_json();
    let head = format!("POST /v1/credentials/{name} HTTP/1.1\r\nHost: cp\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    stream.write_all((head + &body).as_bytes()).unwrap();
    let mut text = String::new();
    let _ = stream.read_to_string(&mut text);
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (pair, head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_string())
}

fn field(answer: &Answer, name: &str) -> String {
    answer.fields.iter().find(|(field, _)| field == name).unwrap().1.clone()
}

fn output(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {text}");
    text
}

/// SPIRE Cure53 SPI-01-004: the subject of a request was not checked. Here a request has none: it is policy's.
#[test]
fn an_x509_svid_holds_for_openssl_and_its_subject_is_policys() {
    let domain = domain();
    let server = Server::start(&domain);
    let (pair, status, body) = keyed(&server, &domain.host("web-1"), "svid", false);
    assert_eq!(status, 200, "{body}");
    let answer = Answer::from_json(body.as_bytes()).unwrap();
    assert_eq!((answer.kind, answer.subject.as_str()), (Kind::X509, "spiffe://example.org/host/web-1"));
    let (leaf, bundle) = (domain.path("svid.pem"), domain.path("bundle.pem"));
    fs::write(&leaf, field(&answer, "certificates")).unwrap();
    fs::write(&bundle, field(&answer, "bundle")).unwrap();
    for purpose in ["sslclient", "sslserver"] {
        output(Command::new("openssl").args(["verify", "-purpose", purpose, "-CAfile"]).arg(&bundle).arg(&leaf));
    }
    let text = output(Command::new("openssl").args(["x509", "-noout", "-text", "-in"]).arg(&leaf));
    assert!(text.contains("URI:spiffe://example.org/host/web-1") && text.contains("DNS:web-1.example.org"), "{text}");
    assert_eq!(text.matches("URI:").count(), 1);
    let public = output(Command::new("openssl").args(["x509", "-noout", "-pubkey", "-in"]).arg(&leaf));
    let der = protocol::hex_encode(&PublicKey(pair.public_key().as_ref().try_into().unwrap()).spki());
    fs::write(domain.path("public.pem"), public).unwrap();
    let found = Command::new("openssl").args(["pkey", "-pubin", "-outform", "DER", "-in"]).arg(domain.path("public.pem")).output().unwrap();
    assert_eq!(protocol::hex_encode(&found.stdout), der, "it is over the key that was made");
    let (_, status, body) = keyed(&server, &domain.host("web-1"), "svid", true);
    assert_eq!((status, body.contains("credential.key-unproven")), (403, true), "{body}");
    let without = server.curl(&domain.host("web-1"), "/v1/credentials/svid", &[]);
    assert_eq!((without.status, without.text("code").as_str()), (400, "credential.key-needed"));
}

#[test]
fn ssh_certificates_say_what_policy_says() {
    let domain = domain();
    let server = Server::start(&domain);
    for (name, kind, principal) in [("login", "user certificate", "deploy"), ("server", "host certificate", "web-1.example.org")] {
        let (_, status, body) = keyed(&server, &domain.host("web-1"), name, false);
        assert_eq!(status, 200, "{body}");
        let answer = Answer::from_json(body.as_bytes()).unwrap();
        assert_eq!(answer.kind, Kind::Ssh);
        let path = domain.path(&format!("{name}-cert.pub"));
        fs::write(&path, field(&answer, "certificate") + "\n").unwrap();
        fs::write(domain.path("authority.pub"), field(&answer, "authority") + "\n").unwrap();
        let text = output(Command::new("ssh-keygen").args(["-L", "-f"]).arg(&path));
        for words in [kind, principal, "Key ID: \"spiffe://example.org/host/web-1\"", "Valid: from"] {
            assert!(text.contains(words), "{words}: {text}");
        }
        let authority = output(Command::new("ssh-keygen").args(["-l", "-f"]).arg(domain.path("authority.pub")));
        let print = authority.split(' ').nth(1).unwrap();
        assert!(text.contains(print), "signed by the authority that is served: {text}");
        assert_eq!(text.contains("permit-pty"), name == "login");
    }
}

#[test]
fn rs256_is_for_those_who_ask_and_its_key_is_published() {
    let domain = domain();
    let server = Server::start(&domain);
    let reply = server.curl(&domain.host("web-1"), "/v1/credentials/old", &[]);
    let answer = Answer::from_json(reply.body.as_bytes()).unwrap();
    let parts: Vec<Vec<u8>> = answer.token.split('.').map(|part| protocol::base64url_decode(part).unwrap()).collect();
    let (header, claims) = (json::parse(&parts[0]).unwrap(), json::parse(&parts[1]).unwrap());
    assert_eq!(header.get("alg").and_then(Value::as_str), Some("RS256"));
    assert_eq!(claims.get("sub").and_then(Value::as_str), Some("spiffe://example.org/app/web-1"));
    let keys = json::parse(server.fetch(&format!("https://{}/.well-known/jwks.json", server.public), &[]).body.as_bytes()).unwrap();
    let keys = keys.get("keys").and_then(Value::as_array).unwrap();
    let key = keys.iter().find(|key| key.get("kid") == header.get("kid")).unwrap();
    let number = |name| protocol::base64url_decode(key.get(name).and_then(Value::as_str).unwrap()).unwrap();
    let public = aws_lc_rs::rsa::PublicKeyComponents { n: number("n"), e: number("e") };
    let signed = answer.token.rsplit_once('.').unwrap().0;
    public.verify(&aws_lc_rs::signature::RSA_PKCS1_2048_8192_SHA256, signed.as_bytes(), &parts[2]).unwrap();
}

#[test]
fn a_secret_comes_from_a_program_and_a_program_that_fails_brings_nothing() {
    let domain = Domain::new();
    let script = |name: &str, text: &str| {
        let path = domain.path(name);
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path.display().to_string()
    };
    let cases = [
        ("good", "printf '{\"user\":\"u\",\"password\":\"p%s\"}' \"$(env | grep -c PATH=/)\""),
        ("hangs", "sleep 100 & sleep 100"),
        ("rubbish", "echo no json"),
        ("fails", "echo '{\"user\":\"u\"}'; exit 3"),
        ("floods", "yes | head -c 1000000"),
    ];
    let policy = |(name, text): &(&str, &str)| {
        let path = script(name, text);
        format!("[[credential]]\nname = \"{name}\"\nkind = \"secret\"\nexec = [\"{path}\"]\ndeadline_seconds = 1\nhosts = [\"*\"]\n")
    };
    fs::write(domain.path("policy.toml"), cases.iter().map(policy).collect::<String>()).unwrap();
    let server = Server::start(&domain);
    let ask = |name: &str| -> Reply { server.curl(&domain.host("web-1"), &format!("/v1/credentials/{name}"), &[]) };
    let answer = Answer::from_json(ask("good").body.as_bytes()).unwrap();
    assert_eq!(answer.fields.first(), Some(&("user".into(), "u".into())));
    for (name, _) in cases.iter().skip(1) {
        let started = Instant::now();
        let reply = ask(name);
        assert_eq!((reply.status, reply.text("code").as_str()), (503, "issuer.program-failed"), "{name}");
        assert!(started.elapsed() < Duration::from_secs(4), "{name}");
    }
    assert_eq!(domain.audit().len(), 1);
    let left = Command::new("pgrep").args(["-f", &domain.path("hangs").display().to_string()]).output().unwrap();
    assert!(left.stdout.is_empty(), "what it started is ended too");
}

/// SPIRE, Cure53 SPI-01-004: the subject was not checked. An operator may label hosts and not write policy, so no label may make a
/// host pass for another one, or for an operator, at our own doors.
#[test]
fn no_label_makes_a_subject_that_passes_for_an_operator_or_another_host() {
    let domain = domain();
    let grant = |name: &str, kind: &str, subject: &str| format!("[[credential]]\nname = {name:?}\n{kind}\nsubject = {subject:?}\nhosts = [\"*\"]\n");
    let labelled = "spiffe://{trust_domain}/{label.kind}/{label.name}";
    let (svid, token) = ("kind = \"x509\"", "kind = \"jwt\"\naudience = [\"a\"]");
    let policy = [grant("svid", svid, labelled), grant("token", token, labelled), grant("abroad", svid, "spiffe://example.com/{host}")];
    fs::write(domain.path("policy.toml"), policy.concat()).unwrap();
    let server = Server::start(&domain);
    let web = domain.host("web-1");
    let issued = |kind: &str, name: &str| {
        let asked = format!(r#"{{"names":["web-1"],"action":"label","labels":{{"kind":"{kind}","name":"{name}"}},"reason":"a test"}}"#);
        let label = || server.operate(&domain.path("operators/admin.pem"), "/v1/operators/hosts/change", Some(&asked)).status == 200;
        crate::rig::eventually("the host on record", label);
        let svid = keyed(&server, &web, "svid", false);
        let token = server.curl(&web, "/v1/credentials/token", &[]);
        for body in [&svid.2, &token.body] {
            assert!(body.contains("\"code\":\"policy.subject\"") || body.contains("\"kind\""), "{body}");
        }
        (svid.1, token.status)
    };
    assert_eq!(server.curl(&web, "/v1/credentials/token", &[]).text("code"), "policy.label-missing");
    for (kind, name) in [("operator/admin", "ann"), ("operator", "admin/ann"), ("host", "web-2"), ("host", "web-1/x")] {
        assert_eq!(issued(kind, name), (403, 403), "{kind} {name}");
    }
    for (kind, name) in [("host", "web-1"), ("app", "web"), ("hosts", "web-2"), ("operators", "ann")] {
        assert_eq!(issued(kind, name), (200, 200), "{kind} {name}");
    }
    assert_eq!(keyed(&server, &web, "abroad", false).1, 403, "an X.509-SVID is of its own trust domain");
}
