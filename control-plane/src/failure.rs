//! How an operation of the command line fails: what it was doing, the cause, the next step.

use std::{fmt::Display, process::ExitCode};

/// One failed operation.
#[derive(Debug)]
pub(crate) struct Failure {
    error: String,
    because: String,
    hint: &'static str,
}

impl Failure {
    /// From its three parts.
    pub(crate) fn new(error: impl Into<String>, because: impl Display, hint: &'static str) -> Self {
        Self { error: error.into(), because: because.to_string(), hint }
    }

    /// What was being done.
    pub(crate) fn error(&self) -> &str {
        &self.error
    }

    /// Why it could not be done.
    pub(crate) fn because(&self) -> &str {
        &self.because
    }

    /// Tells the person on standard error and gives the exit status.
    pub(crate) fn report(self) -> ExitCode {
        eprintln!("pinnaced: error: {}\npinnaced: because: {}\npinnaced: hint: {}", self.error, self.because, self.hint);
        ExitCode::FAILURE
    }
}
