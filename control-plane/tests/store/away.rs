//! The database stops and comes back.

use crate::{
    postgres::Postgres,
    rig::{Domain, Server, eventually},
    traffic::chain_holds,
};
use std::{thread, time::Duration};

const TOKEN: &str = r#"{"hosts":"web-*","ttl_seconds":600,"reason":"test"}"#;

/// Vault #18943: a blocked audit disk stopped service. Credentials go on, changes wait, and afterwards each credential is on record once, in an unbroken chain.
#[test]
fn with_the_database_away_credentials_go_on_and_are_on_record_once_it_is_back() {
    let (postgres, domain) = (Postgres::start(), Domain::new());
    postgres.keep(&domain, 60);
    let server = Server::start(&domain);
    let (host, admin) = (domain.host("web-1"), domain.path("operators/admin.pem"));
    let fetch = || {
        let reply = server.curl(&host, "/v1/credentials/db", &[]);
        assert_eq!(reply.status, 200, "{reply:?}");
    };
    (0..5).for_each(|_| fetch());
    for _ in 0..2 {
        postgres.stop();
        (0..5).for_each(|_| fetch());
        assert_eq!(server.operate(&admin, "/v1/operators/tokens/create", Some(TOKEN)).status, 503);
        eventually("readyz says so", || ready(&server).1.contains("spooling for"));
        assert_eq!(ready(&server).0, 200);
        postgres.run();
        eventually("the database is back", || ready(&server).1 == "ready\n");
        (0..5).for_each(|_| fetch());
    }
    assert_eq!(domain.audit().len(), 25);
    chain_holds(&domain);
}

#[test]
fn without_time_for_a_spool_issuing_fails_closed() {
    let (postgres, domain) = (Postgres::start(), Domain::new());
    postgres.keep(&domain, 0);
    let server = Server::start(&domain);
    let host = domain.host("web-1");
    assert_eq!(server.curl(&host, "/v1/credentials/db", &[]).status, 200);
    postgres.stop();
    assert_eq!(server.curl(&host, "/v1/credentials/db", &[]).status, 503);
    eventually("readyz says so", || ready(&server).0 == 503);
    postgres.run();
    eventually("the database is back", || ready(&server).0 == 200);
    thread::sleep(Duration::from_millis(100));
    assert_eq!(server.curl(&host, "/v1/credentials/db", &[]).status, 200);
    assert_eq!(domain.audit().len(), 2);
}

fn ready(server: &Server) -> (u16, String) {
    let reply = server.fetch(&format!("http://{}/readyz", server.admin), &[]);
    (reply.status, reply.body)
}
