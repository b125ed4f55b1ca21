//! A host that holds a credential which is due again, and what must hold after any run of it.

use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use crate::rig::{Outcome, Rig, Site, finish};

use super::answer::{delivered, good, ok};
use super::authority::Authority;
use super::peer::{Peer, Script, script};
use super::tls::{self, Clients};

/// Seconds that a run may take.
pub const DEADLINE: u32 = 2;
/// The credential that is held was issued this many seconds ago.
pub const HELD_SINCE: i64 = 60;

/// The host and its trust domain.
#[derive(Debug)]
pub struct Ground {
    /// The host; no server of its own runs.
    pub rig: Rig,
    /// The CA of its trust domain.
    pub authority: Authority,
    before: Vec<u8>,
    /// Keeps what this is a copy of for the next that is wanted.
    _model: Option<Arc<Ground>>,
}

/// What a run must come to.
#[derive(Clone, Copy, Debug)]
pub enum Want {
    /// The new credential, in place.
    Delivered,
    /// One of these reasons, and the old credential still there.
    Reason(&'static [&'static str]),
}

impl Ground {
    /// A trust domain whose host has fetched its first credential.
    #[must_use]
    pub fn new() -> Self {
        let model = model();
        let rig = model.rig.copied();
        let authority = Authority::of(&rig.path("domain"));
        Self { rig, authority, before: model.before.clone(), _model: Some(model) }
    }

    /// Makes the trust domain, and lets the host fetch its first credential.
    fn first() -> Self {
        let rig = Rig::unserved();
        let authority = Authority::of(&rig.path("domain"));
        let mut ground = Self { rig, authority, before: Vec::new(), _model: None };
        let first = ok(&good(-HELD_SINCE).to_json());
        let peer = Peer::start(&ground.saying(&first));
        ground.stamp("localhost", peer.port);
        ground.rig.run(&[]).expect_delivered();
        ground.before = std::fs::read(ground.rig.target()).expect("the delivered credential");
        std::fs::remove_file(ground.rig.path("state/state")).expect("what the host remembers of addresses");
        ground
    }

    /// Stamps the client for one endpoint on 127.0.0.1.
    pub fn stamp(&self, host: &str, port: u16) {
        self.stamp_with(host, port, &Site::default());
    }

    /// The same with more of the site chosen.
    pub fn stamp_with(&self, host: &str, port: u16, site: &Site) {
        let endpoints = if site.endpoints.is_empty() { vec![(host.into(), port, vec!["127.0.0.1".into()])] } else { site.endpoints.clone() };
        self.rig.stamp(&Site { endpoints, deadline_seconds: DEADLINE, ..site.clone() });
    }

    /// A control plane that answers every request with these bytes.
    #[must_use]
    pub fn saying(&self, bytes: &[u8]) -> Script {
        let (config, bytes) = (tls::config(&self.authority.server(&["localhost", "cp.example.org"]), Clients::Of(&self.authority)), bytes.to_vec());
        script(move |call| {
            let mut tls = tls::accept(&config, call)?;
            call.request(&mut tls)?;
            std::io::Write::write_all(&mut tls, &bytes)?;
            tls::close(&mut tls)
        })
    }

    /// A control plane as it should be.
    #[must_use]
    pub fn honest(&self) -> Script {
        self.saying(&delivered())
    }

    /// One run, and what must hold after it.
    pub fn expect(&self, want: Want) -> Outcome {
        self.expect_of(&mut Command::new(self.rig.client()), want)
    }

    /// The same for a run that this command makes.
    pub fn expect_of(&self, command: &mut Command, want: Want) -> Outcome {
        let outcome = finish(command);
        let limit = Duration::from_secs(u64::from(DEADLINE) + 1);
        assert!(outcome.elapsed <= limit, "the run outlived its deadline: {outcome:#?}");
        let in_place = std::fs::read(self.rig.target()).unwrap_or_default();
        match want {
            Want::Delivered => {
                outcome.expect_delivered();
                assert_ne!(in_place, self.before, "the old credential is still there");
            }
            Want::Reason(codes) => {
                assert!(codes.contains(&outcome.code()), "wanted {codes:?}: {outcome:#?}");
                outcome.expect_reason(outcome.code());
                assert_eq!(in_place, self.before, "the credential that was in place is not what it was");
            }
        }
        let token = String::from_utf8_lossy(&in_place);
        for text in [&outcome.stdout, &outcome.stderr] {
            assert!(!token.is_empty() && !text.contains(token.trim()), "the credential in the output: {outcome:#?}");
            assert!(!text.contains(SIGNATURE), "a token in the output: {outcome:#?}");
            let raw = |character: char| character.is_control() && character != '\n';
            assert!(!text.contains(raw), "a raw control character in the output: {outcome:#?}");
        }
        outcome
    }
}

/// The host that all others are copies of: made when one is wanted, removed with the last.
fn model() -> Arc<Ground> {
    static MODEL: Mutex<Weak<Ground>> = Mutex::new(Weak::new());
    let mut model = MODEL.lock().unwrap_or_else(PoisonError::into_inner);
    model.upgrade().unwrap_or_else(|| {
        let made = Arc::new(Ground::first());
        *model = Arc::downgrade(&made);
        made
    })
}

impl Default for Ground {
    fn default() -> Self {
        Self::new()
    }
}

/// A part of every token that [`super::answer::token`] makes, and of no honest output.
const SIGNATURE: &str = "SSSSSSSSSSSSSSSS";
