//! Public keys of tokens, as a JWK Set has them (RFC 7517, RFC 7518 section 6).

use super::{base64url, pair::Pair};
use aws_lc_rs::digest::{SHA256, digest};
use protocol::json::{self, Value};
use service::keys::Algorithm;
use x509_parser::{prelude::FromDer, public_key::PublicKey, x509::SubjectPublicKeyInfo};

/// A public key and its `kid`.
pub(crate) struct Jwk {
    /// The RFC 7638 thumbprint.
    pub(crate) id: String,
    /// The member of a JWK Set.
    pub(crate) value: Value,
}

/// The public half of a pair; `None` for one that signs no tokens.
pub(crate) fn of(pair: &Pair) -> Option<Jwk> {
    match pair.algorithm() {
        Algorithm::Ed25519 => None,
        Algorithm::Es256 => {
            // The uncompressed point of SEC 1 section 2.3.3: 04, x, y.
            let (x, y) = (pair.public().get(1..33)?, pair.public().get(33..65)?);
            Some(jwk(Algorithm::Es256, &[("crv", "P-256".into()), ("kty", "EC".into()), ("x", base64url::encode(x)), ("y", base64url::encode(y))]))
        }
        Algorithm::Rs256 => {
            let spki = pair.spki();
            let (_, spki) = SubjectPublicKeyInfo::from_der(&spki).ok()?;
            let PublicKey::RSA(key) = spki.parsed().ok()? else { return None };
            let [e, n] = [key.exponent, key.modulus].map(|number| base64url::encode(without_zeros(number)));
            Some(jwk(Algorithm::Rs256, &[("e", e), ("kty", "RSA".into()), ("n", n)]))
        }
    }
}

/// From the members that RFC 7638 section 3 hashes, in lexicographic order.
fn jwk(algorithm: Algorithm, required: &[(&str, String)]) -> Jwk {
    let hashed: Vec<String> = required.iter().map(|(name, text)| format!("\"{name}\":\"{text}\"")).collect();
    let id = base64url::encode(digest(&SHA256, format!("{{{}}}", hashed.join(",")).as_bytes()).as_ref());
    let mut value = json::object([("kid", id.as_str().into()), ("use", "sig".into()), ("alg", algorithm.name().into())]);
    if let Value::Object(members) = &mut value {
        members.extend(required.iter().map(|(name, text)| ((*name).to_string(), text.as_str().into())));
    }
    Jwk { id, value }
}

fn without_zeros(number: &[u8]) -> &[u8] {
    number.iter().position(|byte| *byte != 0).and_then(|first| number.get(first..)).unwrap_or_default()
}
