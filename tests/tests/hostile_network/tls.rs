//! Servers that show the wrong certificate, or speak an old TLS.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;

use tests::evil::answer::{self, delivered};
use tests::evil::authority::{Authority, Shown, now};
use tests::evil::ground::{Ground, Want};
use tests::evil::network::in_private_network;
use tests::evil::peer::{Peer, Script, script};
use tests::evil::rows;
use tests::evil::tls::{self, Clients};
use tests::rig::Site;

use crate::{Server, check, free_port, reason};

/// A control plane that is right but for what it shows.
fn showing(ground: &Ground, shown: &Shown, clients: Clients<'_>) -> Script {
    let config = tls::config(shown, clients);
    let domain = ground.rig.path("domain");
    script(move |call| {
        let mut stream = tls::accept(&config, call)?;
        loop {
            let line = call.request(&mut stream)?;
            let nonce = line.split_once("nonce=").map(|(_, rest)| rest.split(' ').next().unwrap_or_default());
            let body = nonce.map(|nonce| answer::ok(&answer::signed_time(&domain, nonce, now()).to_json()));
            stream.write_all(&body.unwrap_or_else(delivered))?;
            stream.flush()?;
        }
    })
}

#[test]
fn certificates_that_are_not_the_control_planes() {
    const DAY: i64 = 86_400;
    check(&[
        (
            "of another CA",
            (|g| showing(g, &Authority::stranger().server(&["localhost"]), Clients::Of(&g.authority)), reason(&["tls.unknown-authority"])),
        ),
        (
            "of another CA of the same name",
            (|g| showing(g, &Authority::namesake().server(&["localhost"]), Clients::Of(&g.authority)), reason(&["tls.unknown-authority"])),
        ),
        ("for another name", (|g| showing(g, &g.authority.server(&["other.example.org"]), Clients::Of(&g.authority)), reason(&["tls.wrong-name"]))),
        ("for no name", (|g| showing(g, &g.authority.server(&[]), Clients::Of(&g.authority)), reason(&["tls.wrong-name"]))),
        ("for the address only", (|g| showing(g, &g.authority.server(&["127.0.0.1"]), Clients::Of(&g.authority)), reason(&["tls.wrong-name"]))),
        (
            "ended, and the proved time says so too",
            (
                |g| showing(g, &g.authority.server_between(&["localhost"], -2 * DAY, -DAY), Clients::Of(&g.authority)),
                reason(&["tls.certificate-expired"]),
            ),
        ),
        (
            "not begun, and the proved time says so too",
            (
                |g| showing(g, &g.authority.server_between(&["localhost"], DAY, 2 * DAY), Clients::Of(&g.authority)),
                reason(&["tls.certificate-expired"]),
            ),
        ),
        (
            "with 30 more in the chain",
            (|g| showing(g, &g.authority.server(&["localhost"]).followed_by(30), Clients::Of(&g.authority)), Want::Delivered),
        ),
        (
            "with a megabyte of chain",
            (|g| showing(g, &g.authority.server(&["localhost"]).followed_by(900), Clients::Of(&g.authority)), reason(&["tls.protocol"])),
        ),
        ("asking for no certificate", (|g| showing(g, &g.authority.server(&["localhost"]), Clients::Unasked), Want::Delivered)),
        (
            "refusing this host's",
            (|g| showing(g, &g.authority.server(&["localhost"]), Clients::Of(&Authority::stranger())), reason(&["tls.identity-refused"])),
        ),
        (
            "refusing this host's, from a new CA of the same name",
            (|g| showing(g, &g.authority.server(&["localhost"]), Clients::Of(&Authority::namesake())), reason(&["tls.identity-refused"])),
        ),
    ]);
}

#[test]
fn a_wildcard_is_not_an_exact_name() {
    let ground = Ground::new();
    let etc = etc(&ground);
    in_private_network(&etc, || {
        for (names, want) in [(["*.example.org"], reason(&["tls.wrong-name"])), (["cp.example.org"], Want::Delivered)] {
            let peer = Peer::start(&showing(&ground, &ground.authority.server(&names), Clients::Of(&ground.authority)));
            ground.stamp("cp.example.org", peer.port);
            ground.expect(want);
        }
    });
}

/// An `/etc` that knows the control plane.
fn etc(ground: &Ground) -> PathBuf {
    let etc = ground.rig.path("etc");
    std::fs::create_dir(&etc).expect("the rig's folder");
    std::fs::write(etc.join("hosts"), "127.0.0.1 cp.example.org\n").expect("the rig's folder");
    etc
}

#[test]
fn of_two_roots_either_may_vouch() {
    let ground = Ground::new();
    let second = Authority::stranger();
    std::fs::write(ground.rig.path("domain/ca/next.crt"), &second.pem).expect("the trust domain's folder");
    for authority in [&ground.authority, &second] {
        let peer = Peer::start(&showing(&ground, &authority.server(&["localhost"]), Clients::Of(&ground.authority)));
        let roots = vec!["ca/ca.crt".into(), "ca/next.crt".into()];
        ground.stamp_with("localhost", peer.port, &Site { roots, ..Site::default() });
        ground.expect(Want::Delivered);
    }
}

#[test]
fn old_versions_of_tls_are_refused() {
    rows::check(&[("1.2", "-tls1_2"), ("1.1", "-tls1_1")], |version| {
        let ground = Ground::new();
        let pem = ground.rig.path("server.pem");
        std::fs::write(&pem, ground.authority.server(&["localhost"]).pem()).expect("the rig's folder");
        let port = free_port();
        let mut openssl = Command::new("openssl");
        openssl.args(["s_server", "-www", version, "-cipher", "ALL:@SECLEVEL=0", "-accept", &format!("127.0.0.1:{port}"), "-cert"]).arg(&pem);
        let mut server = Server::start(&mut openssl, port);
        ground.stamp("localhost", port);
        ground.expect(reason(&["tls.protocol"]));
        server.expect_alive();
    });
}
