//! Releases: keys, metadata and targets, in a folder that release engineers keep offline and publish from.
//!
//!     FOLDER/staged/      root.json and targets.json on their way to enough signatures
//!     FOLDER/metadata/    N.root.json and N.targets.json, signed by enough
//!     FOLDER/targets/     the files, each with its hash before its name, and its cosign bundle beside it

mod blob;
mod command;
mod folder;
mod keys;
mod make;
mod publish;
mod roots;
mod sign;
mod token;

pub(crate) use command::{ReleaseCommand, run};
