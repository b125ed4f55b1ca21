//! What hosts ask: a credential, or the signed time.

use super::{ControlPlane, Identity, Reply, Unidentified, now, reply};
use crate::{
    issuers::Unsigned,
    service::{self, Decision, Issue, Issued},
    store::NotRecorded,
};
use hyper::{Request, StatusCode};
use protocol::identity::{HostId, is_name};

enum Call {
    Credential(String),
    Time(String),
}

/// Answers one request on a connection whose client certificate TLS has verified.
pub(crate) async fn answer<B>(plane: &ControlPlane, identity: &Result<Identity, Unidentified>, request: &Request<B>) -> Reply {
    let call = match decode(request) {
        Ok(call) => call,
        Err(refusal) => return *refusal,
    };
    let now = now();
    let host = match identity.as_ref().map_err(|unidentified| *unidentified).and_then(|identity| identity.check(&plane.trust_domain, now)) {
        Ok(host) => host,
        Err(unidentified) => return unauthorized(unidentified),
    };
    let Ok(_turn) = plane.requests.try_acquire() else {
        let words = ["the request was put off", "as many requests as allowed are being answered", "come again after Retry-After"];
        return reply::come_again("overload.requests", words);
    };
    match call {
        Call::Credential(name) => credential(plane, host, &name, now).await,
        Call::Time(nonce) => reply::json(plane.time.answer(&nonce, now).to_json()),
    }
}

fn decode<B>(request: &Request<B>) -> Result<Call, Box<Reply>> {
    reply::check_form(request)?;
    let path = request.uri().path();
    if let Some(name) = path.strip_prefix("/v1/credentials/").filter(|name| is_name(name)) {
        return Ok(Call::Credential(name.into()));
    }
    if path != "/v1/time" {
        return Err(Box::new(reply::nothing_there()));
    }
    let nonce = request.uri().query().and_then(|query| query.split('&').find_map(|pair| pair.strip_prefix("nonce=")));
    match nonce.filter(|nonce| protocol::time::is_nonce(nonce)) {
        Some(nonce) => Ok(Call::Time(nonce.into())),
        None => {
            let words = ["the time was not signed", "there is no nonce of 16 to 64 hexadecimal characters", "send ?nonce=HEX"];
            Err(Box::new(reply::refuse(StatusCode::BAD_REQUEST, "request.nonce", words)))
        }
    }
}

/// Policy, signature, durable record, answer: in this order.
async fn credential(plane: &ControlPlane, host: &HostId, name: &str, now: i64) -> Reply {
    let issued = match decide_and_sign(plane, host, name, now) {
        Ok(issued) => issued,
        Err(refusal) => return *refusal,
    };
    if let Err(not_recorded) = plane.audit.record(issued.record).await {
        tracing::error!(event = "not-issued", host = %host, credential = name, because = ?not_recorded);
        return unrecorded(not_recorded);
    }
    plane.metrics.issued(name);
    tracing::debug!(event = "issued", host = %host, credential = name);
    reply::json(issued.answer.to_json())
}

fn decide_and_sign(plane: &ControlPlane, host: &HostId, name: &str, now: i64) -> Result<Issued, Box<Reply>> {
    let policy = plane.policy.load();
    let grant = match policy.decide(host, name) {
        Decision::Granted(grant) => grant,
        Decision::Denied => return Err(Box::new(denied(host, name))),
        Decision::Unknown => return Err(Box::new(unknown(host, name))),
    };
    let id = random_name().ok_or_else(|| Box::new(unsigned(host, name)))?;
    let asked = Issue { host, credential: name, issuer: &plane.issuer, id, now };
    service::issue(grant, asked, plane.signer.as_ref()).map_err(|Unsigned| Box::new(unsigned(host, name)))
}

/// 128 bits of chance.
fn random_name() -> Option<String> {
    let mut bytes = [0_u8; 16];
    aws_lc_rs::rand::fill(&mut bytes).ok().map(|()| protocol::hex_encode(&bytes))
}

fn unauthorized(unidentified: Unidentified) -> Reply {
    tracing::info!(event = "refused", code = "identity.unknown", because = unidentified.because());
    let words = ["this host is not known", unidentified.because(), "issue the host a new identity"];
    reply::refuse(StatusCode::UNAUTHORIZED, "identity.unknown", words)
}

fn denied(host: &HostId, name: &str) -> Reply {
    tracing::info!(event = "refused", code = "policy.denied", host = %host, credential = name);
    let because = format!("no rule of the policy lets {host} have {name}");
    reply::refuse(
        StatusCode::FORBIDDEN,
        "policy.denied",
        ["the credential is not for this host", &because, "add the host to the credential's policy"],
    )
}

fn unknown(host: &HostId, name: &str) -> Reply {
    tracing::info!(event = "refused", code = "policy.unknown-credential", host = %host, credential = name);
    let because = format!("the policy holds no credential {name}");
    let words = ["there is no such credential", because.as_str(), "check the credential's name in the site and in the policy"];
    reply::refuse(StatusCode::NOT_FOUND, "policy.unknown-credential", words)
}

fn unsigned(host: &HostId, name: &str) -> Reply {
    tracing::error!(event = "not-issued", host = %host, credential = name, because = "the signing key did not sign");
    reply::come_again("issuer.unsigned", ["the credential was not issued", "the signing key did not sign", "check the control plane's log"])
}

fn unrecorded(not_recorded: NotRecorded) -> Reply {
    let because = match not_recorded {
        NotRecorded::Full => "too many audit records wait to be written",
        NotRecorded::Failed => "the audit record could not be written",
        NotRecorded::Late => "the audit record was not written in time",
    };
    reply::come_again("audit.unavailable", ["the credential was not issued", because, "check the disk of the control plane's database"])
}
