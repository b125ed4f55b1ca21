//! Hosts on record.

use super::{
    Answer, Desk, aside, invalid,
    model::{Action, ChangeHosts, FindHosts, HostView, Hosts, RegisterHost, Touched},
    refuse,
};
use crate::{
    api::{ControlPlane, Reply, reply},
    registry::Known,
    store::{Change, Kind},
};
use hyper::StatusCode;
use protocol::{
    identity::{HostId, is_name},
    membership::PublicKey,
};
use service::{
    host::{Approval, Fingerprint, Host, Labels, Status, check_labels},
    pattern::HostPattern,
};
use std::collections::BTreeSet;

const LIST_MAX: usize = 1000;
/// Hosts that one commit changes; more of them take several.
const BATCH: usize = 500;

/// Lists some.
pub(super) async fn find(desk: Desk, asked: FindHosts) -> Answer<Hosts> {
    let plane = &desk.plane;
    let pattern = HostPattern::parse(asked.hosts.as_deref().unwrap_or("*")).map_err(|because| invalid(&because))?;
    let after = asked.after.as_deref().unwrap_or("");
    let fits = |(name, known): &(String, Known<Host>)| {
        let host = &known.value;
        name.as_str() > after
            && HostId::new(&plane.trust_domain, name).is_some_and(|id| pattern.includes(&id))
            && has(host, &asked.with_labels)
            && asked.status.as_deref().is_none_or(|status| status == host.status.name())
            && (!asked.waits || host.approval == Approval::Waiting)
    };
    let found: Vec<_> = aside(|| plane.registry.hosts().into_iter().filter(fits).collect());
    let total = found.len();
    let hosts = found.into_iter().take(asked.limit.min(LIST_MAX)).map(|(name, known)| view(plane, name, &known.value)).collect();
    Ok(Hosts { version: 1, hosts, total })
}

/// Registers a host's key before it comes.
pub(super) async fn register(desk: Desk, asked: RegisterHost) -> Answer<Touched> {
    let key = PublicKey::parse(&asked.key).ok_or_else(|| invalid("the key is not 32 bytes in hexadecimal"))?;
    if !is_name(&asked.name) {
        return Err(invalid("the name is no host's"));
    }
    check_labels(&asked.labels).map_err(|because| invalid(&because))?;
    desk.change(asked.dry_run, |plane| {
        let known = plane.registry.host(&asked.name);
        let record = known.as_ref().map(|known| (*known.value).clone()).unwrap_or_default();
        if !(record.status == Status::Evicted || record.status == Status::Active && record.key.is_none()) {
            return Err(refuse(StatusCode::CONFLICT, "host.known", "the host has a key already, or is put out", "evict the host first"));
        }
        let key = Some(Fingerprint::of(&key.spki()));
        let record = Host { key, labels: asked.labels.clone(), newest_certificate: record.newest_certificate, ..Host::default() };
        let event = desk.event("host-registered", &asked.reason)?.with("host", asked.name.as_str());
        Ok((
            event,
            vec![changed(asked.name.clone(), known.map_or(0, |known| known.revision), &record)],
            Touched::hosts(std::slice::from_ref(&asked.name), asked.dry_run),
        ))
    })
    .await
}

/// Changes some.
pub(super) async fn change(desk: Desk, asked: ChangeHosts) -> Answer<Touched> {
    if asked.names.is_empty() == asked.with_labels.is_empty() {
        return Err(invalid("say which hosts: names, or with_labels, and not both"));
    }
    if (asked.action == Action::Label) == (asked.labels.is_empty() && asked.remove_labels.is_empty()) {
        return Err(invalid("labels and remove_labels belong to the action label"));
    }
    check_labels(&asked.labels).map_err(|because| invalid(&because))?;
    desk.event("checked", &asked.reason)?;
    let names = aside(|| selected(&desk.plane, &asked))?;
    if !asked.dry_run {
        for (batch, before) in names.chunks(BATCH).zip((0..).step_by(BATCH)) {
            change_batch(&desk, &asked, batch).await.map_err(|refusal| if before == 0 { refusal } else { in_part(before, names.len()) })?;
        }
    }
    Ok(Touched::hosts(&names, asked.dry_run))
}

fn in_part(done: usize, all: usize) -> Box<Reply> {
    let because = format!("{done} of {all} hosts were changed, and then it could not go on");
    let refusal = refuse(StatusCode::SERVICE_UNAVAILABLE, "hosts.in-part", &because, "say the same again: it touches only those that are left");
    reply::headed(refusal, "not every host was changed")
}

/// The hosts that the change would touch: those that it changes.
fn selected(plane: &ControlPlane, asked: &ChangeHosts) -> Answer<Vec<String>> {
    let unknown = |name: &String| refuse(StatusCode::NOT_FOUND, "host.unknown", &format!("{name} is not on record"), "pinnacectl hosts list");
    let chosen = if asked.names.is_empty() {
        plane.registry.hosts().into_iter().filter(|(_, known)| has(&known.value, &asked.with_labels)).collect()
    } else {
        let find = |name: &String| plane.registry.host(name).map(|known| (name.clone(), known)).ok_or_else(|| unknown(name));
        let names: BTreeSet<&String> = asked.names.iter().collect();
        names.into_iter().map(find).collect::<Answer<Vec<_>>>()?
    };
    let changes = |(_, known): &(String, Known<Host>)| after(&known.value, asked) != *known.value;
    Ok(chosen.into_iter().filter(changes).map(|(name, _)| name).collect())
}

async fn change_batch(desk: &Desk, asked: &ChangeHosts, names: &[String]) -> Answer<()> {
    desk.change(false, |plane| {
        let mut event = desk.event(event_of(asked.action), &asked.reason)?;
        event = event.with("hosts", names.join(" "));
        let known = names.iter().filter_map(|name| Some((name, plane.registry.host(name)?)));
        let changes = known.map(|(name, known)| changed(name.clone(), known.revision, &after(&known.value, asked))).collect();
        Ok((event, changes, ()))
    })
    .await
}

fn after(host: &Host, asked: &ChangeHosts) -> Host {
    let with = |status| Host { status, status_reason: asked.reason.trim().into(), ..host.clone() };
    match asked.action {
        Action::Ban => with(Status::Banned),
        Action::Quarantine => with(Status::Quarantined),
        Action::Evict => with(Status::Evicted),
        Action::Lift => Host { status: Status::Active, status_reason: String::new(), clone_seen: None, ..host.clone() },
        Action::Approve => Host { approval: Approval::Given, ..host.clone() },
        Action::Label => {
            let mut labels = host.labels.clone();
            labels.extend(asked.labels.clone());
            asked.remove_labels.iter().for_each(|name| drop(labels.remove(name)));
            Host { labels, ..host.clone() }
        }
    }
}

fn event_of(action: Action) -> &'static str {
    match action {
        Action::Ban => "hosts-banned",
        Action::Quarantine => "hosts-quarantined",
        Action::Evict => "hosts-evicted",
        Action::Lift => "hosts-lifted",
        Action::Approve => "returns-approved",
        Action::Label => "hosts-labelled",
    }
}

fn changed(name: String, on: i64, record: &Host) -> Change {
    Change { kind: Kind::Host, name, on, body: serde_json::to_string(record).ok() }
}

fn has(host: &Host, labels: &Labels) -> bool {
    labels.iter().all(|(name, value)| host.labels.get(name) == Some(value))
}

fn view(plane: &ControlPlane, name: String, host: &Host) -> HostView {
    let id = HostId::new(&plane.trust_domain, &name);
    HostView {
        status: host.status.name().into(),
        status_reason: host.status_reason.clone(),
        labels: host.labels.clone(),
        key: host.key.as_ref().map(ToString::to_string),
        certificate_ends: host.certificate_ends,
        returns: host.returns,
        waits: host.approval == Approval::Waiting,
        clone_seen: host.clone_seen.is_some(),
        credentials: id.map(|id| plane.policy.load().granted(&id, &host.labels)).unwrap_or_default(),
        name,
    }
}
