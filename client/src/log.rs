//! What a run says: JSON lines for machines, four lines for a person at a terminal. A line that cannot be written is no error.

use crate::{failure::Failure, sys::start};
use protocol::{
    json::{Value, object},
    reason::Reason,
};

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
        let _ = start::write_all(self.descriptor, self.line(text, event).as_bytes());
    }

    fn line(self, text: &str, event: &Value) -> String {
        if self.terminal { format!("pinnace: {text}\n") } else { format!("{event}\n") }
    }

    /// The last event of a command, with its failure in it; gives the exit status.
    pub(crate) fn end(self, end: End<'_>) -> u8 {
        let (line, exit) = self.last_line(end);
        let _ = start::write_all(self.descriptor, line.as_bytes());
        exit
    }

    /// Makes this end certain, whatever becomes of the rest of the process.
    pub(crate) fn settle(self, end: End<'_>) {
        let (line, exit) = self.last_line(end);
        start::settle(self.descriptor, line, exit);
    }

    fn last_line(self, end: End<'_>) -> (String, u8) {
        let End { name, outcome, doing, text, failure, members } = end;
        let reason = failure.map_or(Reason::Ok, |failure| failure.reason);
        let mut all = vec![
            ("event", name.into()),
            ("outcome", if failure.is_some() { "failed" } else { outcome }.into()),
            ("code", reason.code().into()),
            ("exit", i64::from(reason.exit()).into()),
            ("fault", reason.fault().name().into()),
            ("retry", reason.retry().into()),
        ];
        all.extend(members);
        let mut text = text;
        if let Some(failure) = failure {
            all.extend([("error", reason.summary().into()), ("because", failure.because.as_str().into()), ("hint", reason.hint().into())]);
            text = four_lines(doing, failure).trim_start_matches("pinnace: ").trim_end().to_owned();
        }
        let event = Value::Object(all.into_iter().map(|(name, value)| (name.to_owned(), value)).collect());
        (self.line(&text, &event), reason.exit())
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

/// How a command ended.
pub(crate) struct End<'a> {
    /// The event's name.
    pub(crate) name: &'a str,
    /// What it came to if it did not fail.
    pub(crate) outcome: &'a str,
    /// What could not be done if it failed.
    pub(crate) doing: &'a str,
    /// For a person, if it did not fail.
    pub(crate) text: String,
    pub(crate) failure: Option<&'a Failure>,
    /// What else is known.
    pub(crate) members: Vec<(&'static str, Value)>,
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
    start::write_all(1, text.as_bytes()).map_or(Reason::DeliveryStdout.exit(), |()| 0)
}
