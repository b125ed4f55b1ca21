//! What metadata says of another file: how long it is, and its hashes.

use crate::{key::Crypto, refused::Why};
use alloc::{string::String, vec::Vec};
use protocol::{hex_decode, hex_encode, json::Value};

/// The hashes of a file; those of a kind that is not known here are checked by nobody and trusted by nobody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hashes {
    /// SHA-256, if it is given.
    pub sha256: Option<Vec<u8>>,
    /// SHA-512, if it is given.
    pub sha512: Option<Vec<u8>>,
}

impl Hashes {
    /// `None` if a hash is not hexadecimal of its length, or no hash is known here.
    pub(crate) fn read(value: &Value) -> Option<Self> {
        let hash = |name, length| match value.get(name) {
            None => Some(None),
            Some(text) => hex_decode(text.as_str()?).filter(|hash| hash.len() == length).map(Some),
        };
        let hashes = Self { sha256: hash("sha256", 32)?, sha512: hash("sha512", 64)? };
        (hashes != Self::default()).then_some(hashes)
    }

    /// Whether all that are given fit.
    pub fn fit(&self, bytes: &[u8], crypto: &impl Crypto) -> bool {
        let all = self.sha256.as_ref().is_none_or(|hash| *hash == crypto.sha256(bytes))
            && self.sha512.as_ref().is_none_or(|hash| *hash == crypto.sha512(bytes));
        all && *self != Self::default()
    }

    /// The one that names the file in a repository with consistent snapshots.
    #[must_use]
    pub fn name(&self) -> String {
        hex_encode(self.sha256.as_ref().or(self.sha512.as_ref()).map_or(&[], Vec::as_slice))
    }
}

/// What timestamp and snapshot say of the metadata below them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta {
    /// Its version.
    pub version: i64,
    /// How many bytes it has at most, if that is said.
    pub length: Option<usize>,
    /// Its hashes, if they are given.
    pub hashes: Option<Hashes>,
}

impl Meta {
    pub(crate) fn read(value: &Value) -> Option<Self> {
        let length = match value.get("length") {
            None => None,
            Some(length) => Some(usize::try_from(length.as_i64()?).ok()?),
        };
        let hashes = match value.get("hashes") {
            None => None,
            Some(hashes) => Some(Hashes::read(hashes)?),
        };
        Some(Self { version: value.get("version")?.as_i64().filter(|version| *version > 0)?, length, hashes })
    }

    /// Specification 5.5.2 and 5.6.2: the bytes are those that were vouched for.
    pub(crate) fn check(&self, bytes: &[u8], crypto: &impl Crypto) -> Result<(), Why> {
        if self.length.is_some_and(|length| bytes.len() > length) {
            return Err(Why::TooLarge);
        }
        if self.hashes.as_ref().is_some_and(|hashes| !hashes.fit(bytes, crypto)) {
            return Err(Why::Mixed);
        }
        Ok(())
    }
}
