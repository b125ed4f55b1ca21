//! Makes what `core/trust` believes: keys, and the metadata of the four roles.
//!
//! The parties are release engineers, who hold offline keys for root and targets, and a control plane that holds the online key
//! for snapshot and timestamp. The two kinds of key are two types: an [`OnlineKey`] has no way to sign a root or targets.
//! Nothing here is linked into the client.
#![forbid(unsafe_code)]

mod bundle;
mod crypto;
pub mod der;
mod draft;
mod key;
mod metadata;
mod online;
pub mod pkcs11;

pub use bundle::{Bundle, bundle};
pub use crypto::AwsLc;
pub use draft::{Draft, Signed, sign};
pub use key::{KeyError, OfflineKey, PublicKey};
pub use metadata::{RootPlan, TargetPlan, next_root, root, targets};
pub use online::{OnlineKey, Published, publish};
