//! A key pair, wherever its private half lives: in a file, or in a PKCS#11 token that it never leaves.

use super::{Unsigned, pkcs11};
use aws_lc_rs::{
    encoding::{AsBigEndian, Curve25519SeedBin},
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair},
};
use rcgen::{PublicKeyData, SignatureAlgorithm, SigningKey};
use service::keys::Algorithm;
use signing::{der::ecdsa_signature, pkcs11::TokenKey};

const RSA_BYTES: std::ops::RangeInclusive<usize> = 256..=512;

/// The private half, or the way to it.
enum Secret {
    Ed25519(Ed25519KeyPair),
    Es256(EcdsaKeyPair),
    Rs256(RsaKeyPair),
    Token(TokenKey),
}

/// A key pair that signs in one way.
pub(crate) struct Pair {
    algorithm: Algorithm,
    public: Vec<u8>,
    secret: Secret,
}

impl Pair {
    /// From PKCS#8; `None` unless it is an Ed25519, P-256 or RSA key (2048 to 4096 bits).
    pub(crate) fn from_pkcs8(der: &[u8]) -> Option<Self> {
        if let Ok(pair) = Ed25519KeyPair::from_pkcs8(der) {
            return Some(Self { algorithm: Algorithm::Ed25519, public: pair.public_key().as_ref().to_vec(), secret: Secret::Ed25519(pair) });
        }
        if let Ok(pair) = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der) {
            return Some(Self { algorithm: Algorithm::Es256, public: pair.public_key().as_ref().to_vec(), secret: Secret::Es256(pair) });
        }
        let pair = RsaKeyPair::from_pkcs8(der).ok().filter(|pair| RSA_BYTES.contains(&pair.public_modulus_len()))?;
        Some(Self { algorithm: Algorithm::Rs256, public: pair.public_key().as_ref().to_vec(), secret: Secret::Rs256(pair) })
    }

    /// One whose private half stays in a token.
    pub(crate) fn in_token(key: TokenKey) -> Self {
        Self { algorithm: pkcs11::algorithm(&key), public: key.public().to_vec(), secret: Secret::Token(key) }
    }

    /// How it signs.
    pub(crate) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The public key: the content of the bit string in [`Pair::spki`].
    pub(crate) fn public(&self) -> &[u8] {
        &self.public
    }

    /// The public key as a `SubjectPublicKeyInfo` in DER.
    pub(crate) fn spki(&self) -> Vec<u8> {
        self.subject_public_key_info()
    }

    /// Whether to sign takes so long that others should not wait for it.
    pub(crate) fn is_slow(&self) -> bool {
        matches!(self.secret, Secret::Token(_))
    }

    /// What an Ed25519 key in a file is made of.
    pub(crate) fn seed(&self) -> Option<[u8; 32]> {
        let Secret::Ed25519(pair) = &self.secret else { return None };
        let seed: Curve25519SeedBin<'static> = pair.seed().ok()?.as_be_bytes().ok()?;
        seed.as_ref().try_into().ok()
    }

    /// The signature in the form that it has in a JWS (RFC 7518 section 3) or by RFC 8032.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Unsigned> {
        match &self.secret {
            Secret::Ed25519(pair) => Ok(pair.sign(message).as_ref().to_vec()),
            Secret::Es256(pair) => pair.sign(&SystemRandom::new(), message).map(|signature| signature.as_ref().to_vec()).map_err(|_| Unsigned),
            Secret::Rs256(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature).map_err(|_| Unsigned)?;
                Ok(signature)
            }
            Secret::Token(key) => pkcs11::sign(key, message),
        }
    }
}

impl PublicKeyData for Pair {
    fn der_bytes(&self) -> &[u8] {
        &self.public
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        match self.algorithm {
            Algorithm::Ed25519 => &rcgen::PKCS_ED25519,
            Algorithm::Es256 => &rcgen::PKCS_ECDSA_P256_SHA256,
            Algorithm::Rs256 => &rcgen::PKCS_RSA_SHA256,
        }
    }
}

impl SigningKey for Pair {
    /// In the form of X.509, which differs for ECDSA alone (RFC 3279 section 2.2.3).
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let signature = Pair::sign(self, message).map_err(|Unsigned| rcgen::Error::RemoteKeyError)?;
        if self.algorithm == Algorithm::Es256 { ecdsa_signature(&signature).ok_or(rcgen::Error::RemoteKeyError) } else { Ok(signature) }
    }
}
