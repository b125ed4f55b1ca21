//! A rollout's way through the waves, and everything it waits for.

use crate::fleet::{INTERVAL, candidates, rollout, tick, tick_with};
use rollout::{
    Assigned, Rollout,
    decide::Wish,
    decision::{Decision, HoldReason, PullReason, Word},
};

fn end_all(rollout: &mut Rollout) {
    let release = rollout.plan().terms().releases[0].clone();
    for host in candidates(rollout) {
        let _ = rollout.take_verdict(&host, &release, true);
    }
}

fn word() -> Word {
    Word { who: "ann".into(), why: "to look at it".into() }
}

#[test]
fn a_good_release_reaches_every_host_wave_by_wave() {
    let mut rollout = rollout(2000, 40, "good");
    let mut waves = Vec::new();
    for round in 0..130 {
        let decision = tick(&mut rollout, round * INTERVAL);
        end_all(&mut rollout);
        if let Some(Decision::Advance { name, .. }) = &decision {
            waves.push((name.clone(), candidates(&rollout).len()));
        }
    }
    assert_eq!(waves, [("canary".to_owned(), 16), ("early".to_owned(), 103), ("quarter".to_owned(), 502), ("most".to_owned(), 1956)]);
    assert!(matches!(rollout.standing(), Some(Decision::Done { trials: 1956 })), "{:?}", rollout.standing());
    assert_eq!(candidates(&rollout).len(), 2000);
    assert_eq!(rollout.assign("a host that came later"), Assigned::Candidate);
    rollout.apply(Decision::Hold(HoldReason::Paused(word())), 0);
    assert_eq!(rollout.assign("host-1"), Assigned::Candidate, "done is done");
    rollout.apply(Decision::Pull(PullReason::Wanted(word())), 0);
    assert_eq!(rollout.assign("host-1"), Assigned::Pulled, "but can be pulled");
}

#[test]
fn it_says_what_it_waits_for() {
    let mut rollout = rollout(2000, 40, "waits");
    assert!(matches!(tick(&mut rollout, 0), Some(Decision::Advance { wave: 0, .. })));
    assert_eq!(rollout.assign("a host that came later"), Assigned::HeldBack);
    let soak = 32 * INTERVAL;
    assert_eq!(tick(&mut rollout, 900), Some(Decision::Hold(HoldReason::Soaking { until: soak })));
    assert_eq!(tick(&mut rollout, 1800), None, "the same wait is said once");
    for round in 3..32 {
        assert_eq!(tick(&mut rollout, round * INTERVAL), None);
    }
    assert_eq!(tick(&mut rollout, soak), Some(Decision::Hold(HoldReason::TooFewTrials { trials: 0, needed: 14 })));
    end_all(&mut rollout);
    let off: Vec<String> = candidates(&rollout).into_iter().take(2).collect();
    let mut quiet = None;
    for round in 33..36 {
        quiet = tick_with(&mut rollout, round * INTERVAL, |host| !off.iter().any(|off| off == host)).or(quiet);
    }
    assert!(rollout.progress().out == 1, "{quiet:?}");
    assert_eq!(rollout.standing(), Some(&Decision::Hold(HoldReason::Quiet { heard: 14, expected: 16 })));
    assert_eq!(rollout.standing().unwrap().to_string(), "hold: 14 of 16 hosts with the release were heard of lately, and 98 % are needed");
    assert!(matches!(tick(&mut rollout, 36 * INTERVAL), Some(Decision::Advance { wave: 1, .. })));
}

#[test]
fn a_person_pauses_promotes_and_pulls_but_passes_over_no_evidence() {
    let mut rollout = rollout(2000, 40, "person");
    tick(&mut rollout, 0);
    rollout.wish(Wish::Pause(word()));
    assert_eq!(tick(&mut rollout, 900), Some(Decision::Hold(HoldReason::Paused(word()))));
    rollout.wish(Wish::Promote(1));
    assert!(matches!(tick(&mut rollout, 1000), Some(Decision::Advance { wave: 1, .. })));
    assert!(matches!(tick(&mut rollout, 1100), Some(Decision::Hold(HoldReason::Soaking { .. }))), "one wave was promoted, and not two");
    let mut doubted = rollout.clone();
    rollout.wish(Wish::Pull(word()));
    assert_eq!(tick(&mut rollout, 1200), Some(Decision::Pull(PullReason::Wanted(word()))));
    assert_eq!(rollout.assign("host-1"), Assigned::Pulled);
    assert_eq!(tick(&mut rollout, 1300), None);
    doubted.wish(Wish::Promote(2));
    let mut decisions = crate::fleet::run(&mut doubted, 1, |_, _| true, || false);
    assert!(matches!(decisions.pop(), Some(Decision::Pull(PullReason::Worse(_)))));
}

#[test]
fn silence_of_those_with_the_release_pulls_and_silence_of_all_does_not() {
    let silenced = |everybody: bool| {
        let mut rollout = rollout(9000, 400, "silent");
        tick(&mut rollout, 0);
        tick(&mut rollout, 60);
        let treated = candidates(&rollout);
        for round in 1..8 {
            let in_reach = |host: &str| round < 2 || !(everybody || treated.iter().any(|treated| treated == host));
            tick_with(&mut rollout, round * INTERVAL, in_reach);
        }
        rollout
    };
    let pulled = silenced(false);
    assert!(matches!(pulled.standing(), Some(Decision::Pull(PullReason::Worse(_)))), "{:?}", pulled.standing());
    assert!(!silenced(true).has_ended());
}

#[test]
fn a_driver_that_was_away_does_not_take_its_own_absence_for_silence() {
    let mut rollout = rollout(2000, 40, "away");
    tick(&mut rollout, 0);
    tick(&mut rollout, 60);
    // For ten hours nobody listened; the first tick after it has heard of nobody yet.
    rollout.tick(36_000, |_| 60);
    assert!(rollout.evidence().silences().is_empty());
    rollout.tick(36_000 + 900, |_| 36_300);
    assert!(rollout.evidence().silences().is_empty());
}
