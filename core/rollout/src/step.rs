//! The chain of a rollout's decisions, each stored with what it was made from, so that anybody can make it again.
//!
//! A step holds what the host reports added since the step before: the evidence at a step is what all steps up to it hold together.

use crate::{
    decide::{Progress, decide},
    decision::{Decision, count, number},
    evidence::{Discordant, Evidence},
    plan::Plan,
    record::{wish_from_value, wish_to_value},
    silence::Silence,
};
use alloc::vec::Vec;
use core::fmt::{self, Display};
use protocol::json::{self, Value};

/// One decision in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Its number in the rollout, from 1.
    pub number: i64,
    /// The number of the step that it follows; 0 for none.
    pub parent: i64,
    /// When it was decided, seconds since 1970.
    pub at: i64,
    /// What was decided.
    pub decision: Decision,
    /// What it was made from, beside the plan and the steps before.
    pub inputs: Inputs,
}

/// What a decision was made from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inputs {
    /// How far the rollout had come.
    pub progress: Progress,
    /// Discordant pairs that came since the step before, each with its host, a place of the plan.
    pub pairs: Vec<(usize, Discordant)>,
    /// Silences that came since the step before.
    pub silences: Vec<Silence>,
}

/// Where a chain does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// A step is missing, doubled or out of its place.
    Order {
        /// The number that should have come.
        expected: i64,
    },
    /// What is stored does not follow from what it was made from.
    Decision {
        /// The step's number.
        step: i64,
    },
    /// Something was decided after the end.
    AfterTheEnd {
        /// The step's number.
        step: i64,
    },
}

impl Display for Broken {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Order { expected } => write!(out, "step {expected} is missing, doubled or out of its place"),
            Self::Decision { step } => write!(out, "step {step} does not follow from what it was made from"),
            Self::AfterTheEnd { step } => write!(out, "step {step} was decided after the end"),
        }
    }
}

/// Makes every decision of a chain again from what it was made from.
///
/// # Errors
/// Where the chain does not hold.
pub fn check(plan: &Plan, steps: &[Step]) -> Result<(), Broken> {
    let mut evidence = Evidence::none(plan.strata().len());
    let mut last: Option<&Step> = None;
    for step in steps {
        let parent = last.map_or(0, |last| last.number);
        if step.parent != parent || step.number != parent.saturating_add(1) {
            return Err(Broken::Order { expected: parent.saturating_add(1) });
        }
        let pull = matches!(step.decision, Decision::Pull(_));
        if last.is_some_and(|last| matches!(last.decision, Decision::Pull(_)) || matches!(last.decision, Decision::Done { .. }) && !pull) {
            return Err(Broken::AfterTheEnd { step: step.number });
        }
        add(&mut evidence, plan, &step.inputs);
        if decide(plan, &step.inputs.progress, &evidence, step.at) != step.decision {
            return Err(Broken::Decision { step: step.number });
        }
        last = Some(step);
    }
    Ok(())
}

fn add(evidence: &mut Evidence, plan: &Plan, inputs: &Inputs) {
    let stratum = |host: usize| plan.places().get(host).map_or(usize::MAX, |place| place.stratum);
    for (host, pair) in &inputs.pairs {
        evidence.take(*host, stratum(*host), *pair);
    }
    for silence in &inputs.silences {
        evidence.take_silence(stratum(silence.host), *silence);
    }
}

impl Step {
    /// As it is stored.
    #[must_use]
    pub fn to_value(&self) -> Value {
        json::object([
            ("version", 1.into()),
            ("number", self.number.into()),
            ("parent", self.parent.into()),
            ("at", self.at.into()),
            ("decision", self.decision.to_value()),
            ("inputs", self.inputs.to_value()),
        ])
    }

    /// From its stored form; `None` if it is not a step.
    #[must_use]
    pub fn from_value(value: &Value) -> Option<Self> {
        let integer = |name| value.get(name).and_then(Value::as_i64);
        integer("version").filter(|version| *version == 1)?;
        Some(Self {
            number: integer("number")?,
            parent: integer("parent")?,
            at: integer("at")?,
            decision: Decision::from_value(value.get("decision")?)?,
            inputs: Inputs::from_value(value.get("inputs")?)?,
        })
    }
}

impl Inputs {
    fn to_value(&self) -> Value {
        let Progress { out, since, trials, unfit, expected, heard, wish } = &self.progress;
        let pair = |(host, pair): &(usize, Discordant)| Value::Array([count(*host), pair.run.into(), pair.crossover.into(), pair.bad.into()].into());
        let silence = |silence: &Silence| {
            let [treated, waiting] = [silence.treated_at_risk, silence.waiting_at_risk].map(|count| i64::from(count).into());
            Value::Array([count(silence.host), silence.treated.into(), treated, waiting].into())
        };
        let small = |count: &u32| i64::from(*count).into();
        json::object([
            ("waves_out", count(*out)),
            ("since", (*since).into()),
            ("trials", small(trials)),
            ("unfit", small(unfit)),
            ("expected", small(expected)),
            ("heard", small(heard)),
            ("wish", wish_to_value(wish)),
            ("pairs", Value::Array(self.pairs.iter().map(pair).collect())),
            ("silences", Value::Array(self.silences.iter().map(silence).collect())),
        ])
    }

    fn from_value(value: &Value) -> Option<Self> {
        let progress = Progress {
            out: usize::try_from(value.get("waves_out")?.as_i64()?).ok()?,
            since: value.get("since")?.as_i64()?,
            trials: number(value, "trials")?,
            unfit: number(value, "unfit")?,
            expected: number(value, "expected")?,
            heard: number(value, "heard")?,
            wish: wish_from_value(value.get("wish")?)?,
        };
        let index = |value: &Value| usize::try_from(value.as_i64()?).ok();
        let small = |value: &Value| u32::try_from(value.as_i64()?).ok();
        let pair = |row: &Value| {
            let [host, run, crossover, bad] = row.as_array()? else { return None };
            Some((index(host)?, Discordant { run: run.as_i64()?, crossover: crossover.as_i64()?, bad: bad.as_bool()? }))
        };
        let silence = |row: &Value| {
            let [host, treated, with, waiting] = row.as_array()? else { return None };
            let (treated_at_risk, waiting_at_risk) = (small(with)?, small(waiting)?);
            Some(Silence { host: index(host)?, treated: treated.as_bool()?, treated_at_risk, waiting_at_risk })
        };
        let pairs = value.get("pairs")?.as_array()?.iter().map(pair).collect::<Option<_>>()?;
        let silences = value.get("silences")?.as_array()?.iter().map(silence).collect::<Option<_>>()?;
        Some(Self { progress, pairs, silences })
    }
}
