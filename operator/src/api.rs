//! Asking the control plane, over mutual TLS, trusting its CA and nothing else.

use crate::{context::Context, failure::Failure};
use rustls::crypto::aws_lc_rs;
use serde_json::Value;
use std::{fs, sync::Arc, time::Duration};
use ureq::{
    Agent,
    tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, TlsProvider, parse_pem},
};

const PATIENCE: Duration = Duration::from_secs(60);
const ANSWER_BYTES_MAX: u64 = 64 << 20;

/// A way to one control plane.
pub(crate) struct Api {
    agent: Agent,
    server: String,
}

impl Api {
    /// For a context.
    pub(crate) fn new(context: &Context) -> Result<Self, Failure> {
        let failed = |because: String| Failure::new("context.unusable", "cannot use the context", because, "check its files");
        let read = |path: &std::path::Path| fs::read(path).map_err(|cause| failed(format!("{}: {cause}", path.display())));
        let roots = certificates(&read(&context.ca)?).map_err(&failed)?;
        let identity = read(&context.identity)?;
        let key = PrivateKey::from_pem(&identity).map_err(|cause| failed(format!("{}: {cause}", context.identity.display())))?;
        let tls = TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .unversioned_rustls_crypto_provider(Arc::new(aws_lc_rs::default_provider()))
            .root_certs(RootCerts::Specific(Arc::new(roots)))
            .client_cert(Some(ClientCert::new_with_certs(&certificates(&identity).map_err(&failed)?, key)))
            .build();
        // Neither a proxy of the environment nor a redirect leads anywhere else than the context says.
        let config = Agent::config_builder().tls_config(tls).https_only(true).proxy(None).max_redirects(0).http_status_as_error(false);
        let agent = config.timeout_global(Some(PATIENCE)).build().new_agent();
        Ok(Self { agent, server: context.server.clone() })
    }

    /// Host and port of the operators' listener.
    pub(crate) fn server(&self) -> &str {
        &self.server
    }

    /// A GET below `/v1/operators/`.
    pub(crate) fn get(&self, path: &str) -> Result<Value, Failure> {
        self.answer(self.agent.get(self.url(path)).call())
    }

    /// A POST below `/v1/operators/`.
    pub(crate) fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        self.answer(self.agent.post(self.url(path)).header("Content-Type", "application/json").send(body.to_string()))
    }

    fn url(&self, path: &str) -> String {
        format!("https://{}/v1/operators/{path}", self.server)
    }

    fn answer(&self, answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Result<Value, Failure> {
        let failed = |because: String| {
            let hint = "check the context's server, the network, and that pinnaced listens for operators there";
            Failure::new("api.unreachable", format!("cannot ask {}", self.server), because, hint)
        };
        let mut answer = answer.map_err(|cause| failed(cause.to_string()))?;
        let text = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string().map_err(|cause| failed(cause.to_string()))?;
        if answer.status().is_success() {
            return serde_json::from_str(&text).map_err(|cause| failed(format!("its answer is not JSON: {cause}")));
        }
        let refusal = protocol::refusal::Refusal::from_json(text.as_bytes());
        let refusal = refusal.ok_or_else(|| failed(format!("it answered {} and not as pinnaced does", answer.status())))?;
        Err(Failure::new(refusal.code, refusal.error, refusal.because, refusal.hint))
    }
}

fn certificates(pem: &[u8]) -> Result<Vec<Certificate<'static>>, String> {
    let items = parse_pem(pem).filter_map(|item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(Ok(certificate)),
        Ok(_) => None,
        Err(error) => Some(Err(error.to_string())),
    });
    items.collect()
}
