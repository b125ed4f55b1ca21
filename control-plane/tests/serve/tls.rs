//! What TLS lets in.

use crate::rig::{Domain, Reply, Server};
use protocol::refusal::Refusal;
use std::io::{Read, Write};

#[test]
fn nobody_without_a_certificate_of_this_ca_gets_to_ask() {
    let (domain, other) = (Domain::new(), Domain::new());
    let server = Server::start(&domain);
    let url = format!("https://{}/v1/credentials/db", server.hosts);
    for version in [["--tlsv1.2", "--tls-max", "1.2"], ["--tlsv1.3", "--tls-max", "1.3"]] {
        let refused = |reply: Reply| (reply.status, Refusal::from_json(reply.body.as_bytes()).map(|refusal| refusal.code).unwrap_or_default());
        assert_eq!(refused(server.fetch(&url, &version)), (401, "identity.none".into()));
        let stranger = other.host("web-1");
        assert_eq!(refused(server.curl(&stranger, "/v1/credentials/db", &version)), (401, "identity.unknown-authority".into()));
        let expired = domain.identity(&["spiffe://example.org/host/web-1"], -1);
        assert_eq!(refused(server.curl(&expired, "/v1/credentials/db", &version)), (401, "identity.expired".into()));
    }
    let old = server.curl(&domain.host("web-1"), "/v1/credentials/db", &["--tls-max", "1.1", "--ciphers", "DEFAULT@SECLEVEL=0"]);
    assert_eq!(old.status, 0, "TLS 1.1 was let in: {}", old.complaint);
}

/// SPIRE #6715: resumption skipped the check of the chain.
#[test]
fn key_exchange_is_the_hybrid_and_no_ticket_is_handed_out() {
    let domain = Domain::new();
    let server = Server::start(&domain);
    let mut stream = server.connect(&domain.host("web-1"));
    stream.write_all(b"GET /v1/credentials/db HTTP/1.1\r\nHost: cp.example.org\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
    assert_eq!(stream.conn.negotiated_key_exchange_group().unwrap().name(), rustls::NamedGroup::X25519MLKEM768);
    assert_eq!(stream.conn.tls13_tickets_received(), 0);
}
