//! What a run says: JSON lines for machines, four lines for a person at a terminal, entries with fields for systemd's journal. What
//! cannot be said is no error.

use crate::{
    failure::Failure,
    sys::{
        journal::Journal,
        start::{self, Leads, Words},
    },
};
use host::journal::{self, Kind};
use protocol::{
    json::{Value, object},
    reason::Reason,
};

/// Where the run's own words go.
#[derive(Clone, Copy)]
pub(crate) struct Log {
    descriptor: i32,
    terminal: bool,
    journal: Option<Journal>,
}

impl Log {
    /// Standard output, unless credentials go there; where that ends in the journal, the journal.
    pub(crate) fn new(stdout_is_taken: bool) -> Self {
        let descriptor = if stdout_is_taken { 2 } else { 1 };
        let leads = start::leads(descriptor);
        let journal = if leads == Leads::ToSocket { Journal::behind(descriptor) } else { None };
        Self { descriptor, terminal: leads == Leads::ToTerminal, journal }
    }

    /// The last event of a command, with its failure in it; gives the exit status.
    pub(crate) fn end(self, end: End<'_>) -> u8 {
        let last = Last::of(end);
        self.say(last.kind, &last.lines, &last.event);
        if let Some(journal) = self.journal {
            journal.settle();
        }
        last.exit
    }

    /// Makes this end certain, whatever becomes of the rest of the process.
    pub(crate) fn settle(self, end: End<'_>) {
        let Last { kind, lines, event, exit } = Last::of(end);
        let entry = if self.journal.is_some() { journal::entry(kind, &lines.join("\n"), &event) } else { Vec::new() };
        start::settle(Words { descriptor: self.descriptor, line: self.line(&lines, &event).into_bytes(), entry, exit });
    }

    /// Something that did not stop the run.
    pub(crate) fn warning(self, failure: &Failure) {
        let event = object([
            ("event", "warning".into()),
            ("code", failure.reason.code().into()),
            ("because", failure.because.as_str().into()),
            ("hint", failure.reason.hint().into()),
        ]);
        self.say(Kind::Warning, &[format!("warning: {}: {}", failure.reason.summary(), failure.because)], &event);
    }

    fn say(self, kind: Kind, lines: &[String], event: &Value) {
        let is_told = self.journal.is_some_and(|journal| journal.send(&[&journal::entry(kind, &lines.join("\n"), event)]));
        if !is_told {
            let _ = start::write_all(self.descriptor, self.line(lines, event).as_bytes());
        }
    }

    fn line(self, lines: &[String], event: &Value) -> String {
        if self.terminal { lines.iter().map(|line| format!("pinnace: {line}\n")).collect() } else { format!("{event}\n") }
    }
}

/// The last words of a command: for a person, for a machine, for whoever started it.
struct Last {
    kind: Kind,
    lines: Vec<String>,
    event: Value,
    exit: u8,
}

impl Last {
    fn of(end: End<'_>) -> Self {
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
        let (mut kind, mut lines) = (Kind::Done, text.lines().map(str::to_owned).collect());
        if let Some(failure) = failure {
            all.extend([("error", reason.summary().into()), ("because", failure.because.as_str().into()), ("hint", reason.hint().into())]);
            (kind, lines) = (Kind::Failed, four_lines(doing, failure).into());
        }
        let event = Value::Object(all.into_iter().map(|(name, value)| (name.to_owned(), value)).collect());
        Self { kind, lines, event, exit: reason.exit() }
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
fn four_lines(doing: &str, failure: &Failure) -> [String; 4] {
    let reason = failure.reason;
    let (code, fault, retry) = (reason.code(), reason.fault().name(), if reason.retry() { "yes" } else { "no" });
    [
        format!("error: {doing}: {}", reason.summary()),
        format!("because: {}", failure.because),
        format!("hint: {}", reason.hint()),
        format!("code={code} fault={fault} retry={retry}"),
    ]
}

/// Prints the four lines on standard error and gives the exit status.
pub(crate) fn fail(doing: &str, failure: &Failure) -> u8 {
    let lines: String = four_lines(doing, failure).iter().map(|line| format!("pinnace: {line}\n")).collect();
    let _ = start::write_all(2, lines.as_bytes());
    failure.reason.exit()
}

/// Prints to standard output; gives the exit status.
pub(crate) fn print(text: &str) -> u8 {
    start::write_all(1, text.as_bytes()).map_or(Reason::DeliveryStdout.exit(), |()| 0)
}
