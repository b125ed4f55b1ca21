//! The chain of stored decisions: whoever has it can make every one of them again, and sees what is missing or changed.

use crate::fleet::{INTERVAL, LONG_AGO, candidates, crossover, rollout};
use protocol::json;
use rollout::{
    decide::Wish,
    decision::{Decision, PullReason, Word},
    plan::Plan,
    step::{Broken, Inputs, Step, check},
};
use std::collections::BTreeSet;

/// A bad release on old kernels, driven as the control plane does, to its end.
fn chain() -> (Plan, Vec<Step>) {
    let mut rollout = rollout(700, 24, "chain");
    let (mut steps, mut pairs, mut silences) = (Vec::<Step>::new(), BTreeSet::new(), 0);
    for round in 0..400 {
        let now = round * INTERVAL;
        for host in candidates(&rollout) {
            if round > 20 && rollout.stratum(&host).is_some_and(|stratum| stratum.contains("3.10")) {
                (0..5).for_each(|repeat| crossover(&mut rollout, &host, (round + 1, repeat), true, false));
            }
            let _ = rollout.take_verdict(&host, "chain", true);
        }
        let heard = |place: usize| if place.is_multiple_of(100) && round > 5 { LONG_AGO } else { now };
        let Some(decision) = rollout.tick(now, heard) else { continue };
        let new = rollout.evidence().pairs().filter(|(host, pair)| pairs.insert((*host, *pair))).collect();
        let inputs = Inputs { progress: rollout.progress().clone(), pairs: new, silences: rollout.evidence().silences()[silences..].to_vec() };
        silences = rollout.evidence().silences().len();
        let parent = steps.last().map_or(0, |last: &Step| last.number);
        steps.push(Step { number: parent + 1, parent, at: now, decision: decision.clone(), inputs });
        rollout.apply(decision, now);
        if rollout.has_ended() {
            break;
        }
    }
    (rollout.plan().clone(), steps)
}

#[test]
fn a_chain_is_made_again_from_its_stored_form_and_shows_whatever_was_done_to_it() {
    let (plan, steps) = chain();
    let stored: Vec<String> = steps.iter().map(|step| step.to_value().to_string()).collect();
    let read = |text: &String| Step::from_value(&json::parse(text.as_bytes()).unwrap()).unwrap();
    assert_eq!(stored.iter().map(read).collect::<Vec<_>>(), steps);
    assert!(matches!(steps.last().unwrap().decision, Decision::Pull(PullReason::Worse(_))), "{:?}", steps.last());
    assert!(steps.len() > 2 && steps.iter().any(|step| !step.inputs.pairs.is_empty()) && steps.iter().any(|step| !step.inputs.silences.is_empty()));
    assert_eq!(check(&plan, &steps), Ok(()));
    for index in 0..steps.len() {
        let mut less = steps.clone();
        less.remove(index);
        if index + 1 < steps.len() {
            assert_eq!(check(&plan, &less), Err(Broken::Order { expected: steps[index].number }));
        }
        let mut twice = steps.clone();
        twice.insert(index, steps[index].clone());
        assert!(check(&plan, &twice).is_err());
    }
    let mut forged = steps;
    forged.last_mut().unwrap().inputs.pairs.clear();
    forged.iter_mut().for_each(|step| step.inputs.pairs.retain(|(_, pair)| !pair.bad));
    assert!(matches!(check(&plan, &forged), Err(Broken::Decision { .. })));
}

#[test]
fn after_the_end_only_a_person_decides_and_only_to_pull() {
    let (plan, steps) = chain();
    let mut first: Vec<Step> = steps.into_iter().take(1).collect();
    let mut progress = first[0].inputs.progress.clone();
    progress.out = plan.terms().waves.len();
    progress.wish = Wish::Promote(progress.out);
    let next = |steps: &[Step], decision, progress| {
        let parent = steps.last().map_or(0, |last: &Step| last.number);
        Step { number: parent + 1, parent, at: 7, decision, inputs: Inputs { progress, ..Inputs::default() } }
    };
    first.push(next(&first, Decision::Done { trials: 0 }, progress.clone()));
    assert_eq!(check(&plan, &first), Ok(()));
    let word = Word { who: "ann".into(), why: "it is worse after all".into() };
    let mut pulled = first.clone();
    let mut wanted = progress.clone();
    wanted.wish = Wish::Pull(word.clone());
    pulled.push(next(&first, Decision::Pull(PullReason::Wanted(word)), wanted));
    assert_eq!(check(&plan, &pulled), Ok(()));
    pulled.push(next(&pulled, Decision::Done { trials: 0 }, progress.clone()));
    assert_eq!(check(&plan, &pulled), Err(Broken::AfterTheEnd { step: 4 }));
    first.push(next(&first, Decision::Done { trials: 0 }, progress));
    assert_eq!(check(&plan, &first), Err(Broken::AfterTheEnd { step: 3 }));
}
