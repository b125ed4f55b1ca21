//! What buttons do: each is a question to the operators' interface, with a reason.

use super::session::Guest;
use crate::api::{ControlPlane, Reply, operators, reply};
use bytes::Bytes;
use hyper::{Method, StatusCode};
use serde_json::{Value, json};
use std::sync::Arc;

/// A button.
pub(super) struct Act {
    pub(super) name: &'static str,
    pub(super) path: &'static str,
    pub(super) label: &'static str,
    /// What it comes to, for whoever is about to press it.
    pub(super) about: &'static str,
    /// The action, where it is one on a host.
    action: Option<&'static str>,
}

const HOSTS: &str = "/v1/operators/hosts/change";

pub(super) const ACTS: [Act; 7] = [
    button("pause", "/v1/operators/rollout/pause", "Pause", "No further wave is let out until it is resumed.", None),
    button("resume", "/v1/operators/rollout/resume", "Resume", "The rollout goes its way again.", None),
    button("promote", "/v1/operators/rollout/promote", "Promote", "The next wave is let out without waiting for what it waits for.", None),
    button("pull", "/v1/operators/rollout/pull", "Pull", "Every host that has the release leaves it. There is no way back.", None),
    button("quarantine", HOSTS, "Quarantine", "The host is served nothing until the quarantine is lifted.", Some("quarantine")),
    button("lift", HOSTS, "Lift", "The host is served again.", Some("lift")),
    button("approve", HOSTS, "Approve return", "The host may come back once, with the certificate that has ended.", Some("approve")),
];

const fn button(name: &'static str, path: &'static str, label: &'static str, about: &'static str, action: Option<&'static str>) -> Act {
    Act { name, path, label, about, action }
}

/// The buttons of these names that this guest may press.
pub(super) fn allowed(guest: &Guest, names: &[&str]) -> Vec<&'static Act> {
    ACTS.iter().filter(|act| names.contains(&act.name) && operators::may(guest.operator.role, act.path)).collect()
}

/// Does what a form asks for; the interface checks the role and the reason, and writes both to the audit log.
pub(super) async fn act(plane: &Arc<ControlPlane>, guest: &Guest, form: &[(String, String)]) -> Result<(), Box<Reply>> {
    let field = |name: &str| form.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str()).unwrap_or_default();
    let act = ACTS.iter().find(|act| act.name == field("act")).ok_or_else(|| {
        let words = ["it was not done", "there is no such button", "load the page anew and try again"];
        Box::new(reply::refuse(StatusCode::BAD_REQUEST, "request.invalid", words))
    })?;
    let mut asked = json!({"reason": field("reason")});
    if let (Some(action), Some(members)) = (act.action, asked.as_object_mut()) {
        members.insert("action".into(), action.into());
        members.insert("names".into(), Value::Array(vec![field("host").into()]));
    }
    operators::ask(plane, &guest.operator, &Method::POST, act.path, Bytes::from(asked.to_string())).await.map(drop)
}

/// Where a form came from, if that is a page of ours.
pub(super) fn back(form: &[(String, String)]) -> &str {
    let back = form.iter().find(|(name, _)| name == "back").map_or("/", |(_, value)| value.as_str());
    let ours = back.starts_with('/') && !back.starts_with("//") && back.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if ours { back } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_form_leads_elsewhere() {
        let back = |text: &str| back(&[("back".to_string(), text.to_string())]).to_string();
        assert_eq!(back("/hosts?q=a%3Db"), "/hosts?q=a%3Db");
        for text in ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "/a\r\nSet-Cookie: a=b", ""] {
            assert_eq!(back(text), "/", "{text}");
        }
    }
}
