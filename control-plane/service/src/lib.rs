//! The control plane's rules: who is let in, who may have what, which release a host is to run, and what hosts told. No I/O; time and
//! chance are arguments.
#![forbid(unsafe_code)]

pub mod drive;
pub mod fleet;
pub mod host;
pub mod keys;
pub mod membership;
pub mod names;
pub mod pattern;
pub mod policy;
pub mod release;
pub mod rollout;
pub mod schedule;
pub mod telemetry;
pub mod token;
pub mod wave;

pub use policy::{Decision, Policy, RawPolicy};
