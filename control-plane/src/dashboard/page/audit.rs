//! What was done and issued, by whom and why.

use super::{Asked, find};
use crate::{
    api::ControlPlane,
    dashboard::{
        Content,
        show::{self, Around, date, escaped, page},
    },
};
use askama::Template;
use hyper::{Response, StatusCode};
use serde_json::{Value, json};
use std::sync::Arc;

const RECORDS_MAX: usize = 200;

#[derive(Template)]
#[template(path = "audit.html")]
struct Audit {
    around: Around,
    records: Vec<Record>,
    host: String,
    event: String,
    since: String,
    spans: [(&'static str, String); 3],
}

/// One record, for people.
pub(super) struct Record {
    pub(super) at: String,
    pub(super) event: String,
    pub(super) by: String,
    pub(super) reason: String,
    pub(super) about: String,
}

pub(super) async fn answer(plane: &Arc<ControlPlane>, asked: &Asked) -> Response<Content> {
    let (host, event) = (asked.get("host").to_string(), asked.get("event").to_string());
    let since = ["1h", "24h", "7d"].into_iter().find(|since| *since == asked.get("since")).unwrap_or("24h");
    let seconds = match since {
        "1h" => 3_600,
        "24h" => 86_400,
        _ => 7 * 86_400,
    };
    let mut question = json!({"since": crate::api::now() - seconds, "limit": RECORDS_MAX});
    if let Some(members) = question.as_object_mut() {
        for (name, value) in [("host", &host), ("event", &event)].into_iter().filter(|(_, value)| !value.is_empty()) {
            members.insert(name.into(), value.as_str().into());
        }
    }
    let records = match find(plane, &asked.guest, "/v1/operators/audit/find", &question).await {
        Ok(found) => records(&found),
        Err(refusal) => return show::refused(asked, "/audit", *refusal),
    };
    let link = |since: &'static str| (since, format!("/audit?host={}&event={}&since={since}", escaped(&host), escaped(&event)));
    let spans = ["1h", "24h", "7d"].map(link);
    page(StatusCode::OK, &Audit { around: Around::new("Audit", "audit", asked), records, host, event, since: since.into(), spans })
}

/// Records as the interface tells them.
pub(super) fn records(found: &Value) -> Vec<Record> {
    found.get("records").and_then(Value::as_array).into_iter().flatten().map(record).collect()
}

fn record(record: &Value) -> Record {
    const SAID: [&str; 7] = ["writer", "number", "time", "event", "by", "reason", "hash"];
    let text = |name: &str| record.get(name).and_then(Value::as_str).unwrap_or_default().to_string();
    let by = text("by");
    let rest = record.as_object().into_iter().flatten().filter(|(name, _)| !SAID.contains(&name.as_str()));
    let rest = rest.map(|(name, value)| format!("{name}={}", value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)));
    Record {
        at: date(record.get("time").and_then(Value::as_i64).unwrap_or_default()),
        event: text("event"),
        by: by.rsplit_once("/operator/").map_or(by.as_str(), |(_, who)| who).to_string(),
        reason: text("reason"),
        about: rest.collect::<Vec<_>>().join(" "),
    }
}
