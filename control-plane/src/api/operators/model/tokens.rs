//! Enrolment tokens, as asked and told.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use service::host::Labels;

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
    /// Tell whether it could be made, and make none.
    #[serde(default)]
    pub(crate) dry_run: bool,
}

/// A token that was made; its text is told once.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct TokenMade {
    pub(crate) version: u8,
    /// The secret text; none of a dry run.
    pub(crate) token: Option<String>,
    /// The name it is listed under; none of a dry run.
    pub(crate) name: Option<String>,
    /// When it ends, seconds since 1970.
    pub(crate) expires_at: i64,
    /// How many hosts on record change: a token is for those that come.
    pub(crate) touched: usize,
    /// Whether it was only tried.
    pub(crate) dry_run: bool,
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
    /// Tell how many hosts it would touch, and change nothing.
    #[serde(default)]
    pub(crate) dry_run: bool,
}
