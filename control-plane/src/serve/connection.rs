//! One connection from its handshake to its end; every stage has a time limit.

use super::{
    accept::Door,
    farewell::{Farewell, Last},
};
use crate::{
    api::{self, ControlPlane, Visitor},
    config::Limits,
    dashboard::{self, Content},
    tls::Configs,
};
use hyper::{HeaderMap, Request, Response, body::Incoming, header, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use protocol::{
    membership::{BINDING_BYTES, BINDING_LABEL},
    refusal::Refusal,
};
use rustls::ServerConfig;
use std::{
    convert::Infallible,
    net::SocketAddr,
    pin::pin,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::watch,
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

const HEADERS_MAX: usize = 64;
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// Who came in where, and what bounds the visit.
pub(super) struct Guest {
    /// The listener.
    pub(super) door: Door,
    /// The other end.
    pub(super) peer: SocketAddr,
    /// What bounds each stage.
    pub(super) limits: Limits,
    /// Turns true when connections should come to an end.
    pub(super) closing: watch::Receiver<bool>,
}

/// What a request is answered from, beside the request.
#[derive(Clone, Copy)]
struct Desk<'a> {
    door: Door,
    plane: &'a Arc<ControlPlane>,
    visitor: &'a Visitor,
    patience: Duration,
    last: Option<&'a Last>,
    /// When the connection's time is up.
    until: Instant,
}

/// Serves one connection to its end.
pub(super) async fn serve(guest: Guest, stream: TcpStream, plane: &Arc<ControlPlane>, configs: &Configs) {
    let (door, until) = (guest.door, Instant::now() + guest.limits.connection());
    let _open = plane.metrics.connection(door.name());
    let config = match door {
        Door::Hosts => &configs.hosts,
        Door::Operators => &configs.operators,
        Door::Public => &configs.public,
        Door::Admin => {
            let desk = Desk { door, plane, visitor: &Visitor::default(), patience: guest.limits.header(), last: None, until };
            return converse(guest, stream, desk).await;
        }
    };
    let (stream, last) = Farewell::new(stream);
    let Some(stream) = shake_hands(&guest, stream, plane, config).await else { return };
    let visitor = identify(&stream, configs);
    let desk = Desk { door, plane, visitor: &visitor, patience: guest.limits.header(), last: Some(&last), until };
    converse(guest, stream, desk).await;
}

async fn answer(desk: Desk<'_>, request: Request<Incoming>) -> Result<Response<Content>, Infallible> {
    let close = |headers: &HeaderMap| headers.get(header::CONNECTION).is_some_and(|value| value == "close");
    let (asked_to_close, started) = (close(request.headers()), Instant::now());
    let mut reply = match desk.door {
        Door::Hosts => api::hosts::answer(desk.plane, desk.visitor, request, desk.patience).await.map(Content::Left),
        Door::Operators if dashboard::is_page(request.uri().path()) => {
            dashboard::answer(desk.plane, desk.visitor, request, desk.patience, desk.until).await
        }
        Door::Operators => api::operators::answer(desk.plane, desk.visitor, request, desk.patience).await.map(Content::Left),
        Door::Public => api::public::answer(desk.plane, &request).map(Content::Left),
        Door::Admin => api::admin::answer(desk.plane, &request).map(Content::Left),
    };
    if desk.door == Door::Hosts && desk.plane.is_draining() {
        reply = api::closing(reply);
    }
    if let Some(last) = desk.last {
        last.store(asked_to_close || close(reply.headers()), Ordering::Relaxed);
    }
    let code = reply.extensions().get().map(|refusal: &Refusal| refusal.code.as_str());
    desk.plane.metrics.answered(desk.door.name(), reply.status().as_u16(), code, started.elapsed());
    Ok(reply)
}

async fn shake_hands(guest: &Guest, stream: Farewell, plane: &ControlPlane, config: &Arc<ServerConfig>) -> Option<TlsStream<Farewell>> {
    let handshake = TlsAcceptor::from(Arc::clone(config)).accept(stream);
    let (cause, because) = match timeout(guest.limits.handshake(), handshake).await {
        Ok(Ok(stream)) => return Some(stream),
        Ok(Err(error)) => ("refused", error.to_string()),
        Err(_) => ("timeout", "it did not end in time".to_string()),
    };
    plane.metrics.handshake_failed(guest.door.name(), cause);
    tracing::info!(event = "handshake-failed", listener = guest.door.name(), peer = %guest.peer, because);
    None
}

fn identify(stream: &TlsStream<Farewell>, configs: &Configs) -> Visitor {
    let connection = stream.get_ref().1;
    let chain = connection.peer_certificates().unwrap_or_default();
    let certificate = configs.guard.judge(chain, api::now());
    let binding = connection.export_keying_material([0; BINDING_BYTES], BINDING_LABEL.as_bytes(), None).ok();
    Visitor { certificate, binding, revoked_authorities: configs.revoked_authorities }
}

/// HTTP/1.1 until either side ends it, the connection's time is up, or the process drains; then what is under way may finish.
async fn converse<Io>(guest: Guest, stream: Io, desk: Desk<'_>)
where
    Io: AsyncRead + AsyncWrite + Unpin,
{
    let Guest { door, limits, mut closing, .. } = guest;
    let service = service_fn(move |request| answer(desk, request));
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(limits.header()).max_headers(HEADERS_MAX).max_buf_size(HEAD_BYTES_MAX);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let to_the_end = door == Door::Admin;
    tokio::select! {
        // How a client leaves is its own affair.
        _ = connection.as_mut() => return,
        () = tokio::time::sleep(limits.connection()) => (),
        _ = closing.wait_for(|closing| *closing && !to_the_end) => (),
    }
    connection.as_mut().graceful_shutdown();
    let _ = timeout(limits.header() + limits.audit(), connection).await;
}
