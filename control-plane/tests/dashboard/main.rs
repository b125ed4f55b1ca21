//! The dashboard of the real `pinnaced`: what it lets in and refuses, over HTTP; and what people see of a fleet and do to it, in a
//! real browser.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on should stop")]
#![expect(dead_code, reason = "the rig serves other targets too")]

mod access;
mod axe;
mod browser;
mod crowd;
#[path = "../operators/desk.rs"]
mod desk;
mod hostile;
mod measured;
mod panels;
mod paths;
#[path = "../store/postgres.rs"]
mod postgres;
#[path = "../serve/published.rs"]
mod published;
mod quiet;
#[path = "../serve/rig.rs"]
mod rig;
mod rollout;
mod stage;
mod stored;
mod texts;
#[path = "../serve/told.rs"]
mod told;
mod window;
