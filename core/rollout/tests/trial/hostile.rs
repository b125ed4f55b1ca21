//! Hosts that lie, and reports that come late, twice, or for something else.

use crate::fleet::{Chance, candidates, report, rollout, run, tick};
use protocol::trial::{Crossover, Pair, candidate_goes_first};
use rollout::{Rollout, Unheard, decision::Decision};

/// Everything a host can say that its coin allows: all bad, or all good.
fn lie(rollout: &mut Rollout, host: &str, bad: bool) {
    let release = rollout.plan().terms().releases[0].clone();
    for run in 0..200 {
        for crossover in 0..5 {
            if candidate_goes_first(host, &release, run, crossover) == bad {
                let _ = report(rollout, host, (run, crossover));
            }
        }
    }
}

#[test]
fn a_lying_host_cannot_pull_a_release() {
    for old in [0, 24] {
        let mut rollout = rollout(600, old, "liar");
        tick(&mut rollout, 0);
        let liar = candidates(&rollout)[0].clone();
        lie(&mut rollout, &liar, true);
        assert!(!matches!(tick(&mut rollout, 900), Some(Decision::Pull(_))), "{:?}", rollout.standing());
        assert!(rollout.evidence().bet().all.number() < 50.0, "{}", rollout.evidence().bet().all);
    }
}

#[test]
fn a_lying_host_cannot_save_a_release() {
    let mut rollout = rollout(900, 40, "saviour");
    tick(&mut rollout, 0);
    let liar = candidates(&rollout).into_iter().find(|host| rollout.stratum(host).is_some_and(|stratum| stratum.contains("rhel7"))).unwrap();
    lie(&mut rollout, &liar, false);
    let broken =
        |host: &str, _| host != liar && host.strip_prefix("host-").and_then(|number| number.parse().ok()).is_some_and(|number: u32| number < 40);
    let decisions = run(&mut rollout, 24, broken, || false);
    assert!(matches!(decisions.last(), Some(Decision::Pull(_))), "{decisions:?}");
}

#[test]
fn order_and_repeats_of_reports_do_not_matter() {
    let mut first = rollout(600, 24, "order");
    tick(&mut first, 0);
    let mut chance = Chance(5);
    let mut reports = Vec::new();
    for host in candidates(&first) {
        for run in 0..8 {
            if chance.permille(300) {
                reports.push((host.clone(), run));
            }
        }
    }
    let mut second = first.clone();
    for (host, run) in &reports {
        assert_eq!(report(&mut first, host, (*run, 0)), Ok(()));
    }
    for _ in 0..3 {
        for index in (1..reports.len()).rev() {
            reports.swap(index, chance.below(index as u64 + 1) as usize);
        }
        for (host, run) in &reports {
            let _ = report(&mut second, host, (*run, 0));
        }
    }
    assert_eq!(first.evidence(), second.evidence());
    assert_eq!(first.to_json(), second.to_json());
}

#[test]
fn what_cannot_be_true_does_not_count() {
    let mut rollout = rollout(600, 24, "untrue");
    tick(&mut rollout, 0);
    let host = candidates(&rollout)[0].clone();
    let waiting = rollout.plan().places().iter().find(|place| place.wave == 2).unwrap().host.clone();
    let (pair, other) = if candidate_goes_first(&host, "untrue", 1, 0) { (Pair::Bad, Pair::Good) } else { (Pair::Good, Pair::Bad) };
    let mut say = |host: &str, release: &str, pair| {
        rollout.take_crossover(host, &Crossover { release: release.to_owned(), run: 1, crossover: 0, pair, code: "ok".into() })
    };
    assert_eq!(say("nobody", "untrue", pair), Err(Unheard::Stranger));
    assert_eq!(say(&host, "another", pair), Err(Unheard::OtherRelease));
    assert_eq!(say(&waiting, "untrue", pair), Err(Unheard::NotAssigned));
    assert_eq!(say(&host, "untrue", other), Err(Unheard::NotByTheCoin));
    assert_eq!(say(&host, "untrue", pair), Ok(()));
    assert_eq!(say(&host, "untrue", pair), Err(Unheard::Repeated));
}
