//! The OpenAPI document against real requests and real answers of every route.

use crate::{
    desk::{Desk, Route, body, routes},
    rig::Reply,
    shape,
};
use serde_json::{Value, json};
use std::{collections::BTreeSet, fs, path::Path};

const POLICY: &str = "[[credential]]\nname = \"db\"\nkind = \"jwt\"\naudience = [\"a\"]\nlabels = [\"role=db\"]\n";

/// A request that changes something, for every route that does.
fn changes(token: &str) -> Vec<(&'static str, Value)> {
    vec![
        ("tokens/create", json!({"hosts": "web-*", "labels": {"role": "web"}, "ttl_seconds": 60})),
        ("tokens/revoke", json!({"name": token})),
        ("hosts/register", json!({"name": "db-1", "key": "07".repeat(32), "labels": {"role": "db"}})),
        ("hosts/change", json!({"names": ["web-1"], "action": "label", "labels": {"role": "db"}})),
        ("policy/apply", json!({"text": POLICY, "on": 1})),
        ("wave/start", json!({"hosts": "web-*", "with_labels": {"role": "db"}, "per_second": 10})),
        ("wave/stop", json!({})),
        ("drain", json!({"on": true})),
        ("operators/ban", json!({"name": "ann"})),
        ("rollout/start", json!({"generation": 7})),
        ("rollout/pause", json!({})),
        ("rollout/resume", json!({})),
        ("rollout/promote", json!({"all": false})),
        ("rollout/pull", json!({})),
    ]
}

/// A question, for every other route with a body.
fn questions() -> Vec<(&'static str, Value)> {
    vec![
        ("hosts/find", json!({"with_labels": {}, "status": "active", "limit": 5})),
        ("fleet/status", json!({"filter": "host=web-*"})),
        ("fleet/why", json!({"filter": "code=tls.*", "support": 1, "limit": 5})),
        ("fleet/hosts", json!({"filter": "state=healthy", "after": "a", "limit": 5})),
        ("fleet/map", json!({})),
        ("fleet/host", json!({"name": "web-1", "limit": 5})),
        ("fleet/series", json!({"filter": "os=rhel7 code=tls.*", "since_seconds": 3600, "step_seconds": 60})),
        ("fleet/complete", json!({"text": "os=rhel7 ke"})),
        ("policy/check", json!({"text": POLICY})),
        ("policy/diff", json!({"text": POLICY})),
        ("policy/explain", json!({"host": "web-1", "credential": "db", "text": POLICY})),
        ("policy/test", json!({"text": POLICY, "cases": [{"host": "web-1", "credential": "db", "expect": "denied"}]})),
        ("audit/find", json!({"host": "web-1", "since": 0})),
        ("audit/issued", json!({"host": "web-1"})),
        ("audit/export", json!({"limit": 1})),
        ("dashboard/link", json!({"role": "viewer"})),
        ("hosts/weird", json!({"limit": 5})),
    ]
}

fn with(asked: &Value, more: &Value) -> Value {
    let mut asked = asked.clone();
    asked.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    asked
}

/// A desk with a token to take back and a release to roll out.
fn desk() -> (Desk, String) {
    let desk = Desk::with_host();
    desk.publish(&[7]);
    let made = body(&desk.post("tokens/create", &json!({"hosts": "*", "ttl_seconds": 60, "reason": "a test"})));
    (desk, made["name"].as_str().unwrap().to_string())
}

fn route<'a>(routes: &'a [Route], path: &str) -> &'a Route {
    routes.iter().find(|route| route.path == format!("/v1/operators/{path}")).unwrap_or_else(|| panic!("{path} is not in the document"))
}

fn fits(document: &Value, route: &Route, status: &str, reply: &Reply) {
    let shape = &route.operation["responses"][status]["content"]["application/json"]["schema"];
    assert!(reply.head.contains("application/json"), "{reply:?}");
    shape::check(document, shape, &body(reply), &route.path).unwrap();
}

fn members(document: &Value, shape: &Value) -> BTreeSet<String> {
    let shape = document.pointer(shape["$ref"].as_str().unwrap().trim_start_matches('#')).unwrap();
    shape["properties"].as_object().unwrap().keys().cloned().collect()
}

#[test]
fn every_route_asks_and_answers_as_the_document_says() {
    let (desk, token) = desk();
    let document = desk.document();
    assert_eq!(document["openapi"], "3.1.0");
    let routes = routes(&document);
    let changes = changes(&token).into_iter().map(|(path, asked)| (path, with(&asked, &json!({"reason": "a test"}))));
    // A rollout is explained once there is one.
    let posts: Vec<_> = questions().into_iter().chain(changes).chain([("rollout/explain", json!({"rollout": 1}))]).collect();
    let asked_all: BTreeSet<String> = posts.iter().map(|(path, _)| format!("/v1/operators/{path}")).collect();
    let listed: BTreeSet<String> = routes.iter().filter(|route| route.method == "post").map(|route| route.path.clone()).collect();
    assert_eq!(asked_all, listed, "every route is asked here");
    for (path, asked) in &posts {
        let route = route(&routes, path);
        shape::check(&document, &route.operation["requestBody"]["content"]["application/json"]["schema"], asked, path).unwrap();
        let reply = desk.post(path, asked);
        assert_eq!(reply.status, 200, "{path}: {reply:?}");
        fits(&document, route, "200", &reply);
        fits(&document, route, "default", &desk.post(path, &json!({"surprise": 1})));
    }
    for route in routes.iter().filter(|route| route.method == "get") {
        let reply = desk.server.operate(&desk.admin(), &route.path, None);
        assert_eq!(reply.status, 200, "{}: {reply:?}", route.path);
        fits(&document, route, "200", &reply);
    }
}

/// What operators can see, in one value.
fn seen(desk: &Desk) -> Value {
    json!([
        body(&desk.get("tokens")),
        body(&desk.post("hosts/find", &json!({}))),
        body(&desk.get("policy")),
        body(&desk.get("policy/history")),
        body(&desk.get("rollout"))["rollout"]["number"],
        desk.server.operate(&desk.operator("viewer", "ann"), "/v1/operators/whoami", None).status,
        desk.changes(),
    ])
}

#[test]
fn a_dry_run_counts_and_changes_nothing_and_the_change_stands_in_the_log_with_who_and_why() {
    let (desk, token) = desk();
    let document = desk.document();
    let routes = routes(&document);
    let changes = changes(&token);
    let named: BTreeSet<String> = changes.iter().map(|(path, _)| format!("/v1/operators/{path}")).collect();
    let change = |route: &&Route| {
        let shape = &route.operation["requestBody"]["content"]["application/json"]["schema"];
        !shape.is_null() && members(&document, shape).contains("reason")
    };
    let reasoned: BTreeSet<String> = routes.iter().filter(change).map(|route| route.path.clone()).collect();
    assert_eq!(named, reasoned, "every route that takes a reason is tried here");
    for (number, (path, asked)) in changes.iter().enumerate() {
        let before = seen(&desk);
        let reason = format!("reason {number}");
        let tried = desk.post(path, &with(asked, &json!({"reason": reason, "dry_run": true})));
        assert_eq!(tried.status, 200, "{path}: {tried:?}");
        assert!(body(&tried)["dry_run"] == true && body(&tried)["touched"].is_u64(), "{path}: {tried:?}");
        assert_eq!(seen(&desk), before, "{path}: a dry run changes nothing");
        let made = body(&desk.post(path, &with(asked, &json!({"reason": reason}))));
        assert_eq!((&made["touched"], &made["dry_run"]), (&body(&tried)["touched"], &json!(false)), "{path}: it touches what was counted");
        let newest = desk.changes().pop().unwrap();
        assert_eq!((&newest["by"], &newest["reason"]), (&json!("spiffe://example.org/operator/admin/admin"), &json!(reason)), "{path}");
    }
}

#[test]
fn no_change_is_made_or_tried_without_a_reason() {
    let (desk, token) = desk();
    let before = seen(&desk);
    for (path, asked) in changes(&token) {
        for reason in [Value::Null, json!(""), json!("  "), json!("é".repeat(501)), json!("two\nlines"), json!(7)] {
            for dry_run in [false, true] {
                let mut asked = with(&asked, &json!({"reason": reason, "dry_run": dry_run}));
                if reason.is_null() {
                    asked.as_object_mut().unwrap().remove("reason");
                }
                let reply = desk.post(path, &asked);
                assert_eq!((reply.status, &body(&reply)["code"]), (400, &json!("request.invalid")), "{path} {asked:.200}");
            }
        }
    }
    assert_eq!(seen(&desk), before);
    let long = json!({"name": "bob", "reason": "é".repeat(500)});
    assert_eq!(desk.post("operators/ban", &long).status, 200, "five hundred characters are a reason in any language");
}

/// `docs/operators-api.json` is for those who have no control plane at hand.
#[test]
fn the_document_in_docs_is_the_one_that_is_served() {
    let served = serde_json::to_string_pretty(&Desk::new().document()).unwrap() + "\n";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operators-api.json");
    if fs::read_to_string(&path).unwrap_or_default() != served {
        let fresh = Path::new(env!("CARGO_TARGET_TMPDIR")).join("operators-api.json");
        fs::write(&fresh, served).unwrap();
        panic!("docs/operators-api.json is not what is served; look at the difference and take {}", fresh.display());
    }
}
