//! Answers as HTTP has them.

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode,
    header::{self, HeaderValue},
};
use protocol::refusal::Refusal;

/// One answer; its length is always said.
pub(crate) type Reply = Response<Full<Bytes>>;

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// A 200 that no cache may keep.
pub(crate) fn json(body: String) -> Reply {
    let mut reply = typed(StatusCode::OK, JSON, body);
    reply.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}

/// A 200 that caches may keep for so long.
pub(crate) fn document(body: String, cache_seconds: u32) -> Reply {
    let max_age = HeaderValue::from_str(&format!("public, max-age={cache_seconds}")).unwrap_or(HeaderValue::from_static("no-cache"));
    let mut reply = typed(StatusCode::OK, JSON, body);
    reply.headers_mut().insert(header::CACHE_CONTROL, max_age);
    reply
}

/// A 304: what the host holds is still to be held.
pub(crate) fn hold() -> Reply {
    let mut reply = Response::new(Full::default());
    *reply.status_mut() = StatusCode::NOT_MODIFIED;
    reply
}

/// Plain words.
pub(crate) fn text(status: StatusCode, content_type: &'static str, body: String) -> Reply {
    typed(status, HeaderValue::from_static(content_type), body)
}

/// Any status but 200, in words; what it says stands beside the answer too.
pub(crate) fn refuse(status: StatusCode, code: &str, [error, because, hint]: [&str; 3]) -> Reply {
    let refusal = Refusal { code: code.into(), error: error.into(), because: because.into(), hint: hint.into() };
    let mut reply = typed(status, JSON, refusal.to_json());
    reply.extensions_mut().insert(refusal);
    reply.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}

/// The same refusal of something else.
pub(crate) fn headed(mut reply: Box<Reply>, error: &str) -> Box<Reply> {
    if let Some(refusal) = reply.extensions_mut().get_mut::<Refusal>() {
        refusal.error = error.into();
        *reply.body_mut() = Full::from(refusal.to_json());
    }
    reply
}

/// A 503 that says when to come again: 1 to 8 seconds.
pub(crate) fn come_again(code: &str, words: [&str; 3]) -> Reply {
    come_again_within(code, words, 8)
}

/// A 503 that says when to come again: 1 to `spread` seconds, at random, so that those sent away do not come back together.
pub(crate) fn come_again_within(code: &str, words: [&str; 3], spread: u64) -> Reply {
    let mut chance = [0; 8];
    // Without chance all wait one second.
    let _ = aws_lc_rs::rand::fill(&mut chance);
    let seconds = u64::from_le_bytes(chance) % spread.max(1) + 1;
    let mut reply = refuse(StatusCode::SERVICE_UNAVAILABLE, code, words);
    reply.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    reply
}

/// A 429: whoever asks has had its share, and comes again after so many seconds.
pub(crate) fn too_many(code: &str, words: [&str; 3], seconds: u64) -> Reply {
    let mut reply = refuse(StatusCode::TOO_MANY_REQUESTS, code, words);
    reply.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    reply
}

/// There is nothing there.
pub(crate) fn nothing_there() -> Reply {
    refuse(
        StatusCode::NOT_FOUND,
        "request.unknown-path",
        ["there is nothing at this path", "the control plane serves no such path", "check the path"],
    )
}

/// There is something there, for another method.
pub(crate) fn wrong_method() -> Reply {
    let words = ["the request was refused", "this method is not served here", "see the protocol"];
    closing(refuse(StatusCode::METHOD_NOT_ALLOWED, "request.method", words))
}

/// Refuses every request that is not a GET without a body.
pub(crate) fn check_form<B>(request: &Request<B>) -> Result<(), Box<Reply>> {
    if request.method() != Method::GET {
        let mut reply = wrong_method();
        reply.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET"));
        return Err(Box::new(reply));
    }
    if has_body(request.headers()) {
        let words = ["the request was refused", "it announces a body, and none is read here", "send a GET without a body"];
        return Err(Box::new(closing(refuse(StatusCode::PAYLOAD_TOO_LARGE, "request.body", words))));
    }
    Ok(())
}

fn has_body(headers: &HeaderMap) -> bool {
    headers.contains_key(header::TRANSFER_ENCODING) || headers.get(header::CONTENT_LENGTH).is_some_and(|length| length != "0")
}

/// The connection ends with this answer, so that no body is ever waited for.
pub(crate) fn closing<B>(mut reply: Response<B>) -> Response<B> {
    reply.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    reply
}

fn typed(status: StatusCode, content_type: HeaderValue, body: String) -> Reply {
    let mut reply = Response::new(Full::new(Bytes::from(body)));
    *reply.status_mut() = status;
    reply.headers_mut().insert(header::CONTENT_TYPE, content_type);
    reply
}
