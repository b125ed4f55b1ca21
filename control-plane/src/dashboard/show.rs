//! Templates, and what they are filled with everywhere.

use super::{Content, asset, page::Asked};
use crate::api::{Reply, now};
use askama::Template;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{
    Response, StatusCode,
    header::{self, HeaderValue},
};
use protocol::{refusal::Refusal, time::span};

/// What is around every page.
pub(super) struct Around {
    pub(super) title: &'static str,
    pub(super) theme: String,
    /// Who looks; `None` for a stranger.
    pub(super) who: Option<Who>,
    /// The page's own path with what was asked, to come back to.
    pub(super) here: String,
    pub(super) section: &'static str,
    /// When the fleet was looked at.
    pub(super) at: String,
}

/// Who looks.
pub(super) struct Who {
    pub(super) name: String,
    pub(super) role: &'static str,
    pub(super) forgery: String,
    pub(super) session: bool,
}

impl Around {
    pub(super) fn new(title: &'static str, section: &'static str, asked: &Asked) -> Self {
        let guest = &asked.guest;
        let who = Who { name: guest.operator.name.clone(), role: guest.operator.role.name(), forgery: guest.forgery.clone(), session: guest.session };
        Self { title, theme: asked.theme.clone(), who: Some(who), here: asked.here(), section, at: clock(now()) }
    }

    fn stranger(title: &'static str, theme: &str) -> Self {
        Self { title, theme: theme.into(), who: None, here: "/".into(), section: "", at: clock(now()) }
    }

    pub(super) fn asset(&self, name: &str) -> &'static str {
        asset::path(name)
    }
}

#[derive(Template)]
#[template(path = "refused.html")]
struct Refused {
    around: Around,
    refusal: Refusal,
    login: bool,
}

#[derive(Template)]
#[template(path = "login.html")]
struct Login<'a> {
    around: Around,
    link: Option<&'a str>,
}

/// A page.
pub(super) fn page(status: StatusCode, template: &impl Template) -> Response<Content> {
    let (status, text) = match template.render() {
        Ok(text) => (status, text),
        Err(error) => {
            tracing::error!(event = "page-failed", because = %error);
            (StatusCode::INTERNAL_SERVER_ERROR, "the page cannot be made".into())
        }
    };
    let mut reply = Response::new(Content::Left(Full::new(Bytes::from(text))));
    *reply.status_mut() = status;
    reply.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    reply
}

/// Data for a script of ours.
pub(super) fn data(value: &serde_json::Value) -> Response<Content> {
    crate::api::reply::json(value.to_string()).map(Content::Left)
}

/// A refusal, in its own words, and the page to go on from.
pub(super) fn refused(asked: &Asked, back: &str, reply: Reply) -> Response<Content> {
    let around = Around { here: back.into(), ..Around::new("Not done", "", asked) };
    let status = reply.status();
    page(status, &Refused { around, refusal: words(reply), login: false })
}

/// Who is not known sees how to come in, and nothing else.
pub(super) fn stranger(reply: Reply, theme: &str) -> Response<Content> {
    let status = reply.status();
    page(status, &Refused { around: Around::stranger("Not signed in", theme), refusal: words(reply), login: true })
}

/// What a link leads to.
pub(super) fn login(is_link: bool, link: &str, theme: &str) -> Response<Content> {
    let status = if is_link { StatusCode::OK } else { StatusCode::GONE };
    page(status, &Login { around: Around::stranger("Sign in", theme), link: is_link.then_some(link) })
}

/// A session has ended.
pub(super) fn left(theme: &str) -> Response<Content> {
    let refusal = Refusal {
        code: "dashboard.signed-out".into(),
        error: "you are signed out".into(),
        because: "you asked for it".into(),
        hint: "pinnacectl dashboard".into(),
    };
    page(StatusCode::OK, &Refused { around: Around::stranger("Signed out", theme), refusal, login: true })
}

fn words(reply: Reply) -> Refusal {
    let unknown = || Refusal { code: "unknown".into(), error: "it was not done".into(), because: String::new(), hint: String::new() };
    let body = whole(reply.into_body());
    Refusal::from_json(&body).unwrap_or_else(unknown)
}

/// A body that is all there already.
fn whole(body: Full<Bytes>) -> Bytes {
    use std::{
        pin::pin,
        task::{Context, Poll, Waker},
    };
    match pin!(body.collect()).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(body)) => body.to_bytes(),
        Poll::Ready(Err(never)) => match never {},
        Poll::Pending => Bytes::new(),
    }
}

/// `12:30:05 UTC`.
pub(super) fn clock(at: i64) -> String {
    let day = at.rem_euclid(86_400);
    format!("{:02}:{:02}:{:02} UTC", day / 3_600, day / 60 % 60, day % 60)
}

/// `2026-08-01 12:30`, or a dash for never.
pub(super) fn date(at: impl Number<i64>) -> String {
    let at = at.number();
    match time::OffsetDateTime::from_unix_timestamp(at) {
        Ok(time) if at > 0 => {
            format!("{}-{:02}-{:02} {:02}:{:02}", time.year(), u8::from(time.month()), time.day(), time.hour(), time.minute())
        }
        _ => "–".into(),
    }
}

/// `3 min ago`, `in 2 h`.
pub(super) fn ago(at: impl Number<i64>, now: impl Number<i64>) -> String {
    let (at, now) = (at.number(), now.number());
    if at <= 0 {
        return "never".into();
    }
    let seconds = now.saturating_sub(at);
    let span = span(seconds.saturating_abs());
    if seconds >= 0 { format!("{span} ago") } else { format!("in {span}") }
}

/// With a thin space between thousands.
pub(super) fn count(number: impl Number<usize>) -> String {
    let digits = number.number().to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place) % 3 == 0 {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// A share in percent: two digits where it is small.
#[expect(clippy::cast_precision_loss, reason = "no fleet has that many hosts")]
pub(super) fn percent(part: impl Number<usize>, whole: impl Number<usize>) -> String {
    let (part, whole) = (part.number(), whole.number());
    let share = if whole == 0 { 0.0 } else { part as f64 * 100.0 / whole as f64 };
    if part > 0 && share < 1.0 { format!("{share:.2} %") } else { format!("{share:.1} %") }
}

/// For a query in a URL (RFC 3986, section 2.3: what is not unreserved is escaped).
pub(super) fn escaped(text: &str) -> String {
    let escape = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(escape).collect()
}

/// A state's word and a sign that differs from the others in shape, for those who do not tell colours apart.
#[derive(Clone, Copy)]
pub(super) struct Sign {
    pub(super) word: &'static str,
    pub(super) shape: &'static str,
}

/// Of a state.
pub(super) fn sign(state: &str) -> Sign {
    const SIGNS: [(&str, &str); 6] = [("healthy", "●"), ("failing", "▲"), ("silent", "○"), ("missing", "✕"), ("quarantined", "■"), ("updating", "◆")];
    let (word, shape) = SIGNS.into_iter().find(|(word, _)| *word == state).unwrap_or(("unknown", "?"));
    Sign { word, shape }
}

/// How many times as much: no more digits than mean something.
pub(super) fn times(lift: impl Number<f64>) -> String {
    let lift = lift.number();
    if lift >= 10.0 { format!("{lift:.0}×") } else { format!("{lift:.1}×") }
}

/// A fact as a filter.
pub(super) fn term(name: &str, value: &str) -> String {
    format!("{name}={}", protocol::filter::quoted(value))
}

/// A label as a filter.
pub(super) fn label(name: &str, value: &str) -> String {
    format!("label.{name}={}", protocol::filter::quoted(value))
}

/// A number as templates pass it: by value, or behind references.
pub(super) trait Number<T> {
    fn number(&self) -> T;
}

impl Number<i64> for i64 {
    fn number(&self) -> i64 {
        *self
    }
}

impl Number<usize> for usize {
    fn number(&self) -> usize {
        *self
    }
}

impl Number<f64> for f64 {
    fn number(&self) -> f64 {
        *self
    }
}

impl<T, N: Number<T>> Number<T> for &N {
    fn number(&self) -> T {
        (**self).number()
    }
}
