//! An Ed25519 key that this host makes for itself.

use crate::failure::Failure;
use host::key_files;
use protocol::{hex_encode, membership::PublicKey, membership::proof_message, reason::Reason};
use ring::{
    rand::{SecureRandom, SystemRandom},
    signature::{Ed25519KeyPair, KeyPair},
};
use rustls::pki_types::{PrivatePkcs8KeyDer, pem::PemObject};

/// Both halves of a key; it leaves this process only into a file of this host.
pub(crate) struct Key {
    seed: [u8; 32],
    pair: Ed25519KeyPair,
    pub(crate) public: PublicKey,
}

impl Key {
    /// A key that nobody has seen.
    pub(crate) fn fresh() -> Result<Self, Failure> {
        let mut seed = [0; 32];
        SystemRandom::new().fill(&mut seed).map_err(|_| Failure::new(Reason::NoEntropy, "no key"))?;
        Self::from_seed(seed).ok_or_else(|| Failure::new(Reason::Internal, "no key from a seed"))
    }

    /// A key as [`Key::to_pem`] wrote it.
    pub(crate) fn from_pem(pem: &[u8]) -> Option<Self> {
        let key = PrivatePkcs8KeyDer::from_pem_slice(pem).ok()?;
        Self::from_seed(key_files::seed_of(key.secret_pkcs8_der())?)
    }

    /// A key in either of the forms that this program writes.
    pub(crate) fn from_any_form(text: &str) -> Option<Self> {
        Self::from_pem(text.as_bytes()).or_else(|| Self::from_seed(key_files::openssh_seed(text)?))
    }

    fn from_seed(seed: [u8; 32]) -> Option<Self> {
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).ok()?;
        let public = PublicKey(pair.public_key().as_ref().try_into().ok()?);
        Some(Self { seed, pair, public })
    }

    /// As PKCS#8, version 1.
    pub(crate) fn to_pem(&self) -> String {
        key_files::pkcs8_pem(&self.seed)
    }

    /// As `ssh` reads it.
    pub(crate) fn to_openssh(&self, comment: &str) -> String {
        let [a, b, c, d, ..] = self.public.0;
        key_files::openssh_pem(&self.seed, &self.public, comment, u32::from_be_bytes([a, b, c, d]))
    }

    /// Proof of this key, for one request on one connection.
    pub(crate) fn proof(&self, purpose: &str, subject: &str, binding: &[u8]) -> Vec<u8> {
        self.pair.sign(proof_message(purpose, subject, &hex_encode(&self.public.0), binding).as_bytes()).as_ref().to_vec()
    }
}
