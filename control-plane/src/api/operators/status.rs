//! How the control plane is, and who operates it.

use super::{
    Answer, Desk, invalid,
    model::{BanOperator, StatusView, StoreView, Touched, WhoamiView},
    wave,
};
use crate::{
    api::{ControlPlane, now},
    reload,
    store::{Address, Change, Kind, Standing},
};
use protocol::identity::is_name;
use service::host::Approval;
use std::collections::BTreeMap;

/// Who asks.
pub(super) async fn whoami(desk: Desk) -> Answer<WhoamiView> {
    Ok(WhoamiView { version: 1, operator: desk.operator.to_string(), role: desk.operator.role.name().into() })
}

/// How the control plane is.
pub(super) async fn status(desk: Desk) -> Answer<StatusView> {
    let all = desk.plane.registry.hosts();
    let mut hosts = BTreeMap::new();
    for (_, known) in &all {
        *hosts.entry(known.value.status.name().to_string()).or_insert(0) += 1;
    }
    Ok(StatusView {
        version: 1,
        trust_domain: desk.plane.trust_domain.clone(),
        program: format!("pinnaced {}", env!("CARGO_PKG_VERSION")),
        policy: reload::current_policy(&desk.plane).map_or(0, |version| version.number),
        hosts,
        waiting: all.iter().filter(|(_, known)| known.value.approval == Approval::Waiting).count(),
        clones: all.iter().filter(|(_, known)| known.value.clone_seen.is_some()).count(),
        store: store(&desk.plane),
        draining: desk.plane.is_draining(),
        wave: wave::view(&desk.plane),
        time: now(),
    })
}

fn store(plane: &ControlPlane) -> StoreView {
    let kind = match plane.store {
        Address::File(_) => "sqlite",
        Address::Server(_) => "postgresql",
    };
    let (state, spooling_seconds) = match plane.log.standing() {
        Standing::Ready => ("ready", 0),
        Standing::Spooling(seconds) => ("spooling", seconds),
        Standing::Closed => ("closed", 0),
    };
    StoreView { kind: kind.into(), state: state.into(), spooling_seconds }
}

/// Lets an operator in no more, or again.
pub(super) async fn ban(desk: Desk, asked: BanOperator) -> Answer<Touched> {
    if !is_name(&asked.name) {
        return Err(invalid("the name is no operator's"));
    }
    let what = if asked.lift { "operator-lifted" } else { "operator-banned" };
    desk.change(asked.dry_run, |plane| {
        let event = desk.event(what, &asked.reason)?.with("operator", asked.name.as_str());
        let known = plane.registry.other(Kind::Setting, &setting(&asked.name));
        let unchanged = known.is_some() != asked.lift;
        let change = Change {
            kind: Kind::Setting,
            name: setting(&asked.name),
            on: known.map_or(0, |known| known.revision),
            body: (!asked.lift).then(|| asked.reason.clone()),
        };
        Ok((event, if unchanged { Vec::new() } else { vec![change] }, Touched::hosts(&[], asked.dry_run)))
    })
    .await
}

/// Whether an operator is let in no more.
pub(super) fn is_banned(plane: &ControlPlane, name: &str) -> bool {
    plane.registry.other(Kind::Setting, &setting(name)).is_some()
}

fn setting(name: &str) -> String {
    format!("operator-banned-{name}")
}
