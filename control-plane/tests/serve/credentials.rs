//! The main job: one GET, the right credential, its record, or a refusal in words.

use crate::rig::{Domain, Reply, Server};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ED25519, UnparsedPublicKey};
use protocol::{
    answer::{Answer, Kind},
    json::{self, Value},
    refusal::Refusal,
    time::TimeAnswer,
};
use std::fs;

#[test]
fn the_same_get_brings_a_verifiable_token_over_tls_1_2_and_1_3() {
    let domain = Domain::new();
    let server = Server::start(&domain);
    let web = domain.host("web-1");
    for version in [["--tlsv1.2", "--tls-max", "1.2"], ["--tlsv1.3", "--tls-max", "1.3"]] {
        let reply = server.curl(&web, "/v1/credentials/db", &version);
        assert_eq!(reply.status, 200, "{reply:?}");
        assert!(reply.head.contains(&format!("content-length: {}", reply.body.len())) && reply.head.contains("application/json"));
        let answer = Answer::from_json(reply.body.as_bytes()).unwrap();
        assert_eq!((answer.kind, answer.subject.as_str(), answer.credential.as_str()), (Kind::Jwt, "spiffe://example.org/host/web-1", "db"));
        assert_eq!((answer.expires_in, answer.fetch_window), (3600, 180));
        assert!((900..=2700).contains(&answer.fetch_after), "a phase of the host's own: {}", answer.fetch_after);
        let claims = verified(&server, &answer.token);
        assert_eq!(claims.get("sub").and_then(Value::as_str), Some(answer.subject.as_str()));
        assert_eq!(claims.get("iss").and_then(Value::as_str), Some("https://cp.example.org:8444"));
        assert_eq!(claims.get("aud").and_then(Value::as_array).unwrap()[0].as_str(), Some("https://db.example.org"));
        assert_eq!(claims.get("exp").and_then(Value::as_i64), Some(answer.expires_at));
    }
}

/// The claims, once the signature has been checked against the served key set, found by way of discovery.
fn verified(server: &Server, token: &str) -> Value {
    let discovery = server.fetch(&format!("https://{}/.well-known/openid-configuration", server.public), &[]);
    assert_eq!(discovery.text("jwks_uri"), "https://cp.example.org:8444/.well-known/jwks.json");
    let keys = server.fetch(&format!("https://{}/.well-known/jwks.json", server.public), &[]);
    let keys = json::parse(keys.body.as_bytes()).unwrap();
    let part = |key: &Value, name| protocol::base64url_decode(key.get(name).and_then(Value::as_str).unwrap()).unwrap();
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let (header, claims) = signed.split_once('.').unwrap();
    let decode = |text| json::parse(&protocol::base64url_decode(text).unwrap()).unwrap();
    let header = decode(header);
    let kid = header.get("kid");
    let key = keys.get("keys").and_then(Value::as_array).unwrap().iter().find(|key| key.get("kid") == kid).unwrap();
    let point = [vec![4], part(key, "x"), part(key, "y")].concat();
    assert_eq!((header.get("alg").and_then(Value::as_str), header.get("kid")), (Some("ES256"), key.get("kid")));
    let signature = protocol::base64url_decode(signature).unwrap();
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(signed.as_bytes(), &signature).expect("the token's signature holds");
    decode(claims)
}

#[test]
fn the_record_outlives_a_kill_right_after_the_answer() {
    let domain = Domain::new();
    let mut server = Server::start(&domain);
    let reply = server.curl(&domain.host("web-1"), "/v1/credentials/db", &[]);
    server.child.kill().unwrap();
    let claims = reply.text("token").split('.').nth(1).and_then(protocol::base64url_decode).unwrap();
    let claims = json::parse(&claims).unwrap();
    let records = domain.audit();
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].get("jti"), claims.get("jti"));
    assert_eq!(records[0].get("host").and_then(Value::as_str), Some("web-1"));
    assert_eq!(records[0].get("expires_at"), claims.get("exp"));
}

#[test]
fn a_secret_comes_from_its_file() {
    let domain = Domain::new();
    let server = Server::start(&domain);
    let answer = Answer::from_json(server.curl(&domain.host("web-1"), "/v1/credentials/aws", &[]).body.as_bytes()).unwrap();
    assert_eq!(answer.kind, Kind::Secret);
    assert_eq!(answer.fields, [("AccessKeyId".into(), "AK".into()), ("SecretAccessKey".into(), "SK".into())]);
    assert_eq!(domain.audit().len(), 1);
}

#[test]
fn refusals_have_a_code_and_words_and_leave_no_record() {
    let domain = Domain::new();
    let server = Server::start(&domain);
    let web = domain.host("web-1");
    let expect = |reply: &Reply, status, code: &str| {
        let refusal = Refusal::from_json(reply.body.as_bytes()).unwrap_or_else(|| panic!("{reply:?}"));
        assert_eq!((reply.status, refusal.code.as_str()), (status, code));
        assert!(!refusal.error.is_empty() && !refusal.because.is_empty() && !refusal.hint.is_empty());
    };
    expect(&server.curl(&web, "/v1/credentials/closed", &[]), 403, "policy.denied");
    expect(&server.curl(&domain.host("db-1"), "/v1/credentials/aws", &[]), 403, "policy.denied");
    expect(&server.curl(&web, "/v1/credentials/none", &[]), 404, "policy.unknown-credential");
    expect(&server.curl(&web, "/v1/credentials/..%2f", &[]), 404, "request.unknown-path");
    expect(&server.curl(&web, "/", &[]), 404, "request.unknown-path");
    expect(&server.curl(&web, "/v1/time?nonce=xyz", &[]), 400, "request.nonce");
    expect(&server.curl(&web, "/v1/credentials/db", &["-X", "DELETE"]), 405, "request.method");
    expect(&server.curl(&web, "/v1/credentials/db", &["-X", "POST"]), 400, "request.body");
    expect(&server.curl(&web, "/v1/credentials/db", &["-d", &"x".repeat(5000)]), 400, "request.body");
    expect(&server.curl(&web, "/v1/credentials/db", &["-X", "GET", "-d", "body"]), 413, "request.body");
    for uris in [&[][..], &["spiffe://other.example/host/web-1"], &["spiffe://example.org/user/a"], &["spiffe://example.org/host/a", "https://b"]] {
        expect(&server.curl(&domain.identity(uris, 1), "/v1/credentials/db", &[]), 401, "identity.unknown");
    }
    assert_eq!(domain.audit().len(), 0);
}

#[test]
fn the_time_is_signed_with_the_nonce() {
    let domain = Domain::new();
    let server = Server::start(&domain);
    let nonce = "00112233445566778899aabbccddeeff";
    let reply = server.curl(&domain.host("web-1"), &format!("/v1/time?nonce={nonce}"), &[]);
    let answer = TimeAnswer::from_json(reply.body.as_bytes()).unwrap();
    let key = fs::read_to_string(domain.path("keys/time.pub")).unwrap();
    assert_eq!((answer.nonce.as_str(), answer.key.as_str()), (nonce, key.trim()));
    let signature = protocol::hex_decode(&answer.signature).unwrap();
    let key = UnparsedPublicKey::new(&ED25519, protocol::hex_decode(key.trim()).unwrap());
    key.verify(protocol::time::message(nonce, answer.time).as_bytes(), &signature).expect("the time's signature holds");
}

#[test]
fn a_secret_comes_from_its_program_and_never_into_the_log() {
    let domain = Domain::new();
    let policy = |name: &str, script: &str| {
        format!(
            "[[credential]]\nname = {name:?}\nkind = \"secret\"\nexec = [\"/bin/sh\", \"-c\", {script:?}]\ndeadline_seconds = 1\nhosts = [\"*\"]\n"
        )
    };
    let programs = [("good", "echo '{\"User\":\"u\",\"Password\":\"s3cret\"}'"), ("bad", "echo s3cret; echo s3cret >&2"), ("hangs", "sleep 600")];
    fs::write(domain.path("policy.toml"), programs.map(|(name, script)| policy(name, script)).concat()).unwrap();
    let server = Server::start(&domain);
    let web = domain.host("web-1");
    let answer = Answer::from_json(server.curl(&web, "/v1/credentials/good", &[]).body.as_bytes()).unwrap();
    assert_eq!(answer.fields, [("User".into(), "u".into()), ("Password".into(), "s3cret".into())]);
    for name in ["bad", "hangs"] {
        let reply = server.curl(&web, &format!("/v1/credentials/{name}"), &[]);
        assert_eq!((reply.status, reply.text("code").as_str()), (503, "issuer.program-failed"));
        assert!(reply.head.contains("retry-after: ") && !reply.body.contains("s3cret"), "{reply:?}");
    }
    assert_eq!(domain.audit().len(), 1);
    let log = server.end();
    assert!(log.contains("program-failed") && !log.contains("s3cret"), "{log}");
}
