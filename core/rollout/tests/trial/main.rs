//! What a rollout promises, shown on whole rollouts.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::cast_possible_truncation, reason = "tests")]

mod chain;
mod fair;
mod fleet;
mod hostile;
mod incidents;
mod restart;
mod waves;
