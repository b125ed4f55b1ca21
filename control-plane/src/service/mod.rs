//! The rules: who may have what, and what an issued credential says. No I/O; time and chance are arguments.

mod issue;
mod policy;

pub(crate) use issue::{Issue, Issued, issue};
pub(crate) use policy::{Decision, Grant, Kind, Policy, RawPolicy};
