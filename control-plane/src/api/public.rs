//! What everybody may read: discovery and the public keys.

use super::{ControlPlane, Reply, reply};
use crate::issuers::{Ring, jwt};
use hyper::Request;
use service::{Policy, keys::Algorithm};

/// Answers one request.
pub(crate) fn answer<B>(plane: &ControlPlane, request: &Request<B>) -> Reply {
    if let Err(refusal) = reply::check_form(request) {
        return *refusal;
    }
    let documents = documents(&plane.issuer, &plane.keys.load(), &plane.policy.load());
    let document = documents.into_iter().find(|(path, _)| *path == request.uri().path());
    document.map_or_else(reply::nothing_there, |(_, text)| reply::document(text, plane.key_rules.cache_seconds))
}

/// Every document with its path, as it may also lie in a bucket.
pub(crate) fn documents(issuer: &str, keys: &Ring, policy: &Policy) -> [(&'static str, String); 2] {
    let used = [Algorithm::Es256, Algorithm::Rs256].into_iter().filter(|algorithm| policy.uses(*algorithm)).collect::<Vec<_>>();
    // The member is required, so an issuer without tokens names the usual algorithm.
    let algorithms = if used.is_empty() { &[Algorithm::Es256] } else { used.as_slice() };
    [("/.well-known/openid-configuration", jwt::discovery(issuer, algorithms)), ("/.well-known/jwks.json", keys.key_set().to_string())]
}
