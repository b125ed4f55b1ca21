//! The hosts: one key, and a certificate of each host's own.

use rcgen::{CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, Issuer, KeyPair, KeyUsagePurpose, SanType};
use rustls::{
    ClientConfig, RootCertStore, SignatureScheme,
    client::{ResolvesClientCert, Resumption, WebPkiServerVerifier},
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    sign::{CertifiedKey, SigningKey},
};
use std::{fs, path::Path, sync::Arc};
use time::{Duration, OffsetDateTime};

/// All that the hosts share, and their certificates.
pub(crate) struct Fleet {
    certificates: Vec<CertificateDer<'static>>,
    key: Arc<dyn SigningKey>,
    verifier: Arc<WebPkiServerVerifier>,
    provider: Arc<CryptoProvider>,
    /// The control plane's name.
    pub(crate) server: ServerName<'static>,
}

impl Fleet {
    /// Certificates for hosts `load-0` and on, by the CA in the trust domain's folder.
    pub(crate) fn make(domain: &Path, server: &str, hosts: u32) -> Result<Self, String> {
        let read = |name: &str| fs::read_to_string(domain.join(name)).map_err(|error| format!("{name}: {error}"));
        let (ca, ca_key) = (read("ca/ca.crt")?, read("ca/ca.key")?);
        let issuer = KeyPair::from_pem(&ca_key).and_then(|key| Issuer::from_ca_cert_pem(&ca, key)).map_err(|error| error.to_string())?;
        let trust_domain =
            read("pinnaced.toml")?.lines().find_map(|line| Some(line.strip_prefix("trust_domain = \"")?.split('"').next()?.to_string()));
        let trust_domain = trust_domain.ok_or("pinnaced.toml names no trust domain")?;
        let pair = KeyPair::generate_for(&rcgen::PKCS_ED25519).map_err(|error| error.to_string())?;
        let certificate = |number| certificate(&issuer, &pair, &trust_domain, number).map_err(|error| error.to_string());
        let certificates = (0..hosts).map(certificate).collect::<Result<_, _>>()?;
        let provider = Arc::new(CryptoProvider { kx_groups: vec![aws_lc_rs::kx_group::X25519], ..aws_lc_rs::default_provider() });
        let mut roots = RootCertStore::empty();
        let root = CertificateDer::from_pem_slice(ca.as_bytes()).map_err(|error| error.to_string())?;
        roots.add(root).map_err(|error| error.to_string())?;
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build();
        let key = PrivateKeyDer::try_from(pair.serialize_der()).map_err(str::to_string)?;
        Ok(Self {
            certificates,
            key: aws_lc_rs::sign::any_supported_type(&key).map_err(|error| error.to_string())?,
            verifier: verifier.map_err(|error| error.to_string())?,
            provider,
            server: ServerName::try_from(server.to_string()).map_err(|error| error.to_string())?,
        })
    }

    /// What host `number` connects with.
    pub(crate) fn config(&self, number: u32) -> Result<ClientConfig, String> {
        let certificate = usize::try_from(number).ok().and_then(|number| self.certificates.get(number)).ok_or("no such host")?;
        let shown = CertifiedKey::new(vec![certificate.clone()], Arc::clone(&self.key));
        let mut config = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|error| error.to_string())?
            .dangerous()
            .with_custom_certificate_verifier(Arc::<WebPkiServerVerifier>::clone(&self.verifier))
            .with_client_cert_resolver(Arc::new(Shown(Arc::new(shown))));
        config.resumption = Resumption::disabled();
        Ok(config)
    }
}

#[derive(Debug)]
struct Shown(Arc<CertifiedKey>);

impl ResolvesClientCert for Shown {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

fn certificate(issuer: &Issuer<'_, KeyPair>, key: &KeyPair, trust_domain: &str, number: u32) -> Result<CertificateDer<'static>, rcgen::Error> {
    let mut parameters = CertificateParams::default();
    let name = format!("load-{number}");
    parameters.distinguished_name = DistinguishedName::new();
    parameters.distinguished_name.push(DnType::CommonName, name.as_str());
    parameters.subject_alt_names = vec![SanType::URI(format!("spiffe://{trust_domain}/host/{name}").as_str().try_into()?)];
    parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let now = OffsetDateTime::now_utc();
    parameters.not_before = now - Duration::HOUR;
    parameters.not_after = now + Duration::days(30);
    parameters.signed_by(key, issuer).map(|certificate| certificate.der().clone())
}
