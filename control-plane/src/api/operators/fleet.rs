//! Questions about the fleet.

use super::{
    Answer, Desk, aside, invalid,
    model::{AskCompletions, AskFleet, AskHost, AskHosts, AskSeries, AskWhy, Completions},
    refuse,
};
use crate::{api::Reply, store};
use hyper::StatusCode;
use protocol::filter::{self, FILTER_BYTES_MAX, Filter};
use service::fleet::{FleetMap, FleetStatus, HostHistory, HostPage, Series, Slice, Why};

const LIMIT_MAX: usize = 1_000;
const SINCE_SECONDS_MAX: i64 = 366 * 86_400;

/// How it is.
pub(super) async fn status(desk: Desk, asked: AskFleet) -> Answer<FleetStatus> {
    let filter = parse(&asked.filter)?;
    Ok(aside(|| desk.plane.snapshot().status(&filter)))
}

/// What those that fail have in common.
pub(super) async fn why(desk: Desk, asked: AskWhy) -> Answer<Why> {
    let filter = parse(&asked.filter)?;
    check_limit(asked.limit)?;
    Ok(aside(|| desk.plane.snapshot().why(&filter, asked.support, asked.limit)))
}

/// The hosts of a filter.
pub(super) async fn hosts(desk: Desk, asked: AskHosts) -> Answer<HostPage> {
    let filter = parse(&asked.filter)?;
    check_limit(asked.limit)?;
    Ok(aside(|| desk.plane.snapshot().page(&filter, asked.after.as_deref(), asked.limit)))
}

/// A cell for each of them.
pub(super) async fn map(desk: Desk, asked: AskFleet) -> Answer<FleetMap> {
    let filter = parse(&asked.filter)?;
    Ok(aside(|| desk.plane.snapshot().map(&filter)))
}

/// One host.
pub(super) async fn host(desk: Desk, asked: AskHost) -> Answer<HostHistory> {
    check_limit(asked.limit)?;
    let found = desk.plane.history(&asked.name, asked.limit).await.map_err(|error| away(&error))?;
    found.ok_or_else(|| refuse(StatusCode::NOT_FOUND, "host.unknown", "no host of this name is on record", "pinnacectl fleet hosts"))
}

/// Runs over time.
pub(super) async fn series(desk: Desk, asked: AskSeries) -> Answer<Series> {
    let slice = Slice::of(&parse(&asked.filter)?);
    let slice = slice.map_err(|because| {
        refuse(StatusCode::BAD_REQUEST, "filter.history", &because, "pinnacectl fleet hosts and why take any filter, of the hosts as they are")
    })?;
    if !(60..=SINCE_SECONDS_MAX).contains(&asked.since_seconds) || asked.step_seconds < 1 {
        return Err(invalid("since_seconds is a minute to a year, step_seconds at least 1"));
    }
    desk.plane.series(slice, asked.since_seconds, asked.step_seconds).await.map_err(|error| away(&error))
}

/// What a filter may go on with.
pub(super) async fn complete(desk: Desk, asked: AskCompletions) -> Answer<Completions> {
    if asked.text.len() > FILTER_BYTES_MAX {
        return Err(invalid("the text is longer than a filter"));
    }
    let terms = aside(|| {
        let snapshot = desk.plane.snapshot();
        filter::complete(&asked.text, &snapshot.other_keys(), |key| snapshot.values(key))
    });
    Ok(Completions { version: 1, terms })
}

fn parse(text: &str) -> Answer<Filter> {
    Filter::parse(text).map_err(|wrong| refuse(StatusCode::BAD_REQUEST, "filter.invalid", &wrong.shown(text), &wrong.hint))
}

fn check_limit(limit: usize) -> Answer<()> {
    if limit > LIMIT_MAX { Err(invalid("limit is over 1000")) } else { Ok(()) }
}

fn away(error: &store::Error) -> Box<Reply> {
    tracing::error!(event = "telemetry-unreadable", because = %error);
    let hint = "fleet/status and fleet/hosts go on; see the control plane's log";
    refuse(StatusCode::SERVICE_UNAVAILABLE, "telemetry.away", "the database that history is in cannot be read", hint)
}
