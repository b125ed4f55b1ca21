//! The way of an operator with a certificate to a browser without one.

use super::{
    Answer, Desk,
    model::{AskLink, DashboardLink},
    refuse,
};
use crate::api::now;
use hyper::StatusCode;

/// Makes a link for whoever asks, with the same role; that one was made stands in the audit log.
pub(super) async fn link(desk: Desk, _: AskLink) -> Answer<DashboardLink> {
    let event = desk.event("dashboard-link-made", "a browser is to come in")?;
    let link = desk.plane.dashboard.sessions.link(&desk.operator, desk.ends, now());
    let (token, ends) =
        link.ok_or_else(|| refuse(StatusCode::SERVICE_UNAVAILABLE, "dashboard.no-link", "the system has no randomness", "try again"))?;
    desk.change(false, |_| Ok((event.clone(), Vec::new(), ()))).await?;
    Ok(DashboardLink { version: 1, path: format!("/login/{token}"), ends })
}
