//! Links to the dashboard, as asked and told.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A link that is wanted.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AskLink {
    /// `viewer`, `operator` or `admin`, at most the role of whoever asks; that one if it is left out.
    pub(crate) role: Option<String>,
}

/// A link that opens the dashboard once.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct DashboardLink {
    pub(crate) version: u8,
    /// The path at the operators' listener; whoever has it first comes in.
    pub(crate) path: String,
    /// When it ends, seconds since 1970.
    pub(crate) ends: i64,
}
