//! How the control plane is, and who operates it, as asked and told.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the control plane is.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct StatusView {
    pub(crate) version: u8,
    pub(crate) trust_domain: String,
    pub(crate) program: String,
    /// The number of the policy in force.
    pub(crate) policy: i64,
    /// Hosts on record by status.
    pub(crate) hosts: std::collections::BTreeMap<String, usize>,
    /// Hosts that wait for an operator to let them back in.
    pub(crate) waiting: usize,
    /// Hosts whose superseded key was used.
    pub(crate) clones: usize,
    /// Where everything is kept, and how that is.
    pub(crate) store: StoreView,
    /// Whether this process is about to end.
    pub(crate) draining: bool,
    /// Hosts that are to fetch before their time.
    pub(crate) wave: Option<super::WaveView>,
    /// The control plane's time, seconds since 1970.
    pub(crate) time: i64,
}

/// Who asks.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct WhoamiView {
    pub(crate) version: u8,
    pub(crate) operator: String,
    pub(crate) role: String,
}

/// An operator who is let in no more, or again.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BanOperator {
    /// The name in the operator's certificate.
    pub(crate) name: String,
    /// Whether it is let in again.
    #[serde(default)]
    pub(crate) lift: bool,
    pub(crate) reason: String,
    /// Tell how many hosts it would touch, and change nothing.
    #[serde(default)]
    pub(crate) dry_run: bool,
}

/// The store.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct StoreView {
    /// `sqlite` or `postgresql`.
    pub(crate) kind: String,
    /// `ready`; `spooling` while the database is away and credentials go on; `closed` once that has lasted too long.
    pub(crate) state: String,
    /// For how long it has been spooling.
    pub(crate) spooling_seconds: u64,
}
