//! The SSH CA: OpenSSH certificates over keys that hosts made (OpenSSH's PROTOCOL.certkeys).
//!
//! What stands in one comes from policy and record, never from a request. Servers trust the CA's public key for users
//! (`TrustedUserCAKeys`), clients trust it for servers (`@cert-authority` in `known_hosts`).

use super::{Pair, Unsigned};
use protocol::membership::PublicKey;
use ssh_key::{
    PrivateKey,
    certificate::{Builder, CertType},
    private::Ed25519Keypair,
    public::{Ed25519PublicKey, KeyData},
};

/// What follows a critical option's name, and what does not belong to an extension.
const ASSIGNMENT: char = '=';

/// The CA's key.
pub(crate) struct Ca {
    key: PrivateKey,
}

/// What stands in a certificate.
pub(crate) struct Leaf<'a> {
    /// Whether it is a user's; a server's otherwise.
    pub(crate) user: bool,
    /// What servers write into their logs.
    pub(crate) key_id: &'a str,
    /// The names it is good for; at least one.
    pub(crate) principals: &'a [String],
    /// What it permits, and as `NAME=DATA` what it is confined to.
    pub(crate) options: &'a [String],
    /// Never used twice.
    pub(crate) chance: [u8; 16],
    /// When it begins, seconds since 1970.
    pub(crate) starts: i64,
    /// When it ends, seconds since 1970.
    pub(crate) ends: i64,
}

impl Ca {
    /// From an Ed25519 pair in a file.
    pub(crate) fn new(pair: &Pair) -> Option<Self> {
        pair.seed().map(|seed| Self { key: Ed25519Keypair::from_seed(&seed).into() })
    }

    /// A certificate over a key, one line as OpenSSH has it.
    pub(crate) fn sign(&self, leaf: &Leaf<'_>, key: &PublicKey) -> Result<String, Unsigned> {
        self.certificate(leaf, key).map_err(|_| Unsigned)
    }

    fn certificate(&self, leaf: &Leaf<'_>, key: &PublicKey) -> Result<String, ssh_key::Error> {
        let instant = |seconds| u64::try_from(seconds).map_err(|_| ssh_key::Error::Time);
        let key = KeyData::Ed25519(Ed25519PublicKey(key.0));
        let mut builder = Builder::new(leaf.chance, key, instant(leaf.starts)?, instant(leaf.ends)?)?;
        builder.serial(serial(leaf.chance))?.key_id(leaf.key_id)?.comment(leaf.key_id)?;
        builder.cert_type(if leaf.user { CertType::User } else { CertType::Host })?;
        for principal in leaf.principals {
            builder.valid_principal(principal)?;
        }
        for option in leaf.options {
            match option.split_once(ASSIGNMENT) {
                Some((name, data)) => builder.critical_option(name, data)?,
                None => builder.extension(option, "")?,
            };
        }
        builder.sign(&self.key)?.to_openssh()
    }
}

/// The public key of a CA, one line as OpenSSH has it.
pub(crate) fn line(pair: &Pair) -> Result<String, Unsigned> {
    let key = Ed25519PublicKey::try_from(pair.public()).map_err(|_| Unsigned)?;
    ssh_key::PublicKey::from(KeyData::Ed25519(key)).to_openssh().map_err(|_| Unsigned)
}

/// The number that a server's log and ours both know the certificate by.
pub(crate) fn serial(chance: [u8; 16]) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = chance;
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}
