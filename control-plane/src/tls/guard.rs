//! Client certificates: what TLS lets through, and what each is worth.
//!
//! TLS proves that a client holds the key of the certificate it shows, and asks no more: a host whose certificate has ended must
//! be able to say so and come back. What a certificate is worth is judged here, once per connection, and every request asks.
//! Certificates that chain to a CA of ours are remembered until they end: a host comes back with the same one, and its chain
//! is the same.

use crate::api::{Certificate, Standing};
use rustls::{
    DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, UnixTime},
    server::{
        VerifierBuilderError, WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};
use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};
use x509_parser::{parse_x509_certificate, public_key::PublicKey};

/// Some 300 bytes each; when it is full it is emptied.
const REMEMBERED_MAX: usize = 32_768;
/// What is looked at before any signature is checked: long chains and large keys cost the server, not the client.
const CHAIN_MAX: usize = 4;
const CERTIFICATE_BYTES_MAX: usize = 8192;
const RSA_BITS_MAX: usize = 4096;

/// The SHA-256 of a certificate.
type Print = [u8; 32];

/// Judges certificates; a reload makes a new one, which remembers nothing.
#[derive(Debug)]
pub(crate) struct Guard {
    ours: Arc<dyn ClientCertVerifier>,
    foreign: Option<Arc<dyn ClientCertVerifier>>,
    hints: Vec<DistinguishedName>,
    remembered: RwLock<HashMap<Print, Arc<Certificate>>>,
}

impl Guard {
    /// For hosts that chain to `ours`, and those that may come in by `foreign`.
    pub(super) fn new(ours: RootCertStore, foreign: RootCertStore, provider: &Arc<CryptoProvider>) -> Result<Self, VerifierBuilderError> {
        let verifier = |roots| WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider)).build();
        let foreign = if foreign.is_empty() { None } else { Some(verifier(foreign)?) };
        let ours = verifier(ours)?;
        let hints = ours.root_hint_subjects().iter().chain(foreign.iter().flat_map(|foreign| foreign.root_hint_subjects())).cloned().collect();
        Ok(Self { ours, foreign, hints, remembered: RwLock::default() })
    }

    /// What the chain that a client has shown is worth at `now`, seconds since 1970; `None` if its leaf cannot be read.
    pub(crate) fn judge(&self, chain: &[CertificateDer<'_>], now: i64) -> Option<Arc<Certificate>> {
        let (leaf, rest) = chain.split_first()?;
        // An intermediate has an end of its own, so only leaves signed by a root are remembered.
        let print = print(leaf).filter(|_| rest.is_empty());
        if let Some(known) = print.and_then(|print| self.recall(&print)) {
            return Some(known);
        }
        let mut certificate = Certificate::read(leaf)?;
        certificate.standing = self.standing(leaf, rest, &certificate, now);
        let certificate = Arc::new(certificate);
        if let (Some(print), Standing::Ours) = (print, certificate.standing) {
            self.remember(print, Arc::clone(&certificate));
        }
        Some(certificate)
    }

    fn standing(&self, leaf: &CertificateDer<'_>, rest: &[CertificateDer<'_>], certificate: &Certificate, now: i64) -> Standing {
        let holds = |verifier: &Arc<dyn ClientCertVerifier>, at: i64| verifier.verify_client_cert(leaf, rest, time(at)).is_ok();
        if holds(&self.ours, now) {
            Standing::Ours
        } else if holds(&self.ours, certificate.shown.ends.min(now)) {
            Standing::Ended
        } else if self.foreign.as_ref().is_some_and(|foreign| holds(foreign, now)) {
            Standing::Foreign
        } else {
            Standing::Unknown
        }
    }

    fn recall(&self, print: &Print) -> Option<Arc<Certificate>> {
        self.remembered.read().unwrap_or_else(PoisonError::into_inner).get(print).cloned()
    }

    fn remember(&self, print: Print, certificate: Arc<Certificate>) {
        let mut remembered = self.remembered.write().unwrap_or_else(PoisonError::into_inner);
        if remembered.len() >= REMEMBERED_MAX {
            remembered.clear();
        }
        remembered.insert(print, certificate);
    }
}

impl ClientCertVerifier for Guard {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.hints
    }

    /// Refuses what is too costly to look at, and nothing else.
    fn verify_client_cert(&self, leaf: &CertificateDer<'_>, rest: &[CertificateDer<'_>], _: UnixTime) -> Result<ClientCertVerified, Error> {
        let print = print(leaf).filter(|_| rest.is_empty());
        if print.is_some_and(|print| self.recall(&print).is_some()) {
            return Ok(ClientCertVerified::assertion());
        }
        if rest.len() >= CHAIN_MAX {
            return Err(Error::General(format!("a chain of over {CHAIN_MAX} certificates")));
        }
        std::iter::once(leaf).chain(rest).try_for_each(|certificate| bounded(certificate))?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.ours.verify_tls12_signature(message, leaf, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.ours.verify_tls13_signature(message, leaf, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.ours.supported_verify_schemes()
    }
}

fn bounded(certificate: &CertificateDer<'_>) -> Result<(), Error> {
    let too_much = |what: &str| Err(Error::General(format!("a client certificate with {what}")));
    if certificate.len() > CERTIFICATE_BYTES_MAX {
        return too_much("too many bytes");
    }
    let Ok((_, certificate)) = parse_x509_certificate(certificate) else { return too_much("no form") };
    match certificate.public_key().parsed() {
        Ok(PublicKey::RSA(key)) if key.key_size() > RSA_BITS_MAX => too_much("too large a key"),
        Ok(PublicKey::RSA(_) | PublicKey::EC(_)) => Ok(()),
        // Ed25519 has no form of its own there.
        Ok(PublicKey::Unknown(_)) => Ok(()),
        _ => too_much("a key of no use"),
    }
}

fn print(certificate: &CertificateDer<'_>) -> Option<Print> {
    use aws_lc_rs::digest::{SHA256, digest};
    digest(&SHA256, certificate).as_ref().try_into().ok()
}

fn time(at: i64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(at).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    type Ca = rcgen::CertifiedIssuer<'static, rcgen::KeyPair>;

    fn ca() -> Ca {
        let mut parameters = rcgen::CertificateParams::default();
        parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        rcgen::CertifiedIssuer::self_signed(parameters, rcgen::KeyPair::generate().unwrap()).unwrap()
    }

    fn leaf(ca: &Ca) -> CertificateDer<'static> {
        let mut parameters = rcgen::CertificateParams::default();
        parameters.not_after = ::time::OffsetDateTime::now_utc() + ::time::Duration::HOUR;
        parameters.signed_by(&rcgen::KeyPair::generate().unwrap(), ca).unwrap().der().clone()
    }

    fn guard(ours: &Ca, foreign: &Ca) -> Guard {
        let roots = |ca: &Ca| {
            let mut roots = RootCertStore::empty();
            roots.add(ca.der().clone()).unwrap();
            roots
        };
        Guard::new(roots(ours), roots(foreign), &Arc::new(rustls::crypto::aws_lc_rs::default_provider())).unwrap()
    }

    /// A certificate over an RSA key of that size; nobody has made its private half.
    fn with_rsa_key(bits: usize) -> CertificateDer<'static> {
        use rcgen::PublicKeyData;
        struct Key(Vec<u8>);
        impl PublicKeyData for Key {
            fn der_bytes(&self) -> &[u8] {
                &self.0
            }
            fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
                &rcgen::PKCS_RSA_SHA256
            }
        }
        // RFC 8017 appendix A.1.1: SEQUENCE of modulus and exponent.
        let length = |length: usize| [vec![0x82], u16::try_from(length).unwrap().to_be_bytes().to_vec()].concat();
        let number = [vec![0], vec![0xff; bits / 8]].concat();
        let body = [vec![2], length(number.len()), number, vec![2, 3, 1, 0, 1]].concat();
        let key = Key([vec![0x30], length(body.len()), body].concat());
        rcgen::CertificateParams::default().signed_by(&key, &ca()).unwrap().der().clone()
    }

    #[test]
    fn what_a_certificate_is_worth() {
        let (ours, foreign, nobody) = (ca(), ca(), ca());
        let guard = guard(&ours, &foreign);
        let (now, late) = (crate::api::now(), crate::api::now() + 7200);
        let worth = |leaf: &CertificateDer<'static>, at| guard.judge(std::slice::from_ref(leaf), at).unwrap().standing_at(at);
        let (good, other, stranger) = (leaf(&ours), leaf(&foreign), leaf(&nobody));
        for _ in 0..2 {
            assert_eq!(worth(&good, now), Standing::Ours);
            assert_eq!(worth(&good, late), Standing::Ended, "however it is remembered");
            assert_eq!(worth(&other, now), Standing::Foreign);
            assert_eq!(worth(&stranger, now), Standing::Unknown);
            assert_eq!(guard.remembered.read().unwrap().len(), 1);
        }
    }

    /// SPIRE: long chains and huge RSA keys burn CPU.
    #[test]
    fn long_chains_and_junk_are_refused_before_any_signature() {
        let ours = ca();
        let guard = guard(&ours, &ca());
        let good = leaf(&ours);
        let verify = |leaf: &CertificateDer<'static>, rest: &[CertificateDer<'static>]| guard.verify_client_cert(leaf, rest, UnixTime::now());
        assert!(verify(&good, &[]).is_ok());
        assert!(verify(&good, &vec![good.clone(); CHAIN_MAX]).is_err());
        assert!(verify(&CertificateDer::from(vec![0; 100]), &[]).is_err());
        assert!(verify(&CertificateDer::from(vec![0; CERTIFICATE_BYTES_MAX + 1]), &[]).is_err());
        assert!(verify(&with_rsa_key(RSA_BITS_MAX), &[]).is_ok());
        assert!(verify(&with_rsa_key(RSA_BITS_MAX + 8), &[]).is_err());
    }

    /// Whatever is changed in a certificate, reading it ends, and its bearer is not one of ours.
    #[test]
    fn no_changed_certificate_is_read_wrongly_or_believed() {
        let ours = ca();
        let guard = guard(&ours, &ca());
        let (good, now) = (leaf(&ours), crate::api::now());
        let mut chance = 0x9e37_79b9_7f4a_7c15_u64;
        let mut dice = |sides: usize| {
            chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(chance >> 33).unwrap() % sides
        };
        for _ in 0..50_000 {
            let mut bytes = good.to_vec();
            for _ in 0..=dice(4) {
                let at = dice(bytes.len());
                match dice(4) {
                    0 => bytes[at] = u8::try_from(dice(256)).unwrap(),
                    1 => bytes[at] ^= 1 << dice(8),
                    2 => drop(bytes.drain(at..(at + dice(8)).min(bytes.len()))),
                    _ => bytes.insert(at, u8::try_from(dice(256)).unwrap()),
                }
            }
            let changed = CertificateDer::from(bytes);
            let passes = guard.verify_client_cert(&changed, &[], UnixTime::now()).is_ok();
            let worth = guard.judge(std::slice::from_ref(&changed), now).map(|certificate| certificate.standing_at(now));
            assert!(changed == good || worth != Some(Standing::Ours), "{passes} {changed:?}");
        }
    }
}
