use super::*;
use crate::release::{
    Rules,
    tests::{canary, catalog},
};
use protocol::release::Terms;
use rollout::{
    plan::{self, Plan},
    survey::{Host, Survey},
};

const X86: &str = "x86_64-linux";

fn hash(generation: i64) -> String {
    format!("{generation:064x}")
}

fn rules(rollouts: bool) -> Rules {
    toml::from_str(&format!("rollouts = {rollouts}\ntrial_runs = 3\ntrial_seconds = 60")).unwrap()
}

fn asker<'a>(host: &'a str, labels: &'a Labels, generation: i64) -> Asker<'a> {
    Asker { host, labels, platform: X86, generation, interval: 60 }
}

fn stable(channel: &str, generation: i64) -> BTreeMap<String, BTreeMap<String, Vec<Good>>> {
    let head = Head { channel: channel.into(), ..Head::default() };
    head.with_good([(X86.into(), Good { generation, sha256: hash(generation) })]).stable
}

/// A rollout of generation 6 over a hundred hosts, whose first wave is out.
fn under_way() -> InForce {
    under_way_by(plan::Terms::usual("r", 1, 6, &hash(6), 60))
}

fn under_way_by(terms: plan::Terms) -> InForce {
    let hosts = (0..100).map(|number| Host { name: format!("host-{number:03}"), facts: BTreeMap::new() }).collect();
    let mut rollout = Rollout::new(Plan::draw(&Survey::of(hosts), terms), 0);
    let first = rollout.tick(0, |_| 0).unwrap();
    rollout.apply(first, 0);
    let head = Head { rollout: 1, generation: 6, channel: "stable".into(), stable: stable("stable", 5), ..Head::default() };
    InForce { revision: 1, head, rollout: Some(rollout) }
}

fn target(in_force: &InForce, asker: &Asker<'_>) -> Option<String> {
    in_force.assign(&catalog(0), &rules(true), asker, 0).target
}

#[test]
fn before_any_rollout_hosts_stay_as_they_are() {
    assert_eq!(InForce::default().assign(&catalog(0), &rules(true), &asker("a", &Labels::new(), 3), 0), Assignment::default());
    let without = InForce::default().assign(&catalog(0), &rules(false), &asker("a", &Labels::new(), 3), 0);
    assert_eq!((without.target.as_deref(), without.trial.map(|trial| trial.runs)), (Some("pinnace/6/x86_64-linux"), Some(3)));
}

#[test]
fn who_has_the_wave_tries_the_release_and_the_rest_have_what_is_stable() {
    let in_force = under_way();
    let (none, labels) = (Labels::new(), in_force.rollout.clone().unwrap());
    let mut tried = 0;
    for place in labels.plan().places() {
        let wanted = target(&in_force, &asker(&place.host, &none, 5));
        if place.wave == 0 {
            tried += 1;
            assert_eq!(wanted.as_deref(), Some("pinnace/6/x86_64-linux"));
            assert_eq!(target(&in_force, &asker(&place.host, &none, 6)), None, "it runs that");
        } else {
            assert_eq!(wanted, None);
            let behind = in_force.assign(&catalog(0), &rules(true), &asker(&place.host, &none, 4), 0);
            assert_eq!((behind.target.as_deref(), behind.trial.is_some()), (Some("pinnace/5/x86_64-linux"), true));
        }
    }
    assert!(tried >= 4);
    assert_eq!(target(&in_force, &asker("stranger", &none, 5)), None);
    let elsewhere = Asker { platform: "aarch64-linux", ..asker("host-000", &none, 8) };
    assert_eq!(target(&in_force, &elsewhere), None, "the rollout is not about that platform");
}

#[test]
fn a_pulled_release_is_left_for_what_was_stable_and_never_assigned_again() {
    let mut in_force = under_way();
    in_force.head = in_force.head.without(&[hash(6)]);
    let none = Labels::new();
    for place in in_force.rollout.clone().unwrap().plan().places() {
        let left = in_force.assign(&catalog(0), &rules(true), &asker(&place.host, &none, 6), 0);
        assert_eq!((left.target.as_deref(), left.trial, left.pulled), (Some("pinnace/5/x86_64-linux"), None, vec![hash(6)]));
        let other = in_force.assign(&catalog(0), &rules(true), &asker(&place.host, &none, 5), 0);
        assert_eq!((other.target, other.pulled), (None, vec![hash(6)]), "every host hears of it");
        let plain = in_force.assign(&catalog(0), &rules(false), &asker(&place.host, &none, 6), 0);
        assert_eq!(plain.target.as_deref(), Some("pinnace/5/x86_64-linux"), "also without rollouts");
    }
    assert_eq!(in_force.head.without(&[hash(5)]).stable["stable"][X86], []);
}

#[test]
fn canaries_have_the_newest_of_both_channels() {
    let mut head = Head { stable: stable("stable", 6), ..Head::default() };
    head.stable.extend(stable("canary", 7));
    let in_force = InForce { head, ..InForce::default() };
    assert_eq!(target(&in_force, &asker("a", &canary(), 5)).as_deref(), Some("pinnace/7/x86_64-linux"));
    assert_eq!(target(&in_force, &asker("a", &Labels::new(), 5)).as_deref(), Some("pinnace/6/x86_64-linux"));
    assert_eq!(target(&in_force, &asker("a", &Labels::new(), 7)), None, "who is ahead with what is signed stays");
    assert_eq!(target(&in_force, &asker("a", &Labels::new(), 8)).as_deref(), Some("pinnace/6/x86_64-linux"), "8 was withdrawn");
}

/// What is done is given to everybody, and who runs something newer is not everybody.
#[test]
fn the_end_of_a_rollout_brings_nobody_back_to_an_older_release() {
    let mut in_force = under_way();
    if let Some(rollout) = &mut in_force.rollout {
        rollout.apply(Decision::Done { trials: 0 }, 0);
    }
    let none = Labels::new();
    for host in ["host-000", "stranger"] {
        assert_eq!(target(&in_force, &asker(host, &none, 5)).as_deref(), Some("pinnace/6/x86_64-linux"));
        assert_eq!(target(&in_force, &asker(host, &canary(), 7)), None, "it is ahead with what is signed");
        assert_eq!(target(&in_force, &asker(host, &none, 8)).as_deref(), Some("pinnace/6/x86_64-linux"), "8 was withdrawn");
    }
    in_force.head.pulled.push(hash(7));
    assert_eq!(target(&in_force, &asker("host-000", &canary(), 7)).as_deref(), Some("pinnace/6/x86_64-linux"), "7 was pulled");
}

#[test]
fn while_a_person_has_it_paused_nobody_takes_a_release_that_has_not_taken_it() {
    let usual = plan::Terms::usual("r", 1, 6, &hash(6), 60);
    let at_once = plan::Terms { trial: Terms { runs: 0, seconds: 0 }, ..usual.clone() };
    let [tried, taken] = [usual.clone(), at_once].map(|terms| {
        let mut in_force = under_way_by(terms);
        let canary = in_force.rollout.as_ref().unwrap().plan().places().iter().find(|place| place.wave == 0).unwrap().host.clone();
        let word = Word { who: "ann".into(), why: "a freeze".into() };
        in_force.rollout.as_mut().unwrap().apply(Decision::Hold(HoldReason::Paused(word)), 0);
        in_force.assign(&catalog(0), &rules(true), &asker(&canary, &Labels::new(), 5), 0)
    });
    assert_eq!(tried.trial, Some(Terms { runs: 1_000, ..usual.trial }), "a trial goes on, and does not end in taking it");
    assert_eq!(taken.target, None, "what takes no trial waits");
}

#[test]
fn what_is_stable_or_pulled_is_remembered_so_far_back() {
    let mut head = Head { channel: "stable".into(), ..Head::default() };
    for generation in 1..50 {
        head = head.with_good([(X86.into(), Good { generation, sha256: hash(generation) })]);
        head = head.without(&[hash(generation + 1000)]);
    }
    assert_eq!((head.stable["stable"][X86].len(), head.pulled.len()), (STABLE_MAX, PULLED_MAX));
    assert_eq!((head.stable["stable"][X86][3].generation, head.pulled[15].clone()), (49, hash(1049)));
}
