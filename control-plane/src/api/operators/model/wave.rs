//! Waves and drains, as asked and told.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use service::host::Labels;

/// Hosts that are to fetch before their time.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StartWave {
    /// A name, or a beginning such as `web-*`; all hosts if it is left out.
    pub(crate) hosts: Option<String>,
    /// Only those with all of these labels.
    #[serde(default)]
    pub(crate) with_labels: Labels,
    /// How many hosts' turns come in a second.
    pub(crate) per_second: u32,
    pub(crate) reason: String,
    /// Tell how many hosts it would touch, and change nothing.
    #[serde(default)]
    pub(crate) dry_run: bool,
}

/// A wave that was started.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct WaveStarted {
    pub(crate) version: u8,
    /// How many hosts on record it is for.
    pub(crate) touched: usize,
    /// After how long the last host's turn comes.
    pub(crate) seconds: i64,
    /// Whether it was only tried.
    pub(crate) dry_run: bool,
}

/// No wave any more.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StopWave {
    pub(crate) reason: String,
    /// Tell whether it could be done, and change nothing.
    #[serde(default)]
    pub(crate) dry_run: bool,
}

/// The wave that there is.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct WaveView {
    /// What was issued before is fetched anew, seconds since 1970.
    pub(crate) since: i64,
    /// When the last host's turn comes, seconds since 1970.
    pub(crate) ends: i64,
    pub(crate) hosts: String,
    pub(crate) with_labels: Labels,
}

/// Whether hosts are to look for another process than the one that is asked.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Drain {
    pub(crate) on: bool,
    pub(crate) reason: String,
    /// Tell whether it could be done, and change nothing.
    #[serde(default)]
    pub(crate) dry_run: bool,
}
