//! What everybody may read: discovery and the public keys.

use super::{ControlPlane, Reply, reply};
use crate::issuers::jwt;
use hyper::Request;

/// Answers one request.
pub(crate) fn answer<B>(plane: &ControlPlane, request: &Request<B>) -> Reply {
    if let Err(refusal) = reply::check_form(request) {
        return *refusal;
    }
    match request.uri().path() {
        "/.well-known/openid-configuration" => reply::document(jwt::discovery(&plane.issuer, &plane.signers.all())),
        "/.well-known/jwks.json" => reply::document(jwt::key_set(&plane.signers.all())),
        _ => reply::nothing_there(),
    }
}
