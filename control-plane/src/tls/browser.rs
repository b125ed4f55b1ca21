//! A certificate for browsers, beside the one that everybody else is shown.
//!
//! The trust domain's CA signs with Ed25519, which no browser takes in a certificate (it is in none of their lists of signature
//! schemes, RFC 8446 section 4.2.3). Whoever offers it is shown the server's certificate; whoever does not, the browsers'.

use crate::{
    config::Files,
    failure::{Code, Failure},
    files,
};
use rustls::{
    ServerConfig, SignatureScheme,
    crypto::CryptoProvider,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use std::sync::Arc;

/// Shows one of two.
#[derive(Debug)]
struct Either {
    usual: Arc<dyn ResolvesServerCert>,
    browsers: Arc<CertifiedKey>,
}

impl ResolvesServerCert for Either {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        if hello.signature_schemes().contains(&SignatureScheme::ED25519) { self.usual.resolve(hello) } else { Some(Arc::clone(&self.browsers)) }
    }
}

/// The configuration with a certificate for browsers beside its own; the same where there is none.
pub(super) fn beside(config: &ServerConfig, files: &Files, provider: &CryptoProvider) -> Result<ServerConfig, Failure> {
    let mut config = config.clone();
    if files.browser_certificate.exists() {
        let chain = files::certificates(&files.browser_certificate)?;
        let key = CertifiedKey::from_der(chain, files::private_key(&files.browser_key)?, provider).map_err(|error| {
            Failure::new(
                Code::CertificateUnusable,
                format!("cannot use {}", files.browser_certificate.display()),
                error,
                "certificate and key must belong together",
            )
        })?;
        config.cert_resolver = Arc::new(Either { usual: config.cert_resolver, browsers: Arc::new(key) });
    }
    Ok(config)
}
