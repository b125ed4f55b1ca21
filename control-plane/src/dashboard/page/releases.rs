//! What the fleet runs, and which keys sign.

use super::Asked;
use crate::{
    api::{ControlPlane, now},
    dashboard::{
        Content, charts,
        charts::Bar,
        show::{Around, ago, date, page},
    },
};
use askama::Template;
use hyper::{Response, StatusCode};
use protocol::filter::Filter;
use service::keys::Key;
use std::sync::Arc;

#[derive(Template)]
#[template(path = "releases.html")]
struct Releases {
    around: Around,
    generations: Vec<Bar>,
    offered: Vec<File>,
    keys: Vec<Line>,
    clients: Vec<Bar>,
}

struct File {
    path: String,
    length: u64,
    sha256: String,
}

struct Line {
    id: String,
    purpose: String,
    algorithm: String,
    state: String,
    since: String,
    until: String,
    reason: String,
}

pub(super) fn answer(plane: &Arc<ControlPlane>, asked: &Asked) -> Response<Content> {
    let snapshot = tokio::task::block_in_place(|| plane.snapshot());
    let status = tokio::task::block_in_place(|| snapshot.status(&Filter::default()));
    let offered = plane.offered.load();
    let file = |file: &crate::releases::TargetFile| File { path: file.path.clone(), length: file.length, sha256: protocol::hex_encode(&file.sha256) };
    let ring = plane.keys.load();
    let releases = Releases {
        around: Around::new("Releases and keys", "releases", asked),
        generations: charts::groups(&status.generations),
        offered: offered.files.iter().map(file).collect(),
        keys: ring.keys().iter().map(|(id, key)| line(id, key)).collect(),
        clients: certificates(plane),
    };
    page(StatusCode::OK, &releases)
}

fn line(id: &str, key: &Key) -> Line {
    // The same words as in the store.
    let words = serde_json::to_value(key).unwrap_or_default();
    let word = |name: &str| words.get(name).and_then(serde_json::Value::as_str).unwrap_or_default().to_string();
    Line {
        id: id.into(),
        purpose: word("use"),
        algorithm: word("algorithm"),
        state: word("state"),
        since: ago(key.activated_at.unwrap_or(key.prepared_at), now()),
        until: key.published_until.map_or_else(String::new, date),
        reason: key.reason.clone(),
    }
}

/// When the certificates of hosts end: what a new CA has still to reach.
fn certificates(plane: &ControlPlane) -> Vec<Bar> {
    const SPANS: [(&str, i64); 5] =
        [("ended", 0), ("within a day", 86_400), ("within a week", 7 * 86_400), ("within 30 days", 30 * 86_400), ("later", i64::MAX)];
    let now = now();
    let mut counts = [0_usize; SPANS.len()];
    for (_, known) in plane.registry.hosts() {
        let left = known.value.certificate_ends - now;
        let place = SPANS.iter().position(|(_, most)| left <= *most).filter(|_| known.value.certificate_ends > 0);
        if let Some(count) = place.and_then(|place| counts.get_mut(place)) {
            *count += 1;
        }
    }
    charts::bars(SPANS.iter().zip(counts).map(|((word, _), hosts)| ((*word).to_string(), hosts, String::new())).collect())
}
