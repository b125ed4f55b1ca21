//! What a driver of rollouts thinks: from what is in force, what hosts told and what people want to the objects that are to be stored.
//!
//! Nothing is done here. Whoever drives stores a [`Proposal`] in one commit, and lets it take effect once that is durable; a change
//! names the revision that it replaces, so that of two drivers on old ground one is refused.

mod round;
mod start;
mod take;

pub use round::{Ground, Live, Proposal, Working};
pub use start::{Outset, Started, Wish, start, survey};
pub use take::{Standing, standing};

use crate::telemetry::Told;
use rollout::plan::Plan;

/// An object of a rollout as it shall be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its name.
    pub name: String,
    /// The revision the change is made on; 0 for an object that there is not.
    pub on: i64,
    /// What it shall say, JSON; `None` to delete it.
    pub body: Option<String>,
}

/// What hosts told, as far as whoever drives has read it.
pub trait Fleet {
    /// Whether all that is on record has been read.
    fn is_whole(&self) -> bool;

    /// Shows each host that told something after a change, in the order of their names; gives the newest change.
    fn told_since(&self, change: u64, take: &mut dyn FnMut(&str, &Told)) -> u64;

    /// When the host of each place was last heard of; 0 for never.
    fn heard(&self, plan: &Plan) -> Vec<i64>;
}
