//! From a request to a page: who asks, what for, and what every answer is guarded with.

use super::{
    Content, act, asset, live, map,
    page::{self, Asked},
    session::{By, Guest},
    show,
};
use crate::api::{ControlPlane, Reply, Visitor, now, operators, reply};
use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode,
    body::Body,
    header::{self, HeaderValue},
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// A cookie that only this name and path over TLS can set (RFC 6265bis, section 4.1.3.2).
const COOKIE: &str = "__Host-pinnace";
const THEME: &str = "__Host-pinnace-theme";
const THEME_SECONDS: i64 = 365 * 86_400;

/// Nothing from elsewhere, nothing inline, in no frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; \
                      base-uri 'none'; frame-ancestors 'none'";
const GUARDS: [(&str, &str); 7] = [
    ("content-security-policy", POLICY),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), geolocation=(), microphone=()"),
];

/// Answers one request for a page, on a connection whose time is up then.
pub(crate) async fn answer<B>(
    plane: &Arc<ControlPlane>,
    visitor: &Visitor,
    request: Request<B>,
    patience: Duration,
    until: Instant,
) -> Response<Content>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let mut reply = route(plane, visitor, request, patience, until).await;
    let headers = reply.headers_mut();
    for (name, value) in GUARDS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    reply
}

async fn route<B>(plane: &Arc<ControlPlane>, visitor: &Visitor, request: Request<B>, patience: Duration, until: Instant) -> Response<Content>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let (path, query) = (request.uri().path().to_owned(), request.uri().query().unwrap_or_default().to_owned());
    let get = request.method() == Method::GET;
    if get && let Some(reply) = asset::answer(&path) {
        return reply;
    }
    let theme = cookie(request.headers(), THEME).unwrap_or_default().to_owned();
    let session = cookie(request.headers(), COOKIE).map(ToOwned::to_owned);
    if let Some(link) = path.strip_prefix("/login/") {
        let is_form = request.method() == Method::POST;
        return if is_form { open(plane, request.headers(), link, &theme).await } else { offer(plane, link, &theme) };
    }
    let guest = match guest(plane, visitor, session.as_deref(), by(request.headers())) {
        Ok(guest) => guest,
        Err(refusal) => return show::stranger(*refusal, &theme),
    };
    if !get {
        let asked = Asked::new(guest, &path, &query, &theme);
        return change(plane, request, patience, asked, session).await;
    }
    match path.as_str() {
        "/live" => watch(plane, &guest, session.filter(|_| guest.session), until),
        "/map/data" => map::data(plane, &query),
        "/map/hosts" => map::hosts(plane, &query),
        "/charts/failures" => super::charts::failures(plane, &guest, &query).await,
        _ => page::answer(plane, Asked::new(guest, &path, &query, &theme)).await,
    }
}

/// Who asks: by a certificate, or else by a session; nobody else sees anything.
fn guest(plane: &ControlPlane, visitor: &Visitor, session: Option<&str>, by: By) -> Result<Guest, Box<Reply>> {
    let by_session = || session.and_then(|session| plane.dashboard.sessions.guest(session, now(), by));
    let guest = match operators::identified(plane, visitor, now()) {
        Ok(operator) => plane.dashboard.sessions.certified(operator),
        Err(refusal) if visitor.certificate.is_some() && by_session().is_none() => return Err(not_let_in(refusal)),
        Err(_) => by_session(),
    };
    let words = ["you are not known here", "the browser shows no certificate of an operator, and no session", "pinnacectl dashboard"];
    let guest = guest.ok_or_else(|| Box::new(reply::refuse(StatusCode::UNAUTHORIZED, "operator.unknown", words)))?;
    operators::not_banned(plane, &guest.operator).map_err(not_let_in)?;
    Ok(guest)
}

fn not_let_in(refusal: Box<Reply>) -> Box<Reply> {
    reply::headed(refusal, "you are not let in")
}

/// Asks whoever follows a link to open it: what only looks at links ahead of people spends none.
fn offer(plane: &ControlPlane, link: &str, theme: &str) -> Response<Content> {
    show::login(plane.dashboard.sessions.is_link(link, now()), link, theme)
}

async fn open(plane: &Arc<ControlPlane>, headers: &HeaderMap, link: &str, theme: &str) -> Response<Content> {
    if is_foreign(headers) {
        return show::login(false, link, theme);
    }
    let Some((session, operator)) = plane.dashboard.sessions.open(link, now()) else { return show::login(false, link, theme) };
    let event = crate::store::audit::Event::new("dashboard-opened", now()).with("by", operator.to_string());
    if operators::not_banned(plane, &operator).is_err() || plane.change(event, Vec::new()).await.is_err() {
        plane.dashboard.sessions.close(&session);
        return show::login(false, link, theme);
    }
    with_cookie(see("/"), COOKIE, &session, None)
}

/// What is sent by a form: what it wants, and that it is a form of ours.
async fn change<B>(plane: &Arc<ControlPlane>, request: Request<B>, patience: Duration, asked: Asked, session: Option<String>) -> Response<Content>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    if request.method() != Method::POST {
        return show::refused(&asked, "/", reply::wrong_method());
    }
    let foreign = is_foreign(request.headers());
    let body = match operators::body(request, patience).await {
        Ok(body) => body,
        Err(refusal) => return show::refused(&asked, "/", *refusal),
    };
    let form = page::fields(&body);
    let back = act::back(&form);
    let brought = form.iter().find(|(name, _)| name == "forgery").map(|(_, value)| value.as_str()).unwrap_or_default();
    if foreign || aws_lc_rs::constant_time::verify_slices_are_equal(brought.as_bytes(), asked.guest.forgery.as_bytes()).is_err() {
        let words = ["it was not done", "the form is not one of this page", "load the page anew and try again"];
        return show::refused(&asked, back, reply::refuse(StatusCode::FORBIDDEN, "dashboard.forgery", words));
    }
    match asked.path.as_str() {
        "/logout" => {
            session.iter().for_each(|session| plane.dashboard.sessions.close(session));
            with_cookie(show::left(&asked.theme), COOKIE, "", Some(0))
        }
        "/theme" => {
            let theme = form.iter().find(|(name, _)| name == "theme").map(|(_, value)| value.as_str());
            let theme = theme.filter(|theme| ["light", "dark"].contains(theme)).unwrap_or("auto");
            with_cookie(see(back), THEME, theme, Some(THEME_SECONDS))
        }
        "/act" => match act::act(plane, &asked.guest, &form).await {
            Ok(()) => see(back),
            Err(refusal) => show::refused(&asked, back, *refusal),
        },
        _ => show::refused(&asked, back, reply::nothing_there()),
    }
}

fn watch(plane: &Arc<ControlPlane>, guest: &Guest, session: Option<String>, until: Instant) -> Response<Content> {
    let Some(live) = live::watch(plane, guest, session, until) else {
        let words = ["the page is not kept current", "too many pages are open", "load it anew by hand"];
        return reply::come_again("dashboard.busy", words).map(Content::Left);
    };
    let mut reply = Response::new(Content::Right(live));
    reply.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    reply
}

/// Whether a browser says that another site's page sends this (Fetch Metadata; RFC 6454, section 7).
fn is_foreign(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let site = text("sec-fetch-site").is_some_and(|site| site != "same-origin");
    let origin = text("origin").is_some_and(|origin| Some(origin) != text("host").map(|host| format!("https://{host}")).as_deref());
    site || origin
}

/// What a page's script fetches goes into no window (Fetch Metadata, section 2.1).
fn by(headers: &HeaderMap) -> By {
    if headers.get("sec-fetch-dest").is_some_and(|place| place != "document") { By::Script } else { By::Hand }
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    cookies.flat_map(|cookies| cookies.split(';')).find_map(|cookie| cookie.trim().strip_prefix(name)?.strip_prefix('='))
}

/// A cookie that no script reads and no other site's page brings along.
fn with_cookie(mut reply: Response<Content>, name: &str, value: &str, seconds: Option<i64>) -> Response<Content> {
    let age = seconds.map_or(String::new(), |seconds| format!("; Max-Age={seconds}"));
    if let Ok(cookie) = HeaderValue::from_str(&format!("{name}={value}; Path=/; Secure; HttpOnly; SameSite=Strict{age}")) {
        reply.headers_mut().append(header::SET_COOKIE, cookie);
    }
    reply
}

/// A 303 to a page of ours.
pub(super) fn see(place: &str) -> Response<Content> {
    let mut reply = Response::new(Content::Left(Full::default()));
    *reply.status_mut() = StatusCode::SEE_OTHER;
    reply.headers_mut().insert(header::LOCATION, HeaderValue::from_str(place).unwrap_or(HeaderValue::from_static("/")));
    reply
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_open_page_fetches_is_no_use_by_hand() {
        let by =
            |place: &str| by(&HeaderMap::from_iter([(header::HeaderName::from_static("sec-fetch-dest"), HeaderValue::from_str(place).unwrap())]));
        assert_eq!(["document", "empty", "iframe"].map(by), [By::Hand, By::Script, By::Script]);
        assert_eq!(super::by(&HeaderMap::new()), By::Hand, "a browser that does not say");
    }
}
