//! Who is served: asked on every request, also on a connection that has been open for long.

use super::{ControlPlane, Reply, Standing, Visitor, reply};
use crate::store::{Change, Kind, audit::Event};
use hyper::StatusCode;
use protocol::identity::HostId;
use service::{
    host::{Host, Labels},
    membership::{self, Refused, Seen, Shown},
};
use std::sync::Arc;

/// A host that is served.
pub(super) struct Guest {
    /// Who it is.
    pub(super) id: HostId,
    /// What policy knows it by.
    pub(super) labels: Labels,
    /// The certificate it came with.
    pub(super) shown: Shown,
}

/// Lets a visitor in who shows a valid certificate of ours and is not put out.
pub(super) fn admit(plane: &Arc<ControlPlane>, visitor: &Visitor, now: i64) -> Result<Guest, Box<Reply>> {
    let (id, shown) = identified(plane, visitor, now)?;
    let known = plane.registry.host(id.host());
    let host = known.as_ref().map(|known| known.value.as_ref());
    let Seen { record, event, served } = membership::see(host, shown, &plane.rules);
    let labels = host.map(|host| host.labels.clone()).unwrap_or_default();
    if let Some(record) = record {
        let change = change_of(&id, known.as_ref().map_or(0, |known| known.revision), &record);
        let event = Event::new(event.unwrap_or("key-in-use"), now).with("host", id.host()).with("key", shown.key.to_string());
        keep(Arc::clone(plane), id.clone(), event, change);
    }
    served.map_err(|refused| Box::new(put_out(&id, &refused)))?;
    Ok(Guest { id, labels, shown: shown.clone() })
}

/// Who shows a valid certificate of ours.
pub(super) fn identified<'a>(plane: &ControlPlane, visitor: &'a Visitor, now: i64) -> Result<(HostId, &'a Shown), Box<Reply>> {
    let unauthorized = |code, because, hint| Err(Box::new(unauthorized(code, because, hint)));
    let Some(certificate) = &visitor.certificate else {
        return unauthorized("identity.none", "the client showed no certificate", "enroll the host: pinnace enroll");
    };
    if visitor.revoked_authorities != plane.keys.load().revoked_authorities() {
        let words = ["the request was put off", "a CA was revoked since this connection was opened", "come again on a new connection"];
        return Err(Box::new(reply::closing(reply::come_again("identity.trust-changed", words))));
    }
    match certificate.standing_at(now) {
        Standing::Ours => (),
        Standing::Ended => {
            return unauthorized("identity.expired", "the client certificate has ended", "the host asks to come back by itself");
        }
        Standing::Foreign | Standing::Unknown => {
            return unauthorized("identity.unknown-authority", "the client certificate is of no CA of ours", "enroll the host: pinnace enroll");
        }
    }
    match &certificate.host {
        Err(because) => unauthorized("identity.unknown", because, "issue the host a new identity"),
        Ok(id) if id.trust_domain() != plane.trust_domain => {
            unauthorized("identity.unknown", "the client certificate is of another trust domain", "issue the host a new identity")
        }
        Ok(id) => Ok((id.clone(), &certificate.shown)),
    }
}

/// The change that keeps a host's record.
pub(super) fn change_of(id: &HostId, on: i64, record: &Host) -> Change {
    Change { kind: Kind::Host, name: id.host().into(), on, body: serde_json::to_string(record).ok() }
}

/// Nobody waits for it: what is seen again on the next request is kept then.
fn keep(plane: Arc<ControlPlane>, id: HostId, event: Event, change: Change) {
    tokio::spawn(async move {
        if let Err(because) = plane.change(event, vec![change]).await {
            tracing::info!(event = "not-kept", host = id.host(), ?because);
        }
    });
}

/// A refusal to somebody who is not known.
fn unauthorized(code: &str, because: &str, hint: &str) -> Reply {
    tracing::info!(event = "refused", code, because);
    reply::refuse(StatusCode::UNAUTHORIZED, code, ["this host is not known", because, hint])
}

/// A refusal to a host that is known and not served.
pub(super) fn put_out(id: &HostId, refused: &Refused) -> Reply {
    let (code, because) = match refused {
        Refused::Out(status) => (format!("identity.{}", status.name()), format!("{id} is {}", status.name())),
        _ => ("identity.unregistered".to_string(), format!("{id} is not on record")),
    };
    tracing::info!(event = "refused", code, host = id.host());
    let words = ["this host is not served", because.as_str(), "ask the control plane's operators"];
    reply::refuse(StatusCode::FORBIDDEN, &code, words)
}
