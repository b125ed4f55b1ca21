//! The real `pinnaced` on a real PostgreSQL: replicas, and the database gone and back.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on should stop")]
#![expect(dead_code, reason = "the rig serves another target too")]

mod away;
mod backups;
mod calls;
mod crash;
#[path = "../serve/fleet.rs"]
mod fleet;
#[path = "../serve/keyed.rs"]
mod keyed;
mod monitoring;
mod postgres;
#[path = "../serve/published.rs"]
mod published;
mod replicas;
#[path = "../serve/rig.rs"]
mod rig;
mod rollouts;
mod shared;
mod telemetry;
#[path = "../serve/told.rs"]
mod told;
#[path = "../serve/traffic.rs"]
mod traffic;
