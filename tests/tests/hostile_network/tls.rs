//! Servers that speak TLS wrongly, or stop in the middle of it.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tests::evil::answer::{self, delivered};
use tests::evil::authority::{Authority, now};
use tests::evil::ground::{Ground, Want};
use tests::evil::network::in_private_network;
use tests::evil::peer::{Call, Peer, Script, drip, script};
use tests::evil::rows;
use tests::evil::tls::{self, Clients};
use tests::rig::Site;

use crate::meet;

type Case = (fn(&Ground) -> Script, Want);

fn reason(codes: &'static [&'static str]) -> Want {
    Want::Reason(codes)
}

fn check(cases: &[(&str, Case)]) {
    rows::check(cases, |(script, want)| {
        let ground = Ground::new();
        meet(&ground, &script(&ground), *want);
    });
}

/// A control plane that is right but for what it shows.
fn showing(ground: &Ground, shown: &tests::evil::authority::Shown, clients: Clients<'_>) -> Script {
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
        let mut server = Command::new("openssl")
            .args(["s_server", "-www", version, "-cipher", "ALL:@SECLEVEL=0", "-accept", &format!("127.0.0.1:{port}"), "-cert"])
            .arg(&pem)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("openssl");
        let begun = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() && begun.elapsed() < Duration::from_secs(10) {
            std::thread::sleep(Duration::from_millis(10));
        }
        ground.stamp("localhost", port);
        ground.expect(reason(&["tls.protocol"]));
        assert!(server.try_wait().expect("a child").is_none(), "openssl did not serve");
        server.kill().and_then(|()| server.wait()).expect("a child");
    });
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port()
}

#[test]
fn what_is_not_tls_at_all() {
    check(&[
        (
            "plain HTTP that waits",
            (
                |_| {
                    script(|call| {
                        tls::read_record(&mut call.stream)?;
                        call.stream.write_all(&delivered())?;
                        call.hold();
                        Ok(())
                    })
                },
                reason(&["tls.not-tls"]),
            ),
        ),
        (
            "an HTTP error, closed at once",
            (
                |_| {
                    script(|call| {
                        tls::read_record(&mut call.stream)?;
                        call.stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                    })
                },
                reason(&["tls.not-tls"]),
            ),
        ),
        (
            "the banner of another service",
            (
                |_| {
                    script(|call| {
                        call.stream.write_all(b"220 mail.example.org ESMTP\r\n")?;
                        call.hold();
                        Ok(())
                    })
                },
                reason(&["tls.not-tls"]),
            ),
        ),
        (
            "an endless stream of zeros",
            (
                |_| {
                    script(|call| {
                        loop {
                            call.stream.write_all(&[0; 65_536])?;
                        }
                    })
                },
                reason(&["tls.not-tls"]),
            ),
        ),
        (
            "the client's own hello",
            (
                |_| {
                    script(|call| {
                        let hello = tls::read_record(&mut call.stream)?;
                        call.stream.write_all(&hello)?;
                        call.hold();
                        Ok(())
                    })
                },
                reason(&["tls.protocol"]),
            ),
        ),
        (
            "an alert of a handshake that cannot be",
            (
                |_| {
                    script(|call| {
                        tls::read_record(&mut call.stream)?;
                        call.stream.write_all(&[21, 3, 3, 0, 2, 2, 40])
                    })
                },
                reason(&["tls.protocol"]),
            ),
        ),
        (
            "a ServerHello of TLS 1.1",
            (
                |_| {
                    script(|call| {
                        let hello = tls::read_record(&mut call.stream)?;
                        call.stream.write_all(&server_hello_1_1(&hello))?;
                        call.hold();
                        Ok(())
                    })
                },
                reason(&["tls.protocol"]),
            ),
        ),
    ]);
}

/// A ServerHello of RFC 4346: version 3.2, a random, no session, one old cipher suite.
fn server_hello_1_1(_hello: &[u8]) -> Vec<u8> {
    let body = [&[3, 2][..], &[7; 32], &[0], &[0, 0x2f], &[0]].concat();
    let length = u8::try_from(body.len()).unwrap_or(0);
    [&[22, 3, 2, 0, length + 4, 2, 0, 0, length][..], &body].concat()
}

/// How far a conversation goes before something happens to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Connected,
    ClientHello,
    ServerHello,
    AllButTheLastByteOfTheHandshake,
    Handshake,
    Request,
    Head,
    Body,
}

/// What happens to it then.
#[derive(Clone, Copy, Debug)]
enum End {
    Reset,
    Close,
    Silence,
}

fn cut(ground: &Ground, stage: Stage, end: End) -> Script {
    let config = tls::config(&ground.authority.server(&["localhost"]), Clients::Of(&ground.authority));
    script(move |call| {
        if matches!(end, End::Reset) {
            call.reset();
        }
        go_to(call, stage, &config)?;
        if matches!(end, End::Silence) {
            call.hold();
        }
        Ok(())
    })
}

fn go_to(call: &mut Call, stage: Stage, config: &std::sync::Arc<rustls::ServerConfig>) -> io::Result<()> {
    match stage {
        Stage::Connected => return Ok(()),
        Stage::ClientHello => return tls::read_record(&mut call.stream).map(drop),
        Stage::ServerHello => {
            let flight = tls::first_flight(config, &mut call.stream)?;
            return call.stream.write_all(tls::first_record(&flight));
        }
        Stage::AllButTheLastByteOfTheHandshake => {
            let flight = tls::first_flight(config, &mut call.stream)?;
            return call.stream.write_all(&flight[..flight.len() - 1]);
        }
        _ => {}
    }
    let mut tls = tls::accept(config, call)?;
    if stage == Stage::Handshake {
        return Ok(());
    }
    call.request(&mut tls)?;
    let answer = delivered();
    let head = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap_or(0) + 4;
    let length = match stage {
        Stage::Head => head / 2,
        Stage::Body => head + 100,
        _ => 0,
    };
    tls.write_all(&answer[..length])?;
    tls.flush()
}

#[test]
fn a_conversation_that_ends_at_any_stage() {
    use End::{Close, Reset, Silence};
    use Stage::{AllButTheLastByteOfTheHandshake, Body, ClientHello, Connected, Handshake, Head, Request, ServerHello};
    // A reset right after the connection was taken may be met before or after the connection counts as made.
    const AT_ONCE: &[&str] = &["tls.closed", "connect.refused"];
    let cases = [
        (Connected, Reset, AT_ONCE),
        (ClientHello, Reset, &["tls.closed"]),
        (ServerHello, Reset, &["tls.closed"]),
        (AllButTheLastByteOfTheHandshake, Reset, &["tls.closed"]),
        (Handshake, Reset, &["http.closed"]),
        (Request, Reset, &["http.closed"]),
        (Head, Reset, &["http.closed"]),
        (Body, Reset, &["http.closed"]),
        (Connected, Close, &["tls.closed"]),
        (ClientHello, Close, &["tls.closed"]),
        (ServerHello, Close, &["tls.closed"]),
        (AllButTheLastByteOfTheHandshake, Close, &["tls.closed"]),
        (Handshake, Close, &["http.closed"]),
        (Request, Close, &["http.closed"]),
        (Head, Close, &["http.closed"]),
        (Body, Close, &["http.closed"]),
        (Connected, Silence, &["tls.timeout"]),
        (ClientHello, Silence, &["tls.timeout"]),
        (ServerHello, Silence, &["tls.timeout"]),
        (AllButTheLastByteOfTheHandshake, Silence, &["tls.timeout"]),
        (Handshake, Silence, &["http.timeout"]),
        (Request, Silence, &["http.timeout"]),
        (Head, Silence, &["http.timeout"]),
        (Body, Silence, &["http.timeout"]),
    ];
    let named: Vec<(String, _)> = cases.iter().map(|case| (format!("{:?}, {:?}", case.0, case.1), case)).collect();
    let rows: Vec<(&str, _)> = named.iter().map(|(name, case)| (name.as_str(), *case)).collect();
    rows::check(&rows, |(stage, end, codes)| {
        let ground = Ground::new();
        meet(&ground, &cut(&ground, *stage, *end), reason(codes));
    });
}

#[test]
fn one_byte_a_second() {
    check(&[
        (
            "in the handshake",
            (
                |g| {
                    let config = tls::config(&g.authority.server(&["localhost"]), Clients::Of(&g.authority));
                    script(move |call| {
                        let flight = tls::first_flight(&config, &mut call.stream)?;
                        drip(&mut call.stream, &flight)
                    })
                },
                reason(&["tls.timeout"]),
            ),
        ),
        (
            "in the answer",
            (
                |g| {
                    let config = tls::config(&g.authority.server(&["localhost"]), Clients::Of(&g.authority));
                    script(move |call| {
                        let mut tls = tls::accept(&config, call)?;
                        call.request(&mut tls)?;
                        drip(&mut tls, &delivered())
                    })
                },
                reason(&["http.timeout"]),
            ),
        ),
    ]);
}

#[test]
fn a_peer_that_fails_once_costs_one_attempt() {
    let ground = Ground::new();
    let (broken, honest) = (cut(&ground, Stage::ServerHello, End::Reset), ground.honest());
    let (_, peer) = meet(&ground, &script(move |call| if call.number == 1 { broken(call) } else { honest(call) }), Want::Delivered);
    assert_eq!(peer.connections(), 2);
}

#[test]
fn talk_after_the_handshake() {
    check(&[
        (
            "key updates without end",
            (
                |g| {
                    let config = tls::config(&g.authority.server(&["localhost"]), Clients::Of(&g.authority));
                    script(move |call| {
                        let mut tls = tls::accept(&config, call)?;
                        call.request(&mut tls)?;
                        loop {
                            tls.conn.refresh_traffic_keys().map_err(io::Error::other)?;
                            tls.flush()?;
                        }
                    })
                },
                reason(&["tls.protocol"]),
            ),
        ),
        (
            "twenty tickets, and then the answer",
            (
                |g| {
                    let mut config = tls::config(&g.authority.server(&["localhost"]), Clients::Of(&g.authority)).as_ref().clone();
                    config.send_tls13_tickets = 20;
                    let config = std::sync::Arc::new(config);
                    script(move |call| {
                        let mut tls = tls::accept(&config, call)?;
                        call.request(&mut tls)?;
                        tls.write_all(&delivered())?;
                        tls::close(&mut tls)
                    })
                },
                Want::Delivered,
            ),
        ),
    ]);
}
