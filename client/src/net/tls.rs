//! TLS 1.3 as this site wants it: pinned roots, one exact name, no resumption, and a certificate check that knows when only the
//! host's clock is to blame.

use crate::{failure::Failure, identity::Identity};
use protocol::{reason::Reason, site::Site};
use ring::{
    rand::{SecureRandom, SystemRandom},
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair},
};
use rustls::{
    AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, Error, InvalidMessage, SignatureAlgorithm, SignatureScheme,
    client::{
        ResolvesClientCert, Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, KeyProvider, WebPkiSupportedAlgorithms, ring as provider},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, TrustAnchor, UnixTime, pem::PemObject},
    sign::{CertifiedKey, Signer, SigningKey},
    time_provider::TimeProvider,
};
use std::{
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

/// The certificate check and what it saw. The library's own brings revocation lists along, which nobody here has.
#[derive(Debug)]
pub(crate) struct Pinned {
    anchors: OnceLock<Vec<TrustAnchor<'static>>>,
    doubt: Mutex<Option<Doubt>>,
}

/// A chain and name that hold, at another time than this host's.
#[derive(Debug)]
struct Doubt {
    chain: Vec<CertificateDer<'static>>,
    name: ServerName<'static>,
}

impl Pinned {
    /// Whether the certificate was only found valid at another time than this host's.
    pub(crate) fn doubts_the_clock(&self) -> bool {
        self.doubt.lock().is_ok_and(|doubt| doubt.is_some())
    }

    /// Checks the same certificates again at a time that has been proved.
    pub(crate) fn check_at(&self, time: i64) -> Result<(), Error> {
        let time = UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(time).unwrap_or(0)));
        let doubt = self.doubt.lock().map_err(|_| Error::General("poisoned".into()))?;
        let Some(Doubt { chain, name }) = doubt.as_ref() else { return Ok(()) };
        let (leaf, rest) = chain.split_first().ok_or(Error::NoCertificatesPresented)?;
        self.check(leaf, rest, name, time).map_err(|error| certificate_error(&error).into())
    }

    fn check(&self, leaf: &CertificateDer<'_>, rest: &[CertificateDer<'_>], name: &ServerName<'_>, time: UnixTime) -> Result<(), webpki::Error> {
        let leaf = webpki::EndEntityCert::try_from(leaf)?;
        leaf.verify_for_usage(
            ALGORITHMS.all,
            self.anchors.get().map_or(&[], Vec::as_slice),
            rest,
            time,
            webpki::KeyUsage::server_auth(),
            None,
            None,
        )?;
        leaf.verify_is_valid_for_subject_name(name)
    }
}

/// The library's word for what is wrong with a certificate.
fn certificate_error(error: &webpki::Error) -> CertificateError {
    use webpki::Error as Found;
    match error {
        Found::CertNotValidYet { time, not_before } => CertificateError::NotValidYetContext { time: *time, not_before: *not_before },
        Found::CertExpired { time, not_after } => CertificateError::ExpiredContext { time: *time, not_after: *not_after },
        Found::UnknownIssuer => CertificateError::UnknownIssuer,
        Found::InvalidSignatureForPublicKey
        | Found::UnsupportedSignatureAlgorithmContext(_)
        | Found::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => CertificateError::BadSignature,
        Found::CertNotValidForName(_) => CertificateError::NotValidForName,
        Found::RequiredEkuNotFoundContext(_) => CertificateError::InvalidPurpose,
        Found::BadDer | Found::BadDerTime | Found::TrailingData(_) => CertificateError::BadEncoding,
        _ => CertificateError::ApplicationVerificationFailure,
    }
}

/// How often a chain may ask for another time: once per certificate in it, and some.
const TIMES_MAX: usize = 6;

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let mut time = now;
        let mut result = Ok(());
        for _ in 0..TIMES_MAX {
            result = self.check(leaf, rest, name, time);
            time = match &result {
                Err(webpki::Error::CertNotValidYet { not_before, .. }) => *not_before,
                Err(webpki::Error::CertExpired { not_after, .. }) => *not_after,
                _ => break,
            };
        }
        result.map_err(|error| certificate_error(&error))?;
        exact(leaf, name)?;
        if time != now {
            let chain = std::iter::once(leaf).chain(rest).map(|certificate| certificate.clone().into_owned()).collect();
            *self.doubt.lock().map_err(|_| Error::General("poisoned".into()))? = Some(Doubt { chain, name: name.to_owned() });
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(&self, _: &[u8], _: &CertificateDer<'_>, _: &DigitallySignedStruct) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::PeerIncompatible(rustls::PeerIncompatible::ServerDoesNotSupportTls12Or13))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let unknown = || Error::PeerIncompatible(rustls::PeerIncompatible::NoSignatureSchemesInCommon);
        let (_, algorithms) = ALGORITHMS.mapping.iter().find(|(scheme, _)| *scheme == signature.scheme).ok_or_else(unknown)?;
        let algorithm = algorithms.first().ok_or_else(unknown)?;
        let leaf = webpki::EndEntityCert::try_from(certificate).map_err(|error| certificate_error(&error))?;
        leaf.verify_signature(*algorithm, message, signature.signature()).map_err(|error| certificate_error(&error))?;
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ALGORITHMS.supported_schemes()
    }
}

/// A DNS name must stand in the certificate as it is, not as a wildcard.
fn exact(leaf: &CertificateDer<'_>, name: &ServerName<'_>) -> Result<(), Error> {
    let ServerName::DnsName(name) = name else { return Ok(()) };
    let leaf = webpki::EndEntityCert::try_from(leaf).map_err(|_| CertificateError::BadEncoding)?;
    let found = leaf.valid_dns_names().any(|found| found.eq_ignore_ascii_case(name.as_ref()));
    if found { Ok(()) } else { Err(CertificateError::NotValidForName.into()) }
}

/// What a connection is made with; what the server's first words are judged by comes with [`Setup::prepare`], while they are awaited.
pub(crate) struct Setup {
    pub(crate) config: Arc<ClientConfig>,
    pub(crate) pinned: Arc<Pinned>,
    shown: Arc<Shown>,
}

impl Setup {
    /// For a connection that shows a certificate if asked for one, or none.
    pub(crate) fn new(shows: bool) -> Result<Self, Failure> {
        let pinned = Arc::new(Pinned { anchors: OnceLock::new(), doubt: Mutex::new(None) });
        let shown = Arc::new(Shown(OnceLock::new()));
        let builder = ClientConfig::builder_with_details(Arc::new(narrow()), Arc::new(Clock))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|error| Failure::new(Reason::Internal, error.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::<Pinned>::clone(&pinned));
        let mut config = if shows { builder.with_client_cert_resolver(Arc::<Shown>::clone(&shown)) } else { builder.with_no_client_auth() };
        config.resumption = Resumption::disabled();
        Ok(Self { config: Arc::new(config), pinned, shown })
    }

    /// The roots that the server must chain to, and the key and certificates to show.
    pub(crate) fn prepare(&self, site: &Site, identity: Option<&Identity>) -> Result<(), Failure> {
        let invalid = |because: &str| Failure::new(Reason::SiteInvalid, format!("roots_pem: {because}"));
        let mut anchors = Vec::new();
        for root in CertificateDer::pem_slice_iter(site.roots_pem.as_bytes()) {
            let root = root.map_err(|_| invalid("not PEM"))?;
            anchors.push(webpki::anchor_from_trusted_cert(&root).map_err(|_| invalid("not a CA's certificate"))?.to_owned());
        }
        let _ = self.pinned.anchors.set(anchors);
        if let Some(identity) = identity {
            let _ = self.shown.0.set(Arc::new(certified(identity)?));
        }
        Ok(())
    }
}

/// The certificate to show.
#[derive(Debug)]
struct Shown(OnceLock<Arc<CertifiedKey>>);

impl ResolvesClientCert for Shown {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.0.get().cloned()
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// The key with its certificates, if they go together.
fn certified(identity: &Identity) -> Result<CertifiedKey, Failure> {
    let invalid = |because: String| Failure::new(Reason::IdentityInvalid, format!("the host's key and certificate: {because}"));
    let key = KEYS.load_private_key(identity.key.clone_key()).map_err(|error| invalid(error.to_string()))?;
    if key.public_key().is_some_and(|key| !identity.is_over(&key)) {
        return Err(invalid("they do not go together".to_owned()));
    }
    Ok(CertifiedKey::new(identity.chain.clone(), key))
}

/// X25519, AES-128-GCM and ChaCha20-Poly1305; certificates of Ed25519 and ECDSA P-256.
fn narrow() -> CryptoProvider {
    use provider::cipher_suite::{TLS13_AES_128_GCM_SHA256, TLS13_CHACHA20_POLY1305_SHA256};
    CryptoProvider {
        cipher_suites: vec![TLS13_AES_128_GCM_SHA256, TLS13_CHACHA20_POLY1305_SHA256],
        kx_groups: vec![provider::kx_group::X25519],
        signature_verification_algorithms: ALGORITHMS,
        secure_random: &RANDOM,
        key_provider: &KEYS,
    }
}

static ALGORITHMS: WebPkiSupportedAlgorithms = WebPkiSupportedAlgorithms {
    all: &[webpki::ring::ED25519, webpki::ring::ECDSA_P256_SHA256],
    mapping: &[(SignatureScheme::ED25519, &[webpki::ring::ED25519]), (SignatureScheme::ECDSA_NISTP256_SHA256, &[webpki::ring::ECDSA_P256_SHA256])],
};
static RANDOM: Random = Random;
static KEYS: Keys = Keys;

#[derive(Debug)]
struct Random;

impl rustls::crypto::SecureRandom for Random {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), rustls::crypto::GetRandomFailed> {
        SystemRandom::new().fill(bytes).map_err(|_| rustls::crypto::GetRandomFailed)
    }
}

/// Loads the host's own key, PKCS#8: Ed25519 or ECDSA P-256.
#[derive(Debug)]
struct Keys;

impl KeyProvider for Keys {
    fn load_private_key(&self, key: PrivateKeyDer<'static>) -> Result<Arc<dyn SigningKey>, Error> {
        let PrivateKeyDer::Pkcs8(pkcs8) = &key else { return Err(Error::General("the private key is not PKCS#8".into())) };
        if let Ok(key) = provider::sign::any_eddsa_type(pkcs8) {
            return Ok(key);
        }
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8.secret_pkcs8_der(), &SystemRandom::new());
        let pair = pair.map_err(|_| Error::General("the private key is neither Ed25519 nor ECDSA P-256".into()))?;
        Ok(Arc::new(P256(Arc::new(pair))))
    }
}

/// An ECDSA P-256 key; rustls' own also brings P-384 along.
#[derive(Clone, Debug)]
struct P256(Arc<EcdsaKeyPair>);

impl SigningKey for P256 {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        offered.contains(&SignatureScheme::ECDSA_NISTP256_SHA256).then(|| Box::new(self.clone()) as Box<dyn Signer>)
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ECDSA
    }
}

impl Signer for P256 {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let signature = self.0.sign(&SystemRandom::new(), message).map_err(|_| Error::FailedToGetRandomBytes)?;
        Ok(signature.as_ref().to_vec())
    }

    fn scheme(&self) -> SignatureScheme {
        SignatureScheme::ECDSA_NISTP256_SHA256
    }
}

/// This host's clock; before 1970 it says 1970.
#[derive(Debug)]
struct Clock;

impl TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(crate::run::now()).unwrap_or(0))))
    }
}

/// The table's reason for a TLS error.
pub(crate) fn reason_of(error: &Error) -> Reason {
    match error {
        Error::InvalidCertificate(error) => certificate_reason(error),
        Error::AlertReceived(alert) => alert_reason(*alert),
        Error::InvalidMessage(InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion | InvalidMessage::MessageTooLarge) => {
            Reason::TlsNotTls
        }
        Error::General(_) | Error::FailedToGetRandomBytes => Reason::Internal,
        _ => Reason::TlsProtocol,
    }
}

fn certificate_reason(error: &CertificateError) -> Reason {
    match error {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => Reason::TlsUnknownAuthority,
        CertificateError::NotValidForName => Reason::TlsWrongName,
        CertificateError::ExpiredContext { .. } | CertificateError::NotValidYetContext { .. } => Reason::TlsCertificateExpired,
        _ => Reason::TlsCertificateInvalid,
    }
}

fn alert_reason(alert: AlertDescription) -> Reason {
    match alert {
        AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateRevoked
        | AlertDescription::CertificateExpired
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnknownCA
        | AlertDescription::AccessDenied
        // A signature that does not hold: from a server, that is this host's, or that of another CA of the same name.
        | AlertDescription::DecryptError
        | AlertDescription::CertificateRequired => Reason::TlsIdentityRefused,
        _ => Reason::TlsProtocol,
    }
}
