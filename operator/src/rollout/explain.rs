//! Every decision of a rollout as it is stored, and each made again from what it was made from, on this machine.

use crate::{
    ask::Ask,
    failure::{Failure, harmless},
};
use protocol::{json::parse, time::rfc3339};
use rollout::{
    decide::Wish,
    plan::Plan,
    step::{Inputs, Step, check},
};
use serde_json::{Value, json};
use std::process::ExitCode;

/// The command.
pub(super) fn run(ask: &Ask, rollout: Option<i64>) -> Result<ExitCode, Failure> {
    let mut told = ask.api()?.post("rollout/explain", &json!({"rollout": rollout}))?;
    let (plan, steps) =
        read(&told).ok_or_else(|| failed("what is stored is none of this program's rollouts", "use the pinnacectl of that pinnaced"))?;
    let outcome = check(&plan, &steps);
    told["recomputed"] = outcome.is_ok().into();
    ask.show(&told, |_| {
        print(&plan, &steps);
        if outcome.is_ok() {
            println!("recomputed: each of these {} decisions follows from the plan and what is stored with it", steps.len());
        }
    });
    outcome.map_err(|broken| failed(&broken.to_string(), "somebody changed the store, or another version decided; keep a backup and report it"))?;
    Ok(ExitCode::SUCCESS)
}

fn read(told: &Value) -> Option<(Plan, Vec<Step>)> {
    let plan = Plan::from_json(told["plan"].to_string().as_bytes())?;
    let step = |step: &Value| Step::from_value(&parse(step.to_string().as_bytes()).ok()?);
    Some((plan, told["steps"].as_array()?.iter().map(step).collect::<Option<_>>()?))
}

fn print(plan: &Plan, steps: &[Step]) {
    let terms = plan.terms();
    let waves: Vec<String> = terms.waves.iter().enumerate().map(|(index, wave)| format!("{} {}", plan.size(index), wave.name)).collect();
    println!("rollout {} of generation {}: {} hosts, {}", terms.number, terms.generation, plan.places().len(), waves.join(", "));
    for step in steps {
        println!("{:>4}  {}  {}", step.number, rfc3339(step.at), harmless(&step.decision.to_string()));
        println!("      from {}", harmless(&inputs(&step.inputs)));
    }
}

fn inputs(Inputs { progress, pairs, silences }: &Inputs) -> String {
    let wish = match &progress.wish {
        Wish::None => String::new(),
        Wish::Pause(word) => format!("; {} wants it to wait: {}", word.who, word.why),
        Wish::Promote(out) => format!("; somebody wants it to go on from {out} waves"),
        Wish::Pull(word) => format!("; {} wants it pulled: {}", word.who, word.why),
    };
    let out = match progress.out {
        0 => "no wave out".to_owned(),
        1 => format!("1 wave out since {}", rfc3339(progress.since)),
        out => format!("{out} waves out since {}", rfc3339(progress.since)),
    };
    format!(
        "{out}, {} trials that ended well, {} unfit, {} of {} hosts heard of, {} new pairs ({} bad), {} new silences{wish}",
        progress.trials,
        progress.unfit,
        progress.heard,
        progress.expected,
        pairs.len(),
        pairs.iter().filter(|(_, pair)| pair.bad).count(),
        silences.len(),
    )
}

fn failed(because: &str, hint: &str) -> Failure {
    Failure::new("rollout.broken", "cannot make the decisions again", because, hint)
}
