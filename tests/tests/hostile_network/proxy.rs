//! Proxies that work, refuse, or are none.

use std::io::Write as _;
use std::process::{Command, Stdio};

use tests::evil::ground::{Ground, Want};
use tests::evil::peer::{Peer, Script, drip, script};
use tests::evil::rows;
use tests::rig::Site;

use crate::{Server, free_port};

/// Stamps the client for an endpoint behind a proxy on 127.0.0.1.
fn stamp(ground: &Ground, proxy: u16, endpoint: u16) {
    ground.stamp_with("localhost", endpoint, &Site { extra: format!("proxy = \"127.0.0.1:{proxy}\""), ..Site::default() });
}

/// A tinyproxy that lets CONNECT through to one port.
struct TinyProxy {
    port: u16,
    _process: Server,
}

impl TinyProxy {
    fn to(ground: &Ground, connect_port: u16) -> Self {
        let port = free_port();
        let (file, log) = (ground.rig.path("tinyproxy.conf"), ground.rig.path("tinyproxy.log"));
        let lines = format!("Port {port}\nListen 127.0.0.1\nTimeout 10\nMaxClients 20\nLogFile \"{}\"\nConnectPort {connect_port}\n", log.display());
        std::fs::write(&file, lines).expect("the rig's folder");
        let process = Server::start(Command::new("tinyproxy").arg("-d").arg("-c").arg(&file).stderr(Stdio::null()), port);
        Self { port, _process: process }
    }
}

#[test]
fn a_real_proxy_carries_mutual_tls_to_a_real_control_plane() {
    let mut ground = Ground::new();
    ground.rig.start_server();
    let proxy = TinyProxy::to(&ground, ground.rig.hosts_port);
    stamp(&ground, proxy.port, ground.rig.hosts_port);
    ground.expect(Want::Delivered);
    let log = std::fs::read_to_string(ground.rig.path("tinyproxy.log")).expect("the proxy's log");
    assert!(log.contains(&format!("CONNECT localhost:{}", ground.rig.hosts_port)), "it did not go through the proxy: {log}");
}

#[test]
fn a_real_proxy_that_does_not_allow_the_port() {
    let mut ground = Ground::new();
    ground.rig.start_server();
    let proxy = TinyProxy::to(&ground, 443);
    stamp(&ground, proxy.port, ground.rig.hosts_port);
    ground.expect(Want::Reason(&["proxy.refused"]));
}

#[test]
fn a_real_proxy_before_a_control_plane_that_is_down() {
    let ground = Ground::new();
    let gone = free_port();
    let proxy = TinyProxy::to(&ground, gone);
    stamp(&ground, proxy.port, gone);
    ground.expect(Want::Reason(&["proxy.refused"]));
}

#[test]
fn proxies_that_are_none() {
    type Row = (&'static str, (fn() -> Script, &'static [&'static str]));
    let rows: [Row; 16] = [
        ("407", (|| says(b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n"), &["proxy.authentication"])),
        ("403", (|| says(b"HTTP/1.1 403 Forbidden\r\n\r\n"), &["proxy.refused"])),
        ("302 to a portal", (|| says(b"HTTP/1.1 302 Found\r\nLocation: http://portal.example.org/\r\n\r\n"), &["proxy.refused"])),
        ("502", (|| says(b"HTTP/1.0 502 Bad Gateway\r\n\r\n<html>"), &["proxy.refused"])),
        ("garbage", (|| says(&[0xff; 4_000]), &["proxy.malformed"])),
        ("another protocol", (|| says(b"SSH-2.0-OpenSSH_9.2\r\n"), &["proxy.malformed"])),
        ("TLS", (|| says(&[21, 3, 3, 0, 2, 2, 40]), &["proxy.malformed"])),
        ("no status", (|| says(b"HTTP/1.1 \r\n\r\n"), &["proxy.malformed"])),
        ("a head that is cut", (|| closing(b"HTTP/1.1 200 OK\r\nX-"), &["proxy.malformed", "proxy.unreachable"])),
        ("a 200 with a body", (|| says(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello\n"), &["tls.not-tls"])),
        ("a 200 and no more", (|| closing(b"HTTP/1.1 200 OK\r\n\r\n"), &["tls.closed"])),
        ("a 200 and silence", (|| says(b"HTTP/1.1 200 OK\r\n\r\n"), &["tls.timeout"])),
        ("closing", (|| closing(b""), &["proxy.unreachable"])),
        ("silence", (|| says(b""), &["proxy.unreachable"])),
        ("one byte a second", (|| script(|call| drip(&mut call.stream, b"HTTP/1.1 200 OK\r\n\r\n")), &["proxy.unreachable"])),
        ("a head without end", (|| script(endless), &["proxy.malformed"])),
    ];
    rows::check(&rows, |(script, codes)| {
        let ground = Ground::new();
        let endpoint = Peer::start(&ground.honest());
        let proxy = Peer::start(&script());
        stamp(&ground, proxy.port, endpoint.port);
        ground.expect(Want::Reason(codes));
        assert!(proxy.requests().iter().all(|line| *line == format!("CONNECT localhost:{} HTTP/1.1", endpoint.port)));
        assert_eq!(endpoint.connections(), 0, "the proxy was gone around");
    });
}

fn says(bytes: &'static [u8]) -> Script {
    script(move |call| {
        let mut stream = call.stream.try_clone()?;
        call.request(&mut stream)?;
        stream.write_all(bytes)?;
        call.hold();
        Ok(())
    })
}

fn closing(bytes: &'static [u8]) -> Script {
    script(move |call| {
        let mut stream = call.stream.try_clone()?;
        call.request(&mut stream)?;
        stream.write_all(bytes)
    })
}

fn endless(call: &mut tests::evil::peer::Call) -> std::io::Result<()> {
    call.stream.write_all(b"HTTP/1.1 200 OK\r\n")?;
    let line = format!("X-Line: {}\r\n", "y".repeat(500));
    loop {
        call.stream.write_all(line.as_bytes())?;
    }
}

#[test]
fn a_proxy_that_is_not_there() {
    let ground = Ground::new();
    let endpoint = Peer::start(&ground.honest());
    stamp(&ground, free_port(), endpoint.port);
    ground.expect(Want::Reason(&["proxy.unreachable"]));
    assert_eq!(endpoint.connections(), 0, "the proxy was gone around");
}

#[test]
fn proxy_variables_of_the_environment_are_not_read() {
    let ground = Ground::new();
    let (poison, endpoint) = (Peer::start(&script(|_| Ok(()))), Peer::start(&ground.honest()));
    ground.stamp("localhost", endpoint.port);
    let mut command = Command::new(ground.rig.client());
    for name in ["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "PROXY"] {
        command.env(name, format!("http://127.0.0.1:{}", poison.port));
    }
    ground.expect_of(&mut command, Want::Delivered);
    assert_eq!(poison.connections(), 0);
}
