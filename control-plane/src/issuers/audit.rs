//! Checkpoints of the audit log, signed so that its end cannot be cut.

use crate::{
    failure::{Code, Failure},
    files,
    store::audit::Chain,
};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use protocol::{audit::checkpoint_message, json::object};
use std::path::Path;

/// An Ed25519 key pair that signs nothing but checkpoints.
pub(crate) struct Key {
    pair: Ed25519KeyPair,
    public: String,
}

impl Key {
    /// From PKCS#8 in PEM.
    pub(crate) fn load(path: &Path) -> Result<Self, Failure> {
        let pair = Ed25519KeyPair::from_pkcs8(files::private_key(path)?.secret_der()).map_err(|error| {
            Failure::new(Code::KeyUnusable, format!("cannot use {}", path.display()), error, "it must hold an Ed25519 key, PKCS#8 in PEM")
        })?;
        let public = protocol::hex_encode(pair.public_key().as_ref());
        Ok(Self { pair, public })
    }

    /// The line that says where a chain ends.
    pub(crate) fn checkpoint(&self, chain: &Chain, now: i64) -> String {
        let message = checkpoint_message(&chain.writer, chain.number, &chain.hash, now);
        object([
            ("writer", chain.writer.as_str().into()),
            ("checkpoint", chain.number.into()),
            ("hash", protocol::hex_encode(&chain.hash).into()),
            ("time", now.into()),
            ("key", self.public.as_str().into()),
            ("signature", protocol::hex_encode(self.pair.sign(message.as_bytes()).as_ref()).into()),
        ])
        .to_string()
    }
}
