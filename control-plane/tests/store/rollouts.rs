//! Rollouts from their start to their end, on either database: what hosts are told, and the chain of decisions on record.

use crate::{
    fleet::{Fleet, PATIENCE, chain, operate, start, tried},
    postgres::Postgres,
    published::{Publisher, hash, path},
    replicas::second,
    rig::{Domain, Server, eventually},
};
use protocol::trial::{Crossover, Pair};
use rollout::decision::{Decision, PullReason};
use serde_json::json;
use std::{
    collections::HashSet,
    fs,
    ops::RangeInclusive,
    thread,
    time::{Duration, Instant},
};

/// A trust domain whose rollouts go fast, each wave watched for so many intervals, with these generations published.
pub(crate) fn ground(domain: &Domain, soak_intervals: u32, trial_runs: u32, generations: RangeInclusive<i64>) {
    let path = domain.path("pinnaced.toml");
    let fast = format!("rollouts = true\ntrial_runs = {trial_runs}\ntrial_seconds = 0\ninterval_seconds = 3\nsoak_intervals = {soak_intervals}\n");
    let lines = |text: &str| {
        let ours = ["rollouts", "trial_runs", "trial_seconds"];
        let kept = text.lines().filter(|line| !ours.iter().any(|name| line.starts_with(&format!("{name} ="))));
        kept.map(|line| if line == "[releases]" { format!("{line}\n{fast}") } else { line.to_string() }).collect::<Vec<_>>().join("\n")
    };
    fs::write(&path, lines(&fs::read_to_string(&path).unwrap()) + "\n").unwrap();
    Publisher::new(domain).publish(domain, &generations.collect::<Vec<_>>());
}

#[test]
fn a_good_release_goes_through_in_waves_and_is_stable_from_then_on() {
    let domain = Domain::new();
    ground(&domain, 1, 1, 5..=6);
    let server = Server::start(&domain);
    let fleet = Fleet::new(&domain, &server, 12, 0);
    assert!(fleet.hosts.iter().all(|host| host.ask(&server).unwrap().target.is_none()), "hosts stay as they are");
    start(&server, &domain, 6);
    assert_eq!(tried(&server, &domain, "rollout/start", Some(&json!({"generation": 6, "reason": "twice"}))).text("code"), "rollout.refused");
    let status = fleet.run_to_the_end(&server, &domain, |_| false);
    assert_eq!(status["rollout"]["state"], "done", "{status:#}");
    assert_eq!((&status["stable"][0]["generation"], &status["stable"][0]["sha256"]), (&json!(6), &json!(hash(6))));
    let steps = chain(&server, &domain);
    let waves: Vec<usize> =
        steps.iter().filter_map(|step| if let Decision::Advance { wave, .. } = step.decision { Some(wave) } else { None }).collect();
    assert_eq!(waves, [0, 1, 2, 3]);
    drop(server);
    let server = Server::start(&domain);
    fleet.run_until(&server, |_| false, |fleet| fleet.hosts.iter().all(|host| host.generation.get() == 6).then_some(()));
    assert_eq!(chain(&server, &domain), steps, "nothing is decided after the end");
    let word = json!({"reason": "it is worse after all"});
    operate(&server, &domain, "rollout/pull", Some(&word));
    eventually("every host hears of it", || fleet.hosts.iter().all(|host| host.ask(&server).unwrap().pulled == [hash(6)]));
    assert!(matches!(chain(&server, &domain).last().unwrap().decision, Decision::Pull(PullReason::Wanted(_))));
    assert_eq!(tried(&server, &domain, "rollout/start", Some(&json!({"generation": 6, "reason": "again"}))).text("code"), "rollout.refused");
}

#[test]
fn a_release_that_is_bad_on_one_kind_of_host_is_pulled_and_the_kind_is_named() {
    let domain = Domain::new();
    ground(&domain, 4, 1, 5..=6);
    let server = Server::start(&domain);
    let fleet = Fleet::new(&domain, &server, 48, 12);
    start(&server, &domain, 6);
    let status = fleet.run_to_the_end(&server, &domain, |host| host.kernel == "3.10");
    assert_eq!(status["rollout"]["state"], "pulled", "{status:#}");
    assert!(status["rollout"]["decision"].as_str().unwrap().contains("kernel=3.10"), "{status:#}");
    assert_eq!((&status["pulled"], &status["stable"]), (&json!([hash(6)]), &json!([])));
    for host in &fleet.hosts {
        let told = host.ask(&server).unwrap();
        assert_eq!((told.target, told.pulled), (None, vec![hash(6)]), "{}: from the next answer on", host.name);
    }
    let touched = fleet.hosts.iter().filter(|host| host.generation.get() == 6 || host.runs.get() > 0).count();
    assert!(touched < 24, "{touched} hosts were touched");
    chain(&server, &domain);
    let metrics = server.fetch(&format!("http://{}/metrics", server.admin), &[]).body;
    let evidence = metrics.lines().find_map(|line| line.strip_prefix("pinnaced_rollout_evidence{bet=\"all\"} ")).unwrap();
    assert!(evidence.parse::<f64>().unwrap() >= 1000.0, "{evidence}");
}

/// Nothing is reported of a host that is gone, and that is what speaks.
#[test]
fn a_release_that_silences_whoever_takes_it_is_pulled() {
    let domain = Domain::new();
    ground(&domain, 1, 1, 5..=6);
    let server = Server::start(&domain);
    let fleet = Fleet::new(&domain, &server, 24, 0);
    start(&server, &domain, 6);
    let (mut silent, end) = (HashSet::new(), Instant::now() + PATIENCE);
    let status = loop {
        for host in &fleet.hosts {
            if !silent.contains(&host.name) && host.ask(&server).unwrap().target.is_some() {
                silent.insert(host.name.clone());
            } else if !silent.contains(&host.name) {
                host.report(&server, Vec::new(), "");
            }
        }
        let status = operate(&server, &domain, "rollout", None);
        assert!(status["rollout"]["state"] != "done" && Instant::now() < end, "{status:#}");
        if status["rollout"]["state"] == "pulled" {
            break status;
        }
    };
    assert!(status["rollout"]["decision"].as_str().unwrap().contains("by silence"), "{status:#}");
    assert!(silent.len() <= 6, "only the first wave took it: {}", silent.len());
    chain(&server, &domain);
}

/// Whatever one host says, it speaks for itself alone.
#[test]
fn a_host_that_lies_neither_pulls_a_release_nor_saves_one() {
    let domain = Domain::new();
    ground(&domain, 10, 50, 5..=6);
    let server = Server::start(&domain);
    let fleet = Fleet::new(&domain, &server, 24, 0);
    start(&server, &domain, 6);
    fleet.run_until(&server, |_| false, |fleet| fleet.hosts.iter().any(|host| host.runs.get() > 0).then_some(()));
    let liar = fleet.hosts.iter().find(|host| host.runs.get() > 0).unwrap();
    let lie = |pair| {
        for piece in 0..4 {
            let crossovers = (0..16).map(|run| Crossover { release: hash(6), run: piece * 16 + run + 100, crossover: 0, pair, code: "ok".into() });
            liar.report(&server, crossovers.collect(), "");
        }
    };
    // By the coin or against it, as often as it can: it is doubted, and no more.
    lie(Pair::Bad);
    let status = || operate(&server, &domain, "rollout", None);
    eventually("it is doubted", || status()["rollout"]["state"] == "held");
    (0..3).for_each(|_| fleet.run(&server, |_| false));
    let doubted = status();
    let counted = doubted["rollout"]["evidence"]["bad"].as_u64().unwrap();
    assert!(doubted["rollout"]["state"] == "held" && counted <= 3, "{doubted:#}");
    // What is broken everywhere is pulled whatever it says.
    lie(Pair::Good);
    let status = fleet.run_to_the_end(&server, &domain, |_| true);
    assert_eq!(status["rollout"]["state"], "pulled", "{status:#}");
    chain(&server, &domain);
}

#[test]
fn people_pause_resume_and_promote_it() {
    let domain = Domain::new();
    ground(&domain, 1, 1, 5..=6);
    let server = Server::start(&domain);
    let fleet = Fleet::new(&domain, &server, 12, 0);
    for change in ["pause", "resume", "promote", "pull"] {
        let refused = tried(&server, &domain, &format!("rollout/{change}"), Some(&json!({"reason": "too early"})));
        assert_eq!((refused.status, refused.text("code").as_str()), (409, "rollout.refused"), "{change}");
    }
    start(&server, &domain, 6);
    let want = |change: &str| operate(&server, &domain, &format!("rollout/{change}"), Some(&json!({"reason": "for lunch"})));
    let state = |wanted: &str| eventually(wanted, || operate(&server, &domain, "rollout", None)["rollout"]["state"] == wanted);
    want("pause");
    state("paused");
    let paused = operate(&server, &domain, "rollout", None);
    assert_eq!(paused["rollout"]["decision"], "hold: spiffe://example.org/operator/admin/admin paused it: for lunch");
    want("resume");
    eventually("it goes on", || operate(&server, &domain, "rollout", None)["rollout"]["state"] != "paused");
    // Nobody runs, so nothing but a person lets it advance.
    for out in 1..=4 {
        eventually("a wave is out", || {
            operate(&server, &domain, "rollout", None)["rollout"]["waves"].as_array().unwrap().iter().filter(|wave| wave["out"] == true).count()
                >= out
        });
        want("promote");
    }
    state("done");
    fleet.run_until(&server, |_| false, |fleet| fleet.hosts.iter().all(|host| host.generation.get() == 6).then_some(()));
    chain(&server, &domain);
}

/// Of two operators one has it pulled, and the other has not heard of it yet.
#[test]
fn nobody_takes_a_pull_back() {
    let domain = Domain::new();
    ground(&domain, 1, 1, 5..=6);
    let server = Server::start(&domain);
    let fleet = Fleet::new(&domain, &server, 4, 0);
    start(&server, &domain, 6);
    let word = json!({"reason": "customers complain"});
    operate(&server, &domain, "rollout/pull", Some(&word));
    for change in ["pause", "resume", "promote"] {
        let refused = tried(&server, &domain, &format!("rollout/{change}"), Some(&json!({"reason": "a freeze"})));
        assert_eq!((refused.status, refused.text("code").as_str()), (409, "rollout.refused"), "{change}");
    }
    eventually("it is pulled", || operate(&server, &domain, "rollout", None)["rollout"]["state"] == "pulled");
    assert!(fleet.hosts.iter().all(|host| host.ask(&server).unwrap().pulled == [hash(6)]));
    assert!(matches!(chain(&server, &domain).last().unwrap().decision, Decision::Pull(PullReason::Wanted(_))));
}

#[test]
fn what_nobody_would_drive_is_refused_and_not_put_by() {
    let domain = Domain::new();
    ground(&domain, 1, 1, 5..=6);
    let server = Server::start(&domain);
    start(&server, &domain, 6);
    drop(server);
    let path = domain.path("pinnaced.toml");
    fs::write(&path, fs::read_to_string(&path).unwrap().replace("rollouts = true", "rollouts = false")).unwrap();
    let server = Server::start(&domain);
    for change in ["pause", "resume", "promote", "pull"] {
        let refused = tried(&server, &domain, &format!("rollout/{change}"), Some(&json!({"reason": "customers complain"})));
        assert_eq!((refused.status, refused.text("code").as_str()), (409, "rollout.refused"), "{change}");
    }
}

#[test]
fn of_two_replicas_one_drives_and_the_other_takes_over() {
    let (postgres, domain) = (Postgres::start(), Domain::new());
    postgres.keep(&domain, 60);
    ground(&domain, 1, 1, 5..=6);
    let one = Server::start(&domain);
    let two = second(&domain);
    let fleet = Fleet::new(&domain, &one, 12, 0);
    start(&one, &domain, 6);
    let drives = |server: &Server| server.fetch(&format!("http://{}/metrics", server.admin), &[]).body.contains("pinnaced_rollout_driver 1\n");
    fleet.run_until(&two, |_| false, |_| (drives(&one) || drives(&two)).then_some(()));
    assert!(drives(&one) != drives(&two), "one of them");
    let (driver, other) = if drives(&one) { (one, two) } else { (two, one) };
    fleet.run_until(&other, |_| false, |fleet| fleet.hosts.iter().any(|host| host.ask(&other).unwrap().target == Some(path(6))).then_some(()));
    drop(driver);
    let status = fleet.run_to_the_end(&other, &domain, |_| false);
    assert_eq!(status["rollout"]["state"], "done");
    assert!(drives(&other));
    chain(&other, &domain);
}

/// Killed again and again at no particular moment, and started again. Every decision that took effect is on record, once, and follows
/// from what it was made from.
#[test]
fn killed_at_any_time_it_loses_repeats_and_contradicts_no_decision() {
    for shared in [false, true] {
        let (postgres, domain) = (shared.then(Postgres::start), Domain::new());
        if let Some(postgres) = &postgres {
            postgres.keep(&domain, 60);
        }
        ground(&domain, 1, 1, 5..=6);
        let mut server = Server::start(&domain);
        let fleet = Fleet::new(&domain, &server, 8, 0);
        start(&server, &domain, 6);
        let mut before = Vec::new();
        for kill in 0..8 {
            fleet.run(&server, |_| false);
            let told: Vec<bool> = fleet.hosts.iter().map(|host| host.ask(&server).is_some_and(|told| told.target.is_some())).collect();
            thread::sleep(Duration::from_millis(kill * 37 % 300));
            drop(server);
            server = Server::start(&domain);
            let steps = chain(&server, &domain);
            assert!(steps.starts_with(&before), "{before:#?} is not the beginning of {steps:#?}");
            before = steps;
            // Who was given the release is in a wave that is on record.
            assert!(told.iter().all(|told| !told) || !before.is_empty());
        }
        let status = fleet.run_to_the_end(&server, &domain, |_| false);
        assert_eq!(status["rollout"]["state"], "done");
        assert!(chain(&server, &domain).starts_with(&before));
    }
}
