//! Networks and servers that are not as they should be: each run ends in time, in a credential or in a reason of its own, and
//! the credential that was in place stays byte for byte.

mod clock;
mod dns;
mod elsewhere;
mod http;
mod proxy;
mod refusals;
mod tls;

use tests::evil::ground::{Ground, Want};
use tests::evil::peer::{Peer, Script};

/// Stamps the client for a peer that plays this script as `localhost`, and runs it once.
fn meet(ground: &Ground, script: &Script, want: Want) -> (tests::rig::Outcome, Peer) {
    let peer = Peer::start(script);
    ground.stamp("localhost", peer.port);
    (ground.expect(want), peer)
}
