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

const BECAUSE_CHARACTERS_MAX: usize = 1_000;

impl Failure {
    /// The cause may quote what came from outside, so nothing in it steers a terminal or fakes a line.
    pub(crate) fn new(reason: Reason, because: impl Into<String>) -> Self {
        let because = because.into().chars().filter(|character| is_shown(*character)).take(BECAUSE_CHARACTERS_MAX).collect();
        Self { reason, because, retry_after: None }
    }

    pub(crate) fn io(reason: Reason, doing: &str, error: &io::Error) -> Self {
        let reason = if matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE)) { Reason::OutOfDescriptors } else { reason };
        Self::new(reason, format!("{doing}: {error}"))
    }
}

/// No control character, no line separator, nothing that turns the direction of writing.
fn is_shown(character: char) -> bool {
    !character.is_control() && !matches!(character, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.reason.code(), self.because)
    }
}
