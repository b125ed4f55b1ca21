//! The interfaces: decode a request, call the service, encode the answer.

pub(crate) mod admin;
mod admission;
mod credential;
mod events;
pub(crate) mod hosts;
mod membership;
pub(crate) mod operators;
pub(crate) mod public;
mod releases;
pub(crate) mod reply;
mod room;
mod visitor;

pub(crate) use reply::{Reply, closing};
pub(crate) use room::Room;
pub(crate) use visitor::{Certificate, Standing, Visitor};

use crate::{
    dashboard::Dashboard,
    issuers::{Ring, Source},
    metrics::Metrics,
    mirror::Mirror,
    otlp::Otlp,
    registry::Registry,
    releases::Offered,
    store::{Address, Change, Entry, Log, NotWritten, Object, Reader, audit::Event},
    telemetry::Telemetry,
};
use arc_swap::{ArcSwap, ArcSwapOption};
use service::{Policy, drive::Live, keys, membership::Rules, names::ServerNames, release, rollout::InForce};
use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};
use tokio::sync::{Notify, Semaphore};

/// All that answering takes.
pub(crate) struct ControlPlane {
    /// The trust domain served.
    pub(crate) trust_domain: String,
    /// The `iss` of tokens.
    pub(crate) issuer: String,
    /// How hosts come in, stay in and come back.
    pub(crate) rules: Rules,
    /// The policy snapshot; replaced whole by a change.
    pub(crate) policy: ArcSwap<Policy>,
    /// Held by whoever replaces it.
    pub(crate) policy_turn: Mutex<()>,
    /// The hosts, tokens and keys on record.
    pub(crate) registry: Registry,
    /// The keys in force; replaced whole by a change.
    pub(crate) keys: ArcSwap<Ring>,
    /// Where private keys are.
    pub(crate) source: Source,
    /// What the control plane itself is known by; replaced with its certificate.
    pub(crate) names: ArcSwap<ServerNames>,
    /// What the operators want of keys.
    pub(crate) key_rules: keys::Rules,
    /// Tells the watch that something has changed here.
    pub(crate) changed: Notify,
    /// Keeps what was issued and what was changed.
    pub(crate) log: Log,
    /// Bounds the requests answered at one time, and says who goes first.
    pub(crate) room: Arc<Room>,
    /// The same for what hosts tell, apart, so that none waits for the other.
    pub(crate) reports: Arc<Room>,
    /// What hosts tell, and when they were heard of.
    pub(crate) telemetry: Telemetry,
    /// Bounds the programs run at one time for secrets.
    pub(crate) programs: Semaphore,
    /// The folder of the files that policies name.
    pub(crate) secrets: PathBuf,
    /// Where the store is, for what is read from it.
    pub(crate) store: Address,
    /// The folder that releases are published into.
    pub(crate) releases: PathBuf,
    /// Where targets come from that are not in the folder.
    pub(crate) mirror: Option<Mirror>,
    /// The releases offered; replaced whole by a change.
    pub(crate) offered: ArcSwap<Offered>,
    /// What the dashboard remembers.
    pub(crate) dashboard: Dashboard,
    /// How releases reach hosts.
    pub(crate) release_rules: release::Rules,
    /// What is in force of all rollouts; replaced whole by a change.
    pub(crate) in_force: ArcSwap<InForce>,
    /// What the driver sees, where this process drives.
    pub(crate) live: ArcSwapOption<Live>,
    /// The way to a collector, if there is one.
    pub(crate) otlp: Option<Arc<Otlp>>,
    /// Counts.
    pub(crate) metrics: Arc<Metrics>,
    /// Whether the process is about to end.
    pub(crate) draining: AtomicBool,
    /// Whether an operator wants hosts to look for another process.
    pub(crate) set_aside: AtomicBool,
}

impl ControlPlane {
    /// Whether hosts should look for another process.
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed) || self.set_aside.load(Ordering::Relaxed)
    }

    /// Takes in what was changed elsewhere.
    pub(crate) async fn catch_up(&self) {
        let (address, revision) = (self.store.clone(), self.registry.followed());
        let read = move || Reader::open(&address)?.since(revision).map_err(|error| address.failed(&error));
        match tokio::task::spawn_blocking(read).await {
            Ok(Ok(objects)) => self.registry.follow(objects),
            Ok(Err(failure)) => {
                tracing::error!(event = "store-unreadable", code = failure.code(), error = failure.error(), because = failure.because());
            }
            Err(error) => tracing::error!(event = "store-unreadable", code = crate::failure::Code::Internal.name(), because = %error),
        }
    }

    /// Makes changes durable together with the record of what happened; from then on they are in force here.
    pub(crate) async fn change(&self, event: Event, changes: Vec<Change>) -> Result<(), NotWritten> {
        let revision = self.log.write(Entry { event, changes: changes.clone() }).await?;
        let object = |Change { kind, name, body, .. }| Object { kind, name, revision, body };
        self.registry.absorb(changes.into_iter().map(object).collect());
        Ok(())
    }
}

/// Seconds since 1970.
pub(crate) fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).ok().and_then(|since| i64::try_from(since.as_secs()).ok()).unwrap_or(0)
}
