//! The operators' interface of the real `pinnaced`, route by route as its own document lists them.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on should stop")]
#![expect(dead_code, reason = "the rig serves other targets too")]

mod bans;
mod contract;
mod desk;
mod fleet;
mod hostile;
mod hosts;
mod policy;
#[path = "../serve/published.rs"]
mod published;
#[path = "../serve/rig.rs"]
mod rig;
mod roles;
mod shape;
#[path = "../serve/told.rs"]
mod told;
mod waves;
