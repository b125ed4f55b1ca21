//! The policy, as asked and told.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use service::host::Labels;

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
    pub(crate) decision: Outcome,
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

/// Cases to hold a policy against.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TestPolicy {
    /// A policy text in place of the one in force.
    pub(crate) text: Option<String>,
    /// At most 1000.
    pub(crate) cases: Vec<PolicyCase>,
}

/// What a policy should say.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PolicyCase {
    pub(crate) host: String,
    /// The host's labels, whatever the record says.
    #[serde(default)]
    pub(crate) labels: Labels,
    pub(crate) credential: String,
    pub(crate) expect: Outcome,
}

/// What a policy says to one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Outcome {
    /// The host may have it.
    Granted,
    /// No rule lets the host have it.
    Denied,
    /// There is no such credential.
    Unknown,
}

/// What a policy says to the cases.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct PolicyTested {
    pub(crate) version: u8,
    /// How many cases do not hold.
    pub(crate) failed: usize,
    /// In the order they were asked.
    pub(crate) cases: Vec<CaseTested>,
}

/// What a policy says to one case.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct CaseTested {
    pub(crate) host: String,
    pub(crate) credential: String,
    pub(crate) expect: Outcome,
    pub(crate) decision: Outcome,
    pub(crate) holds: bool,
}

/// A policy is in force, or would be.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct PolicyApplied {
    pub(crate) version: u8,
    pub(crate) number: i64,
    /// How many hosts on record gain or lose something by it.
    pub(crate) touched: usize,
    pub(crate) dry_run: bool,
}
