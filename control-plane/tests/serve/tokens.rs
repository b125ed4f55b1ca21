//! Tokens, given to the libraries of their consumers: PyJWT and jsonwebtoken, which know nothing of us but the served documents.

use crate::rig::{Domain, Server, eventually};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header, jwk::JwkSet};
use protocol::{
    answer::Answer,
    json::{self, Value},
};
use std::{
    fs,
    io::Write,
    path::PathBuf,
    process::{Command, Stdio},
    sync::OnceLock,
};

const ISSUER: &str = "https://cp.example.org:8444";
const POLICY: &str = r#"
[[credential]]
name = "vault"
kind = "jwt"
audience = ["https://vault.example.org"]
hosts = ["*"]

[[credential]]
name = "entra"
kind = "jwt"
algorithm = "RS256"
audience = ["api://AzureADTokenExchange"]
subject = "host:{host}"
hosts = ["*"]
"#;
const SUBJECTS: [(&str, &str, &str, &str); 2] = [
    ("vault", "ES256", "https://vault.example.org", "spiffe://example.org/host/web-1"),
    ("entra", "RS256", "api://AzureADTokenExchange", "host:web-1"),
];

fn start() -> (Domain, Server) {
    let domain = Domain::new();
    fs::write(domain.path("policy.toml"), POLICY).unwrap();
    let server = Server::start(&domain);
    (domain, server)
}

fn fetch(domain: &Domain, server: &Server, name: &str) -> Answer {
    Answer::from_json(server.curl(&domain.host("web-1"), &format!("/v1/credentials/{name}"), &[]).body.as_bytes()).unwrap()
}

/// A Python that has PyJWT, installed once for all tests.
pub(crate) fn python() -> &'static PathBuf {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| environment("pyjwt", "PyJWT[crypto]>=2.8,<3", "import jwt, cryptography"))
}

/// A Python that has a package of PyPI, as what it imports shows.
pub(crate) fn environment(name: &str, package: &str, imports: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let python = folder.join("bin/python");
    let has = || Command::new(&python).args(["-c", imports]).output().is_ok_and(|output| output.status.success());
    if !has() {
        let made = Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder).output().expect("python3 is needed");
        assert!(made.status.success(), "a virtual environment of Python is needed (python3-venv): {made:?}");
        let installed = Command::new(&python).args(["-m", "pip", "install", "--quiet", package]).output().unwrap();
        assert!(installed.status.success() && has(), "{package} could not be installed, so nothing was held against it: {installed:?}");
    }
    python
}

#[test]
fn pyjwt_verifies_es256_and_rs256_by_discovery() {
    let (domain, server) = start();
    let lines = SUBJECTS.map(|(name, algorithm, audience, subject)| {
        let answer = fetch(&domain, &server, name);
        assert_eq!(answer.subject, "spiffe://example.org/host/web-1");
        assert_eq!(answer.token_subject.as_deref(), (subject != answer.subject).then_some(subject));
        format!("{algorithm} {audience} {subject} {}\n", answer.token)
    });
    let program = domain.path("verify.py");
    fs::write(&program, include_str!("verify.py.txt")).unwrap();
    let mut child = Command::new(python())
        .arg(&program)
        .args([&server.public, &domain.path("ca/ca.crt").display().to_string(), ISSUER])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(lines.concat().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(said, "ES256 spiffe://example.org/host/web-1\nRS256 host:web-1\n");
}

#[test]
fn jsonwebtoken_verifies_es256_and_rs256() {
    let (domain, server) = start();
    let keys = server.fetch(&format!("https://{}/.well-known/jwks.json", server.public), &[]);
    assert!(keys.head.contains("cache-control: public, max-age=300"), "{}", keys.head);
    let keys: JwkSet = serde_json::from_str(&keys.body).unwrap();
    for (name, algorithm, audience, subject) in SUBJECTS {
        let token = fetch(&domain, &server, name).token;
        let header = decode_header(&token).unwrap();
        let key = DecodingKey::from_jwk(keys.find(header.kid.as_ref().unwrap()).unwrap()).unwrap();
        let mut validation = Validation::new(if algorithm == "ES256" { Algorithm::ES256 } else { Algorithm::RS256 });
        validation.set_audience(&[audience]);
        validation.set_issuer(&[ISSUER]);
        validation.sub = Some(subject.into());
        decode::<serde_json::Value>(&token, &key, &validation).unwrap();
        let (signed, _) = token.rsplit_once('.').unwrap();
        let other = fetch(&domain, &server, name).token;
        let forged = format!("{signed}.{}", other.rsplit_once('.').unwrap().1);
        assert!(decode::<serde_json::Value>(&forged, &key, &validation).is_err(), "another token's signature");
        validation.set_audience(&["https://elsewhere.example.org"]);
        assert!(decode::<serde_json::Value>(&token, &key, &validation).is_err());
    }
}

#[test]
fn discovery_names_the_algorithms_that_policy_uses_and_the_files_are_what_is_served() {
    let (domain, server) = start();
    let served = |path: &str| server.fetch(&format!("https://{}/{path}", server.public), &[]).body;
    let algorithms = || {
        let document = json::parse(served(".well-known/openid-configuration").as_bytes()).unwrap();
        let list = document.get("id_token_signing_alg_values_supported").and_then(Value::as_array).unwrap().to_vec();
        list.iter().map(|name| name.as_str().unwrap().to_string()).collect::<Vec<_>>()
    };
    assert_eq!(algorithms(), ["ES256", "RS256"]);
    let out = domain.path("bucket");
    let written = domain.pinnaced(&["documents", "--out", out.to_str().unwrap()]);
    assert!(written.status.success(), "{written:?}");
    for path in [".well-known/openid-configuration", ".well-known/jwks.json"] {
        assert_eq!(fs::read_to_string(out.join(path)).unwrap(), served(path), "{path}");
    }
    fs::write(domain.path("policy.toml"), POLICY.replace("algorithm = \"RS256\"", "")).unwrap();
    eventually("the new policy", || algorithms() == ["ES256"]);
    assert!(served(".well-known/jwks.json").contains("\"kty\":\"RSA\""), "a key is known before it is used");
}
