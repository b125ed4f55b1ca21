//! A rollout as a tree: what was decided, what speaks against it, how far each wave is.

use crate::{
    failure::harmless,
    print::{items, text, time},
};
use serde_json::Value;

/// The tree, one line for each branch.
pub(super) fn drawn(told: &Value) -> String {
    let rollout = &told["rollout"];
    if rollout.is_null() {
        let why = if told["rollouts"] == true {
            "start one: pinnacectl rollout start GENERATION"
        } else {
            "releases go to every host of their channel at once"
        };
        return format!("there was no rollout yet; {why}\n");
    }
    let mut lines = vec![format!(
        "rollout {}  generation {}  {}  {}",
        rollout["number"],
        rollout["generation"],
        text(rollout, "channel"),
        text(rollout, "state").to_uppercase()
    )];
    let mut branches = vec![
        vec![format!("started    {} by {}: {}", time(rollout, "started_at"), text(rollout, "by"), text(rollout, "reason"))],
        vec![format!("decision   {} at {}: {}", rollout["step"], time(rollout, "decided_at"), text(rollout, "decision"))],
        evidence(&rollout["evidence"]),
        waves(rollout),
        vec![format!("reports    {} of {} hosts with the release were heard of lately", rollout["heard"], rollout["expected"])],
    ];
    let uncovered: Vec<&str> = items(rollout, "uncovered").filter_map(Value::as_str).collect();
    if !uncovered.is_empty() {
        branches.push(vec![format!("uncovered  no host tried it first that has {}", uncovered.join(", "))]);
    }
    branches.push(stable(told));
    hang(&mut lines, &branches, "");
    lines.into_iter().map(|line| harmless(&line) + "\n").collect()
}

/// Hangs branches below, each with its own first line and twigs.
fn hang(lines: &mut Vec<String>, branches: &[Vec<String>], indent: &str) {
    for (number, branch) in branches.iter().enumerate() {
        let last = number + 1 == branches.len();
        let (knot, below) = if last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        let Some((first, twigs)) = branch.split_first() else { continue };
        lines.push(format!("{indent}{knot}{first}"));
        let twigs: Vec<Vec<String>> = twigs.iter().map(|twig| vec![twig.clone()]).collect();
        hang(lines, &twigs, &format!("{indent}{below}"));
    }
}

fn evidence(evidence: &Value) -> Vec<String> {
    let number = |name: &str| readable(evidence[name].as_f64().unwrap_or(0.0));
    let first = format!(
        "evidence   {} of {} that pull  (one kind of host {}, everywhere {}, silence {}; {} bad and {} good pairs)",
        number("all"),
        number("pull_at"),
        number("concentrated"),
        number("diffuse"),
        number("silence"),
        evidence["bad"],
        evidence["good"]
    );
    std::iter::once(first).chain(items(evidence, "suspects").map(|suspect| suspect.as_str().unwrap_or_default().to_string())).collect()
}

fn readable(number: f64) -> String {
    match number {
        small if small < 10.0 => format!("{small:.2}"),
        middle if middle < 1e6 => format!("{middle:.0}"),
        large => format!("{large:.0e}"),
    }
}

fn waves(rollout: &Value) -> Vec<String> {
    let number = |wave: &Value, name: &str| wave[name].as_u64().unwrap_or(0);
    let line = |wave: &Value| {
        let out = wave["out"] == true;
        let (mark, assigned) = if out { ("●", number(wave, "hosts")) } else { ("○", 0) };
        let [hosts, trial, committed, unfit] = ["hosts", "on_trial", "committed", "unfit"].map(|name| number(wave, name));
        format!("{mark} {:<10} {hosts:>7} {assigned:>9} {trial:>9} {committed:>10} {unfit:>6}", text(wave, "name"))
    };
    let heading = format!("waves        {:<7} {:>7} {:>9} {:>9} {:>10} {:>6}", "", "hosts", "assigned", "on trial", "committed", "unfit");
    std::iter::once(heading).chain(items(rollout, "waves").map(line)).collect()
}

fn stable(told: &Value) -> Vec<String> {
    let mut newest: std::collections::BTreeMap<String, String> = std::collections::BTreeMap::new();
    for good in items(told, "stable") {
        newest.insert(format!("{} {}", text(good, "channel"), text(good, "platform")), format!("generation {}", good["generation"]));
    }
    let known: Vec<String> = newest.into_iter().map(|(place, generation)| format!("{place}: {generation}")).collect();
    let first = if known.is_empty() { "none yet; hosts keep what they run".to_string() } else { known.join(", ") };
    vec![format!("stable     {first}")]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_rollout_is_drawn_as_a_tree() {
        let wave =
            |name, out, hosts| json!({"name": name, "out": out, "hosts": hosts, "on_trial": 1, "committed": 2, "unfit": 0, "soak_seconds": 60});
        let told = json!({"rollouts": true, "stable": [{"channel": "stable", "platform": "x86_64-linux", "generation": 6, "sha256": ""}], "rollout": {
            "number": 3, "generation": 7, "channel": "stable", "state": "waiting", "started_at": 0, "by": "ann", "reason": "new \u{1b}[31mresolver",
            "step": 2, "decided_at": 0, "decision": "hold: watching the wave until 60", "heard": 3, "expected": 4, "uncovered": ["init=runit"],
            "evidence": {"all": 1.0, "pull_at": 1000.0, "concentrated": 34.2, "diffuse": 0.5, "silence": 2e9, "bad": 3, "good": 1, "suspects": ["kernel=3.10"]},
            "waves": [wave("canary", true, 12), wave("held back", false, 2)],
        }});
        let expected = "\
rollout 3  generation 7  stable  WAITING
├─ started     by ann: new  [31mresolver
├─ decision   2 at : hold: watching the wave until 60
├─ evidence   1.00 of 1000 that pull  (one kind of host 34, everywhere 0.50, silence 2e9; 3 bad and 1 good pairs)
│  └─ kernel=3.10
├─ waves                  hosts  assigned  on trial  committed  unfit
│  ├─ ● canary          12        12         1          2      0
│  └─ ○ held back        2         0         1          2      0
├─ reports    3 of 4 hosts with the release were heard of lately
├─ uncovered  no host tried it first that has init=runit
└─ stable     stable x86_64-linux: generation 6
";
        assert_eq!(drawn(&told), expected, "{}", drawn(&told));
        assert!(drawn(&json!({"rollouts": true, "rollout": null})).contains("rollout start"));
    }
}
