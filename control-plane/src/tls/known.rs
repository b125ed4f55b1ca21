//! Chains that have been verified once: a host comes back every half lifetime with the same certificate, and the answer to
//! whether its chain holds is the same until the certificate ends, and so is the answer to whom it identifies. Possession of
//! the key is still proven in every handshake.

use crate::api::{Identity, Unidentified};
use rustls::{
    DigitallySignedStruct, DistinguishedName, Error, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    pki_types::{CertificateDer, UnixTime},
    server::danger::{ClientCertVerified, ClientCertVerifier},
};
use std::{
    collections::HashMap,
    ops::RangeInclusive,
    sync::{Arc, PoisonError, RwLock},
};

/// Some 200 bytes each; when it is full it is emptied.
const CHAINS_MAX: usize = 32_768;

/// The SHA-256 of a certificate.
type Fingerprint = [u8; 32];

/// Whom a certificate identifies, or why nobody.
pub(crate) type Whom = Arc<Result<Identity, Unidentified>>;

/// A verifier that remembers; a reload makes a new one, which remembers nothing.
#[derive(Debug)]
pub(super) struct Known {
    verifier: Arc<dyn ClientCertVerifier>,
    chains: RwLock<HashMap<Fingerprint, Chain>>,
}

#[derive(Debug)]
struct Chain {
    valid: RangeInclusive<i64>,
    whom: Whom,
}

impl Known {
    /// Remembers for `verifier`.
    pub(super) fn new(verifier: Arc<dyn ClientCertVerifier>) -> Self {
        Self { verifier, chains: RwLock::default() }
    }

    /// Whom the certificate identifies that has been verified in a handshake.
    pub(super) fn whom(&self, leaf: &CertificateDer<'_>) -> Whom {
        let chains = self.chains.read().unwrap_or_else(PoisonError::into_inner);
        let known = fingerprint(leaf).and_then(|fingerprint| chains.get(&fingerprint));
        known.map_or_else(|| Arc::new(Identity::of(leaf)), |chain| Arc::clone(&chain.whom))
    }

    fn holds(&self, fingerprint: &Fingerprint, now: i64) -> bool {
        let chains = self.chains.read().unwrap_or_else(PoisonError::into_inner);
        chains.get(fingerprint).is_some_and(|chain| chain.valid.contains(&now))
    }

    fn remember(&self, fingerprint: Fingerprint, chain: Chain) {
        let mut chains = self.chains.write().unwrap_or_else(PoisonError::into_inner);
        if chains.len() >= CHAINS_MAX {
            chains.clear();
        }
        chains.insert(fingerprint, chain);
    }
}

impl ClientCertVerifier for Known {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.verifier.root_hint_subjects()
    }

    /// Remembers leaves signed by a root alone: an intermediate has an end of its own.
    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let fingerprint = fingerprint(leaf).filter(|_| intermediates.is_empty());
        let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        if fingerprint.is_some_and(|fingerprint| self.holds(&fingerprint, seconds)) {
            return Ok(ClientCertVerified::assertion());
        }
        let verified = self.verifier.verify_client_cert(leaf, intermediates, now)?;
        if let (Some(fingerprint), Some(valid)) = (fingerprint, super::validity(leaf)) {
            self.remember(fingerprint, Chain { valid, whom: Arc::new(Identity::of(leaf)) });
        }
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls12_signature(message, leaf, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls13_signature(message, leaf, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}

fn fingerprint(certificate: &CertificateDer<'_>) -> Option<Fingerprint> {
    use aws_lc_rs::digest::{SHA256, digest};
    digest(&SHA256, certificate).as_ref().try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::{RootCertStore, server::WebPkiClientVerifier};
    use std::time::Duration;

    /// `Err` for a certificate that is not the CA's, whatever is remembered; and no memory past a certificate's end.
    #[test]
    fn what_is_remembered_is_one_certificate_for_its_own_time() {
        let issuer = || rcgen::CertifiedIssuer::self_signed(ca(), rcgen::KeyPair::generate().unwrap()).unwrap();
        let (ours, theirs) = (issuer(), issuer());
        let mut roots = RootCertStore::empty();
        roots.add(ours.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let known = Known::new(WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap());
        let leaf = |issuer: &rcgen::CertifiedIssuer<'_, rcgen::KeyPair>| {
            let mut parameters = rcgen::CertificateParams::default();
            parameters.not_after = time::OffsetDateTime::now_utc() + time::Duration::HOUR;
            parameters.signed_by(&rcgen::KeyPair::generate().unwrap(), issuer).unwrap().der().clone()
        };
        let (good, bad, now) = (leaf(&ours), leaf(&theirs), UnixTime::now());
        for _ in 0..2 {
            assert!(known.verify_client_cert(&good, &[], now).is_ok());
            assert!(known.verify_client_cert(&bad, &[], now).is_err());
            assert_eq!(known.chains.read().unwrap().len(), 1);
        }
        assert!(Arc::ptr_eq(&known.whom(&good), &known.whom(&good)), "whom it identifies is remembered too");
        let late = UnixTime::since_unix_epoch(Duration::from_secs(now.as_secs() + 7200));
        assert!(known.verify_client_cert(&good, &[], late).is_err());
    }

    fn ca() -> rcgen::CertificateParams {
        let mut parameters = rcgen::CertificateParams::default();
        parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        parameters
    }
}
