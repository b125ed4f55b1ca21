//! The audit log, as asked and told.

use super::limit;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
    /// At most so many; at most 1000.
    #[serde(default = "piece")]
    pub(crate) limit: usize,
}

fn piece() -> usize {
    1000
}

/// A piece of the audit log, as `pinnaced audit` prints it.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct AuditPiece {
    pub(crate) version: u8,
    pub(crate) lines: Vec<String>,
    /// Where to go on; none where there was no more.
    pub(crate) next: Option<AuditPlace>,
}

/// A record's place.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct AuditPlace {
    pub(crate) writer: String,
    pub(crate) number: i64,
}

/// Where each writer's part of the audit log ends, by its own signature.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Checkpoints {
    pub(crate) version: u8,
    /// As `pinnaced audit` prints them after the records.
    pub(crate) lines: Vec<String>,
}

/// A question for what a host holds.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AskIssued {
    /// The host's name.
    pub(crate) host: String,
}

/// What a host was issued that has not ended yet, by the audit log.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct IssuedView {
    pub(crate) version: u8,
    pub(crate) host: String,
    /// The newest first; at most 1000.
    pub(crate) credentials: Vec<IssuedLine>,
}

/// One credential that a host holds.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct IssuedLine {
    pub(crate) credential: String,
    pub(crate) kind: String,
    /// Seconds since 1970.
    pub(crate) issued_at: i64,
    /// Seconds since 1970.
    pub(crate) expires_at: i64,
    /// The `jti` of a token, and the name of any other in the audit log.
    pub(crate) id: String,
}
