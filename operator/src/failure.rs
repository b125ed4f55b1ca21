//! A failure as a person reads it: error, because, hint, code.

use std::{fmt::Display, process::ExitCode};

/// What could not be done, why, and what to do.
#[derive(Debug)]
pub(crate) struct Failure {
    error: String,
    because: String,
    hint: String,
    code: String,
}

impl Failure {
    pub(crate) fn new(code: impl Into<String>, error: impl Into<String>, because: impl Display, hint: impl Into<String>) -> Self {
        Self { error: error.into(), because: because.to_string(), hint: hint.into(), code: code.into() }
    }

    /// The same with another next step.
    pub(crate) fn hinted(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }

    /// Whether its code is this one.
    pub(crate) fn is(&self, code: &str) -> bool {
        self.code == code
    }

    pub(crate) fn report(self) -> ExitCode {
        eprintln!("pinnacectl: error: {}", harmless(&self.error));
        eprintln!("pinnacectl: because: {}", harmless(&self.because));
        eprintln!("pinnacectl: hint: {}", harmless(&self.hint));
        eprintln!("pinnacectl: code={}", harmless(&self.code));
        ExitCode::FAILURE
    }
}

/// Words of others may hold what moves a terminal's cursor. Lines stay: a policy's error shows its place in them.
pub(crate) fn harmless(words: &str) -> String {
    // Unicode 17, UAX #9, section 2: what changes the direction of a line that it stands in.
    let turns = |letter: char| matches!(letter, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    words.trim_end().replace(|letter: char| letter.is_control() && letter != '\n' || turns(letter), " ")
}

#[cfg(test)]
mod tests {
    use super::harmless;

    #[test]
    fn what_others_say_turns_no_line_and_moves_no_cursor() {
        assert_eq!(harmless("rhel7\u{202e}7lehr\u{2066}\u{1b}[2J\u{9b}A\r"), "rhel7 7lehr  [2J A");
        assert_eq!(harmless("line\n  ^ Übung 日本 שלום\n"), "line\n  ^ Übung 日本 שלום");
    }
}
