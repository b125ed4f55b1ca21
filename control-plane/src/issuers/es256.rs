//! ES256 with a key from a file (RFC 7518 section 3.4).

use super::{Signer, Unsigned, base64url};
use crate::{failure::Failure, files};
use aws_lc_rs::{
    digest::{SHA256, digest},
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use protocol::json::{self, Value};
use std::path::Path;

/// A P-256 key pair.
pub(crate) struct Key {
    pair: EcdsaKeyPair,
    random: SystemRandom,
    x: String,
    y: String,
    id: String,
}

impl Key {
    /// From PKCS#8 in PEM.
    pub(crate) fn load(path: &Path) -> Result<Self, Failure> {
        let unusable = |because| Failure::new(format!("cannot use {}", path.display()), because, "it must hold a P-256 key, PKCS#8 in PEM");
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, files::private_key(path)?.secret_der())
            .map_err(|error| unusable(error.to_string()))?;
        // The uncompressed point of SEC 1 section 2.3.3: 04, x, y.
        let Some((Some(x), Some(y))) = pair.public_key().as_ref().get(1..).map(|point| (point.get(..32), point.get(32..64))) else {
            return Err(unusable("its public key is not an uncompressed point".into()));
        };
        let (x, y) = (base64url::encode(x), base64url::encode(y));
        let id = thumbprint(&x, &y);
        Ok(Self { pair, random: SystemRandom::new(), x, y, id })
    }
}

impl Signer for Key {
    fn algorithm(&self) -> &'static str {
        "ES256"
    }

    fn key_id(&self) -> &str {
        &self.id
    }

    fn jwk(&self) -> Value {
        json::object([
            ("kty", "EC".into()),
            ("crv", "P-256".into()),
            ("x", self.x.as_str().into()),
            ("y", self.y.as_str().into()),
            ("kid", self.id.as_str().into()),
            ("use", "sig".into()),
            ("alg", "ES256".into()),
        ])
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Unsigned> {
        self.pair.sign(&self.random, message).map(|signature| signature.as_ref().to_vec()).map_err(|_| Unsigned)
    }
}

/// RFC 7638 section 3: the required members, in lexicographic order, without white space, hashed.
fn thumbprint(x: &str, y: &str) -> String {
    let members = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
    base64url::encode(digest(&SHA256, members.as_bytes()).as_ref())
}
