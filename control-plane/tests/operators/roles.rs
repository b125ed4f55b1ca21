//! Who is an operator, and what each may do.

use crate::{
    desk::{Desk, body, refused, routes},
    rig::Domain,
};

const ROLES: [&str; 3] = ["viewer", "operator", "admin"];

/// Every route of the document: who has the role gets in, and no host, stranger or lesser role does.
#[test]
fn every_route_asks_for_its_role() {
    let desk = Desk::new();
    let other = Domain::new();
    let stranger = other.path("operators/admin.pem");
    let operators = ROLES.map(|role| desk.operator(role, &format!("{role}-1")));
    let nobodies = [
        ("a host", desk.domain.host("web-1")),
        ("another trust domain's admin", stranger),
        ("one without a role that there is", desk.operator("root", "ann")),
        ("one whose certificate is over", desk.domain.identity(&["spiffe://example.org/operator/admin/late"], -1)),
        ("a host and an admin at once", desk.domain.identity(&["spiffe://example.org/operator/admin/two", "spiffe://example.org/host/two"], 1)),
        ("an admin by the name of a longer trust domain", desk.domain.identity(&["spiffe://example.org.evil/operator/admin/ann"], 1)),
    ];
    let routes = routes(&desk.document());
    assert!(routes.len() > 15);
    for route in &routes {
        let asked = (route.method == "post").then_some("{}");
        let needed = ROLES.iter().position(|role| route.operation["x-role"] == *role).unwrap();
        for (rank, identity) in operators.iter().enumerate() {
            let reply = desk.server.operate(identity, &route.path, asked);
            let let_in = refused(&reply) != (403, "operator.role".into());
            assert_eq!(let_in, rank >= needed, "{} at {}: {reply:?}", ROLES[rank], route.path);
        }
        for (who, identity) in &nobodies {
            let reply = desk.server.operate(identity, &route.path, asked);
            assert_eq!(refused(&reply), (401, "operator.unknown".into()), "{who} at {}", route.path);
            let error = body(&reply)["error"].to_string();
            assert!(!error.contains("this host") && !error.contains("it was not done"), "{who} at {}: {error}", route.path);
        }
        let reply = desk.server.fetch(&format!("https://{}{}", desk.server.operators, route.path), &[]);
        assert_eq!(refused(&reply), (401, "operator.unknown".into()), "nobody at {}", route.path);
    }
    let document = desk.server.operate(&desk.domain.host("web-1"), "/v1/openapi.json", None);
    assert_eq!(refused(&document), (401, "operator.unknown".into()));
}

#[test]
fn an_operator_is_no_host() {
    let desk = Desk::new();
    for path in ["/v1/credentials/db", "/v1/whoami"] {
        assert_eq!(refused(&desk.server.curl(&desk.admin(), path, &[])), (401, "identity.unknown".into()), "{path}");
    }
    for path in ["/v1/identity/enroll", "/v1/identity/renew", "/v1/identity/recover"] {
        let zeros = ["00".repeat(32), "00".repeat(64)];
        let asked = format!("{{\"version\":1,\"host\":\"admin\",\"key\":\"{}\",\"proof\":\"{}\"}}", zeros[0], zeros[1]);
        let reply = desk.server.curl(&desk.admin(), path, &["--data-binary", &asked]);
        assert!((400..500).contains(&reply.status), "{path}: {reply:?}");
    }
    assert_eq!(body(&desk.post("hosts/find", &serde_json::json!({})))["total"], 0);
}
