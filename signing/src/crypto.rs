//! The cryptography of `core/trust`, by AWS-LC.

use aws_lc_rs::{
    digest::{SHA256, SHA512, digest},
    signature::{ECDSA_P256_SHA256_ASN1, ED25519, RSA_PSS_2048_8192_SHA256, UnparsedPublicKey},
};
use trust::{Crypto, Key, Scheme};

/// AWS-LC.
#[derive(Clone, Copy, Debug)]
pub struct AwsLc;

impl Crypto for AwsLc {
    fn sha256(&self, bytes: &[u8]) -> [u8; 32] {
        digest(&SHA256, bytes).as_ref().try_into().unwrap_or([0; 32])
    }

    fn sha512(&self, bytes: &[u8]) -> [u8; 64] {
        digest(&SHA512, bytes).as_ref().try_into().unwrap_or([0; 64])
    }

    fn verify(&self, key: &Key, message: &[u8], signature: &[u8]) -> bool {
        match key.scheme {
            Scheme::Ed25519 => UnparsedPublicKey::new(&ED25519, &key.bytes).verify(message, signature).is_ok(),
            Scheme::EcdsaP256 => UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &key.bytes).verify(message, signature).is_ok(),
            Scheme::RsaPss => UnparsedPublicKey::new(&RSA_PSS_2048_8192_SHA256, &key.bytes).verify(message, signature).is_ok(),
        }
    }
}
