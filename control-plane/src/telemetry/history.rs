//! What was before the newest run of each host, from the database.

use crate::{
    api::{ControlPlane, now},
    store::{
        Error,
        telemetry::{Range, Telemetry},
    },
};
use protocol::identity::HostId;
use service::{
    fleet::{DROPPED, HostEvent, HostHistory, Series, Slice},
    policy::Policy,
};
use std::collections::BTreeMap;

impl ControlPlane {
    /// The runs of a slice of the fleet over the last `since` seconds, in steps of `step` seconds.
    pub(crate) async fn series(&self, slice: Slice, since: i64, step: i64) -> Result<Series, Error> {
        let to = now();
        let from = to.saturating_sub(since);
        let step = Series::step(since, step);
        let range = Range {
            dimension: slice.dimension.clone(),
            value: slice.value.clone(),
            minutes: (from.div_euclid(step) * step / 60, to.div_euclid(60)),
            step: step / 60,
        };
        // What was dropped is not known by facts.
        let holes = Range { dimension: DROPPED.into(), value: String::new(), ..range.clone() };
        let counts = self.read(move |store| Ok([store.counts(&range)?, store.counts(&holes)?].concat())).await?;
        Ok(Series::of(&slice, &counts, (from, to), step))
    }

    /// A host with its newest events, at most so many; `None` for a stranger.
    pub(crate) async fn history(&self, name: &str, most: usize) -> Result<Option<HostHistory>, Error> {
        let host = name.to_string();
        let events = self.read(move |store| store.events_of(&host, most)).await?;
        let events = events.iter().filter_map(|(at, body)| HostEvent::of(*at, body)).collect();
        let snapshot = tokio::task::block_in_place(|| self.snapshot());
        let granted = HostId::new(&self.trust_domain, name).map(|id| granted(&self.policy.load(), &id, self)).unwrap_or_default();
        Ok(snapshot.host(name, granted, events))
    }

    async fn read<T: Send + 'static>(&self, act: impl FnOnce(&Telemetry) -> Result<T, Error> + Send + 'static) -> Result<T, Error> {
        let place = self.telemetry.place().ok_or_else(|| Error::Other("the telemetry was not started".into()))?;
        let read = tokio::task::spawn_blocking(move || act(&Telemetry::open_to_read(&place)?));
        read.await.map_err(|error| Error::Other(error.to_string()))?
    }
}

/// The credentials that policy grants a host, each with the rule that lets it.
fn granted(policy: &Policy, id: &HostId, plane: &ControlPlane) -> BTreeMap<String, String> {
    let Some(known) = plane.registry.host(id.host()) else { return BTreeMap::new() };
    let rule = |name: String| {
        let rules = policy.explain(id, &known.value.labels, &name).unwrap_or_default();
        let held = rules.into_iter().find(|(_, verdict)| verdict.is_ok()).map(|(rule, _)| rule);
        held.map(|rule| (name, rule))
    };
    policy.granted(id, &known.value.labels).into_iter().filter_map(rule).collect()
}
