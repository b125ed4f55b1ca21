//! No name that a policy makes passes for somebody else at our own doors.

use crate::{
    keyed::Key,
    rig::{Domain, Server, eventually},
};
use std::{fs, path::Path};

/// The status of what a key of the host's own is answered.
fn certified(server: &Server, identity: &Path, credential: &str) -> (u16, String) {
    let reply = Key::new().ask(server, identity, credential, "");
    (reply.status, reply.body)
}

/// SPIRE, Cure53 SPI-01-004: the subject was not checked. An operator may label hosts and not write policy, so no label may make a
/// host pass for another one, or for an operator, at our own doors.
#[test]
fn no_label_makes_a_subject_that_passes_for_an_operator_or_another_host() {
    let domain = Domain::new();
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
        eventually("the host on record", label);
        let svid = certified(&server, &web, "svid");
        let token = server.curl(&web, "/v1/credentials/token", &[]);
        for body in [&svid.1, &token.body] {
            assert!(body.contains("\"code\":\"policy.subject\"") || body.contains("\"kind\""), "{body}");
        }
        (svid.0, token.status)
    };
    assert_eq!(server.curl(&web, "/v1/credentials/token", &[]).text("code"), "policy.label-missing");
    for (kind, name) in [("operator/admin", "ann"), ("operator", "admin/ann"), ("host", "web-2"), ("host", "web-1/x")] {
        assert_eq!(issued(kind, name), (403, 403), "{kind} {name}");
    }
    for (kind, name) in [("host", "web-1"), ("app", "web"), ("hosts", "web-2"), ("operators", "ann")] {
        assert_eq!(issued(kind, name), (200, 200), "{kind} {name}");
    }
    assert_eq!(certified(&server, &web, "abroad").0, 403, "an X.509-SVID is of its own trust domain");
}

/// The server's certificate and the hosts' come from one CA, and hosts believe whoever shows a certificate with the server's name.
#[test]
fn no_host_gets_a_certificate_that_passes_for_the_control_plane() {
    let domain = Domain::new();
    let grant = |name: &str, dns: &str| format!("[[credential]]\nname = {name:?}\nkind = \"x509\"\ndns_names = [{dns}]\nhosts = [\"*\"]\n");
    let policy = [
        grant("short", r#""{host}.example.org""#),
        grant("whole", r#""{host}""#),
        grant("open", r#""*.example.org""#),
        grant("loud", r#""CP.Example.org""#),
        grant("bare", ""),
        grant("odd", r#""not a name""#),
    ];
    fs::write(domain.path("policy.toml"), policy.concat()).unwrap();
    let server = Server::start(&domain);
    let refused = [("cp", "short"), ("cp.example.org", "whole"), ("web-1", "open"), ("web-1", "loud"), ("cp.example.org", "bare"), ("web-1", "odd")];
    for (host, credential) in refused {
        let (status, body) = certified(&server, &domain.host(host), credential);
        assert!(status == 403 && body.contains("\"code\":\"policy.subject\""), "{host} {credential}: {body}");
    }
    for (host, credential) in [("web-1", "short"), ("web-1", "whole"), ("cp", "whole"), ("web-1", "bare")] {
        let (status, body) = certified(&server, &domain.host(host), credential);
        assert_eq!(status, 200, "{host} {credential}: {body}");
    }
}
