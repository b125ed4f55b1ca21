//! A rollout goes on from its record as if nothing had happened.

use crate::fleet::{Chance, INTERVAL, LONG_AGO, candidates, report, rollout, tick};
use rollout::{
    Rollout,
    decide::Wish,
    decision::{Decision, HoldReason, PullReason, Word},
    plan::Plan,
};

/// One round with everything in it: pairs, ends, silence, a decision.
fn round(rollout: &mut Rollout, number: i64, chance: &mut Chance) -> Option<Decision> {
    for host in candidates(rollout) {
        if chance.permille(20) {
            report(rollout, &host, (number, 0)).unwrap();
        }
        if chance.permille(100) {
            let _ = rollout.take_verdict(&host, "restart", chance.permille(995));
        }
    }
    let now = number * INTERVAL;
    let silent_from = |place: usize| if place.is_multiple_of(97) { i64::from(40 + place as u32 % 7) * INTERVAL } else { i64::MAX };
    let decision = rollout.tick(now, |place| if now < silent_from(place) { now } else { LONG_AGO })?;
    rollout.apply(decision.clone(), now);
    Some(decision)
}

#[test]
fn after_every_round_the_record_goes_on_identically() {
    let mut living = rollout(700, 24, "restart");
    let plan = Plan::from_json(living.plan().to_json().as_bytes()).unwrap();
    assert_eq!(&plan, living.plan());
    let mut chance = Chance(11);
    tick(&mut living, 0);
    let mut restarted = living.clone();
    for number in 1..=150 {
        let mut same_chance = Chance(chance.0);
        let decision = round(&mut living, number, &mut chance);
        assert_eq!(decision, round(&mut restarted, number, &mut same_chance));
        restarted = Rollout::from_json(plan.clone(), living.to_json().as_bytes()).unwrap();
        assert_eq!(restarted, living);
        assert_eq!(restarted.evidence().bet(), living.evidence().bet());
    }
    assert!(living.progress().out > 1 && !living.evidence().silences().is_empty(), "{:?}", living.progress());
}

#[test]
fn a_decision_that_was_stored_and_not_applied_is_applied_once() {
    let mut rollout = rollout(700, 24, "restart");
    let decision = rollout.tick(0, |_| 0).unwrap();
    let mut again = rollout.clone();
    rollout.apply(decision.clone(), 0);
    again.apply(decision.clone(), 0);
    again.apply(decision, 500);
    assert_eq!(rollout, again);
}

#[test]
fn decisions_are_read_as_they_are_written() {
    let mut rollout = rollout(700, 24, "restart");
    let mut chance = Chance(2);
    let mut decisions: Vec<Decision> = tick(&mut rollout, 0).into_iter().collect();
    decisions.extend((1..=150).filter_map(|number| round(&mut rollout, number, &mut chance)));
    let word = Word { who: "ann".into(), why: "a \"test\"".into() };
    let breach = rollout::decide::breach(rollout.plan(), rollout.evidence(), rollout.evidence().bet());
    decisions.extend([
        Decision::Hold(HoldReason::Paused(word.clone())),
        Decision::Hold(HoldReason::Doubt(breach.clone())),
        Decision::Hold(HoldReason::Quiet { heard: 3, expected: 9 }),
        Decision::Hold(HoldReason::TooFewTrials { trials: 3, needed: 9 }),
        Decision::Pull(PullReason::Wanted(word)),
        Decision::Pull(PullReason::Worse(breach)),
        Decision::Done { trials: 7 },
    ]);
    assert!(decisions.len() > 10);
    for decision in decisions {
        let text = decision.to_value().to_string();
        assert_eq!(Decision::from_value(&protocol::json::parse(text.as_bytes()).unwrap()), Some(decision), "{text}");
    }
}

#[test]
fn what_people_want_survives_a_restart() {
    let mut rollout = rollout(700, 24, "restart");
    tick(&mut rollout, 0);
    let word = Word { who: "ann".into(), why: "lunch".into() };
    for wish in [Wish::None, Wish::Pause(word.clone()), Wish::Promote(1), Wish::Pull(word)] {
        rollout.wish(wish);
        assert_eq!(Rollout::from_json(rollout.plan().clone(), rollout.to_json().as_bytes()).unwrap(), rollout);
    }
    assert_eq!(Rollout::from_json(Plan::draw(&crate::fleet::survey(3, 0), crate::fleet::terms("x", "y")), rollout.to_json().as_bytes()), None);
}
