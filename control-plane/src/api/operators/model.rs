//! What operators ask and are told: the shapes of the interface, from which its OpenAPI document is made.

use crate::service::host::Labels;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A token to make.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewToken {
    /// The hosts it is for: a name, a beginning such as `web-*`, or `*`.
    pub(crate) hosts: String,
    /// What a host that comes in by it is labelled.
    #[serde(default)]
    pub(crate) labels: Labels,
    /// How long it is good, seconds; at most 30 days.
    pub(crate) ttl_seconds: u32,
    /// Why; it stands in the audit log.
    pub(crate) reason: String,
}

/// A token that was made; its text is told once.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct TokenMade {
    pub(crate) version: u8,
    /// The secret text.
    pub(crate) token: String,
    /// The name it is listed under.
    pub(crate) name: String,
    /// When it ends, seconds since 1970.
    pub(crate) expires_at: i64,
}

/// All tokens on record.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Tokens {
    pub(crate) version: u8,
    pub(crate) tokens: Vec<TokenView>,
}

/// One token, without its text.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct TokenView {
    /// The SHA-256 of its text.
    pub(crate) name: String,
    pub(crate) hosts: String,
    pub(crate) labels: Labels,
    /// When it ends, seconds since 1970.
    pub(crate) expires_at: i64,
    /// Who made it.
    pub(crate) made_by: String,
    /// The host that came in by it.
    pub(crate) spent_by: Option<String>,
}

/// Takes a token back.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RevokeToken {
    /// The name it is listed under.
    pub(crate) name: String,
    pub(crate) reason: String,
}

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

/// What a change touched.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Touched {
    pub(crate) version: u8,
    /// How many hosts.
    pub(crate) touched: usize,
    /// The first hundred of them.
    pub(crate) hosts: Vec<String>,
    /// Whether it was only tried.
    pub(crate) dry_run: bool,
}

/// A policy text.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PolicyText {
    /// As in `policy.toml`.
    pub(crate) text: String,
}

/// A policy to put in force.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ApplyPolicy {
    /// As in `policy.toml`.
    pub(crate) text: String,
    /// The number of the version it is made on; a newer one in force is a conflict.
    pub(crate) on: i64,
    pub(crate) reason: String,
    #[serde(default)]
    pub(crate) dry_run: bool,
}

/// A policy that means something.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct PolicyChecked {
    pub(crate) version: u8,
    /// The credentials in it.
    pub(crate) credentials: Vec<String>,
}

/// A policy version.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct PolicyView {
    pub(crate) version: u8,
    pub(crate) number: i64,
    pub(crate) text: String,
    pub(crate) by: String,
    pub(crate) reason: String,
    pub(crate) at: i64,
}

/// The versions there were, newest first, without their texts.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct PolicyHistory {
    pub(crate) version: u8,
    pub(crate) policies: Vec<PolicyLine>,
}

/// One version without its text.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct PolicyLine {
    pub(crate) number: i64,
    pub(crate) by: String,
    pub(crate) reason: String,
    pub(crate) at: i64,
}

/// What a policy would change for the hosts on record.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct PolicyDiff {
    pub(crate) version: u8,
    /// How many hosts gain or lose something.
    pub(crate) touched: usize,
    pub(crate) gained: usize,
    pub(crate) lost: usize,
    /// The first hundred changes, as `HOST gains CREDENTIAL` or `HOST loses CREDENTIAL`.
    pub(crate) changes: Vec<String>,
}

/// A question to the policy in force.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExplainPolicy {
    pub(crate) host: String,
    pub(crate) credential: String,
    /// In place of the labels on record.
    pub(crate) labels: Option<Labels>,
    /// A policy text in place of the one in force.
    pub(crate) text: Option<String>,
}

/// Why a host may or may not have a credential.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Explained {
    pub(crate) version: u8,
    /// `granted`, `denied` or `unknown`.
    pub(crate) decision: String,
    /// Whether the host is served at all.
    pub(crate) status: String,
    pub(crate) labels: Labels,
    /// Each rule of the credential, and whether it holds.
    pub(crate) rules: Vec<RuleView>,
}

/// One rule, and whether it holds for the host.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct RuleView {
    pub(crate) rule: String,
    pub(crate) holds: bool,
    /// Why not.
    pub(crate) because: String,
}

/// A question to the audit log.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AskAudit {
    pub(crate) host: Option<String>,
    pub(crate) event: Option<String>,
    pub(crate) credential: Option<String>,
    /// Not before, seconds since 1970.
    #[serde(default)]
    pub(crate) since: i64,
    /// At most so many, the newest; at most 1000.
    #[serde(default = "limit")]
    pub(crate) limit: usize,
}

fn limit() -> usize {
    100
}

/// Records, newest first.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct AuditRecords {
    pub(crate) version: u8,
    /// Each as `pinnaced audit` prints it.
    pub(crate) records: Vec<serde_json::Value>,
}

/// A piece of the audit log to export.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExportAudit {
    /// The writer of the last record seen; none to begin.
    #[serde(default)]
    pub(crate) writer: String,
    /// Its number.
    #[serde(default)]
    pub(crate) number: i64,
}

/// A piece of the audit log, as `pinnaced audit` prints it.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct AuditPiece {
    pub(crate) version: u8,
    pub(crate) lines: Vec<String>,
    /// Where to go on; none at the end, after the checkpoints.
    pub(crate) next: Option<AuditPlace>,
}

/// A record's place.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct AuditPlace {
    pub(crate) writer: String,
    pub(crate) number: i64,
}

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
}

/// Something was done.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Done {
    pub(crate) version: u8,
    pub(crate) done: bool,
}

/// A policy is in force, or would be.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct PolicyApplied {
    pub(crate) version: u8,
    pub(crate) number: i64,
    pub(crate) dry_run: bool,
}
