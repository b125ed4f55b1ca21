//! Probes and metrics, for the machine's own operators.

use super::{ControlPlane, Reply, reply};
use crate::store::Standing;
use hyper::{Request, StatusCode};

const TEXT: &str = "text/plain; charset=utf-8";
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Answers one request.
pub(crate) fn answer<B>(plane: &ControlPlane, request: &Request<B>) -> Reply {
    if let Err(refusal) = reply::check_form(request) {
        return *refusal;
    }
    match request.uri().path() {
        "/livez" => reply::text(StatusCode::OK, TEXT, "alive\n".into()),
        "/readyz" if plane.is_draining() => reply::text(StatusCode::SERVICE_UNAVAILABLE, TEXT, "draining\n".into()),
        "/readyz" => match plane.log.standing() {
            Standing::Ready => reply::text(StatusCode::OK, TEXT, "ready\n".into()),
            Standing::Spooling(seconds) => reply::text(StatusCode::OK, TEXT, format!("ready (spooling for {seconds} s)\n")),
            Standing::Closed => reply::text(StatusCode::SERVICE_UNAVAILABLE, TEXT, "the database is away\n".into()),
        },
        "/metrics" => reply::text(StatusCode::OK, METRICS, tokio::task::block_in_place(|| plane.measured())),
        _ => reply::nothing_there(),
    }
}
