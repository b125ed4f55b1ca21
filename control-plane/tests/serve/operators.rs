//! What operators may do, and who is an operator.

use crate::rig::{Domain, Reply, Server, eventually};
use serde_json::{Value, json};
use std::{
    io::{Read, Write},
    path::PathBuf,
};

fn operator(domain: &Domain, role: &str) -> PathBuf {
    domain.identity(&[&format!("spiffe://example.org/operator/{role}/{role}-1")], 1)
}

fn body(reply: &Reply) -> Value {
    serde_json::from_str(&reply.body).unwrap_or_else(|_| panic!("{reply:?}"))
}

fn refused(reply: &Reply) -> (u16, String) {
    (reply.status, body(reply)["code"].as_str().unwrap_or_default().to_string())
}

/// Every route of the document: a viewer may do what a viewer may, and no host, stranger or lesser role gets in.
#[test]
fn every_route_asks_for_its_role_and_answers_in_its_shape() {
    let domain = Domain::new();
    let server = Server::start(&domain);
    let admin = domain.path("operators/admin.pem");
    let document = body(&server.operate(&admin, "/v1/openapi.json", None));
    assert_eq!(document["openapi"], "3.1.0");
    let roles = ["viewer", "operator", "admin"];
    let mut routes = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            routes += 1;
            let empty = (method == "post").then_some("{}");
            let needed = roles.iter().position(|role| operation["x-role"] == *role).unwrap();
            for (rank, role) in roles.iter().enumerate() {
                let reply = server.operate(&operator(&domain, role), path, empty);
                let let_in = refused(&reply) != (403, "operator.role".into());
                assert_eq!(let_in, rank >= needed, "{role} at {path}: {reply:?}");
            }
            let host = server.operate(&domain.host("web-1"), path, empty);
            assert_eq!(refused(&host), (401, "operator.unknown".into()), "a host at {path}");
            let other = Domain::new();
            let stranger = server.operate(&other.path("operators/admin.pem"), path, empty);
            assert_eq!(refused(&stranger), (401, "operator.unknown".into()), "a stranger at {path}");
            let shape = &operation["responses"]["200"]["content"]["application/json"]["schema"];
            if method == "get" {
                fits(&document, shape, &body(&server.operate(&admin, path, None)), path);
            }
        }
    }
    assert!(routes > 15);
    let reply = server.curl(&admin, "/v1/credentials/db", &[]);
    assert_eq!(refused(&reply), (401, "identity.unknown".into()), "an operator is no host");
}

/// Every required member is there, and no member that the document does not know.
fn fits(document: &Value, shape: &Value, value: &Value, at: &str) {
    let shape = match shape["$ref"].as_str() {
        Some(reference) => document.pointer(reference.trim_start_matches('#')).unwrap(),
        None => shape,
    };
    let Some(members) = value.as_object() else { return };
    let known = shape["properties"].as_object().unwrap_or_else(|| panic!("{at}: no properties in {shape}"));
    for name in shape["required"].as_array().into_iter().flatten() {
        assert!(members.contains_key(name.as_str().unwrap()), "{at}: {name} is missing in {value}");
    }
    for (name, member) in members {
        let shape = known.get(name).unwrap_or_else(|| panic!("{at}: {name} is not in the document"));
        for (index, item) in member.as_array().into_iter().flatten().enumerate() {
            fits(document, &shape["items"], item, &format!("{at}.{name}[{index}]"));
        }
    }
}

/// SPIRE #711: evicted agents kept a live connection.
#[test]
fn a_ban_is_in_force_on_the_next_request_of_an_open_connection() {
    let domain = Domain::new();
    let server = Server::start(&domain);
    let admin = domain.path("operators/admin.pem");
    let mut stream = server.connect(&domain.host("web-1"));
    let mut ask = || {
        stream.write_all(b"GET /v1/credentials/db HTTP/1.1\r\nHost: cp.example.org\r\n\r\n").unwrap();
        let mut bytes = [0; 4096];
        let count = stream.read(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes[..count]).into_owned()
    };
    assert!(ask().starts_with("HTTP/1.1 200"));
    let change = |action: &str| {
        let asked = json!({"names": ["web-1"], "action": action, "reason": "a test"}).to_string();
        body(&server.operate(&admin, "/v1/operators/hosts/change", Some(&asked)))
    };
    eventually("the host on record", || change("label")["code"] == "request.invalid" && change("ban")["touched"] == 1);
    let answer = ask();
    assert!(answer.starts_with("HTTP/1.1 403") && answer.contains("identity.banned"), "{answer}");
    assert_eq!(change("lift")["touched"], 1);
    assert!(ask().starts_with("HTTP/1.1 200"));
    for (action, code) in [("quarantine", "identity.quarantined"), ("evict", "identity.evicted")] {
        assert_eq!(change(action)["touched"], 1);
        assert!(ask().contains(code));
    }
    let bans: Vec<_> = domain.records().iter().map(ToString::to_string).filter(|record| record.contains("hosts-banned")).collect();
    assert_eq!(bans.len(), 1);
    assert!(bans[0].contains("spiffe://example.org/operator/admin/admin") && bans[0].contains("a test"), "{}", bans[0]);
}

#[test]
fn a_policy_is_checked_compared_explained_and_put_in_force_on_what_it_was_made_on() {
    let domain = Domain::new();
    let server = Server::start(&domain);
    let admin = domain.path("operators/admin.pem");
    let web = domain.host("web-1");
    assert_eq!(server.curl(&web, "/v1/credentials/db", &[]).status, 200);
    let post = |path: &str, asked: Value| server.operate(&admin, &format!("/v1/operators/{path}"), Some(&asked.to_string()));
    eventually("the host on record", || body(&post("hosts/find", json!({})))["total"] == 1);
    let text = "[[credential]]\nname = \"db\"\nkind = \"jwt\"\naudience = [\"a\"]\nlabels = [\"role=db\"]\n";
    assert_eq!(body(&post("policy/check", json!({"text": text})))["credentials"], json!(["db"]));
    assert_eq!(refused(&post("policy/check", json!({"text": "[[credential]]"}))), (400, "policy.invalid".into()));
    let diff = body(&post("policy/diff", json!({"text": text})));
    assert_eq!((&diff["touched"], &diff["lost"]), (&json!(1), &json!(2)), "{diff}");
    let why = body(&post("policy/explain", json!({"host": "web-1", "credential": "db", "text": text})));
    assert_eq!((why["decision"].as_str(), why["rules"][0]["because"].as_str()), (Some("denied"), Some("the host's labels do not meet role=db")));
    let apply = |on: i64, dry_run: bool| post("policy/apply", json!({"text": text, "on": on, "reason": "fewer", "dry_run": dry_run}));
    assert_eq!(body(&apply(1, true))["dry_run"], true);
    assert_eq!(server.curl(&web, "/v1/credentials/db", &[]).status, 200, "a dry run changes nothing");
    assert_eq!(refused(&apply(7, false)), (409, "policy.overtaken".into()));
    assert_eq!(body(&apply(1, false))["number"], 2);
    eventually("the policy in force", || refused(&server.curl(&web, "/v1/credentials/db", &[])) == (403, "policy.denied".into()));
    let asked = json!({"names": ["web-1"], "action": "label", "labels": {"role": "db"}, "reason": "it is one"});
    assert_eq!(body(&post("hosts/change", asked))["touched"], 1);
    assert_eq!(server.curl(&web, "/v1/credentials/db", &[]).status, 200, "labels are in force at once");
}

#[test]
fn what_is_out_of_form_is_refused_with_words_and_changes_nothing() {
    let domain = Domain::new();
    let server = Server::start(&domain);
    let admin = domain.path("operators/admin.pem");
    let refused_as = |path: &str, text: &str, code: &str| {
        let reply = server.operate(&admin, &format!("/v1/operators/{path}"), Some(text));
        assert_eq!(body(&reply)["code"], code, "{path} {text:.80}");
    };
    let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
    for text in ["", "{}", "null", "{\"hosts\":1}", "{\"hosts\":\"*\",\"ttl_seconds\":60,\"reason\":\"r\",\"typo\":1}", deep.as_str()] {
        refused_as("tokens/create", text, "request.invalid");
    }
    let token = |hosts: &str, ttl: i64, reason: &str| json!({"hosts": hosts, "ttl_seconds": ttl, "reason": reason}).to_string();
    for text in [token("../*", 60, "r"), token("*", 0, "r"), token("*", 99_999_999, "r"), token("*", 60, " "), token("*", 60, &"r".repeat(600))] {
        refused_as("tokens/create", &text, "request.invalid");
    }
    refused_as("hosts/change", "{\"names\":[\"none\"],\"action\":\"ban\",\"reason\":\"r\"}", "host.unknown");
    refused_as("tokens/revoke", "{\"name\":\"00\",\"reason\":\"r\"}", "token.unknown");
    let big = std::env::temp_dir().join(format!("pinnaced-big-{}", std::process::id()));
    std::fs::write(&big, vec![b' '; 2 << 20]).unwrap();
    let reply = server.operate(&admin, "/v1/operators/tokens/create", Some(&format!("@{}", big.display())));
    assert!(matches!(reply.status, 0 | 400), "it is cut or refused: {reply:?}");
    std::fs::remove_file(big).unwrap();
    let tokens = body(&server.operate(&admin, "/v1/operators/tokens", None));
    assert_eq!(tokens["tokens"], json!([]));
}
