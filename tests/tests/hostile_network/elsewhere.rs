//! Control planes with several endpoints or addresses: one that works is enough.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tests::evil::answer::http;
use tests::evil::authority::Authority;
use tests::evil::ground::{DEADLINE, Ground, Want};
use tests::evil::network::in_private_network;
use tests::evil::peer::{BlackHole, Peer, Script, script};
use tests::evil::rows;
use tests::evil::tls::{self, Clients};
use tests::rig::Site;

use crate::{free_port, reason};

type Broken = fn(&Ground) -> Script;

const ROWS: [(&str, Broken); 8] = [
    ("closes", |_| script(|_| Ok(()))),
    ("is silent", |_| {
        script(|call| {
            call.hold();
            Ok(())
        })
    }),
    ("is of another CA", |ground| shaking_hands(&Authority::stranger(), ground)),
    ("closes after the handshake", |ground| shaking_hands(&ground.authority, ground)),
    ("says 500", |ground| ground.saying(&http("500 Internal Server Error", "", "{}"))),
    ("says 503 for a minute", |ground| ground.saying(&http("503 Service Unavailable", "Retry-After: 60\r\n", "{}"))),
    ("says 302", |ground| ground.saying(&http("302 Found", "Location: https://localhost/\r\n", ""))),
    ("says nothing in 200", |ground| ground.saying(&http("200 OK", "", ""))),
];

fn shaking_hands(authority: &Authority, ground: &Ground) -> Script {
    let config = tls::config(&authority.server(&["localhost"]), Clients::Of(&ground.authority));
    script(move |call| tls::accept(&config, call).map(drop))
}

#[test]
fn another_endpoint_saves_the_run() {
    rows::check(&ROWS, |broken| {
        let ground = Ground::new();
        // Whichever of the two a host turns to first is the broken one.
        let (broken, honest, calls) = (broken(&ground), ground.honest(), Arc::new(AtomicUsize::new(0)));
        let first_fails = script(move |call| if calls.fetch_add(1, Ordering::SeqCst) == 0 { broken(call) } else { honest(call) });
        let peers = [Peer::start(&first_fails), Peer::start(&first_fails)];
        let endpoints = peers.iter().map(|peer| ("localhost".to_owned(), peer.port, vec!["127.0.0.1".to_owned()])).collect();
        ground.stamp_with("", 0, &Site { endpoints, ..Site::default() });
        ground.expect(Want::Delivered);
        assert!(peers.iter().all(|peer| peer.connections() == 1), "each is asked once");
    });
}

#[test]
fn another_address_saves_the_run() {
    rows::check(&ROWS, |broken| {
        let ground = Ground::new();
        // The hosts file's address comes before the stamped one.
        let first = Peer::start(&broken(&ground));
        let second = Peer::at(SocketAddr::from(([127, 0, 0, 2], first.port)), &ground.honest());
        let endpoints = vec![("localhost".to_owned(), first.port, vec!["127.0.0.2".to_owned()])];
        ground.stamp_with("", 0, &Site { endpoints, ..Site::default() });
        ground.expect(Want::Delivered);
        assert_eq!((first.connections(), second.connections()), (1, 1));
    });
}

#[test]
fn who_asks_for_fewer_requests_is_not_gone_around() {
    let ground = Ground::new();
    let busy = ground.saying(&http("429 Too Many Requests", "Retry-After: 60\r\n", "{}"));
    let peers = [Peer::start(&busy), Peer::start(&busy)];
    let endpoints = peers.iter().map(|peer| ("localhost".to_owned(), peer.port, vec!["127.0.0.1".to_owned()])).collect();
    ground.stamp_with("", 0, &Site { endpoints, ..Site::default() });
    let outcome = ground.expect(reason(&["http.throttled"]));
    assert!(outcome.elapsed < Duration::from_millis(800), "it waited: {outcome:#?}");
    assert_eq!(peers[0].connections() + peers[1].connections(), 1);
}

#[test]
fn an_address_that_swallows_connections() {
    let hole = BlackHole::open();
    let ground = Ground::new();
    ground.stamp("localhost", hole.port);
    ground.expect(reason(&["connect.timeout"]));
    let second = Peer::at(SocketAddr::from(([127, 0, 0, 2], hole.port)), &ground.honest());
    let endpoints = vec![("localhost".to_owned(), hole.port, vec!["127.0.0.2".to_owned()])];
    ground.stamp_with("", 0, &Site { endpoints, ..Site::default() });
    let outcome = ground.expect(Want::Delivered);
    assert!(outcome.elapsed < Duration::from_secs(DEADLINE.into()), "the second address had to wait: {outcome:#?}");
    assert_eq!(second.connections(), 1);
}

#[test]
fn nobody_there_and_no_way_there() {
    let ground = Ground::new();
    ground.stamp("localhost", free_port());
    ground.expect(reason(&["connect.refused"]));
    let etc = ground.rig.path("etc");
    std::fs::create_dir(&etc).expect("the rig's folder");
    ground.stamp("192.0.2.1", 8443);
    in_private_network(&etc, || ground.expect(reason(&["connect.unreachable", "connect.refused"])));
    let endpoints = vec![("192.0.2.1".to_owned(), 8443, Vec::new())];
    ground.stamp_with("", 0, &Site { endpoints, ..Site::default() });
    in_private_network(&etc, || ground.expect(reason(&["connect.unreachable"])));
}
