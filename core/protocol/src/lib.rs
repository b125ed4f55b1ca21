//! What Pinnace's three programs say to each other, as plain values.
//!
//! The parties are `pinnace` on a host, `pinnaced` in the control plane and `pinnacectl` at the operator's desk. This crate
//! holds their shared words: the stamped site, the credential answer, the signed time, refusals, releases and their trials, what a
//! host reports, the language of questions about the fleet, and the one table of reasons.
//! It has no dependency and does no I/O; every parser is bounded and total.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod answer;
pub mod audit;
mod encoding;
pub mod event;
pub mod filter;
mod hash;
pub mod identity;
pub mod json;
pub mod membership;
pub mod phases;
pub mod reason;
pub mod refusal;
pub mod release;
pub mod site;
pub mod time;
pub mod trial;

pub use encoding::{base64url_decode, crc32, hex_decode, hex_encode};
pub use hash::stable_hash;
