//! The one checking path: from bytes, by the keys of a role, to what was signed.

use crate::{
    canonical::canonical,
    key::{Crypto, Key},
    refused::Why,
};
use alloc::{string::String, vec::Vec};
use protocol::{
    hex_decode,
    json::{self, Value},
};

/// Signatures are checked one by one, so there is an end to them.
const SIGNATURES_MAX: usize = 256;

/// Signed metadata of which nothing is believed yet.
pub struct Envelope {
    signed: Value,
    message: Vec<u8>,
    signatures: Vec<(String, Vec<u8>)>,
}

/// The keys of a role, and how many of them must sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Signers {
    /// Each under its identifier; `None` for a key that cannot be used here.
    pub(crate) keys: Vec<(String, Option<Key>)>,
    /// At least 1.
    pub(crate) threshold: usize,
}

impl Envelope {
    /// Takes the bytes apart.
    ///
    /// # Errors
    /// That it is not metadata, or its signatures are out of form.
    pub fn open(bytes: &[u8]) -> Result<Self, Why> {
        let Ok(Value::Object(members)) = json::parse(bytes) else { return Err(Why::NotMetadata) };
        let (mut signed, mut signatures) = (None, None);
        for (name, value) in members {
            match name.as_str() {
                "signed" => signed = Some(value),
                "signatures" => signatures = Some(value),
                _ => {}
            }
        }
        let (Some(signed), Some(signatures)) = (signed, signatures) else { return Err(Why::NotMetadata) };
        let signatures = read_signatures(&signatures).ok_or(Why::Malformed)?;
        Ok(Self { message: canonical(&signed), signed, signatures })
    }

    /// What it claims; only a root that is trusted for another reason may be read from it.
    pub(crate) fn claims(&self) -> &Value {
        &self.signed
    }

    /// What was signed, if enough of the role's keys did.
    pub(crate) fn believe(&self, signers: &Signers, crypto: &impl Crypto) -> Result<&Value, Why> {
        let mut counted: Vec<&Key> = Vec::new();
        for (id, signature) in &self.signatures {
            let key = signers.keys.iter().find(|(known, _)| known == id).and_then(|(_, key)| key.as_ref());
            // A key counts once, under however many identifiers it is listed.
            let Some(key) = key.filter(|key| !counted.contains(key)) else { continue };
            if crypto.verify(key, &self.message, signature) {
                counted.push(key);
            }
            if counted.len() >= signers.threshold {
                return Ok(&self.signed);
            }
        }
        Err(Why::Unsigned)
    }
}

/// A signature that is not hexadecimal counts for nothing; the same identifier twice is out of form.
fn read_signatures(value: &Value) -> Option<Vec<(String, Vec<u8>)>> {
    let items = value.as_array().filter(|items| items.len() <= SIGNATURES_MAX)?;
    let mut signatures: Vec<(String, Vec<u8>)> = Vec::new();
    for item in items {
        let id = item.get("keyid")?.as_str()?;
        if signatures.iter().any(|(known, _)| known == id) {
            return None;
        }
        signatures.push((id.into(), hex_decode(item.get("sig")?.as_str()?).unwrap_or_default()));
    }
    Some(signatures)
}
