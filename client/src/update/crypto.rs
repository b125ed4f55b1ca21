//! The cryptography of `trust`, by ring. The conformance client is built with this very file, so that what is judged is what hosts run.

use ring::{
    digest::{SHA256, SHA512, digest},
    signature::{ECDSA_P256_SHA256_ASN1, ED25519, RSA_PSS_2048_8192_SHA256, UnparsedPublicKey, VerificationAlgorithm},
};
use trust::{Crypto, Key, Scheme};

/// ring.
pub(super) struct Ring;

impl Crypto for Ring {
    fn sha256(&self, bytes: &[u8]) -> [u8; 32] {
        digest(&SHA256, bytes).as_ref().try_into().unwrap_or([0; 32])
    }

    fn sha512(&self, bytes: &[u8]) -> [u8; 64] {
        digest(&SHA512, bytes).as_ref().try_into().unwrap_or([0; 64])
    }

    fn verify(&self, key: &Key, message: &[u8], signature: &[u8]) -> bool {
        let algorithm: &'static dyn VerificationAlgorithm = match key.scheme {
            Scheme::Ed25519 => &ED25519,
            Scheme::EcdsaP256 => &ECDSA_P256_SHA256_ASN1,
            Scheme::RsaPss => &RSA_PSS_2048_8192_SHA256,
        };
        UnparsedPublicKey::new(algorithm, &key.bytes).verify(message, signature).is_ok()
    }
}
