//! The control plane's part: snapshot and timestamp over targets that others have signed.
//!
//! An [`OnlineKey`] has one use, [`publish`], and that makes no root and no targets.

use crate::{draft::Draft, key::PublicKey, metadata::SPECIFICATION};
use protocol::json::{Value, object};
use trust::format_date;

/// A key that a server holds.
pub struct OnlineKey<'a> {
    public: PublicKey,
    sign: &'a dyn Fn(&[u8]) -> Option<Vec<u8>>,
}

impl<'a> OnlineKey<'a> {
    /// An Ed25519 key, and how to sign with it.
    pub fn new(public: &[u8; 32], sign: &'a dyn Fn(&[u8]) -> Option<Vec<u8>>) -> Self {
        Self { public: PublicKey::ed25519(public), sign }
    }

    /// Its public half.
    #[must_use]
    pub fn public(&self) -> &PublicKey {
        &self.public
    }
}

/// A snapshot and the timestamp that names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// The snapshot's file.
    pub snapshot: Vec<u8>,
    /// The timestamp's file.
    pub timestamp: Vec<u8>,
}

/// Signs snapshot and timestamp of one version, which must be higher than any before; `None` if the key fails.
#[must_use]
pub fn publish(version: i64, targets_version: i64, (snapshot_ends, timestamp_ends): (i64, i64), key: &OnlineKey<'_>) -> Option<Published> {
    let meta = |name: &str, version: i64| object([(name, object([("version", version.into())]))]);
    let snapshot = file("snapshot", version, snapshot_ends, meta("targets.json", targets_version), key)?;
    let timestamp = file("timestamp", version, timestamp_ends, meta("snapshot.json", version), key)?;
    Some(Published { snapshot, timestamp })
}

fn file(kind: &str, version: i64, expires: i64, meta: Value, key: &OnlineKey<'_>) -> Option<Vec<u8>> {
    let mut draft = Draft::new(object([
        ("_type", kind.into()),
        ("spec_version", SPECIFICATION.into()),
        ("version", version.into()),
        ("expires", format_date(expires).into()),
        ("meta", meta),
    ]));
    let signature = (key.sign)(&draft.message())?;
    draft.add(key.public.id(), &signature);
    Some(draft.to_bytes())
}
