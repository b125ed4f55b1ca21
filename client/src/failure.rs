//! A failure: the table's reason, and the cause in words.

use protocol::reason::Reason;
use std::{fmt, io};

/// What went wrong; holds nothing secret.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) reason: Reason,
    pub(crate) because: String,
    /// Seconds the server asked to wait.
    pub(crate) retry_after: Option<u64>,
}

impl Failure {
    pub(crate) fn new(reason: Reason, because: impl Into<String>) -> Self {
        Self { reason, because: because.into(), retry_after: None }
    }

    pub(crate) fn io(reason: Reason, doing: &str, error: &io::Error) -> Self {
        let reason = if matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE)) { Reason::OutOfDescriptors } else { reason };
        Self::new(reason, format!("{doing}: {error}"))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.reason.code(), self.because)
    }
}
