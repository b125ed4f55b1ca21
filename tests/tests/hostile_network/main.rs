//! Networks and servers that are not as they should be: each run ends in time, in a credential or in a reason of its own, and
//! the credential that was in place stays byte for byte.

#![expect(clippy::indexing_slicing, reason = "a case that panics has failed, which is right")]

mod check_in;
mod clock;
mod dns;
mod doctor;
mod elsewhere;
mod http;
mod proxy;
mod refusals;
mod stages;
mod tls;

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tests::evil::ground::{Ground, Want};
use tests::evil::peer::{Peer, Script};
use tests::evil::rows;
use tests::rig::Outcome;

/// A peer made for a host, and what a run that meets it comes to.
type Case = (fn(&Ground) -> Script, Want);

/// Each case on a host of its own.
fn check(cases: &[(&str, Case)]) {
    rows::check(cases, |(script, want)| {
        let ground = Ground::new();
        meet(&ground, &script(&ground), *want);
    });
}

/// Stamps the client for a peer that plays this script as `localhost`, and runs it once.
fn meet(ground: &Ground, script: &Script, want: Want) -> (Outcome, Peer) {
    let peer = Peer::start(script);
    ground.stamp("localhost", peer.port);
    (ground.expect(want), peer)
}

const fn reason(codes: &'static [&'static str]) -> Want {
    Want::Reason(codes)
}

/// A port on 127.0.0.1 where nobody listens.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port()
}

/// Somebody else's server, ended with the test.
struct Server(Child);

impl Server {
    /// Starts it, and waits until it listens.
    fn start(command: &mut Command, port: u16) -> Self {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn();
        let mut server = Self(child.unwrap_or_else(|error| panic!("{command:?}: {error}")));
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() && begun.elapsed() < Duration::from_secs(10) {
            std::thread::sleep(Duration::from_millis(10));
        }
        server.expect_alive();
        server
    }

    fn expect_alive(&mut self) {
        let ended = self.0.try_wait().expect("a child");
        assert!(ended.is_none(), "the server ended: {ended:?}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
