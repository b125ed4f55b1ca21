//! Offline keys: P-256, in PKCS#8 files that a passphrase encrypts (RFC 8018: PBES2 with scrypt and AES-256), as OpenSSL reads them,
//! or in PKCS#11 tokens.

use crate::{
    der,
    pkcs11::{TokenAlgorithm, TokenKey},
};
use aws_lc_rs::{
    encoding::{AsDer, PublicKeyX509Der},
    rand::{SystemRandom, fill},
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair},
};
use pkcs8::{
    EncryptedPrivateKeyInfo, LineEnding, PrivateKeyInfo, SecretDocument,
    pkcs5::{pbes2, scrypt},
};
use protocol::{
    hex_encode,
    json::{Value, object},
};
use std::fmt::{self, Display};
use trust::{Crypto, canonical, spki_key};

/// As slow as 2^17 in one lane, and in so little memory that OpenSSL reads it with its defaults.
const SCRYPT_LOG_N: u8 = 14;
const SCRYPT_R: u32 = 8;
const SCRYPT_P: u32 = 8;

/// A key that release engineers keep away from every server.
pub struct OfflineKey {
    secret: Secret,
    public: PublicKey,
}

/// The private half, or the way to it.
enum Secret {
    File(EcdsaKeyPair),
    Token(TokenKey),
}

/// A public key as metadata names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    value: Value,
    id: String,
}

/// Why a key cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyError {
    /// The file is not PEM of a private key.
    NotAKey,
    /// The passphrase does not open it.
    Passphrase,
    /// It is not a P-256 key.
    NotP256,
    /// The system's randomness or the signature failed.
    Failed,
    /// The token that it is in did not sign; what the token said.
    Token(String),
}

impl Display for KeyError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            KeyError::Token(said) => return write!(out, "the token did not sign: {said}"),
            KeyError::NotAKey => "it is not a private key in PEM",
            KeyError::Passphrase => "the passphrase does not open it",
            KeyError::NotP256 => "it is not a P-256 key",
            KeyError::Failed => "the signature could not be made",
        })
    }
}

impl OfflineKey {
    /// A fresh one.
    ///
    /// # Errors
    /// The system has no randomness.
    pub fn generate() -> Result<(Self, Vec<u8>), KeyError> {
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new()).map_err(|_| KeyError::Failed)?;
        Ok((Self::from_pkcs8(document.as_ref())?, document.as_ref().to_vec()))
    }

    /// The PEM of a private key under a passphrase.
    ///
    /// # Errors
    /// It could not be encrypted.
    pub fn encrypt(pkcs8: &[u8], passphrase: &[u8]) -> Result<String, KeyError> {
        let info = PrivateKeyInfo::try_from(pkcs8).map_err(|_| KeyError::NotAKey)?;
        let (mut salt, mut iv) = ([0; 16], [0; 16]);
        fill(&mut salt).and_then(|()| fill(&mut iv)).map_err(|_| KeyError::Failed)?;
        let scrypt = scrypt::Params::new(SCRYPT_LOG_N, SCRYPT_R, SCRYPT_P, 32).map_err(|_| KeyError::Failed)?;
        let with = pbes2::Parameters::scrypt_aes256cbc(scrypt, &salt, &iv).map_err(|_| KeyError::Failed)?;
        let sealed = info.encrypt_with_params(with, passphrase).map_err(|_| KeyError::Failed)?;
        let pem = sealed.to_pem("ENCRYPTED PRIVATE KEY", LineEnding::LF).map_err(|_| KeyError::Failed)?;
        Ok(pem.as_str().to_owned())
    }

    /// From the PEM of an encrypted private key.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn decrypt(pem: &str, passphrase: &[u8]) -> Result<Self, KeyError> {
        let (label, document) = SecretDocument::from_pem(pem).map_err(|_| KeyError::NotAKey)?;
        if label != "ENCRYPTED PRIVATE KEY" {
            return Err(KeyError::NotAKey);
        }
        let sealed = EncryptedPrivateKeyInfo::try_from(document.as_bytes()).map_err(|_| KeyError::NotAKey)?;
        Self::from_pkcs8(sealed.decrypt(passphrase).map_err(|_| KeyError::Passphrase)?.as_bytes())
    }

    fn from_pkcs8(der: &[u8]) -> Result<Self, KeyError> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, der).map_err(|_| KeyError::NotP256)?;
        let spki: PublicKeyX509Der<'_> = pair.public_key().as_der().map_err(|_| KeyError::Failed)?;
        let public = PublicKey::from_spki(spki.as_ref()).ok_or(KeyError::NotP256)?;
        Ok(Self { secret: Secret::File(pair), public })
    }

    /// One whose private half stays in a token.
    ///
    /// # Errors
    /// It is not a P-256 key.
    pub fn in_token(key: TokenKey) -> Result<Self, KeyError> {
        if key.algorithm() != TokenAlgorithm::EcdsaP256 {
            return Err(KeyError::NotP256);
        }
        let public = PublicKey::from_spki(&der::p256_spki(key.public())).ok_or(KeyError::NotP256)?;
        Ok(Self { secret: Secret::Token(key), public })
    }

    /// Its public half.
    #[must_use]
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// ECDSA over SHA-256 of the message, in DER.
    ///
    /// # Errors
    /// The system has no randomness, or the token did not sign.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        match &self.secret {
            Secret::File(pair) => pair.sign(&SystemRandom::new(), message).map(|signature| signature.as_ref().to_vec()).map_err(|_| KeyError::Failed),
            Secret::Token(key) => {
                let numbers = key.sign(message).map_err(|error| KeyError::Token(error.to_string()))?;
                der::ecdsa_signature(&numbers).ok_or(KeyError::Failed)
            }
        }
    }
}

impl PublicKey {
    /// A P-256 key from its `SubjectPublicKeyInfo`.
    #[must_use]
    pub fn from_spki(der: &[u8]) -> Option<Self> {
        spki_key(der).filter(|point| point.len() == 65)?;
        let pem = pkcs8::Document::try_from(der).ok()?.to_pem("PUBLIC KEY", LineEnding::LF).ok()?;
        Some(Self::new("ecdsa", "ecdsa-sha2-nistp256", &pem))
    }

    /// A P-256 key from PEM, as `openssl ec -pubout` writes it.
    #[must_use]
    pub fn from_pem(pem: &str) -> Option<Self> {
        let (label, document) = pkcs8::Document::from_pem(pem).ok()?;
        (label == "PUBLIC KEY").then(|| Self::from_spki(document.as_bytes()))?
    }

    /// An Ed25519 key from its 32 bytes.
    #[must_use]
    pub fn ed25519(bytes: &[u8; 32]) -> Self {
        Self::new("ed25519", "ed25519", &hex_encode(bytes))
    }

    /// As metadata has it, under any identifier; `None` unless it can be used.
    #[must_use]
    pub fn from_value(value: &Value) -> Option<Self> {
        let word = |name| value.get(name).and_then(Value::as_str);
        let public = value.get("keyval")?.get("public")?.as_str()?;
        Some(Self::new(word("keytype")?, word("scheme")?, public))
    }

    fn new(kind: &str, scheme: &str, public: &str) -> Self {
        let value = object([("keytype", kind.into()), ("scheme", scheme.into()), ("keyval", object([("public", public.into())]))]);
        // Other tools insist that an identifier is this hash.
        let id = hex_encode(&crate::AwsLc.sha256(&canonical(&value)));
        Self { value, id }
    }

    /// The identifier it goes under.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// As metadata has it.
    #[must_use]
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// PEM, for a P-256 key.
    #[must_use]
    pub fn pem(&self) -> Option<&str> {
        self.value.get("keyval")?.get("public")?.as_str().filter(|text| text.starts_with("-----BEGIN"))
    }
}
