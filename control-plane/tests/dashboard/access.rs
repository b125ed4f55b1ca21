//! Who sees the dashboard, and what comes with every answer.

use crate::{
    desk::{Desk, body},
    rig::{Domain, Reply, Server},
};
use serde_json::json;
use std::{
    path::Path,
    process::{Command, Stdio},
    thread,
};

const PATHS: [&str; 12] = [
    "/",
    "/hosts",
    "/hosts/web-1",
    "/rollouts",
    "/releases",
    "/audit",
    "/live",
    "/map/data",
    "/map/hosts?group=0&from=0&to=0",
    "/charts/failures",
    "/nowhere",
    "/login",
];

/// A browser without a certificate, which keeps what it is told to.
struct Visitor<'a> {
    desk: &'a Desk,
    cookie: String,
}

impl Visitor<'_> {
    fn get(&self, path: &str) -> Reply {
        self.fetch(path, &[])
    }

    fn post(&self, path: &str, form: &str) -> Reply {
        self.fetch(path, &["--data", form])
    }

    fn fetch(&self, path: &str, more: &[&str]) -> Reply {
        let cookie = format!("Cookie: {}", self.cookie);
        self.desk.server.fetch(&format!("https://{}{path}", self.desk.server.operators), &[&["-H", &cookie], more].concat())
    }
}

fn stranger(desk: &Desk) -> Visitor<'_> {
    Visitor { desk, cookie: String::new() }
}

/// The path of a link that an operator asks for.
fn link(desk: &Desk, role: &str, name: &str) -> String {
    let link = desk.server.operate(&desk.operator(role, name), "/v1/operators/dashboard/link", Some("{}"));
    body(&link)["path"].as_str().unwrap().to_string()
}

fn sign_in<'a>(desk: &'a Desk, role: &str, name: &str) -> Visitor<'a> {
    let opened = stranger(desk).post(&link(desk, role, name), "");
    assert_eq!(opened.status, 303, "{opened:?}");
    let line = opened.head.lines().find(|line| line.starts_with("set-cookie: __host-pinnace=")).unwrap().to_string();
    for word in ["; path=/", "; secure", "; httponly", "; samesite=strict"] {
        assert!(line.contains(word), "{line}");
    }
    let token = line.split(['=', ';']).nth(1).unwrap();
    assert_eq!(token.len(), 64);
    Visitor { desk, cookie: format!("__Host-pinnace={token}") }
}

/// What forms of this visitor's bring back.
fn forgery(reply: &Reply) -> String {
    reply.body.split("name=\"forgery\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_string()
}

#[test]
fn whoever_is_not_known_sees_how_to_come_in_and_nothing_of_the_fleet() {
    let desk = Desk::with_host();
    for path in PATHS {
        for cookie in ["", "__Host-pinnace=", "__Host-pinnace=0000000000000000000000000000000000000000000000000000000000000000"] {
            let reply = Visitor { desk: &desk, cookie: cookie.into() }.get(path);
            assert_eq!(reply.status, 401, "{path}: {reply:?}");
            assert!(reply.body.contains("pinnacectl dashboard") && !reply.body.contains("web-1") && !reply.body.contains("tile"), "{path}");
        }
        let host = desk.server.operate(&desk.domain.host("web-1"), path, None);
        assert!(host.status == 401 && !host.body.contains("tile"), "a host is no operator: {host:?}");
    }
    for path in ["/act", "/theme", "/logout"] {
        assert_eq!(stranger(&desk).post(path, "act=pause&reason=x").status, 401, "{path}");
    }
    assert_eq!(desk.server.operate(&desk.admin(), "/", None).status, 200, "a certificate is enough");
}

#[test]
fn a_link_opens_once_however_many_try_at_once_and_looking_at_it_spends_nothing() {
    let desk = Desk::new();
    for _ in 0..4 {
        let link = link(&desk, "viewer", "ann");
        assert_eq!(stranger(&desk).get(&link).status, 200);
        for method in ["HEAD", "OPTIONS", "PUT"] {
            assert_eq!(stranger(&desk).fetch(&link, &["--head", "--request", method]).status, 200, "{method}");
        }
        assert_eq!(stranger(&desk).fetch(&link, &["--data", "", "-H", "Origin: https://evil.example"]).status, 410, "not from another site's page");
        let opened = thread::scope(|scope| {
            let all: Vec<_> = (0..8).map(|_| scope.spawn(|| stranger(&desk).post(&link, "").status)).collect();
            all.into_iter().map(|one| one.join().unwrap()).collect::<Vec<_>>()
        });
        assert_eq!(opened.iter().filter(|status| **status == 303).count(), 1, "{opened:?}");
        assert_eq!(opened.iter().filter(|status| **status == 410).count(), 7, "{opened:?}");
        assert_eq!(stranger(&desk).get(&link).status, 410);
    }
    let changes = desk.changes();
    let count =
        |event: &str| changes.iter().filter(|change| change["event"] == event && change["by"] == "spiffe://example.org/operator/viewer/ann").count();
    assert_eq!((count("dashboard-link-made"), count("dashboard-opened")), (4, 4));
}

#[test]
fn pinnacectl_dashboard_prints_a_link_that_opens() {
    let desk = Desk::new();
    let program = Path::new(env!("CARGO_BIN_EXE_pinnaced")).with_file_name("pinnacectl");
    assert!(program.is_file(), "pinnacectl is needed beside pinnaced: cargo build -p operator");
    let run = |arguments: &[&str]| {
        let output = Command::new(&program).env("XDG_CONFIG_HOME", desk.domain.path("config")).args(arguments).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let (ca, identity) = (desk.domain.path("ca/ca.crt"), desk.operator("viewer", "ann"));
    let (ca, identity) = (ca.to_str().unwrap(), identity.to_str().unwrap());
    run(&["context", "add", "test", "--server", &desk.server.operators, "--ca", ca, "--identity", identity]);
    let url = run(&["dashboard"]);
    let path = url.trim().strip_prefix(&format!("https://{}", desk.server.operators)).unwrap_or_else(|| panic!("{url}"));
    assert_eq!(stranger(&desk).post(path, "").status, 303);
    assert_eq!(stranger(&desk).post(path, "").status, 410);
    let ask = |role: &str| {
        let asked = json!({"role": role}).to_string();
        desk.server.operate(&desk.operator("operator", "bob"), "/v1/operators/dashboard/link", Some(&asked)).status
    };
    assert_eq!(["viewer", "operator", "admin", "root"].map(ask), [200, 200, 403, 400], "nobody comes in with more than their own");
}

#[test]
fn a_session_is_its_operators_with_their_role_until_they_leave_or_are_put_out() {
    let desk = Desk::with_host();
    let (ann, bob) = (sign_in(&desk, "viewer", "ann"), sign_in(&desk, "operator", "bob"));
    let page = |visitor: &Visitor<'_>| visitor.get("/hosts/web-1");
    assert!(page(&ann).body.contains("ann") && !page(&ann).body.contains("name=\"act\""), "a viewer has no buttons");
    assert!(page(&bob).body.contains("value=\"quarantine\""));
    let act = |visitor: &Visitor<'_>, act: &str| {
        visitor.post("/act", &format!("forgery={}&act={act}&host=web-1&reason=odd&back=/hosts/web-1", forgery(&page(visitor))))
    };
    let refused = act(&ann, "quarantine");
    assert!(refused.status == 403 && refused.body.contains("operator.role"), "{refused:?}");
    assert!(refused.body.contains("<a href=\"/hosts/web-1\">Back"), "{refused:?}");
    let nonsense = act(&bob, "nonsense");
    assert!(nonsense.status == 400 && nonsense.body.contains("<a href=\"/hosts/web-1\">Back"), "{nonsense:?}");
    let stale = bob.post("/act", "forgery=0&act=quarantine&host=web-1&reason=odd&back=/hosts/web-1");
    assert!(stale.status == 403 && stale.body.contains("<a href=\"/hosts/web-1\">Back"), "{stale:?}");
    for (path, words) in
        [("/hosts/web-2", ["no host of this name", "href=\"/hosts\">Back"]), ("/nowhere", ["no such path", "href=\"/\">To the fleet"])]
    {
        let nothing = bob.get(path);
        assert!(nothing.status == 404 && words.iter().all(|word| nothing.body.contains(word)), "{nothing:?}");
    }
    let done = act(&bob, "quarantine");
    assert!(done.status == 303 && done.head.contains("location: /hosts/web-1"), "{done:?}");
    let newest = desk.changes().pop().unwrap();
    assert_eq!((&newest["by"], &newest["reason"]), (&json!("spiffe://example.org/operator/operator/bob"), &json!("odd")));
    let without = bob.post("/act", &format!("forgery={}&act=lift&host=web-1&reason=", forgery(&page(&bob))));
    assert!(without.status == 400 && without.body.contains("the reason must be"), "{without:?}");
    assert_eq!(desk.post("operators/ban", &json!({"name": "ann", "reason": "left"})).status, 200);
    assert!(page(&ann).status == 403 && page(&ann).body.contains("operator.banned"));
    let left = bob.post("/logout", &format!("forgery={}", forgery(&page(&bob))));
    assert!(left.status == 200 && left.head.contains("max-age=0"), "{left:?}");
    assert_eq!(page(&bob).status, 401);
}

#[test]
fn every_answer_is_guarded() {
    let desk = Desk::with_host();
    let page = desk.server.operate(&desk.admin(), "/", None);
    let asset = page.body.split("src=\"/assets/").nth(1).unwrap().split('"').next().unwrap();
    let asset = format!("/assets/{asset}");
    for path in PATHS.into_iter().filter(|path| *path != "/live").chain([asset.as_str(), "/login/none"]) {
        let reply = desk.server.operate(&desk.admin(), path, None);
        let policy =
            reply.head.lines().find(|line| line.starts_with("content-security-policy: ")).unwrap_or_else(|| panic!("{path}: {}", reply.head));
        for part in ["default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"]
        {
            assert!(policy.contains(part) && !policy.contains("unsafe"), "{path}: {policy}");
        }
        for line in ["x-content-type-options: nosniff", "referrer-policy: same-origin", "x-frame-options: deny"] {
            assert!(reply.head.contains(line), "{path}: {}", reply.head);
        }
        assert_eq!(reply.head.contains("cache-control: no-store"), path != asset, "{path}");
        for inline in ["<style", " style=", " onclick", " onload", "javascript:"] {
            assert!(!reply.body.contains(inline) || path == asset, "{path}: {inline}");
        }
    }
    assert_eq!(desk.server.operate(&desk.admin(), "/assets/0000000000000000/pinnace.js", None).status, 404);
}

/// One that is cut off is an error in the browser's console; one that ends is asked for again.
#[test]
fn what_keeps_pages_current_ends_before_its_connection_does() {
    let domain = Domain::new();
    domain.set("connection_seconds", 5);
    let desk = Desk { server: Server::start(&domain), domain };
    let reply = desk.server.operate(&desk.admin(), "/live", None);
    assert!(reply.status == 200 && reply.body.starts_with("retry: 3000\n\n") && reply.complaint.is_empty(), "{reply:?}");
}

/// Browsers know no Ed25519 in certificates; everybody else is shown what the CA has signed.
#[test]
fn who_knows_no_ed25519_is_shown_a_certificate_for_browsers() {
    let desk = Desk::new();
    let shown = |schemes: &str| {
        let arguments = ["s_client", "-tls1_3", "-connect", &desk.server.operators, "-sigalgs", schemes];
        let output = Command::new("openssl").args(arguments).stdin(Stdio::null()).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
    };
    let browsers = shown("ECDSA+SHA256:RSA-PSS+SHA256");
    assert!(browsers.contains("PKEY: id-ecPublicKey"), "{browsers}");
    let ours = shown("ed25519:ECDSA+SHA256");
    assert!(ours.contains("PKEY: ED25519"), "{ours}");
}
