//! The time, signed for a host whose clock is wrong.

use super::{Pair, Unsigned};
use protocol::time::{TimeAnswer, message};

/// An Ed25519 key pair that signs nothing but time.
pub(crate) struct Key {
    pair: Pair,
    public: String,
}

impl Key {
    /// From an Ed25519 pair.
    pub(crate) fn new(pair: Pair) -> Self {
        let public = protocol::hex_encode(pair.public());
        Self { pair, public }
    }

    /// The answer to one nonce.
    pub(crate) fn answer(&self, nonce: &str, now: i64) -> Result<TimeAnswer, Unsigned> {
        let signature = self.pair.sign(message(nonce, now).as_bytes())?;
        Ok(TimeAnswer { time: now, nonce: nonce.into(), key: self.public.clone(), signature: protocol::hex_encode(&signature) })
    }
}
