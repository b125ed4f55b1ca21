//! What charts are drawn from; every one of them can be read as a table too.

use super::{Content, page, page::Asked, session::Guest, show};
use crate::{
    api::{ControlPlane, now},
    dashboard::page::Lane,
};
use hyper::Response;
use protocol::time::span;
use serde_json::json;
use service::fleet::{FleetStatus, Group, Series, Slice};
use std::sync::Arc;

/// What can be looked back at: its word, and its seconds.
const RANGES: [(&str, i64); 4] = [("1h", 3_600), ("6h", 21_600), ("24h", 86_400), ("7d", 604_800)];
const POINTS: i64 = 120;
/// The length of the longest bar.
pub(super) const BAR: usize = 100;

/// One bar, which may lead to a list.
pub(super) struct Bar {
    pub(super) word: String,
    pub(super) hosts: usize,
    pub(super) width: usize,
    pub(super) link: String,
}

/// How often runs failed.
pub(super) struct Failures {
    pub(super) range: &'static str,
    pub(super) ranges: Vec<&'static str>,
    pub(super) runs: usize,
    pub(super) failed: usize,
    /// For those who see no chart: when, runs, failures, and their share.
    pub(super) rows: Vec<(String, usize, usize, String)>,
    /// Whether the counts could be read.
    pub(super) told: bool,
    pub(super) marks: Vec<(i64, String)>,
    series: Option<Series>,
}

/// The data of the chart.
pub(super) async fn failures(plane: &Arc<ControlPlane>, guest: &Guest, query: &str) -> Response<Content> {
    let asked = Asked::new(guest.clone(), "/", query, "");
    let lane = page::get(plane, guest, "/v1/operators/rollout").await.ok().and_then(|told| Lane::of(&told, guest));
    let found = failure_counts(plane, asked.get("range"), lane.as_ref()).await;
    let points = found.series.iter().flat_map(|series| &series.points);
    let at: Vec<i64> = points.clone().map(|point| point.at).collect();
    // Where nothing ran, nothing failed and nothing succeeded.
    let rate: Vec<Option<f64>> = points.clone().map(|point| (point.runs > 0).then_some(point.failure_rate * 100.0)).collect();
    let runs: Vec<i64> = points.map(|point| point.runs).collect();
    let marks: Vec<_> = found.marks.iter().map(|(at, word)| json!({"at": at, "word": word})).collect();
    show::data(&json!({"at": at, "rate": rate, "runs": runs, "marks": marks}))
}

/// Counts over a range, and what the rollout did meanwhile.
pub(super) async fn failure_counts(plane: &ControlPlane, range: &str, lane: Option<&Lane>) -> Failures {
    let (range, seconds) = RANGES.into_iter().find(|(word, _)| *word == range).unwrap_or(("24h", 86_400));
    let series = plane.series(Slice::default(), seconds, seconds / POINTS).await;
    let series = series.inspect_err(|error| tracing::error!(event = "telemetry-unreadable", because = %error)).ok();
    let from = now() - seconds;
    let number = |number: i64| usize::try_from(number).unwrap_or(0);
    let points = || series.iter().flat_map(|series| &series.points);
    let (runs, failed) = (points().map(|point| point.runs).sum(), points().map(|point| point.failed).sum());
    let told = series.iter().flat_map(|series| series.points.chunks(10)).map(|points| {
        let (runs, failed) = (points.iter().map(|point| point.runs).sum(), points.iter().map(|point| point.failed).sum());
        let (runs, failed) = (number(runs), number(failed));
        (show::date(points.first().map_or(0, |point| point.at)), runs, failed, show::percent(failed, runs))
    });
    Failures {
        range,
        ranges: RANGES.iter().map(|(word, _)| *word).collect(),
        runs: number(runs),
        failed: number(failed),
        rows: told.filter(|(_, runs, ..)| *runs > 0).collect(),
        told: series.is_some(),
        marks: lane.map(|lane| lane.marks()).unwrap_or_default().into_iter().filter(|(at, _)| *at >= from).collect(),
        series,
    }
}

/// Bars of a group each.
pub(super) fn groups(groups: &[Group]) -> Vec<Bar> {
    let link = |group: &Group| format!("/hosts?q={}", show::escaped(&group.filter));
    bars(groups.iter().map(|group| (group.word.clone(), group.hosts, link(group))).collect())
}

/// Bars, the longest of which fills the room.
pub(super) fn bars(values: Vec<(String, usize, String)>) -> Vec<Bar> {
    let most = values.iter().map(|(_, hosts, _)| *hosts).max().unwrap_or(0).max(1);
    let bar = |(word, hosts, link): (String, usize, String)| Bar { width: (hosts * BAR).div_ceil(most), word, hosts, link };
    values.into_iter().map(bar).collect()
}

/// How many hosts are without a credential after which time.
pub(super) fn horizon(status: &FleetStatus) -> Vec<Bar> {
    let step = |step: &service::fleet::HorizonStep| (span(step.at - status.at), step.hosts, String::new());
    let mut bars = bars(status.horizon.steps.iter().map(step).collect());
    for bar in &mut bars {
        bar.width = (bar.hosts * BAR).div_ceil(status.horizon.holding.max(1));
    }
    bars
}
