//! How a host comes in, stays in and comes back, and what it does with keys of its own. The other side is a peer that checks
//! every proof against the connection it came on.
#![expect(clippy::indexing_slicing, reason = "a test that reaches out of bounds fails, as it should")]

mod authority;
mod completions;
mod crash;
mod enroll;
mod fleet;
mod keys;
mod operators;
mod peer;
mod quickstart;
mod real;
mod renewal;
mod verifier;
mod waves;

use std::sync::Arc;

use authority::Authority;
use peer::Peer;
use tests::rig::{Outcome, RAW_FILE, Rig, Site, mode};

/// A host and its control plane.
struct Ground {
    rig: Rig,
    authority: Arc<Authority>,
    peer: Peer,
}

impl Ground {
    /// With a host that holds an identity in the middle of its life's first half.
    fn new(deliveries: &str) -> Self {
        let rig = Rig::simple();
        let authority = Arc::new(Authority::of(&rig));
        let peer = Peer::start(Arc::clone(&authority));
        let endpoints = vec![("localhost".to_owned(), peer.port, vec!["127.0.0.1".to_owned()])];
        rig.stamp(&Site { deliveries: deliveries.to_owned(), endpoints, deadline_seconds: 5, ..Site::default() });
        let ground = Self { rig, authority, peer };
        ground.hold((600, 3_000));
        ground
    }

    fn simple() -> Self {
        Self::new(RAW_FILE)
    }

    /// Gives the host an identity, and forgets what it did with another.
    fn hold(&self, life: (i64, i64)) {
        std::fs::write(self.identity_file(), self.authority.identity("web-1", life)).expect("the state directory");
        mode(&self.identity_file(), 0o600);
        let _ = std::fs::remove_file(self.rig.path("state/state"));
        let _ = std::fs::remove_file(self.next_file());
    }

    /// Takes the host's identity away.
    fn leave(&self) {
        std::fs::remove_file(self.identity_file()).expect("an identity to remove");
    }

    fn identity_file(&self) -> std::path::PathBuf {
        self.rig.path("state/identity.pem")
    }

    fn next_file(&self) -> std::path::PathBuf {
        self.rig.path("state/identity-next.pem")
    }

    fn identity(&self) -> String {
        std::fs::read_to_string(self.identity_file()).unwrap_or_default()
    }

    fn run(&self) -> Outcome {
        self.rig.run(&[])
    }
}

/// A member of a run's last event.
fn member<'a>(outcome: &'a Outcome, name: &str) -> &'a str {
    outcome.last_event.get(name).and_then(|value| value.as_str()).unwrap_or_default()
}
