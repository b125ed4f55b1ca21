//! TLS: what both TLS listeners speak, and the certificates they show and ask for.
//!
//! Hosts and other clients may come with TLS 1.2 or 1.3; key exchange prefers the post-quantum hybrid. No session is ever
//! resumed: a revoked or expired identity has no ticket to come back with.

mod browser;
mod guard;

use crate::{
    config::Files,
    failure::{Code, Failure},
    files,
    issuers::Ring,
};
use arc_swap::ArcSwap;
pub(crate) use guard::Guard;
use rustls::{
    RootCertStore, ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::CertificateDer,
    server::NoServerSessionStorage,
};
use std::{path::Path, sync::Arc};
use x509_parser::extensions::GeneralName;

/// What the two TLS listeners use for new connections; replaced whole by a reload.
pub(crate) struct Configs {
    /// Asks for a client certificate.
    pub(crate) hosts: Arc<ServerConfig>,
    /// The same, with what browsers understand for those that understand nothing else.
    pub(crate) operators: Arc<ServerConfig>,
    /// Judges those certificates.
    pub(crate) guard: Arc<Guard>,
    /// Asks for none.
    pub(crate) public: Arc<ServerConfig>,
    /// How many CAs were revoked when this was made.
    pub(crate) revoked_authorities: usize,
    /// When the server certificate ends, seconds since 1970.
    pub(crate) certificate_ends: i64,
    /// The DNS names in the server certificate.
    pub(crate) names: Vec<String>,
}

/// Where connections find the newest [`Configs`].
pub(crate) type Current = ArcSwap<Configs>;

impl Configs {
    /// From the files as they are, and the CAs on record.
    pub(crate) fn load(files: &Files, keys: &Ring) -> Result<Self, Failure> {
        let provider = Arc::new(provider());
        let chain = files::certificates(&files.server_certificate)?;
        let guard = Arc::new(guard(files, keys, &provider)?);
        let certificate_ends = chain.first().and_then(end).unwrap_or(0);
        let names = chain.first().map(names).unwrap_or_default();
        let hosts = server_config(files, &provider, chain.clone(), Some(Arc::clone(&guard)))?;
        let public = server_config(files, &provider, chain, None)?;
        let operators = browser::beside(&hosts, files, &provider)?;
        let revoked_authorities = keys.revoked_authorities();
        let (hosts, operators, public) = (Arc::new(hosts), Arc::new(operators), Arc::new(public));
        Ok(Self { hosts, operators, guard, public, revoked_authorities, certificate_ends, names })
    }
}

/// What is spoken, by servers and by clients here.
pub(crate) fn provider() -> CryptoProvider {
    use aws_lc_rs::kx_group::{SECP256R1, SECP384R1, X25519, X25519MLKEM768};
    CryptoProvider { kx_groups: vec![X25519MLKEM768, X25519, SECP256R1, SECP384R1], ..aws_lc_rs::default_provider() }
}

/// A CA on record is trusted as its record says, and one that only the file names as long as the file does.
fn guard(files: &Files, keys: &Ring, provider: &Arc<CryptoProvider>) -> Result<Guard, Failure> {
    let known = |certificate: &CertificateDer<'_>| keys.trusted().iter().chain(keys.distrusted()).any(|known| known == certificate);
    let named = files::certificates(&files.client_roots)?.into_iter().filter(|certificate| !known(certificate));
    let ours = roots(named.chain(keys.trusted().iter().cloned()), &files.client_roots)?;
    let foreign =
        files.enroll_roots.as_ref().map_or_else(|| Ok(RootCertStore::empty()), |path| roots(files::certificates(path)?.into_iter(), path))?;
    Guard::new(ours, foreign, provider).map_err(|error| {
        Failure::new(Code::CertificateUnusable, "cannot check client certificates", error, "client_roots and enroll_roots must hold CA certificates")
    })
}

/// A store of certificates that a file named.
pub(crate) fn roots(certificates: impl Iterator<Item = CertificateDer<'static>>, path: &Path) -> Result<RootCertStore, Failure> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots.add(certificate).map_err(|error| {
            Failure::new(Code::CertificateUnusable, format!("cannot use {}", path.display()), error, "it must hold CA certificates")
        })?;
    }
    Ok(roots)
}

fn server_config(
    files: &Files,
    provider: &Arc<CryptoProvider>,
    chain: Vec<CertificateDer<'static>>,
    guard: Option<Arc<Guard>>,
) -> Result<ServerConfig, Failure> {
    let unusable = |error: rustls::Error| {
        Failure::new(
            Code::CertificateUnusable,
            format!("cannot use {}", files.server_certificate.display()),
            error,
            "certificate and key must belong together",
        )
    };
    let builder = ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(unusable)?;
    let builder = match guard {
        Some(guard) => builder.with_client_cert_verifier(guard),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_single_cert(chain, files::private_key(&files.server_key)?).map_err(unusable)?;
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn names(certificate: &CertificateDer<'_>) -> Vec<String> {
    let Ok((_, certificate)) = x509_parser::parse_x509_certificate(certificate) else { return Vec::new() };
    let Ok(Some(names)) = certificate.subject_alternative_name() else { return Vec::new() };
    let dns = |name: &GeneralName<'_>| if let GeneralName::DNSName(name) = name { Some((*name).to_string()) } else { None };
    names.value.general_names.iter().filter_map(dns).collect()
}

/// When a certificate ends, seconds since 1970.
pub(crate) fn end(certificate: &CertificateDer<'_>) -> Option<i64> {
    let (_, certificate) = x509_parser::parse_x509_certificate(certificate).ok()?;
    Some(certificate.validity().not_after.timestamp())
}
