//! One host: how it is, what it ran, what it may have, and what was done to it.

use super::{Asked, find};
use crate::{
    api::{ControlPlane, now, reply},
    dashboard::{
        Content, act,
        act::Act,
        show::{self, Around, Sign, ago, date, page, sign},
    },
};
use askama::Template;
use hyper::{Response, StatusCode};
use serde_json::json;
use service::{
    fleet::{HostEvent, HostHistory},
    host::{Approval, Status},
};
use std::{collections::BTreeMap, sync::Arc};

const EVENTS_MAX: usize = 60;
const RECORDS_MAX: usize = 20;

#[derive(Template)]
#[template(path = "host.html")]
struct Host {
    around: Around,
    history: HostHistory,
    sign: Sign,
    seen: String,
    /// Whether its events could be read.
    told: bool,
    bars: Vec<Bar>,
    /// What was done; `None` where the audit log could not be read.
    records: Option<Vec<super::audit::Record>>,
    acts: Vec<&'static Act>,
    forgery: String,
}

/// How long a run took, beside the others.
struct Bar {
    x: i64,
    height: i64,
    failed: bool,
    title: String,
}

pub(super) async fn answer(plane: &Arc<ControlPlane>, asked: &Asked, name: &str) -> Response<Content> {
    let read = plane.history(name, EVENTS_MAX).await.inspect_err(|error| tracing::error!(event = "telemetry-unreadable", because = %error));
    let told = read.is_ok();
    // Where the database is away, what is in memory is shown.
    let history = read.unwrap_or_else(|_| tokio::task::block_in_place(|| plane.snapshot()).host(name, BTreeMap::new(), Vec::new()));
    let (Some(mut history), Some(known)) = (history, plane.registry.host(name)) else {
        let words = ["there is no such host", "no host of this name is on record", "look for it in the list of hosts"];
        return show::refused(asked, "/hosts", reply::refuse(StatusCode::NOT_FOUND, "host.unknown", words));
    };
    // What somebody has just done is seen at once, although the snapshot is from before.
    history.status = known.value.status.name().into();
    history.status_reason.clone_from(&known.value.status_reason);
    let is_out = matches!(known.value.status, Status::Quarantined | Status::Banned);
    let question = json!({"host": name, "limit": RECORDS_MAX});
    let records = find(plane, &asked.guest, "/v1/operators/audit/find", &question).await.ok().map(|found| super::audit::records(&found));
    let waits = known.value.approval == Approval::Waiting;
    let mut names = vec![if history.status == "active" { "quarantine" } else { "lift" }];
    names.extend(waits.then_some("approve"));
    let host = Host {
        around: Around::new("Host", "hosts", asked),
        sign: sign(if is_out { "quarantined" } else { &history.host.state }),
        seen: ago(history.host.seen, now()),
        told,
        bars: bars(&history.events),
        records,
        acts: act::allowed(&asked.guest, &names),
        forgery: asked.guest.forgery.clone(),
        history,
    };
    page(StatusCode::OK, &host)
}

/// The oldest run on the left.
fn bars(events: &[HostEvent]) -> Vec<Bar> {
    const HEIGHT: i64 = 48;
    let most = events.iter().map(|event| event.elapsed_ms).max().unwrap_or(0).max(1);
    let bar = |(place, event): (i64, &HostEvent)| Bar {
        x: place * 8,
        height: (event.elapsed_ms * HEIGHT / most).max(2),
        failed: event.outcome == "failed",
        title: format!("{}: {} ms, {}", date(event.at), event.elapsed_ms, event.code),
    };
    (0..).zip(events.iter().rev()).map(bar).collect()
}
