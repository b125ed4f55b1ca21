//! The time, signed for a host whose clock is wrong.

use crate::{failure::Failure, files};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use protocol::time::{TimeAnswer, message};
use std::path::Path;

/// An Ed25519 key pair that signs nothing but time.
pub(crate) struct Key {
    pair: Ed25519KeyPair,
    public: String,
}

impl Key {
    /// From PKCS#8 in PEM.
    pub(crate) fn load(path: &Path) -> Result<Self, Failure> {
        let pair = Ed25519KeyPair::from_pkcs8(files::private_key(path)?.secret_der())
            .map_err(|error| Failure::new(format!("cannot use {}", path.display()), error, "it must hold an Ed25519 key, PKCS#8 in PEM"))?;
        let public = protocol::hex_encode(pair.public_key().as_ref());
        Ok(Self { pair, public })
    }

    /// The answer to one nonce.
    pub(crate) fn answer(&self, nonce: &str, now: i64) -> TimeAnswer {
        let signature = self.pair.sign(message(nonce, now).as_bytes());
        TimeAnswer { time: now, nonce: nonce.into(), key: self.public.clone(), signature: protocol::hex_encode(signature.as_ref()) }
    }
}
