//! What the client does next, as pure functions: is a fetch due, may this answer replace the one held, when to try again,
//! which address first, and how a credential looks to its consumer.
//!
//! Time and chance are arguments. Nothing here opens a socket or a file; `client` performs what these functions decide.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod accept;
pub mod archive;
pub mod candidates;
pub mod dns;
pub mod due;
pub mod formats;
pub mod host_file;
pub mod journal;
pub mod key_files;
pub mod outbox;
pub mod refused;
pub mod renewal;
pub mod resolver_files;
pub mod retry;
pub mod state;
pub mod trial;
pub mod update;
