//! What hosts ask: a credential, the signed time, who they are, a certificate.

use super::{
    ControlPlane, Reply, Visitor, admission,
    credential::{self, Wanted},
    events, membership, now, releases, reply,
    room::{STRANGERS, SentAway},
};
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::{Method, Request, StatusCode, body::Body};
use protocol::{
    identity::is_name,
    membership::{KeyRequest, Purpose, Whoami},
};
use std::{sync::Arc, time::Duration};

const BODY_BYTES_MAX: usize = 4096;

enum Call {
    Credential(String),
    KeyCredential(String),
    Time(String),
    Whoami,
    Identity(Purpose),
    Release(releases::Question),
    Events,
}

/// Answers one request of a visitor.
pub(crate) async fn answer<B>(plane: &Arc<ControlPlane>, visitor: &Visitor, request: Request<B>, patience: Duration) -> Reply
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let call = match decode(&request) {
        Ok(call) => call,
        Err(refusal) => return *refusal,
    };
    let now = now();
    if matches!(call, Call::Events) {
        let report = body(request, patience, events::BODY_BYTES_MAX, |bytes| Some(bytes.to_vec()));
        return events::answer(plane, visitor, report, now).await.unwrap_or_else(|refusal| *refusal);
    }
    let who = visitor.name(now).unwrap_or(STRANGERS);
    let issued = number(&request, "pinnace-issued");
    let _guest = match plane.room.enter(who, number(&request, "pinnace-held").unwrap_or(0).unsigned_abs()).await {
        Ok(guest) => guest,
        Err(SentAway { spread_seconds }) => {
            plane.metrics.sent_away();
            let words = ["the request was put off", "more requests came than can be answered in time", "come again after Retry-After"];
            return reply::come_again_within("overload.requests", words, spread_seconds);
        }
    };
    let answered = match call {
        Call::Events => Err(Box::new(reply::nothing_there())),
        Call::Release(question) => releases::answer(plane, visitor, question, now).await,
        Call::Time(nonce) => time(plane, &nonce, now),
        Call::Whoami => whoami(plane, visitor, now),
        Call::Credential(name) => credential::answer(plane, visitor, Wanted { name: &name, key: None, issued }, now).await,
        Call::KeyCredential(name) => match body(request, patience, BODY_BYTES_MAX, KeyRequest::from_json).await {
            Ok(asked) => credential::answer(plane, visitor, Wanted { name: &name, key: Some(asked), issued }, now).await,
            Err(refusal) => Err(refusal),
        },
        Call::Identity(purpose) => match body(request, patience, BODY_BYTES_MAX, protocol::membership::Request::from_json).await {
            Ok(asked) => membership::answer(plane, visitor, purpose, &asked, now).await,
            Err(refusal) => Err(refusal),
        },
    };
    answered.unwrap_or_else(|refusal| *refusal)
}

fn decode<B>(request: &Request<B>) -> Result<Call, Box<Reply>> {
    let path = request.uri().path();
    let credential = path.strip_prefix("/v1/credentials/").filter(|name| is_name(name));
    if request.method() == Method::POST {
        if let Some(name) = credential {
            return Ok(Call::KeyCredential(name.into()));
        }
        if path == events::PATH {
            return Ok(Call::Events);
        }
        if let Some(purpose) = Purpose::ALL.into_iter().find(|purpose| purpose.path() == path) {
            return Ok(Call::Identity(purpose));
        }
    }
    reply::check_form(request)?;
    match (credential, path) {
        (Some(name), _) => Ok(Call::Credential(name.into())),
        (None, "/v1/whoami") => Ok(Call::Whoami),
        (None, "/v1/time") => nonce(request).map(Call::Time),
        _ => releases::decode(request).map(Call::Release).ok_or_else(|| Box::new(reply::nothing_there())),
    }
}

/// What the host says of the credential it holds: for how many seconds more it is good (`Pinnace-Held`), which decides nothing but who
/// goes first; and when it was issued (`Pinnace-Issued`), where the host wants another only if it should have one.
fn number<B>(request: &Request<B>, header: &str) -> Option<i64> {
    let text = request.headers().get(header)?.to_str().ok()?;
    text.parse().ok().filter(|number| *number >= 0)
}

fn time(plane: &ControlPlane, nonce: &str, now: i64) -> Result<Reply, Box<Reply>> {
    let answer = plane.keys.load().time().and_then(|key| key.answer(nonce, now));
    let words = ["the time was not signed", "there is no key for it", "check the control plane's log"];
    answer.map(|answer| reply::json(answer.to_json())).map_err(|_| Box::new(reply::come_again("issuer.unsigned", words)))
}

fn nonce<B>(request: &Request<B>) -> Result<String, Box<Reply>> {
    let nonce = request.uri().query().and_then(|query| query.split('&').find_map(|pair| pair.strip_prefix("nonce=")));
    nonce.filter(|nonce| protocol::time::is_nonce(nonce)).map(ToOwned::to_owned).ok_or_else(|| {
        let words = ["the time was not signed", "there is no nonce of 16 to 64 hexadecimal characters", "send ?nonce=HEX"];
        Box::new(reply::refuse(StatusCode::BAD_REQUEST, "request.nonce", words))
    })
}

/// Reads a body of at most so many bytes within `patience`.
async fn body<B, T>(request: Request<B>, patience: Duration, bytes_max: usize, parse: fn(&[u8]) -> Option<T>) -> Result<T, Box<Reply>>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let refused = |because| {
        let words = ["the request was refused", because, "send what the protocol describes"];
        Box::new(reply::closing(reply::refuse(StatusCode::BAD_REQUEST, "request.body", words)))
    };
    let read = tokio::time::timeout(patience, Limited::new(request.into_body(), bytes_max).collect()).await;
    let bytes = read.map_err(|_| refused("its body did not come in time"))?.map_err(|_| refused("its body is too long or was cut"))?.to_bytes();
    parse(&bytes).ok_or_else(|| refused("its body does not have the form of the protocol"))
}

fn whoami(plane: &Arc<ControlPlane>, visitor: &Visitor, now: i64) -> Result<Reply, Box<Reply>> {
    let (id, shown) = admission::identified(plane, visitor, now)?;
    let known = plane.registry.host(id.host());
    let status = known.as_ref().map_or("unregistered", |known| known.value.status.name());
    let labels = known.map(|known| known.value.labels.clone()).unwrap_or_default();
    let credentials = if matches!(status, "active" | "unregistered") { plane.policy.load().granted(&id, &labels) } else { Vec::new() };
    let whoami = Whoami {
        subject: id.to_string(),
        status: status.into(),
        labels: labels.into_iter().collect(),
        credentials,
        certificate_expires_at: shown.ends,
        time: now,
    };
    Ok(reply::json(whoami.to_json()))
}
