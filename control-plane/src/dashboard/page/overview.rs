//! The first page: how the fleet is, what fails where and since when, and what is under way.

use super::{Asked, corner, get, rollout::Lane};
use crate::{
    api::ControlPlane,
    dashboard::{
        Content, charts,
        charts::{Bar, Failures},
        map::Choice,
        show::{Around, Sign, escaped, page, percent, sign},
    },
};
use askama::Template;
use hyper::{Response, StatusCode};
use protocol::filter::Filter;
use service::fleet::{FleetStatus, Snapshot};
use std::sync::Arc;

/// Corners that are asked for, and lines that are shown of them.
const CORNERS_MAX: usize = 40;
const LINES_MAX: usize = 8;
/// Cases that a corner needs.
const SUPPORT: usize = 3;

#[derive(Template)]
#[template(path = "overview.html")]
struct Overview {
    around: Around,
    status: FleetStatus,
    tiles: Vec<Tile>,
    corners: Vec<corner::Line>,
    failures: Failures,
    lane: Option<Lane>,
    horizon: Vec<Bar>,
    clocks: Vec<Bar>,
    map: Vec<Choice>,
    by: String,
}

/// One state, and the list of its hosts.
struct Tile {
    sign: Sign,
    link: String,
    hosts: usize,
    percent: String,
}

pub(super) async fn answer(plane: &Arc<ControlPlane>, asked: &Asked) -> Response<Content> {
    let snapshot = tokio::task::block_in_place(|| plane.snapshot());
    let lane = get(plane, &asked.guest, "/v1/operators/rollout").await.ok().and_then(|told| Lane::of(&told, &asked.guest));
    let failures = charts::failure_counts(plane, asked.get("range"), lane.as_ref()).await;
    page(StatusCode::OK, &tokio::task::block_in_place(|| overview(&snapshot, asked, lane, failures)))
}

fn overview(snapshot: &Snapshot, asked: &Asked, lane: Option<Lane>, failures: Failures) -> Overview {
    let status = snapshot.status(&Filter::default());
    let order = ["healthy", "failing", "silent", "missing", "quarantined", "updating"];
    let tile = |state: &&str| {
        let group = status.states.iter().find(|group| group.word == **state)?;
        let link = format!("/hosts?q={}", escaped(&group.filter));
        Some(Tile { sign: sign(state), link, hosts: group.hosts, percent: percent(group.hosts, status.hosts) })
    };
    Overview {
        around: Around::new("Fleet", "fleet", asked),
        tiles: order.iter().filter_map(tile).collect(),
        corners: corner::lines(snapshot.why(&Filter::default(), SUPPORT, CORNERS_MAX).corners, LINES_MAX),
        horizon: charts::horizon(&status),
        clocks: charts::groups(&status.clocks),
        map: crate::dashboard::map::choices(snapshot),
        by: crate::dashboard::map::chosen(snapshot, asked.get("by")),
        failures,
        lane,
        status,
    }
}
