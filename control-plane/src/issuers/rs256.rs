//! RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518 section 3.3), for consumers that know nothing else.

use super::{Signer, Unsigned, base64url};
use crate::{failure::Failure, files};
use aws_lc_rs::{
    digest::{SHA256, digest},
    encoding::AsDer,
    rand::SystemRandom,
    rsa::{KeyPair, KeySize, PublicKeyComponents},
    signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair},
};
use protocol::json::{self, Value};
use std::path::Path;

/// An RSA key that signs nothing but tokens.
pub(crate) struct Key {
    pair: RsaKeyPair,
    random: SystemRandom,
    n: String,
    e: String,
    id: String,
}

/// A new key of 2048 bits, PKCS#8 in PEM.
pub(crate) fn generate() -> Option<String> {
    let pair = KeyPair::generate(KeySize::Rsa2048).ok()?;
    let der = AsDer::<aws_lc_rs::encoding::Pkcs8V1Der<'_>>::as_der(&pair).ok()?;
    rcgen::KeyPair::try_from(der.as_ref()).ok().map(|pair| pair.serialize_pem())
}

impl Key {
    /// From PKCS#8 in PEM.
    pub(crate) fn load(path: &Path) -> Result<Self, Failure> {
        let unusable = |because| Failure::new(format!("cannot use {}", path.display()), because, "it must hold an RSA key, PKCS#8 in PEM");
        let pair = RsaKeyPair::from_pkcs8(files::private_key(path)?.secret_der()).map_err(|error| unusable(error.to_string()))?;
        let PublicKeyComponents { n, e } = PublicKeyComponents::<Vec<u8>>::from(pair.public_key());
        let (n, e) = (base64url::encode(&n), base64url::encode(&e));
        // RFC 7638 section 3.2: the required members of an RSA key, in lexicographic order.
        let id = base64url::encode(digest(&SHA256, format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#).as_bytes()).as_ref());
        Ok(Self { pair, random: SystemRandom::new(), n, e, id })
    }
}

impl Signer for Key {
    fn algorithm(&self) -> &'static str {
        "RS256"
    }

    fn key_id(&self) -> &str {
        &self.id
    }

    fn jwk(&self) -> Value {
        json::object([
            ("kty", "RSA".into()),
            ("n", self.n.as_str().into()),
            ("e", self.e.as_str().into()),
            ("kid", self.id.as_str().into()),
            ("use", "sig".into()),
            ("alg", "RS256".into()),
        ])
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Unsigned> {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair.sign(&RSA_PKCS1_SHA256, &self.random, message, &mut signature).map_err(|_| Unsigned)?;
        Ok(signature)
    }
}
