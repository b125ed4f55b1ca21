//! Hosts that fetch before their time, and a process that is to be left alone.

use super::{
    Answer, Desk, aside, invalid,
    model::{Drain, StartWave, StopWave, Touched, WaveStarted, WaveView},
};
use crate::{
    api::{ControlPlane, now},
    registry::Known,
    store::{Change, Kind},
};
use protocol::identity::HostId;
use service::{host::Host, pattern::HostPattern, wave::Wave};
use std::sync::atomic::Ordering;

/// The setting that holds the wave.
const SETTING: &str = "wave";

/// Starts one in place of the one before.
pub(super) async fn start(desk: Desk, asked: StartWave) -> Answer<WaveStarted> {
    let hosts = asked.hosts.unwrap_or_else(|| "*".into());
    HostPattern::parse(&hosts).map_err(|because| invalid(&because))?;
    if asked.per_second == 0 {
        return Err(invalid("per_second must be 1 or more"));
    }
    let mut wave = Wave { since: now(), seconds: 1, hosts, labels: asked.with_labels };
    let touched = aside(|| {
        let is_for = |(name, known): &(String, Known<Host>)| {
            HostId::new(&desk.plane.trust_domain, name).is_some_and(|id| wave.is_for(&id, &known.value.labels))
        };
        desk.plane.registry.hosts().iter().filter(|host| is_for(host)).count()
    });
    wave.seconds = i64::try_from(touched).unwrap_or(i64::MAX) / i64::from(asked.per_second) + 1;
    desk.change(asked.dry_run, |plane| {
        let event = desk.event("wave-started", &asked.reason)?.with("hosts", wave.hosts.as_str()).with("seconds", wave.seconds);
        Ok((event, vec![changed(plane, Some(&wave))], ()))
    })
    .await?;
    Ok(WaveStarted { version: 1, touched, seconds: wave.seconds, dry_run: asked.dry_run })
}

/// Stops the one there is.
pub(super) async fn stop(desk: Desk, asked: StopWave) -> Answer<Touched> {
    desk.change(asked.dry_run, |plane| {
        let event = desk.event("wave-stopped", &asked.reason)?;
        let changes = if current(plane).is_some() { vec![changed(plane, None)] } else { Vec::new() };
        Ok((event, changes, Touched::hosts(&[], asked.dry_run)))
    })
    .await
}

/// Sends hosts away from this process, or no more.
pub(super) async fn drain(desk: Desk, asked: Drain) -> Answer<Touched> {
    let what = if asked.on { "drain-started" } else { "drain-ended" };
    desk.change(asked.dry_run, |_| Ok((desk.event(what, &asked.reason)?, Vec::new(), ()))).await?;
    if !asked.dry_run {
        desk.plane.set_aside.store(asked.on, Ordering::Relaxed);
        tracing::info!(event = what, by = %desk.operator);
    }
    Ok(Touched::hosts(&[], asked.dry_run))
}

/// The wave there is, for those who look.
pub(super) fn view(plane: &ControlPlane) -> Option<WaveView> {
    current(plane).map(|Wave { since, seconds, hosts, labels }| WaveView { since, ends: since.saturating_add(seconds), hosts, with_labels: labels })
}

/// The wave there is.
pub(in crate::api) fn current(plane: &ControlPlane) -> Option<Wave> {
    serde_json::from_str(&plane.registry.other(Kind::Setting, SETTING)?.value).ok()
}

fn changed(plane: &ControlPlane, wave: Option<&Wave>) -> Change {
    let on = plane.registry.other(Kind::Setting, SETTING).map_or(0, |known| known.revision);
    Change { kind: Kind::Setting, name: SETTING.into(), on, body: wave.and_then(|wave| serde_json::to_string(wave).ok()) }
}
