//! TLS: what both TLS listeners speak, and the certificates they show and ask for.
//!
//! Hosts and other clients may come with TLS 1.2 or 1.3; key exchange prefers the post-quantum hybrid. No session is ever
//! resumed: a revoked or expired identity has no ticket to come back with.

mod known;

use crate::{config::Files, failure::Failure, files};
use arc_swap::ArcSwap;
use known::Known;
pub(crate) use known::Whom;
use rustls::{
    RootCertStore, ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::CertificateDer,
    server::{NoServerSessionStorage, WebPkiClientVerifier, danger::ClientCertVerifier},
};
use std::{ops::RangeInclusive, sync::Arc};

/// What the two TLS listeners use for new connections; replaced whole by a reload.
pub(crate) struct Configs {
    /// Asks for a client certificate and takes none but this trust domain's.
    pub(crate) hosts: Arc<ServerConfig>,
    /// Asks for none.
    pub(crate) public: Arc<ServerConfig>,
    /// When the server certificate ends, seconds since 1970.
    pub(crate) certificate_ends: i64,
    known: Arc<Known>,
}

/// Where connections find the newest [`Configs`].
pub(crate) type Current = ArcSwap<Configs>;

impl Configs {
    /// From the files as they are.
    pub(crate) fn load(files: &Files) -> Result<Self, Failure> {
        let provider = Arc::new(provider());
        let chain = files::certificates(&files.server_certificate)?;
        let known = Arc::new(Known::new(client_verifier(files, &provider)?));
        let certificate_ends = chain.first().and_then(validity).map_or(0, |valid| *valid.end());
        let hosts = server_config(files, &provider, chain.clone(), Some(Arc::clone(&known) as Arc<dyn ClientCertVerifier>))?;
        let public = server_config(files, &provider, chain, None)?;
        Ok(Self { hosts: Arc::new(hosts), public: Arc::new(public), certificate_ends, known })
    }

    /// Whom a client certificate identifies that the hosts' listener has verified.
    pub(crate) fn whom(&self, leaf: &CertificateDer<'_>) -> Whom {
        self.known.whom(leaf)
    }
}

fn provider() -> CryptoProvider {
    use aws_lc_rs::kx_group::{SECP256R1, SECP384R1, X25519, X25519MLKEM768};
    CryptoProvider { kx_groups: vec![X25519MLKEM768, X25519, SECP256R1, SECP384R1], ..aws_lc_rs::default_provider() }
}

fn client_verifier(files: &Files, provider: &Arc<CryptoProvider>) -> Result<Arc<dyn ClientCertVerifier>, Failure> {
    let unusable = |error: String| Failure::new(format!("cannot use {}", files.client_roots.display()), error, "it must hold CA certificates");
    let mut roots = RootCertStore::empty();
    for certificate in files::certificates(&files.client_roots)? {
        roots.add(certificate).map_err(|error| unusable(error.to_string()))?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
    let verifier = builder.build().map_err(|error| unusable(error.to_string()))?;
    Ok(verifier)
}

fn server_config(
    files: &Files,
    provider: &Arc<CryptoProvider>,
    chain: Vec<CertificateDer<'static>>,
    verifier: Option<Arc<dyn ClientCertVerifier>>,
) -> Result<ServerConfig, Failure> {
    let unusable = |error: rustls::Error| {
        Failure::new(format!("cannot use {}", files.server_certificate.display()), error, "certificate and key must belong together")
    };
    let builder = ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(unusable)?;
    let builder = match verifier {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_single_cert(chain, files::private_key(&files.server_key)?).map_err(unusable)?;
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// From when to when a certificate is valid, seconds since 1970.
fn validity(certificate: &CertificateDer<'_>) -> Option<RangeInclusive<i64>> {
    let (_, certificate) = x509_parser::parse_x509_certificate(certificate).ok()?;
    let validity = certificate.validity();
    Some(validity.not_before.timestamp()..=validity.not_after.timestamp())
}
