//! What a run says: JSON lines for machines, four lines for a person at a terminal. A line that cannot be written is no error.

use crate::{failure::Failure, sys::start};
use protocol::json::{Value, object};

/// Where the run's own words go.
#[derive(Clone, Copy)]
pub(crate) struct Log {
    descriptor: i32,
    terminal: bool,
}

impl Log {
    /// Standard output, unless credentials go there.
    pub(crate) fn new(stdout_is_taken: bool) -> Self {
        let descriptor = if stdout_is_taken { 2 } else { 1 };
        Self { descriptor, terminal: start::is_terminal(descriptor) }
    }

    /// One event.
    pub(crate) fn event(self, text: &str, event: &Value) {
        let line = if self.terminal { format!("pinnace: {text}\n") } else { format!("{event}\n") };
        let _ = start::write_all(self.descriptor, line.as_bytes());
    }

    /// Something that did not stop the run.
    pub(crate) fn warning(self, failure: &Failure) {
        let event = object([
            ("event", "warning".into()),
            ("code", failure.reason.code().into()),
            ("because", failure.because.as_str().into()),
            ("hint", failure.reason.hint().into()),
        ]);
        self.event(&format!("warning: {}: {}", failure.reason.summary(), failure.because), &event);
    }
}

/// The four lines of a failure.
pub(crate) fn four_lines(doing: &str, failure: &Failure) -> String {
    let reason = failure.reason;
    format!(
        "pinnace: error: {doing}: {}\npinnace: because: {}\npinnace: hint: {}\npinnace: code={} fault={} retry={}\n",
        reason.summary(),
        failure.because,
        reason.hint(),
        reason.code(),
        reason.fault().name(),
        if reason.retry() { "yes" } else { "no" }
    )
}

/// Prints the four lines on standard error and gives the exit status.
pub(crate) fn fail(doing: &str, failure: &Failure) -> u8 {
    let _ = start::write_all(2, four_lines(doing, failure).as_bytes());
    failure.reason.exit()
}

/// Prints to standard output; gives the exit status.
pub(crate) fn print(text: &str) -> u8 {
    start::write_all(1, text.as_bytes()).map_or(protocol::reason::Reason::DeliveryStdout.exit(), |()| 0)
}
