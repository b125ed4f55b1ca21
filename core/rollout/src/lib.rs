//! Who tries a release first, what a trial proves, and when to advance, hold or pull: pure, from facts and reports to decisions.
//!
//! The parties are the hosts, of which any may be broken or lie, and the control plane, which drives a [`Rollout`] and stores every
//! [`decision::Decision`] before it takes effect. The promise: a release that is no worse than the one before is pulled with a
//! probability of at most one in a thousand, however often one looks, and one that is worse is pulled with the evidence named.
//! Everything here can be recomputed from the plan and the stored record.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod decide;
pub mod decision;
mod draw;
pub mod evidence;
pub mod plan;
mod record;
mod rollout;
pub mod silence;
pub mod step;
pub mod survey;
pub mod wealth;

pub use rollout::{Assigned, Rollout, Unheard};
