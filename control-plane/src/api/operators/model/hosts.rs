//! Hosts on record, as asked and told.

use super::limit;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use service::host::Labels;

/// Which hosts to list.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FindHosts {
    /// A name, or a beginning such as `web-*`.
    pub(crate) hosts: Option<String>,
    /// Hosts with all of these labels.
    #[serde(default)]
    pub(crate) with_labels: Labels,
    /// `active`, `quarantined`, `banned` or `evicted`.
    pub(crate) status: Option<String>,
    /// Those that wait to be let back in.
    #[serde(default)]
    pub(crate) waits: bool,
    /// Those behind this name.
    pub(crate) after: Option<String>,
    /// At most so many; at most 1000.
    #[serde(default = "limit")]
    pub(crate) limit: usize,
}

/// Hosts on record, by name.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Hosts {
    pub(crate) version: u8,
    pub(crate) hosts: Vec<HostView>,
    /// How many the question is about, also those beyond `hosts`.
    pub(crate) total: usize,
}

/// One host on record.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct HostView {
    pub(crate) name: String,
    /// `active`, `quarantined`, `banned` or `evicted`.
    pub(crate) status: String,
    /// Why it is not active.
    pub(crate) status_reason: String,
    pub(crate) labels: Labels,
    /// The SHA-256 of its key's SubjectPublicKeyInfo.
    pub(crate) key: Option<String>,
    /// When its newest certificate ends, seconds since 1970.
    pub(crate) certificate_ends: i64,
    /// How often it came back with a certificate that had ended.
    pub(crate) returns: u32,
    /// Whether it waits for an operator to let it back in.
    pub(crate) waits: bool,
    /// Whether a superseded key of its was used.
    pub(crate) clone_seen: bool,
    /// The credentials that policy grants it.
    pub(crate) credentials: Vec<String>,
}

/// A host whose key is known before it comes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RegisterHost {
    pub(crate) name: String,
    /// Its Ed25519 public key, hexadecimal.
    pub(crate) key: String,
    #[serde(default)]
    pub(crate) labels: Labels,
    pub(crate) reason: String,
    /// Tell how many hosts it would touch, and change nothing.
    #[serde(default)]
    pub(crate) dry_run: bool,
}

/// A change to some hosts.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangeHosts {
    /// Their names; or leave it out and select.
    #[serde(default)]
    pub(crate) names: Vec<String>,
    /// Hosts with all of these labels.
    #[serde(default)]
    pub(crate) with_labels: Labels,
    /// What is to become of them.
    pub(crate) action: Action,
    /// Labels to set, for the action `label`.
    #[serde(default)]
    pub(crate) labels: Labels,
    /// Labels to take away, for the action `label`.
    #[serde(default)]
    pub(crate) remove_labels: Vec<String>,
    pub(crate) reason: String,
    /// Tell how many hosts it would touch, and change nothing.
    #[serde(default)]
    pub(crate) dry_run: bool,
}

/// What becomes of hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Action {
    /// They are not served until the ban is lifted.
    Ban,
    /// They are not served until somebody has looked.
    Quarantine,
    /// They have left; a token lets them in again.
    Evict,
    /// They are served again.
    Lift,
    /// They may come back, once.
    Approve,
    /// Their labels change.
    Label,
}
