//! Metadata over the run's own connection, and in the state directory.

use crate::{
    failure::Failure,
    net::{http::Request, session::Session},
    state::State,
};
use protocol::reason::Reason;
use ring::{
    digest::{SHA256, SHA512, digest},
    signature::{ECDSA_P256_SHA256_ASN1, ED25519, RSA_PSS_2048_8192_SHA256, UnparsedPublicKey, VerificationAlgorithm},
};
use trust::{Crypto, Key, Limits, Refused, Repository, Root, Scheme};

/// The cryptography of `trust`, by ring.
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

/// Less than others read: a host has little memory, and the next run goes on where this one ended.
pub(super) fn limits() -> Limits {
    Limits { roots: 32, root_bytes: 65_536, timestamp_bytes: 16_384, snapshot_bytes: 262_144, targets_bytes: 1_048_576, delegations: 8 }
}

/// The walk of one run.
pub(super) struct Walk<'a> {
    pub(super) session: &'a mut Session,
    state: &'a State,
    stamped: &'a str,
}

impl<'a> Walk<'a> {
    /// Begins at the newer of the stamped root and the one kept: a release may bring a newer root than its predecessor saw.
    pub(super) fn new(session: &'a mut Session, state: &'a State, stamped: &'a str) -> Result<Self, Failure> {
        Root::anchor(stamped.as_bytes(), &Ring).map_err(|why| Failure::new(Reason::UpdateRootInvalid, why.about("the stamped root").to_string()))?;
        Ok(Self { session, state, stamped })
    }
}

impl Repository for Walk<'_> {
    type Error = Failure;

    fn fetch(&mut self, name: &str, bytes_max: usize) -> Result<Option<Vec<u8>>, Failure> {
        match self.session.send(&Request { bytes_max, ..Request::get(&format!("/v1/releases/metadata/{name}")) }) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(failure) => match failure.reason {
                Reason::HttpNotFound => Ok(None),
                Reason::HttpTooLarge => Err(Failure::new(Reason::UpdateTooLarge, format!("{name}: {}", failure.because))),
                Reason::HttpNotJson => Err(Failure::new(Reason::UpdateNotMetadata, format!("{name}: {}", failure.because))),
                _ => Err(failure),
            },
        }
    }

    fn load(&mut self, name: &str) -> Option<Vec<u8>> {
        let kept = self.state.trusted(name);
        if name != trust::Roles::ROOT {
            return kept;
        }
        let version = |bytes: &[u8]| Root::anchor(bytes, &Ring).map(|root| root.version()).ok();
        kept.filter(|kept| version(kept) >= version(self.stamped.as_bytes())).or_else(|| Some(self.stamped.as_bytes().to_vec()))
    }

    fn store(&mut self, name: &str, bytes: &[u8]) -> Result<(), Failure> {
        self.state.put_trusted(name, bytes)
    }
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        Failure::new(host::update::reason_of(refused.why), refused.to_string())
    }
}
