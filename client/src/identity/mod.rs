//! Who this host is: its key, its certificates, and how it comes by them.

mod enroll;
mod key;
mod renew;
mod request;

pub(crate) use enroll::enroll;
pub(crate) use key::Key;
pub(crate) use renew::{Shown, is_due, renew};
pub(crate) use request::ask_again;

use crate::failure::Failure;
use host::renewal::Life;
use protocol::{identity::HostId, reason::Reason};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime, pem::PemObject};
use std::time::Duration;
use webpki::{EndEntityCert, Error, KeyUsage};

/// A key, the certificates over it, and the name in them.
pub(crate) struct Identity {
    pub(crate) key: PrivateKeyDer<'static>,
    pub(crate) chain: Vec<CertificateDer<'static>>,
    /// The SPIFFE ID in the certificate; empty in another CA's.
    pub(crate) id: String,
}

impl Identity {
    /// From `identity.pem`.
    pub(crate) fn parse(pem: &[u8]) -> Result<Self, Failure> {
        let identity = Self::read(pem, "identity.pem")?;
        if identity.id.is_empty() { Err(invalid("identity.pem", "the certificate names no host")) } else { Ok(identity) }
    }

    /// From any file with a key and certificates over it, whatever they name.
    pub(crate) fn read(pem: &[u8], file: &str) -> Result<Self, Failure> {
        let key = PrivateKeyDer::from_pem_slice(pem).map_err(|_| invalid(file, "no private key"))?;
        let chain = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>().map_err(|_| invalid(file, "not PEM"))?;
        let leaf = chain.first().ok_or_else(|| invalid(file, "no certificate"))?;
        let leaf = EndEntityCert::try_from(leaf).map_err(|_| invalid(file, "the first certificate cannot be read"))?;
        let id = leaf.valid_uri_names().find_map(HostId::parse).map(|id| id.to_string()).unwrap_or_default();
        Ok(Self { key, chain, id })
    }

    /// The same, for another connection.
    pub(crate) fn again(&self) -> Self {
        Self { key: self.key.clone_key(), chain: self.chain.clone(), id: self.id.clone() }
    }

    /// From when until when the certificate holds.
    pub(crate) fn life(&self) -> Option<Life> {
        life(self.chain.first()?)
    }

    /// Whether the certificate is over the key of this `SubjectPublicKeyInfo`.
    pub(crate) fn is_over(&self, spki: &[u8]) -> bool {
        self.chain.first().is_some_and(|leaf| is_over(leaf, spki))
    }
}

/// Whether a certificate is over the key of this `SubjectPublicKeyInfo`.
pub(crate) fn is_over(leaf: &CertificateDer<'_>, spki: &[u8]) -> bool {
    EndEntityCert::try_from(leaf).is_ok_and(|leaf| *leaf.subject_public_key_info() == *spki)
}

/// A certificate's dates: the check says them where it fails at the beginning and at the end of all time.
pub(crate) fn life(leaf: &CertificateDer<'_>) -> Option<Life> {
    let leaf = EndEntityCert::try_from(leaf).ok()?;
    let check = |seconds| {
        let time = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        leaf.verify_for_usage(&[], &[], &[], time, KeyUsage::client_auth(), None, None).err()
    };
    let seconds = |time: UnixTime| i64::try_from(time.as_secs()).ok();
    let begins = if let Some(Error::CertNotValidYet { not_before, .. }) = check(0) { seconds(not_before)? } else { 0 };
    match check(u64::MAX) {
        Some(Error::CertExpired { not_after, .. }) => Some(Life { begins, ends: seconds(not_after)? }),
        _ => None,
    }
}

fn invalid(file: &str, because: &str) -> Failure {
    Failure::new(Reason::IdentityInvalid, format!("{file}: {because}"))
}
