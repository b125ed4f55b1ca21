//! Releases on trial, good and bad, under a real supervisor: whatever the candidate does, the run ends with a fresh credential.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod candidates;
mod crash;
mod ground;
