//! A certificate for a host: to come in, to stay in, to come back.

use super::{
    ControlPlane, Reply, Standing, Visitor, admission,
    credential::{unrecorded, waiting_aside},
    reply,
};
use crate::{
    issuers::{Unsigned, ca::BACKDATED_SECONDS},
    registry::Known,
    store::{Change, Kind, NotWritten, audit::Event},
};
use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use hyper::{StatusCode, header};
use protocol::{
    identity::HostId,
    membership::{Identity, PublicKey, Purpose, Request, proof_message},
};
use service::{
    host::{Fingerprint, Host},
    membership::{self, Enrolled, Refused, Shown, Voucher},
    token::{self, Token},
};
use std::sync::Arc;

/// How often a change is made again that somebody else has overtaken.
const TRIES: u32 = 4;
/// When a host that waits for an operator may ask again.
const WAITING_SECONDS: u16 = 300;

/// Answers the request for a certificate.
pub(super) async fn answer(plane: &Arc<ControlPlane>, visitor: &Visitor, purpose: Purpose, asked: &Request, now: i64) -> Result<Reply, Box<Reply>> {
    let id = HostId::new(&plane.trust_domain, &asked.host).ok_or_else(|| refuse(purpose, "the host's name is no name"))?;
    if !proved(visitor, purpose.name(), &asked.host, &asked.key, &asked.proof) {
        return Err(refuse(purpose, "the proof that the host holds the key does not hold"));
    }
    let starts = now.saturating_sub(BACKDATED_SECONDS);
    let ends = now.saturating_add(i64::from(plane.rules.certificate_hours) * 3600);
    let fresh = Shown { key: Fingerprint::of(&asked.key.spki()), starts, ends };
    let certificates = certificate(plane, &id, &asked.key, &fresh).map_err(|_| Box::new(unsigned()))?;
    for _ in 0..TRIES {
        let known = plane.registry.host(id.host());
        let Plan { event, changes } = plan(plane, visitor, purpose, (&id, asked), (known.as_ref(), &fresh), now)?;
        match plane.change(event, changes).await {
            Ok(()) => {
                plane.metrics.certified(purpose.name());
                tracing::info!(event = "certified", purpose = purpose.name(), host = id.host(), expires_at = ends);
                let identity = Identity { subject: id.to_string(), certificates, issued_at: now, expires_at: ends };
                return Ok(reply::json(identity.to_json()));
            }
            Err(NotWritten::Conflict) => plane.catch_up().await,
            Err(not_written) => return Err(Box::new(unrecorded(not_written))),
        }
    }
    Err(Box::new(unrecorded(NotWritten::Conflict)))
}

fn certificate(plane: &ControlPlane, id: &HostId, key: &PublicKey, fresh: &Shown) -> Result<String, Unsigned> {
    let keys = plane.keys.load();
    let ca = keys.ca()?;
    waiting_aside(ca.is_slow(), || ca.host(id, key, fresh.starts, fresh.ends))
}

/// Whether the host holds the key: its signature over what it asks for, bound to this connection.
pub(super) fn proved(visitor: &Visitor, purpose: &str, subject: &str, key: &PublicKey, proof: &[u8]) -> bool {
    let Some(binding) = &visitor.binding else { return false };
    let message = proof_message(purpose, subject, &protocol::hex_encode(&key.0), binding);
    UnparsedPublicKey::new(&ED25519, key.0).verify(message.as_bytes(), proof).is_ok()
}

/// What is to become of the records.
struct Plan {
    event: Event,
    changes: Vec<Change>,
}

fn plan(
    plane: &Arc<ControlPlane>,
    visitor: &Visitor,
    purpose: Purpose,
    (id, asked): (&HostId, &Request),
    (known, fresh): (Option<&Known<Host>>, &Shown),
    now: i64,
) -> Result<Plan, Box<Reply>> {
    let on = known.map_or(0, |known| known.revision);
    let host = known.map(|known| known.value.as_ref());
    let event = |what| Event::new(what, now).with("host", id.host()).with("key", fresh.key.to_string()).with("expires_at", fresh.ends);
    let one = |what, record: &Host| Plan { event: event(what), changes: vec![admission::change_of(id, on, record)] };
    match purpose {
        Purpose::Enroll => {
            let token = asked.token.as_deref().map(|text| token_of(plane, text)).transpose()?;
            let voucher = voucher(visitor, id, token.as_ref().map(|(_, known)| known.value.as_ref()), now)?;
            let enrolled = membership::enroll(id, host, &voucher, fresh, &plane.rules, now);
            let Enrolled { host: record, token: spent } = enrolled.map_err(|refused| refusal(purpose, id, &refused))?;
            let mut plan = one("enrolled", &record);
            if let (Some((name, known)), Some(spent)) = (token, spent) {
                plan.event = plan.event.with("token", name.as_str());
                plan.changes.push(Change { kind: Kind::Token, name, on: known.revision, body: serde_json::to_string(&spent).ok() });
            }
            Ok(plan)
        }
        Purpose::Renew => {
            let guest = admission::admit(plane, visitor, now)?;
            if guest.id != *id {
                return Err(refuse(purpose, "a host renews its own certificate and no other"));
            }
            // A host that was not on record is adopted as it comes; its renewal is the first thing that is kept.
            let adopted = membership::see(host, &guest.shown, &plane.rules).record;
            let host = adopted.as_ref().or(host).ok_or_else(|| refuse(purpose, "the host is not on record"))?;
            Ok(one("renewed", &membership::renew(host, &guest.shown, fresh)))
        }
        Purpose::Recover => {
            let certificate = visitor.certificate.as_ref().ok_or_else(|| refuse(purpose, "the client showed no certificate"))?;
            match membership::recover(host, &certificate.shown, fresh, &plane.rules) {
                Ok(record) => Ok(one("returned", &record)),
                Err(refused) => {
                    if let Refused::Waiting(record) = &refused
                        && host != Some(record)
                    {
                        let plane = Arc::clone(plane);
                        let Plan { event, changes } = one("return-waits", record);
                        tokio::spawn(async move { plane.change(event, changes).await });
                    }
                    Err(refusal(purpose, id, &refused))
                }
            }
        }
    }
}

fn token_of(plane: &ControlPlane, text: &str) -> Result<(String, Known<Token>), Box<Reply>> {
    let name = token::name_of(text);
    match plane.registry.token(&name) {
        Some(known) => Ok((name, known)),
        None => Err(invalid_token("no such token was made, or it was taken back")),
    }
}

/// What speaks for a host that wants to come in.
fn voucher<'a>(visitor: &Visitor, id: &HostId, token: Option<&'a Token>, now: i64) -> Result<Voucher<'a>, Box<Reply>> {
    if let Some(token) = token {
        return Ok(Voucher::Token(token));
    }
    match &visitor.certificate {
        Some(certificate) if certificate.standing_at(now) == Standing::Foreign => {
            let named = certificate.names.iter().any(|name| name == id.host() || name.split('.').next() == Some(id.host()));
            if named { Ok(Voucher::Certificate) } else { Err(refuse(Purpose::Enroll, "the certificate shown does not name this host")) }
        }
        _ => Ok(Voucher::Key),
    }
}

fn refusal(purpose: Purpose, id: &HostId, refused: &Refused) -> Box<Reply> {
    match refused {
        Refused::Out(_) | Refused::Unregistered => Box::new(admission::put_out(id, refused)),
        Refused::Token(because) => invalid_token(because),
        Refused::Taken => {
            let words =
                ["the host was not let in", "a host of this name has another key", "use a token for exactly this name, or evict the host first"];
            Box::new(reply::refuse(StatusCode::CONFLICT, "enroll.already-enrolled", words))
        }
        Refused::Unproven(because) | Refused::NotBack(because) => refuse(purpose, because),
        Refused::Waiting(_) => {
            let words = ["the host was not taken back yet", "its return waits for an operator", "pinnacectl hosts approve HOST"];
            let mut reply = reply::refuse(StatusCode::FORBIDDEN, "recovery.waiting", words);
            reply.headers_mut().insert(header::RETRY_AFTER, WAITING_SECONDS.into());
            Box::new(reply)
        }
    }
}

fn invalid_token(because: &str) -> Box<Reply> {
    tracing::info!(event = "refused", code = "enroll.token-invalid", because);
    let words = ["the host was not let in", because, "ask for a fresh token: pinnacectl token create"];
    Box::new(reply::refuse(StatusCode::FORBIDDEN, "enroll.token-invalid", words))
}

fn refuse(purpose: Purpose, because: &str) -> Box<Reply> {
    let (code, error) = match purpose {
        Purpose::Enroll => ("enroll.refused", "the host was not let in"),
        Purpose::Renew => ("renew.refused", "the certificate was not renewed"),
        Purpose::Recover => ("recovery.refused", "the host was not taken back"),
    };
    tracing::info!(event = "refused", code, because);
    Box::new(reply::refuse(StatusCode::FORBIDDEN, code, [error, because, "enroll the host again with a fresh token"]))
}

fn unsigned() -> Reply {
    reply::come_again("issuer.unsigned", ["the certificate was not issued", "the CA's key did not sign", "check the control plane's log"])
}
