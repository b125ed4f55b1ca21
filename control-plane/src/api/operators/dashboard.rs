//! The way of an operator with a certificate to a browser without one.

use super::{
    Answer, Desk, Role, invalid,
    model::{AskLink, DashboardLink},
    refuse,
};
use crate::api::now;
use hyper::StatusCode;

/// Makes a link for whoever asks, with the same role or a lower one; that one was made stands in the audit log.
pub(super) async fn link(desk: Desk, asked: AskLink) -> Answer<DashboardLink> {
    let own = desk.operator.role;
    let role = asked.role.as_deref().map_or(Some(own), Role::parse).ok_or_else(|| invalid("the role is none of viewer, operator and admin"))?;
    if role > own {
        return Err(refuse(StatusCode::FORBIDDEN, "operator.role", "the role is above that of whoever asks", "ask for your own"));
    }
    let operator = desk.operator.clone().with(role);
    let event = desk.event("dashboard-link-made", "a browser is to come in")?;
    let link = desk.plane.dashboard.sessions.link(&operator, desk.ends, now());
    let (token, ends) =
        link.ok_or_else(|| refuse(StatusCode::SERVICE_UNAVAILABLE, "dashboard.no-link", "the system has no randomness", "try again"))?;
    desk.change(false, |_| Ok((event.clone(), Vec::new(), ()))).await?;
    Ok(DashboardLink { version: 1, path: format!("/login/{token}"), ends })
}
