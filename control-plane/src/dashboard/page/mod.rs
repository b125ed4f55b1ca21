//! The pages, by their paths.

mod audit;
mod corner;
mod host;
mod hosts;
mod overview;
mod releases;
mod rollout;

pub(super) use rollout::Lane;

use super::{Content, session::Guest, show};
use crate::api::{ControlPlane, Reply, operators, reply};
use bytes::Bytes;
use hyper::{Method, Response};
use protocol::filter::{Filter, Wrong};
use serde_json::Value;
use std::sync::Arc;

/// One request for a page.
pub(super) struct Asked {
    pub(super) guest: Guest,
    pub(super) path: String,
    pub(super) theme: String,
    query: Vec<(String, String)>,
}

/// A filter as it was typed, and what it means.
struct Typed {
    text: String,
    filter: Filter,
    wrong: Option<Wrong>,
}

pub(super) async fn answer(plane: &Arc<ControlPlane>, asked: Asked) -> Response<Content> {
    match asked.path.as_str() {
        "/" => overview::answer(plane, &asked).await,
        "/hosts" => hosts::answer(plane, &asked),
        "/rollouts" => rollout::answer(plane, &asked).await,
        "/releases" => releases::answer(plane, &asked),
        "/audit" => audit::answer(plane, &asked).await,
        path => match path.strip_prefix("/hosts/") {
            Some(name) => host::answer(plane, &asked, &decoded(name, false)).await,
            None => show::refused(&asked, "/", reply::nothing_there()),
        },
    }
}

impl Asked {
    pub(super) fn new(guest: Guest, path: &str, query: &str, theme: &str) -> Self {
        let theme = if ["light", "dark"].contains(&theme) { theme } else { "auto" };
        Self { guest, path: path.into(), theme: theme.into(), query: fields(query.as_bytes()) }
    }

    /// What was asked under a name.
    pub(super) fn get(&self, name: &str) -> &str {
        self.query.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    /// The page's own path, with all that was asked.
    pub(super) fn here(&self) -> String {
        let pair = |(name, value): &(String, String)| format!("{}={}", show::escaped(name), show::escaped(value));
        let query = self.query.iter().map(pair).collect::<Vec<_>>().join("&");
        if query.is_empty() { self.path.clone() } else { format!("{}?{query}", self.path) }
    }

    fn filter(&self) -> Typed {
        let text = self.get("q").to_string();
        match Filter::parse(&text) {
            Ok(filter) => Typed { text, filter, wrong: None },
            Err(wrong) => Typed { text, filter: Filter::default(), wrong: Some(wrong) },
        }
    }
}

/// A GET of the operators' interface, as this guest may.
pub(super) async fn get(plane: &Arc<ControlPlane>, guest: &Guest, path: &str) -> Result<Value, Box<Reply>> {
    let body = operators::ask(plane, &guest.operator, &Method::GET, path, Bytes::new()).await?;
    Ok(serde_json::from_str(&body).unwrap_or_default())
}

/// A question with a body that changes nothing.
async fn find(plane: &Arc<ControlPlane>, guest: &Guest, path: &str, asked: &Value) -> Result<Value, Box<Reply>> {
    let body = operators::ask(plane, &guest.operator, &Method::POST, path, Bytes::from(asked.to_string())).await?;
    Ok(serde_json::from_str(&body).unwrap_or_default())
}

/// `application/x-www-form-urlencoded` (WHATWG URL, section 5.1).
pub(super) fn fields(text: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(text);
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(name, true), decoded(value, true))
    };
    text.split('&').filter(|pair| !pair.is_empty()).map(pair).collect()
}

fn decoded(text: &str, form: bool) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let mut hex = rest.clone();
        let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16)).and_then(|digit| u8::try_from(digit).ok());
        match byte {
            b'%' => match (digit(hex.next()), digit(hex.next())) {
                (Some(high), Some(low)) => {
                    bytes.push(high * 16 + low);
                    rest = hex;
                }
                _ => bytes.push(b'%'),
            },
            b'+' if form => bytes.push(b' '),
            byte => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_is_read_and_written_the_same() {
        let read = |text: &str| fields(text.as_bytes());
        let pair = |name: &str, value: &str| (name.to_string(), value.to_string());
        assert_eq!(read("q=os%3Drhel7+kernel%3C4&page=2&&x"), [pair("q", "os=rhel7 kernel<4"), pair("page", "2"), pair("x", "")]);
        assert_eq!(read("q=%&r=%4&s=%zz&t=%C3%A9"), [pair("q", "%"), pair("r", "%4"), pair("s", "%zz"), pair("t", "é")]);
        assert_eq!(decoded(&show::escaped("a+b c&d=\"<é"), true), "a+b c&d=\"<é");
    }
}
