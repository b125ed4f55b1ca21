//! What hosts tell of their runs.

use super::{ControlPlane, Reply, Visitor, admission, reply, room::SentAway};
use crate::telemetry::NotTaken;
use hyper::StatusCode;
use protocol::event::{REPORT_BYTES_MAX, Report, Taken};
use std::sync::Arc;

/// Where they tell it.
pub(super) const PATH: &str = "/v1/events";
/// As long as a report may be.
pub(super) const BODY_BYTES_MAX: usize = REPORT_BYTES_MAX;
/// Over how many seconds the return of those sent away is spread.
const SPREAD_SECONDS: u64 = 120;

/// Answers a report with how far it is on record.
pub(super) async fn answer(
    plane: &Arc<ControlPlane>,
    visitor: &Visitor,
    body: impl Future<Output = Result<Vec<u8>, Box<Reply>>>,
    now: i64,
) -> Result<Reply, Box<Reply>> {
    let host = admission::admit(plane, visitor, now)?.id;
    // Turns of its own: a flood of reports takes none from those who need a credential.
    let _guest = plane.reports.enter(host.host(), u64::MAX).await.map_err(|SentAway { .. }| busy(plane))?;
    let report = Report::from_json(&body.await?, host.host()).ok_or_else(|| {
        let words = ["the report was refused", "it does not have the form of the protocol", "send what the protocol describes"];
        Box::new(reply::refuse(StatusCode::BAD_REQUEST, "request.body", words))
    })?;
    match plane.telemetry.take(host.host(), report, now).await {
        Ok(taken) => {
            plane.telemetry.hear(host.host(), now);
            Ok(reply::json(Taken(taken).to_json()))
        }
        Err(NotTaken::Busy) => Err(busy(plane)),
        Err(NotTaken::TooMuch) => {
            let words = ["the report was put off", "this host has told too much in this minute", "come again after Retry-After"];
            Err(Box::new(reply::too_many("telemetry.too-much", words, 60)))
        }
    }
}

fn busy(plane: &ControlPlane) -> Box<Reply> {
    plane.metrics.report_refused();
    let words = ["the report was put off", "more is told than can be written, or its database is away", "come again after Retry-After"];
    Box::new(reply::come_again_within("telemetry.busy", words, SPREAD_SECONDS))
}
