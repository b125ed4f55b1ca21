//! Metadata on its way to enough signatures: several people sign one after the other, each with a key of their own.

use crate::key::{KeyError, OfflineKey};
use protocol::{
    hex_encode,
    json::{self, Value, object},
};
use trust::canonical;

/// Metadata with the signatures it has so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    signed: Value,
    signatures: Vec<(String, String)>,
}

/// Whether a key added a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signed {
    /// It did.
    Added,
    /// It had signed this before.
    Already,
}

impl Draft {
    /// Without signatures.
    #[must_use]
    pub fn new(signed: Value) -> Self {
        Self { signed, signatures: Vec::new() }
    }

    /// From a file; `None` if it is not metadata.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let value = json::parse(bytes).ok()?;
        let signature = |item: &Value| Some((item.get("keyid")?.as_str()?.to_owned(), item.get("sig")?.as_str()?.to_owned()));
        let signatures = value.get("signatures")?.as_array()?.iter().map(signature).collect::<Option<Vec<_>>>()?;
        Some(Self { signed: value.get("signed")?.clone(), signatures })
    }

    /// What the signatures are over.
    #[must_use]
    pub fn signed(&self) -> &Value {
        &self.signed
    }

    /// The identifiers of the keys that signed.
    pub fn signers(&self) -> impl Iterator<Item = &str> {
        self.signatures.iter().map(|(id, _)| id.as_str())
    }

    /// The file.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let signature = |(id, signature): &(String, String)| object([("keyid", id.as_str().into()), ("sig", signature.as_str().into())]);
        let signatures = self.signatures.iter().map(signature).collect();
        format!("{}\n", object([("signatures", Value::Array(signatures)), ("signed", self.signed.clone())])).into_bytes()
    }

    pub(crate) fn add(&mut self, id: &str, signature: &[u8]) {
        self.signatures.push((id.to_owned(), hex_encode(signature)));
    }

    pub(crate) fn message(&self) -> Vec<u8> {
        canonical(&self.signed)
    }
}

/// Adds an offline key's signature.
///
/// # Errors
/// The signature could not be made.
pub fn sign(draft: &mut Draft, key: &OfflineKey) -> Result<Signed, KeyError> {
    if draft.signers().any(|id| id == key.public().id()) {
        return Ok(Signed::Already);
    }
    let signature = key.sign(&draft.message())?;
    draft.add(key.public().id(), &signature);
    Ok(Signed::Added)
}
