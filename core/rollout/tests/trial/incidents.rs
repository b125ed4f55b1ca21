//! What went wrong elsewhere, on the same events.

use crate::fleet::{Chance, rollout, run};
use rollout::decision::{Decision, PullReason};

fn number(host: &str) -> i64 {
    host.strip_prefix("host-").and_then(|number| number.parse().ok()).unwrap()
}

#[test]
fn kayenta_377_no_error_in_the_baseline_and_errors_in_the_canary_pull() {
    let mut rollout = rollout(900, 0, "kayenta-377");
    let decisions = run(&mut rollout, 40, |host, run| (number(host) + run) % 4 == 0, || false);
    let Some(Decision::Pull(PullReason::Worse(breach))) = decisions.last() else { panic!("{decisions:?}") };
    assert_eq!(breach.everywhere.good, 0);
    assert_eq!(rollout.progress().out, 1, "the canaries were enough");
}

#[test]
fn argo_1774_a_bad_current_never_holds_back_a_good_candidate() {
    let mut rollout = rollout(900, 0, "argo-1774");
    let mut chance = Chance(3);
    let release = rollout.plan().terms().releases[0].clone();
    let mut decisions: Vec<Decision> = crate::fleet::tick(&mut rollout, 0).into_iter().collect();
    for round in 1..=200 {
        for host in crate::fleet::candidates(&rollout) {
            // A third of the current generation's runs fail, and none of the candidate's.
            crate::fleet::crossover(&mut rollout, &host, (round, 0), false, chance.permille(333));
            if round % 30 == 0 {
                let _ = rollout.take_verdict(&host, &release, true);
            }
        }
        decisions.extend(crate::fleet::tick(&mut rollout, round * crate::fleet::INTERVAL));
    }
    assert!(matches!(decisions.last(), Some(Decision::Done { .. })), "{decisions:?}");
    let doubt = decisions.iter().any(|decision| matches!(decision, Decision::Hold(rollout::decision::HoldReason::Doubt(_))));
    assert!(!doubt, "{decisions:?}");
}

#[test]
fn what_fails_on_one_kernel_is_pulled_and_named() {
    let mut rollout = rollout(9000, 40, "kernel");
    let decisions = run(&mut rollout, 24, |host, _| number(host) < 40, || false);
    let Some(Decision::Pull(PullReason::Worse(breach))) = decisions.last() else { panic!("{decisions:?}") };
    assert_eq!(breach.strata[0].stratum, "kernel=3.10");
    let text = decisions.last().unwrap().to_string();
    assert!(text.starts_with("pull: worse than current in stratum kernel=3.10: ") && text.contains(" bad and 0 good pairs on "), "{text}");
}

#[test]
fn what_fails_everywhere_is_pulled_after_one_run() {
    let mut rollout = rollout(9000, 40, "everywhere");
    let decisions = run(&mut rollout, 24, |_, _| true, || false);
    assert_eq!(decisions.len(), 2, "it begins and is pulled: {decisions:?}");
    assert!(matches!(decisions.last(), Some(Decision::Pull(PullReason::Worse(_)))));
}
