//! OpenSSH certificates (PROTOCOL.certkeys) over keys that hosts made.

use super::Unsigned;
use crate::{failure::Failure, files};
use aws_lc_rs::{encoding::AsBigEndian, signature::Ed25519KeyPair};
use protocol::membership::PublicKey;
use ssh_key::{
    PrivateKey,
    certificate::{Builder, CertType},
    private::Ed25519Keypair,
    public::{Ed25519PublicKey, KeyData},
};
use std::path::Path;

/// The CA of OpenSSH certificates.
pub(crate) struct Ca {
    key: PrivateKey,
    authority: String,
}

/// What stands in a certificate.
pub(crate) struct Leaf<'a> {
    /// Whether it is a user's or a server's.
    pub(crate) user: bool,
    /// Who it is, for the server's log.
    pub(crate) id: &'a str,
    /// The names it is good for; at least one.
    pub(crate) principals: &'a [String],
    /// What a user's permits.
    pub(crate) extensions: &'a [String],
    /// From when, seconds since 1970.
    pub(crate) starts: i64,
    /// Until when, seconds since 1970.
    pub(crate) ends: i64,
}

impl Ca {
    /// From an Ed25519 key, PKCS#8 in PEM.
    pub(crate) fn load(path: &Path) -> Result<Self, Failure> {
        let unusable =
            |because: String| Failure::new(format!("cannot use {}", path.display()), because, "it must hold an Ed25519 key, PKCS#8 in PEM");
        let pair = Ed25519KeyPair::from_pkcs8(files::private_key(path)?.secret_der()).map_err(|error| unusable(error.to_string()))?;
        let seed = pair.seed().and_then(|seed| seed.as_be_bytes()).map_err(|error| unusable(error.to_string()))?;
        let seed = seed.as_ref().try_into().map_err(|_| unusable("its seed cannot be read".into()))?;
        let key = PrivateKey::from(Ed25519Keypair::from_seed(seed));
        let authority = key.public_key().to_openssh().map_err(|error| unusable(error.to_string()))?;
        Ok(Self { key, authority })
    }

    /// The CA's public key, one line as OpenSSH has it.
    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }

    /// A certificate over a key, one line as OpenSSH has it.
    pub(crate) fn sign(&self, leaf: &Leaf<'_>, key: &PublicKey) -> Result<String, Unsigned> {
        self.certificate(leaf, key).map_err(|_| Unsigned)
    }

    fn certificate(&self, leaf: &Leaf<'_>, key: &PublicKey) -> ssh_key::Result<String> {
        let mut chance = [0; 40];
        aws_lc_rs::rand::fill(&mut chance).map_err(|_| ssh_key::Error::Crypto)?;
        let (nonce, serial) = chance.split_at(32);
        let seconds = |at: i64| u64::try_from(at).map_err(|_| ssh_key::Error::Time);
        let key = KeyData::Ed25519(Ed25519PublicKey(key.0));
        let mut builder = Builder::new(nonce, key, seconds(leaf.starts)?, seconds(leaf.ends)?)?;
        builder.serial(u64::from_le_bytes(serial.try_into().map_err(|_| ssh_key::Error::Crypto)?))?;
        builder.key_id(leaf.id)?.cert_type(if leaf.user { CertType::User } else { CertType::Host })?.comment(leaf.id)?;
        for principal in leaf.principals {
            builder.valid_principal(principal)?;
        }
        for extension in leaf.extensions {
            builder.extension(extension, "")?;
        }
        builder.sign(&self.key)?.to_openssh()
    }
}
