//! The real `pinnaced` on a real PostgreSQL: replicas, and the database gone and back.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]
#![expect(dead_code, reason = "the rig serves another target too")]

mod away;
mod backups;
mod crash;
#[path = "../serve/keyed.rs"]
mod keyed;
mod postgres;
mod replicas;
#[path = "../serve/rig.rs"]
mod rig;
mod shared;
mod telemetry;
#[path = "../serve/told.rs"]
mod told;
#[path = "../serve/traffic.rs"]
mod traffic;
