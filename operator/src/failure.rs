//! A failure as a person reads it: error, because, hint, code.

use std::{fmt::Display, process::ExitCode};

/// What could not be done, why, and what to do.
#[derive(Debug)]
pub(crate) struct Failure {
    error: String,
    because: String,
    hint: &'static str,
    code: &'static str,
}

impl Failure {
    pub(crate) fn new(code: &'static str, error: impl Into<String>, because: impl Display, hint: &'static str) -> Self {
        Self { error: error.into(), because: because.to_string(), hint, code }
    }

    pub(crate) fn report(self) -> ExitCode {
        eprintln!("pinnacectl: error: {}", self.error);
        eprintln!("pinnacectl: because: {}", self.because);
        eprintln!("pinnacectl: hint: {}", self.hint);
        eprintln!("pinnacectl: code={}", self.code);
        ExitCode::FAILURE
    }
}
