//! Rollouts: the lanes of the newest one with its evidence, its decision, and the buttons of those who may press them.

use super::{Asked, find, get};
use crate::{
    api::ControlPlane,
    dashboard::{
        Content, act,
        act::Act,
        charts::BAR,
        session::Guest,
        show::{Around, date, page},
    },
};
use askama::Template;
use hyper::{Response, StatusCode};
use protocol::time::span;
use serde_json::{Value, json};
use std::sync::Arc;

/// Steps that are shown, the newest first.
const STEPS_MAX: usize = 30;

#[derive(Template)]
#[template(path = "rollouts.html")]
struct Rollouts {
    around: Around,
    lane: Option<Lane>,
    steps: Vec<Step>,
    forgery: String,
    good: Vec<String>,
    pulled: Vec<String>,
}

/// The newest rollout.
pub(in crate::dashboard) struct Lane {
    pub(in crate::dashboard) number: i64,
    pub(in crate::dashboard) generation: i64,
    pub(in crate::dashboard) state: String,
    pub(in crate::dashboard) decision: String,
    pub(in crate::dashboard) by: String,
    pub(in crate::dashboard) reason: String,
    pub(in crate::dashboard) started_at: i64,
    pub(in crate::dashboard) decided_at: i64,
    pub(in crate::dashboard) waves: Vec<Wave>,
    pub(in crate::dashboard) evidence: Vec<Evidence>,
    pub(in crate::dashboard) bad: i64,
    pub(in crate::dashboard) good: i64,
    pub(in crate::dashboard) suspects: Vec<String>,
    pub(in crate::dashboard) uncovered: Vec<String>,
    pub(in crate::dashboard) expected: i64,
    pub(in crate::dashboard) heard: i64,
    pub(in crate::dashboard) acts: Vec<&'static Act>,
}

/// One wave.
pub(in crate::dashboard) struct Wave {
    pub(in crate::dashboard) name: String,
    pub(in crate::dashboard) out: bool,
    pub(in crate::dashboard) hosts: usize,
    pub(in crate::dashboard) on_trial: usize,
    pub(in crate::dashboard) committed: usize,
    pub(in crate::dashboard) unfit: usize,
    pub(in crate::dashboard) soak: String,
    /// Where its bar goes from one to the next, of [`BAR`].
    pub(in crate::dashboard) widths: [usize; 3],
}

/// One bet against the release.
pub(in crate::dashboard) struct Evidence {
    pub(in crate::dashboard) name: &'static str,
    pub(in crate::dashboard) value: String,
    /// On a logarithmic scale up to where it pulls.
    pub(in crate::dashboard) width: usize,
    pub(in crate::dashboard) hold: usize,
}

/// One step of its chain.
struct Step {
    number: i64,
    at: String,
    decision: String,
}

pub(super) async fn answer(plane: &Arc<ControlPlane>, asked: &Asked) -> Response<Content> {
    let told = get(plane, &asked.guest, "/v1/operators/rollout").await.unwrap_or_default();
    let explained = find(plane, &asked.guest, "/v1/operators/rollout/explain", &json!({})).await.unwrap_or_default();
    let list = |name: &str| told.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let good = |good: &Value| format!("{} for {} in {}", number(good, "generation"), text(good, "platform"), text(good, "channel"));
    let rollouts = Rollouts {
        around: Around::new("Rollouts", "rollouts", asked),
        lane: Lane::of(&told, &asked.guest),
        steps: steps(&explained),
        forgery: asked.guest.forgery.clone(),
        good: list("stable").iter().map(good).collect(),
        pulled: list("pulled").iter().filter_map(Value::as_str).map(ToOwned::to_owned).collect(),
    };
    page(StatusCode::OK, &rollouts)
}

impl Lane {
    /// From what the interface tells; `None` where there was no rollout.
    pub(in crate::dashboard) fn of(told: &Value, guest: &Guest) -> Option<Self> {
        let rollout = told.get("rollout").filter(|rollout| rollout.is_object())?;
        let list = |name: &str| rollout.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
        let texts = |list: Vec<Value>| list.iter().filter_map(Value::as_str).map(ToOwned::to_owned).collect();
        let evidence = rollout.get("evidence").cloned().unwrap_or_default();
        let state = text(rollout, "state");
        let by = text(rollout, "by");
        let names: &[&str] = match state.as_str() {
            "done" => &["pull"],
            "pulled" => &[],
            "paused" => &["resume", "promote", "pull"],
            _ => &["pause", "promote", "pull"],
        };
        Some(Self {
            number: number(rollout, "number"),
            generation: number(rollout, "generation"),
            decision: text(rollout, "decision"),
            by: by.rsplit_once("/operator/").map_or(by.as_str(), |(_, who)| who).to_string(),
            reason: text(rollout, "reason"),
            started_at: number(rollout, "started_at"),
            decided_at: number(rollout, "decided_at"),
            waves: list("waves").iter().map(wave).collect(),
            evidence: ["all", "concentrated", "diffuse", "silence"].map(|name| bet(name, &evidence)).into(),
            bad: number(&evidence, "bad"),
            good: number(&evidence, "good"),
            suspects: evidence.get("suspects").and_then(Value::as_array).cloned().map(texts).unwrap_or_default(),
            uncovered: texts(list("uncovered")),
            expected: number(rollout, "expected"),
            heard: number(rollout, "heard"),
            acts: act::allowed(guest, names),
            state,
        })
    }

    /// What a chart over time marks.
    pub(in crate::dashboard) fn marks(&self) -> Vec<(i64, String)> {
        let start = (self.started_at, format!("rollout of {} starts", self.generation));
        let decided = (self.decided_at, format!("{}: {}", self.generation, self.state));
        if self.decided_at > self.started_at { vec![start, decided] } else { vec![start] }
    }
}

fn wave(wave: &Value) -> Wave {
    let count = |name: &str| usize::try_from(number(wave, name)).unwrap_or(0);
    let [hosts, on_trial, committed, unfit] = ["hosts", "on_trial", "committed", "unfit"].map(count);
    let width = |part: usize| (part * BAR).div_ceil(hosts.max(1)).min(BAR);
    let widths = [width(committed), width(on_trial), width(unfit)];
    let out = wave.get("out").and_then(Value::as_bool).unwrap_or_default();
    Wave { name: text(wave, "name"), out, hosts, on_trial, committed, unfit, soak: span(number(wave, "soak_seconds")), widths }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is clamped to a hundred steps")]
fn bet(name: &'static str, evidence: &Value) -> Evidence {
    let value = |name: &str| evidence.get(name).and_then(Value::as_f64).unwrap_or(1.0);
    let pull = value("pull_at").max(2.0).ln();
    let place = |value: f64| ((value.max(1.0).ln() / pull).clamp(0.0, 1.0) * 100.0) as usize;
    let wealth = value(name);
    let said = if wealth >= 1_000_000.0 { "over a million".into() } else { format!("{wealth:.1}") };
    Evidence { name, value: said, width: place(wealth), hold: place(value("hold_at")) }
}

fn steps(explained: &Value) -> Vec<Step> {
    let steps = explained.get("steps").and_then(Value::as_array).into_iter().flatten().rev().take(STEPS_MAX);
    let step = |step: &Value| Step {
        number: number(step, "number"),
        at: date(number(step, "at")),
        decision: protocol::json::parse(step.to_string().as_bytes())
            .ok()
            .and_then(|step| rollout::decision::Decision::from_value(step.get("decision")?).map(|decision| decision.to_string()))
            .unwrap_or_default(),
    };
    steps.map(step).collect()
}

fn text(value: &Value, name: &str) -> String {
    value.get(name).and_then(Value::as_str).unwrap_or_default().to_string()
}

fn number(value: &Value, name: &str) -> i64 {
    value.get(name).and_then(Value::as_i64).unwrap_or_default()
}
