//! One host: how it is, what it ran, what it tried.

use super::{list::HostLine, snapshot::Snapshot};
use protocol::{
    event::Event,
    json,
    phases::{Phase, Phases},
    reason::Reason,
};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

/// Everything that is known of a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct HostHistory {
    /// The version of this answer.
    pub version: u8,
    /// When it was so, seconds since 1970.
    pub at: i64,
    /// The host.
    pub host: HostLine,
    /// `active`, `quarantined`, `banned` or `evicted`.
    pub status: String,
    /// Why it is not active.
    pub status_reason: String,
    /// What its newest code means; empty without one.
    pub means: String,
    /// What to do about it.
    pub hint: String,
    /// The part of the fleet that rollouts count it to, such as `kernel=3.10`.
    pub stratum: String,
    /// What became of a release behind its runs.
    pub update: String,
    /// When its certificate ends, seconds since 1970.
    pub certificate_ends: i64,
    /// When the credentials end that it was issued, by name.
    pub holds: BTreeMap<String, i64>,
    /// The credentials that policy grants it, each with the rule that lets it.
    pub policy: BTreeMap<String, String>,
    /// Its trials, the newest last.
    pub trials: Vec<TrialView>,
    /// Events that it dropped for want of room: a hole in what follows.
    pub dropped: i64,
    /// When it last said that it had dropped some; 0 for never.
    pub dropped_at: i64,
    /// Its recent runs, the newest first.
    pub events: Vec<HostEvent>,
}

/// A trial of a release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct TrialView {
    /// The release's SHA-256.
    pub release: String,
    /// What it came to; empty while it goes on.
    pub verdict: String,
    /// How often the candidate went first and did the job.
    pub clean: usize,
    /// How often it alone failed.
    pub bad: usize,
    /// How often the one in charge alone failed.
    pub good: usize,
}

/// A run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct HostEvent {
    /// When it ended, by the control plane's clock.
    pub at: i64,
    /// How it ended.
    pub code: String,
    /// What it came to.
    pub outcome: String,
    /// How long it took.
    pub elapsed_ms: i64,
    /// Where that time went.
    pub phases: PhaseTimes,
    /// Connections tried.
    pub attempts: i64,
    /// The generation in charge.
    pub generation: i64,
    /// What became of a release; empty where nothing did.
    pub update: String,
    /// What became of the identity; empty where nothing did.
    pub identity: String,
    /// What ended in this run; empty where nothing did.
    pub verdict: String,
}

/// Milliseconds in each phase of a run, all its attempts together; null for one that it did not come to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PhaseTimes {
    /// From names to addresses.
    pub resolve_ms: Option<i64>,
    /// Until a connection was there.
    pub connect_ms: Option<i64>,
    /// The handshake.
    pub tls_ms: Option<i64>,
    /// From requests to their answers.
    pub request_ms: Option<i64>,
    /// Handing credentials over.
    pub deliver_ms: Option<i64>,
}

impl PhaseTimes {
    fn of(phases: Phases) -> Self {
        let mut times = Self::default();
        for (phase, time) in phases.iter() {
            let place = match phase {
                Phase::Resolve => &mut times.resolve_ms,
                Phase::Connect => &mut times.connect_ms,
                Phase::Tls => &mut times.tls_ms,
                Phase::Request => &mut times.request_ms,
                Phase::Deliver => &mut times.deliver_ms,
            };
            *place = Some(time);
        }
        times
    }

    /// In their order.
    #[must_use]
    pub fn all(&self) -> [Option<i64>; Phase::ALL.len()] {
        [self.resolve_ms, self.connect_ms, self.tls_ms, self.request_ms, self.deliver_ms]
    }
}

impl HostEvent {
    /// From a row of recent events; `None` if it is none.
    pub fn of(at: i64, body: &str) -> Option<Self> {
        let event = Event::from_value(&json::parse(body.as_bytes()).ok()?)?;
        let Event { code, outcome, elapsed_ms, phases, attempts, generation, update, identity, verdict, .. } = event;
        Some(Self { at, code, outcome, elapsed_ms, phases: PhaseTimes::of(phases), attempts, generation, update, identity, verdict })
    }
}

impl Snapshot {
    /// All that is known of a host, with what the policy says of it and its recent events, the newest first; `None` for a stranger.
    pub fn host(&self, name: &str, policy: BTreeMap<String, String>, events: Vec<HostEvent>) -> Option<HostHistory> {
        let row = self.find(name)?;
        let host = self.line(row);
        let reason = Reason::from_code(&host.code);
        let trial = |trial: &crate::telemetry::Trial| {
            let count = |pair: &str| trial.crossovers.iter().filter(|(_, _, seen, _)| seen == pair).count();
            TrialView {
                release: trial.release.clone(),
                verdict: trial.verdict.clone(),
                clean: count("clean"),
                bad: count("bad"),
                good: count("good"),
            }
        };
        Some(HostHistory {
            version: 1,
            at: self.at,
            status: row.record.status.name().into(),
            status_reason: row.record.status_reason.clone(),
            means: reason.map_or_else(String::new, |reason| reason.summary().into()),
            hint: reason.map_or_else(String::new, |reason| reason.hint().into()),
            stratum: self.stratum(row),
            update: row.told.newest.as_ref().map_or_else(String::new, |newest| newest.update.clone()),
            certificate_ends: row.record.certificate_ends,
            holds: row.holds.clone(),
            policy,
            trials: row.told.trials.iter().map(trial).collect(),
            dropped: row.told.dropped,
            dropped_at: row.told.dropped_at,
            events,
            host,
        })
    }
}
