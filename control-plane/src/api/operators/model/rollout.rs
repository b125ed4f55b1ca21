//! Rollouts, as asked and told.

use super::limit;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A release that is to reach hosts.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StartRollout {
    /// The generation, for every platform that it is signed for.
    pub(crate) generation: i64,
    pub(crate) reason: String,
    /// Tell how many hosts it would reach, and change nothing.
    #[serde(default)]
    pub(crate) dry_run: bool,
}

/// What is to become of the newest rollout.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangeRollout {
    pub(crate) reason: String,
    /// Tell how many hosts it is about, and change nothing.
    #[serde(default)]
    pub(crate) dry_run: bool,
}

/// Waves that are to come without waiting.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PromoteRollout {
    pub(crate) reason: String,
    /// All that are left, and who is held back; otherwise the next one.
    #[serde(default)]
    pub(crate) all: bool,
    /// Tell how many hosts it is about, and change nothing.
    #[serde(default)]
    pub(crate) dry_run: bool,
}

/// A rollout that was started or changed.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct RolloutTouched {
    pub(crate) version: u8,
    /// Its number.
    pub(crate) rollout: i64,
    /// Hosts in its plan.
    pub(crate) touched: usize,
    /// Hosts of its first wave.
    pub(crate) canaries: usize,
    /// Facts in the fleet that no canary has.
    pub(crate) uncovered: Vec<String>,
    /// Whether it was only tried.
    pub(crate) dry_run: bool,
}

/// What is in force of all rollouts.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct RolloutsView {
    pub(crate) version: u8,
    /// Whether releases reach hosts by rollouts alone.
    pub(crate) rollouts: bool,
    /// The newest rollout.
    pub(crate) rollout: Option<RolloutView>,
    /// Releases that rollouts have found good, the newest last of each channel and platform.
    pub(crate) stable: Vec<GoodView>,
    /// Releases that no host keeps, by SHA-256, the newest last.
    pub(crate) pulled: Vec<String>,
    /// The control plane's time, seconds since 1970.
    pub(crate) time: i64,
}

/// A release that a rollout has found good.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct GoodView {
    pub(crate) channel: String,
    pub(crate) platform: String,
    pub(crate) generation: i64,
    pub(crate) sha256: String,
}

/// A rollout.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct RolloutView {
    pub(crate) number: i64,
    pub(crate) generation: i64,
    pub(crate) channel: String,
    /// SHA-256 of its files.
    pub(crate) releases: Vec<String>,
    pub(crate) by: String,
    pub(crate) reason: String,
    /// When it was started, seconds since 1970.
    pub(crate) started_at: i64,
    /// `starting`, `advancing`, `waiting` (for time or trials), `held` (by doubt or missing reports), `paused`, `pulled` or `done`.
    pub(crate) state: String,
    /// The newest step of its chain; 0 before the first.
    pub(crate) step: i64,
    /// The decision of that step, with its reason.
    pub(crate) decision: String,
    /// When that was decided, seconds since 1970.
    pub(crate) decided_at: i64,
    /// Seconds between two runs of a host.
    pub(crate) interval_seconds: i64,
    pub(crate) waves: Vec<WaveOfRollout>,
    pub(crate) evidence: EvidenceView,
    /// Hosts with the release that should have been heard of lately.
    pub(crate) expected: u32,
    /// Those that were.
    pub(crate) heard: u32,
    /// Facts in the fleet that no canary has.
    pub(crate) uncovered: Vec<String>,
    /// When counts and evidence were looked at, seconds since 1970.
    pub(crate) seen_at: i64,
}

/// One wave of a rollout; the last one is of hosts that are held back to the end.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct WaveOfRollout {
    pub(crate) name: String,
    /// Whether its hosts have been given the release.
    pub(crate) out: bool,
    pub(crate) hosts: usize,
    /// Hosts whose trial is under way.
    pub(crate) on_trial: usize,
    /// Hosts where the release is in charge.
    pub(crate) committed: usize,
    /// Hosts where the release is unfit, or was left again.
    pub(crate) unfit: usize,
    /// For how long it is watched at least.
    pub(crate) soak_seconds: i64,
}

/// What speaks against a release: what a stake of 1 on that has become.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct EvidenceView {
    /// The mean of the three bets.
    pub(crate) all: f64,
    /// On harm to one kind of host.
    pub(crate) concentrated: f64,
    /// On a small harm everywhere.
    pub(crate) diffuse: f64,
    /// On silence.
    pub(crate) silence: f64,
    /// From here on it holds.
    pub(crate) hold_at: f64,
    /// From here on it pulls.
    pub(crate) pull_at: f64,
    /// Pairs in which the release failed and the generation before it did the job.
    pub(crate) bad: u32,
    /// Pairs in which the generation before it failed and the release did the job.
    pub(crate) good: u32,
    /// The kinds of host that speak loudest against it, in words.
    pub(crate) suspects: Vec<String>,
}

/// Which rollout to explain.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExplainRollout {
    /// Its number; the newest if it is left out.
    pub(crate) rollout: Option<i64>,
}

/// A rollout's plan and chain, from which everything can be computed again.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct RolloutExplained {
    pub(crate) version: u8,
    pub(crate) rollout: i64,
    /// As it is stored.
    pub(crate) plan: Value,
    /// The steps, as they are stored, the oldest first.
    pub(crate) steps: Vec<Value>,
}

/// Which hosts to look at.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FindWeird {
    /// At most so many; at most 1000.
    #[serde(default = "limit")]
    pub(crate) limit: usize,
}

/// Hosts that are least like the others, the weirdest first.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct WeirdHosts {
    pub(crate) version: u8,
    pub(crate) hosts: Vec<WeirdHost>,
    /// Hosts that are served.
    pub(crate) total: usize,
    /// The strata that a rollout would draw from, and how many hosts each has.
    pub(crate) strata: std::collections::BTreeMap<String, usize>,
}

/// A host, and how weird it is.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct WeirdHost {
    pub(crate) name: String,
    /// The sum of the surprisals of its facts, in bits.
    pub(crate) bits: f64,
    /// The stratum it belongs to.
    pub(crate) stratum: String,
    /// Its rarest facts, the rarest first.
    pub(crate) facts: Vec<RareFact>,
}

/// A fact, and how many hosts have it.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct RareFact {
    pub(crate) fact: String,
    pub(crate) hosts: usize,
}
