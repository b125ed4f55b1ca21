//! Questions about the fleet, as asked; the answers are the service's own.

use super::limit;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use service::fleet::SUPPORT;

/// Which hosts.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AskFleet {
    /// A filter, such as `os=rhel7 kernel<4 state=failing`; all hosts if it is empty.
    #[serde(default)]
    pub(crate) filter: String,
}

/// What hosts have in common.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AskWhy {
    /// A filter: its terms about `state`, `outcome` and `code` say which hosts are the cases, those that fail if there is none.
    #[serde(default)]
    pub(crate) filter: String,
    /// Cases that a corner needs to be told.
    #[serde(default = "support")]
    pub(crate) support: usize,
    /// At most so many corners; at most 1000.
    #[serde(default = "limit")]
    pub(crate) limit: usize,
}

/// A list of hosts.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AskHosts {
    /// A filter.
    #[serde(default)]
    pub(crate) filter: String,
    /// Those behind this name.
    pub(crate) after: Option<String>,
    /// At most so many; at most 1000.
    #[serde(default = "limit")]
    pub(crate) limit: usize,
}

/// One host.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AskHost {
    pub(crate) name: String,
    /// At most so many of its recent runs; at most 1000.
    #[serde(default = "limit")]
    pub(crate) limit: usize,
}

/// Runs over time.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AskSeries {
    /// A filter of one fact at most, such as `os=rhel7`, and of `code` and `outcome`.
    #[serde(default)]
    pub(crate) filter: String,
    /// Over the last so many seconds.
    #[serde(default = "day")]
    pub(crate) since_seconds: i64,
    /// In steps of about so many.
    #[serde(default = "five_minutes")]
    pub(crate) step_seconds: i64,
}

/// What a filter may go on with.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AskCompletions {
    /// The filter up to the cursor.
    pub(crate) text: String,
}

/// What it may go on with.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Completions {
    pub(crate) version: u8,
    /// Whole terms in place of the unfinished one.
    pub(crate) terms: Vec<String>,
}

fn support() -> usize {
    SUPPORT
}

fn day() -> i64 {
    86_400
}

fn five_minutes() -> i64 {
    300
}
