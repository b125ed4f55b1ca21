//! Public keys as metadata names them, and the cryptography they are used with.

use alloc::{string::ToString, vec::Vec};
use protocol::{hex_decode, json::Value};

/// The operations that a program must bring.
pub trait Crypto {
    /// SHA-256 (FIPS 180-4).
    fn sha256(&self, bytes: &[u8]) -> [u8; 32];
    /// SHA-512 (FIPS 180-4).
    fn sha512(&self, bytes: &[u8]) -> [u8; 64];
    /// Whether `signature` is `key`'s over `message`.
    fn verify(&self, key: &Key, message: &[u8], signature: &[u8]) -> bool;
}

/// How a key signs; the names are TUF's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// `ed25519` (RFC 8032); the key is its 32 bytes.
    Ed25519,
    /// `ecdsa-sha2-nistp256` (FIPS 186-4), signatures in DER; the key is the uncompressed point.
    EcdsaP256,
    /// `rsassa-pss-sha256` (RFC 8017), salt as long as the hash; the key is DER's `RSAPublicKey`.
    RsaPss,
}

/// A public key. Two are the same key if they are equal, whatever identifiers they go under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// How it signs.
    pub scheme: Scheme,
    /// Its bytes, as [`Scheme`] says.
    pub bytes: Vec<u8>,
}

const KEY_TEXT_MAX: usize = 4_096;
const ED25519_BYTES: usize = 32;
const POINT_BYTES: usize = 65;

impl Key {
    /// A key as it stands in metadata; `None` for one that cannot be used here, which then counts for nothing.
    pub(crate) fn read(value: &Value) -> Option<Self> {
        let word = |name| value.get(name).and_then(Value::as_str);
        let public = value.get("keyval")?.get("public")?.as_str().filter(|text| text.len() <= KEY_TEXT_MAX)?;
        match (word("keytype")?, word("scheme")?) {
            ("ed25519", "ed25519") => Some(Self { scheme: Scheme::Ed25519, bytes: hex_decode(public).filter(|key| key.len() == ED25519_BYTES)? }),
            // The specification writes `ecdsa`, and older repositories repeat the scheme.
            ("ecdsa" | "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256") => {
                let point = pem_key(public).or_else(|| hex_decode(public))?;
                let is_point = point.len() == POINT_BYTES && point.first() == Some(&4);
                is_point.then_some(Self { scheme: Scheme::EcdsaP256, bytes: point })
            }
            ("rsa", "rsassa-pss-sha256") => Some(Self { scheme: Scheme::RsaPss, bytes: pem_key(public)? }),
            _ => None,
        }
    }
}

/// The key inside a PEM `PUBLIC KEY` (RFC 7468).
fn pem_key(text: &str) -> Option<Vec<u8>> {
    let inner = text.trim().strip_prefix("-----BEGIN PUBLIC KEY-----")?.strip_suffix("-----END PUBLIC KEY-----")?;
    let digits: alloc::string::String = inner.chars().filter(|character| !character.is_ascii_whitespace()).collect();
    let plain = digits.trim_end_matches('=').replace('+', "-").replace('/', "_");
    spki_key(&protocol::base64url_decode(&plain)?).map(<[u8]>::to_vec)
}

/// The key bytes of a DER `SubjectPublicKeyInfo` (RFC 5280 section 4.1): SEQUENCE { SEQUENCE, BIT STRING without unused bits }.
#[must_use]
pub fn spki_key(der: &[u8]) -> Option<&[u8]> {
    let (whole, rest) = element(der, 0x30)?;
    let (_algorithm, after) = element(whole, 0x30)?;
    let (bits, end) = element(after, 0x03)?;
    (rest.is_empty() && end.is_empty()).then_some(())?;
    bits.strip_prefix(&[0])
}

/// One DER element of the given tag: its content, and what follows.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (found, rest) = der.split_first()?;
    let (length, rest) = rest.split_first()?;
    let (length, rest) = match length {
        0..=0x7f => (usize::from(*length), rest),
        0x81 => rest.split_first().map(|(one, rest)| (usize::from(*one), rest))?,
        0x82 => rest.split_at_checked(2).map(|(two, rest)| (two.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)), rest))?,
        _ => return None,
    };
    (*found == tag).then(|| rest.split_at_checked(length))?
}

/// The members of `keys`, each under its identifier; an identifier that stands twice makes the metadata malformed before this.
pub(crate) fn read_keys(value: &Value) -> Option<Vec<(alloc::string::String, Option<Key>)>> {
    let keys = value.as_object()?;
    Some(keys.iter().map(|(id, key)| (id.to_string(), Key::read(key))).collect())
}

#[cfg(test)]
mod tests {
    use super::{Key, Scheme, spki_key};
    use alloc::{format, vec::Vec};
    use protocol::json::parse;

    const P256: &str = "-----BEGIN PUBLIC KEY-----\\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEEXsz3SZXFb8jMV42j6pJlyjbjR8K\\nN3Bwocexq6LMIb5qsWKOQvLN16NUefLc4HswOoumRsVVaajSpQS6fobkRw==\\n-----END PUBLIC KEY-----\\n";

    fn key(kind: &str, scheme: &str, public: &str) -> Option<Key> {
        Key::read(&parse(format!("{{\"keytype\":\"{kind}\",\"scheme\":\"{scheme}\",\"keyval\":{{\"public\":\"{public}\"}}}}").as_bytes()).unwrap())
    }

    #[test]
    fn keys_of_the_three_schemes_are_read() {
        let point = key("ecdsa", "ecdsa-sha2-nistp256", P256).unwrap();
        assert_eq!((point.scheme, point.bytes.len(), point.bytes[0]), (Scheme::EcdsaP256, 65, 4));
        assert_eq!(key("ecdsa", "ecdsa-sha2-nistp256", &protocol::hex_encode(&point.bytes)), Some(point));
        assert_eq!(key("ed25519", "ed25519", &"07".repeat(32)).unwrap().bytes, [7; 32]);
        assert!(key("ed25519", "ed25519", &"07".repeat(31)).is_none());
        assert!(key("ed25519", "rsassa-pss-sha256", &"07".repeat(32)).is_none());
        assert!(key("ecdsa", "ecdsa-sha2-nistp256", "").is_none());
        assert!(key("rsa", "rsassa-pss-sha256", "-----BEGIN PUBLIC KEY----------END PUBLIC KEY-----").is_none());
    }

    #[test]
    fn der_that_is_cut_or_has_something_after_it_is_none() {
        let whole: Vec<u8> = [&[0x30, 7, 0x30, 0, 0x03, 3, 0, 9, 9][..]].concat();
        assert_eq!(spki_key(&whole), Some(&[9, 9][..]));
        for end in 0..whole.len() {
            assert_eq!(spki_key(&whole[..end]), None);
        }
        assert_eq!(spki_key(&[&whole[..], &[0]].concat()), None);
        assert_eq!(spki_key(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]), None);
    }
}
