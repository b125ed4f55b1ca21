//! The bundle that `cosign verify-blob --key` takes (Sigstore bundle v0.3): a plain ECDSA signature over a file, with its hash.

use crate::key::{KeyError, OfflineKey, PublicKey};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use base64ct::{Base64, Encoding};
use protocol::json::{self, Value, object};
use trust::{Crypto, spki_key};

const MEDIA_TYPE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

/// Signs a file's bytes.
///
/// # Errors
/// The signature could not be made.
pub fn bundle(file: &[u8], key: &OfflineKey) -> Result<String, KeyError> {
    let spki = spki_of(key.public()).ok_or(KeyError::NotP256)?;
    let hint = object([("hint", Base64::encode_string(&crate::AwsLc.sha256(&spki)).into())]);
    let digest = object([("algorithm", "SHA2_256".into()), ("digest", Base64::encode_string(&crate::AwsLc.sha256(file)).into())]);
    let signature = object([("messageDigest", digest), ("signature", Base64::encode_string(&key.sign(file)?).into())]);
    let material = object([("publicKey", hint)]);
    Ok(format!("{}\n", object([("mediaType", MEDIA_TYPE.into()), ("verificationMaterial", material), ("messageSignature", signature)])))
}

/// What a bundle says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    digest: Vec<u8>,
    signature: Vec<u8>,
}

impl Bundle {
    /// From a file, as Pinnace or cosign wrote it; `None` for anything else.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let value = json::parse(bytes).ok()?;
        let kind = value.get("mediaType")?.as_str()?;
        let message = value.get("messageSignature")?;
        let digest = message.get("messageDigest")?;
        (kind.starts_with("application/vnd.dev.sigstore.bundle") && digest.get("algorithm")?.as_str()? == "SHA2_256").then_some(())?;
        let bytes = |value: &Value| Base64::decode_vec(value.as_str()?).ok();
        Some(Self { digest: bytes(digest.get("digest")?)?, signature: bytes(message.get("signature")?)? })
    }

    /// Whether it is the key's over these bytes.
    #[must_use]
    pub fn fits(&self, file: &[u8], key: &PublicKey) -> bool {
        let Some(spki) = spki_of(key) else { return false };
        let Some(point) = spki_key(&spki) else { return false };
        crate::AwsLc.sha256(file)[..] == self.digest && UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point).verify(file, &self.signature).is_ok()
    }
}

fn spki_of(key: &PublicKey) -> Option<Vec<u8>> {
    Some(pkcs8::Document::from_pem(key.pem()?).ok()?.1.as_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_holds_for_its_file_and_key_alone() {
        let (key, _) = OfflineKey::generate().unwrap();
        let (other, _) = OfflineKey::generate().unwrap();
        let text = bundle(b"a file", &key).unwrap();
        let bundle = Bundle::read(text.as_bytes()).unwrap();
        assert!(bundle.fits(b"a file", key.public()));
        assert!(!bundle.fits(b"A file", key.public()) && !bundle.fits(b"a file", other.public()));
    }
}
