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

    pub(crate) fn report(self) -> ExitCode {
        eprintln!("pinnacectl: error: {}", self.error);
        eprintln!("pinnacectl: because: {}", self.because);
        eprintln!("pinnacectl: hint: {}", self.hint);
        eprintln!("pinnacectl: code={}", self.code);
        ExitCode::FAILURE
    }
}
