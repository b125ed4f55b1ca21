//! What does not come from a page of ours, or is no question at all.

use crate::desk::Desk;
use serde_json::json;

/// The token of forms on a page that was asked for with a certificate.
fn forgery(desk: &Desk, identity: &std::path::Path) -> String {
    let page = desk.server.operate(identity, "/hosts/web-1", None);
    page.body.split("name=\"forgery\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_string()
}

fn send(desk: &Desk, path: &str, form: &str, headers: &[&str]) -> u16 {
    let identity = desk.admin();
    let identity = identity.to_str().unwrap();
    let headers: Vec<&str> = headers.iter().flat_map(|header| ["-H", header]).collect();
    let more = [&["--cert", identity, "--key", identity, "--data", form], headers.as_slice()].concat();
    desk.server.fetch(&format!("https://{}{path}", desk.server.operators), &more).status
}

/// A browser with a certificate brings it along for any page that asks it to.
#[test]
fn no_form_of_anothers_does_anything() {
    let desk = Desk::with_host();
    let ours = forgery(&desk, &desk.admin());
    let another = forgery(&desk, &desk.operator("admin", "eve"));
    assert_ne!(ours, another);
    let form = |token: &str| format!("forgery={token}&act=quarantine&host=web-1&reason=odd");
    let same = format!("Origin: https://{}", desk.server.operators);
    for token in ["", "0", &ours[1..], &another, &ours.to_uppercase()] {
        assert_eq!(send(&desk, "/act", &form(token), &[&same]), 403, "{token}");
    }
    for headers in [
        ["Origin: https://evil.example"],
        ["Origin: null"],
        ["Sec-Fetch-Site: cross-site"],
        ["Sec-Fetch-Site: same-site"],
        ["Origin: http://127.0.0.1"],
    ] {
        assert_eq!(send(&desk, "/act", &form(&ours), &headers), 403, "{headers:?}");
        assert_eq!(send(&desk, "/theme", &format!("forgery={ours}&theme=dark"), &headers), 403, "{headers:?}");
    }
    let get = desk.server.operate(&desk.admin(), &format!("/act?{}", form(&ours)), None);
    assert_eq!(get.status, 404, "nothing is done by looking");
    assert!(desk.changes().iter().all(|change| change["event"] != "hosts-quarantined"));
    assert_eq!(send(&desk, "/act", &form(&ours), &[&same, "Sec-Fetch-Site: same-origin"]), 303, "and a form of ours does");
    assert_eq!(desk.changes().pop().unwrap()["event"], "hosts-quarantined");
}

#[test]
fn what_is_asked_is_never_taken_for_a_query_a_path_or_a_header() {
    let desk = Desk::with_host();
    let get = |path: &str| desk.server.operate(&desk.admin(), path, None);
    for path in [
        "/hosts/web-1'%20OR%20'1'='1",
        "/hosts/..%2f..%2fpinnaced.toml",
        "/hosts/%00",
        "/hosts/%ff%fe",
        "/assets/..%2f..%2fpinnaced.toml",
        "/assets/../../etc/passwd",
        "//evil.example",
        "/hosts/",
    ] {
        let reply = get(path);
        assert!([400, 404].contains(&reply.status) && !reply.body.contains("trust_domain"), "{path}: {reply:?}");
    }
    let audit = get("/audit?host=x'%20OR%20'1'%3D'1&event=%25&since=7d");
    assert!(audit.status == 200 && audit.body.contains("Nothing is on record there"), "{audit:?}");
    assert_eq!(get("/hosts?q=host%3D\"x'%20OR%201%3D1--\"").body.matches("/hosts/web-1").count(), 0);
    for query in ["q=%", "q=a%0d%0aSet-Cookie:x", "after=%00", "first=%ff&last=%ff", "q=os%3D%22", "range=-1", "by=%00", "q=state%3Dfailing&q=x"] {
        let reply = get(&format!("/hosts?{query}"));
        assert!([200, 400].contains(&reply.status) && !reply.head.contains("set-cookie"), "{query}: {reply:?}");
    }
    for query in ["group=99999999999999999999&from=0&to=0", "group=0&from=5&to=1", "group=-1", "by=host&group=0&from=0&to=0"] {
        let reply = get(&format!("/map/hosts?{query}"));
        assert!(reply.status == 303 && reply.head.contains("location: /hosts"), "{query}: {reply:?}");
    }
    let ours = forgery(&desk, &desk.admin());
    for back in ["https://evil.example", "//evil.example", "%0d%0aSet-Cookie:%20a=b", "/\\evil.example"] {
        let identity = desk.admin();
        let form = format!("forgery={ours}&theme=dark&back={back}");
        let more = ["--cert", identity.to_str().unwrap(), "--key", identity.to_str().unwrap(), "--data", &form];
        let reply = desk.server.fetch(&format!("https://{}/theme", desk.server.operators), &more);
        assert!(reply.status == 303 && reply.head.contains("location: /\r\n") && !reply.head.contains("a=b"), "{back}: {reply:?}");
    }
    let large = format!("forgery={ours}&reason={}", "x".repeat(2 << 20));
    std::fs::write(desk.domain.path("large"), large).unwrap();
    let status = send(&desk, "/act", &format!("@{}", desk.domain.path("large").display()), &["Expect:"]);
    assert!([0, 400].contains(&status), "it is refused, or cut before it has all come: {status}");
    assert_eq!(desk.post("hosts/find", &json!({})).status, 200, "and it goes on");
}
