//! How an operation fails: what it was doing, the cause, the next step, and a word to count by.

mod code;

pub(crate) use code::Code;

use std::{fmt::Display, process::ExitCode};

/// One failed operation.
#[derive(Debug)]
pub(crate) struct Failure {
    code: Code,
    error: String,
    because: String,
    hint: &'static str,
}

impl Failure {
    /// From its parts.
    pub(crate) fn new(code: Code, error: impl Into<String>, because: impl Display, hint: &'static str) -> Self {
        Self { code, error: error.into(), because: because.to_string(), hint }
    }

    /// What was being done.
    pub(crate) fn error(&self) -> &str {
        &self.error
    }

    /// Why it could not be done.
    pub(crate) fn because(&self) -> &str {
        &self.because
    }

    /// Its code.
    pub(crate) fn code(&self) -> &'static str {
        self.code.name()
    }

    /// Tells the person on standard error and gives the exit status.
    pub(crate) fn report(self) -> ExitCode {
        eprintln!("pinnaced: error: {}\npinnaced: because: {}", harmless(&self.error), harmless(&self.because));
        eprintln!("pinnaced: hint: {}\npinnaced: code={}", self.hint, self.code());
        ExitCode::FAILURE
    }
}

/// Words of others may hold what moves a terminal's cursor. Lines stay: a file's error shows its place in them.
fn harmless(words: &str) -> String {
    words.trim_end().replace(|letter: char| letter.is_control() && letter != '\n', " ")
}
