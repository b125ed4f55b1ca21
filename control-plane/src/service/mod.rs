//! The rules: who is let in, who may have what, and what an issued credential says. No I/O; time and chance are arguments.

pub(crate) mod fleet;
pub(crate) mod host;
pub(crate) mod issue;
pub(crate) mod keys;
pub(crate) mod membership;
pub(crate) mod names;
pub(crate) mod pattern;
pub(crate) mod policy;
pub(crate) mod release;
pub(crate) mod rollout;
mod schedule;
pub(crate) mod telemetry;
pub(crate) mod token;
pub(crate) mod wave;

pub(crate) use policy::{Decision, Policy, RawPolicy};
