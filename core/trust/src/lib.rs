//! Which signed bytes to believe: the client side of The Update Framework (TUF), specification 1.0.
//!
//! The parties are a repository that anybody may pretend to be, and a host that holds one trusted root. The keys are those that
//! the root names, and no other: a root vouches for its successor, and for the roles below it. The promise: a value of [`Root`],
//! [`Timestamp`], [`Snapshot`] or [`Targets`] was signed by as many keys as its role demands, and nothing is stored before it is
//! believed. There is one door to each of them, and it is the same for all.
//!
//! Cryptography and I/O are arguments: see [`Crypto`] and [`Repository`].
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod canonical;
mod date;
mod delegation;
mod envelope;
mod file;
mod key;
mod refused;
mod role;
mod update;

pub use canonical::canonical;
pub use date::{format_date, parse_date};
pub use envelope::Envelope;
pub use file::{Hashes, Meta};
pub use key::{Crypto, Key, Scheme, spki_key};
pub use refused::{Refused, Why};
pub use role::{Root, Snapshot, Target, Targets, Timestamp};
pub use update::{Limits, ROOT, Repository, Trusted, file_name, file_version, local_name, quoted, refresh, target_name};
