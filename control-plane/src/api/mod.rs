//! The interfaces: decode a request, call the service, encode the answer.

pub(crate) mod admin;
pub(crate) mod hosts;
mod identity;
pub(crate) mod public;
mod reply;

pub(crate) use identity::{Identity, Unidentified};
pub(crate) use reply::Reply;

use crate::{
    issuers::{self, Signer},
    metrics::Metrics,
    service::Policy,
    store::Audit,
};
use arc_swap::ArcSwap;
use std::{
    sync::{Arc, atomic::AtomicBool},
    time::{SystemTime, UNIX_EPOCH},
};
use tokio::sync::Semaphore;

/// All that answering takes.
pub(crate) struct ControlPlane {
    /// The trust domain served.
    pub(crate) trust_domain: String,
    /// The `iss` of tokens.
    pub(crate) issuer: String,
    /// The policy snapshot; replaced whole by a reload.
    pub(crate) policy: ArcSwap<Policy>,
    /// Signs tokens.
    pub(crate) signer: Box<dyn Signer>,
    /// Signs the time.
    pub(crate) time: issuers::time::Key,
    /// Keeps what was issued.
    pub(crate) audit: Audit,
    /// Bounds the requests answered at one time.
    pub(crate) requests: Semaphore,
    /// Counts.
    pub(crate) metrics: Arc<Metrics>,
    /// Whether the process is about to end.
    pub(crate) draining: AtomicBool,
}

/// Seconds since 1970.
fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).ok().and_then(|since| i64::try_from(since.as_secs()).ok()).unwrap_or(0)
}
