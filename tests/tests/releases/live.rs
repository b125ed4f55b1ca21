//! From a trial to going live, and back: with a control plane that has releases, and candidates that go wrong late.

use super::ground::Ground;
use protocol::trial::candidate_goes_first;
use std::{collections::BTreeMap, fs, path::Path, process::Command};
use tests::{
    between_runs::{Row, row},
    deaths,
    rig::{check, memory, programs},
};

/// Runs after which a trial of two clean runs has surely come to its end.
const RUNS: usize = 60;

fn ground() -> Ground {
    let ground = Ground::new_with("trial_runs = 10", "trial_runs = 2");
    ground.runs_until("current");
    ground
}

/// Publishes the bad release under a generation.
fn publish_bad(ground: &Ground, how: &str, generation: u32) {
    let site = fs::read_to_string(ground.rig.path("domain/rig.toml")).unwrap();
    fs::copy(ground.rig.client(), ground.rig.path("right")).unwrap();
    let file = ground.rig.path("domain/bad.toml");
    fs::write(&file, site.replace("name = \"rig\"", &format!("name = \"{how}\""))).unwrap();
    let (out, binary) = (ground.rig.path("candidate"), ground.rig.path("bad"));
    // Every piece of it that is read and written is a call at which to die; what is for debuggers alone adds thousands.
    check(Command::new("strip").arg("--strip-debug").arg(env!("CARGO_BIN_EXE_bad-release")).arg("-o").arg(&binary));
    check(Command::new(&programs().pinnacectl).arg("stamp").arg("--binary").arg(binary).arg("--site").arg(file).arg("--out").arg(&out));
    ground.release(&["build", "--binary", "candidate", "--generation", &generation.to_string(), "--version", how]);
    ground.sign(&["targets-a"]);
    ground.publish();
}

/// Runs until a generation is in charge; every run delivers.
fn runs_until_live(ground: &Ground, generation: u32) {
    for _ in 0..RUNS {
        ground.run();
        if ground.status()["current"]["generation"] == generation {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    panic!("generation {generation} never went live: {}", ground.status());
}

#[test]
fn a_good_release_goes_live_after_its_trial_and_a_rehearsal() {
    let ground = ground();
    ground.generation(1);
    ground.runs_until("generation 1 is on trial: 0 of 2 runs");
    assert!(ground.status()["current"].is_null(), "the package's copy is in charge");
    runs_until_live(&ground, 1);
    assert!(ground.status()["trial"].is_null() && !ground.rig.path("state/trial-run").exists());
    // The next one is tried under the supervision of generation 1.
    ground.generation(2);
    runs_until_live(&ground, 2);
    assert_eq!(ground.status()["previous"]["generation"], 1);
    assert_eq!(ground.run(), "current");
}

/// Each release that is unfit, pulled or overtaken would stay on the disk until one goes live.
#[test]
fn what_was_on_trial_before_leaves_the_disk_when_the_next_trial_begins() {
    let ground = Ground::new_with("trial_runs = 10", "trial_runs = 1000");
    ground.runs_until("current");
    for generation in 1..=3 {
        ground.generation(generation);
        ground.runs_until(&format!("generation {generation} is on trial: 0 of 1000 runs"));
        let kept: Vec<_> = fs::read_dir(ground.rig.path("state/generations")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(kept.len(), 1, "{kept:?}");
    }
}

/// What cannot be put in charge is no fault of the release, and its runs have not died.
#[test]
fn a_release_that_cannot_be_put_in_charge_stays_on_trial() {
    let ground = ground();
    ground.generation(1);
    ground.runs_until("generation 1 is on trial: 0 of 2 runs");
    let way = ground.rig.path("state/current");
    fs::create_dir_all(way.join("taken")).unwrap();
    let wants = || ground.status()["trial"]["clean"].as_i64().unwrap() >= 2 && ground.status()["trial"]["rehearsed"] == true;
    for run in 1.. {
        assert!(run < RUNS, "{}", ground.status());
        ground.run();
        if wants() {
            break;
        }
    }
    (0..8).for_each(|_| drop(ground.run()));
    assert!(wants(), "{}", ground.status());
    fs::remove_dir_all(way).unwrap();
    runs_until_live(&ground, 1);
}

/// It works, and could never be replaced.
#[test]
fn a_release_that_cannot_update_itself_never_goes_live() {
    let ground = ground();
    publish_bad(&ground, "cannot-update", 1);
    for _ in 0..RUNS {
        ground.run();
        let status = ground.status();
        assert!(status["current"].is_null());
        if status["denied"].as_array().is_some_and(|denied| !denied.is_empty()) {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!("it is still on trial: {}", ground.status());
}

/// elastic-agent #2873: a bug that shows only once a release is in charge is left behind by the rescue, and costs no credential.
#[test]
fn a_release_that_fails_once_live_is_left_after_two_rescues() {
    let ground = ground();
    publish_bad(&ground, "fail-once-live", 1);
    runs_until_live_bad(&ground);
    for rescue in 1..=2 {
        ground.rig.forget();
        let _ = fs::remove_file(ground.rig.target());
        assert_ne!(ground.rig.run(&[]).status, 0, "the release fails");
        let rescued = ground.rig.run(&["rescue"]);
        assert_eq!(rescued.status, 0, "{rescued:#?}");
        assert!(ground.rig.delivered().starts_with("ey"), "rescue {rescue}: no credential");
    }
    let status = ground.status();
    assert!(status["current"].is_null() && status["denied"].as_array().is_some_and(|denied| denied.len() == 1), "{status}");
    assert_eq!(ground.run(), "failed: update.denied");
}

/// Until the link says so: the release's own word cannot be asked.
fn runs_until_live_bad(ground: &Ground) {
    let is_live = || fs::read_link(ground.rig.path("state/current")).is_ok();
    for _ in 0..RUNS {
        if is_live() {
            return;
        }
        ground.run();
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    panic!("it never went live");
}

/// Kills runs from the state that is there on, and looks; the rows of ARCHITECTURE.md's table that they left must be these.
fn expect_no_loss(ground: &Ground, candidate: &str, arguments: &[&str], rows: &[Row]) {
    let mut seen = BTreeMap::new();
    ground.rig.forget();
    let deaths = deaths::at_every_call(&ground.rig, Path::new(env!("CARGO_BIN_EXE_weird-host")), arguments, |at| {
        let state = ground.rig.path("state");
        *seen.entry(row(&state, candidate)).or_insert(0) += 1;
        rescued(ground, at);
        row(&state, candidate);
    });
    println!("{arguments:?}: killed at {deaths} calls, which left {seen:?}");
    assert!(deaths > 60 && seen.keys().copied().eq(rows.iter().copied()), "{deaths} deaths left {seen:?}");
}

/// A host that begins the trial of a release that fails once it is live; the release's folder.
fn on_trial() -> (Ground, String) {
    let ground = Ground::new_in(&memory(), "trial_runs = 10", "trial_runs = 2");
    ground.runs_until("current");
    publish_bad(&ground, "fail-once-live", 1);
    ground.runs_until("generation 1 is on trial: 0 of 2 runs");
    let text = fs::read_to_string(ground.rig.path("state/trial")).unwrap();
    let candidate = text.split('"').find(|word| word.starts_with("1-")).unwrap().to_owned();
    (ground, candidate)
}

#[test]
fn death_at_any_call_of_a_commit_costs_no_credential() {
    let (ground, candidate) = on_trial();
    fs::write(ground.rig.path("state/trial"), about_to_rehearse(&ground, &candidate)).unwrap();
    expect_no_loss(&ground, &candidate, &[], &[Row::NoTrial, Row::UnderWay, Row::Committed]);
}

#[test]
fn death_at_any_call_of_a_rescue_costs_no_credential() {
    let (ground, candidate) = on_trial();
    runs_until_live_bad(&ground);
    expect_no_loss(&ground, &candidate, &["rescue"], &[Row::NoTrial]);
    rescued(&ground, "the first rescue");
    expect_no_loss(&ground, &candidate, &["rescue"], &[Row::NoTrial, Row::Denied]);
}

/// The trial's record, as it is where enough runs were clean and the candidate goes first in the next rehearsal.
fn about_to_rehearse(ground: &Ground, candidate: &str) -> String {
    let text = fs::read_to_string(ground.rig.path("state/trial")).unwrap();
    let body = text.split_once('\n').unwrap().1;
    let hash = candidate.trim_start_matches("1-");
    let run = (1..).find(|run| candidate_goes_first("web-1", hash, run + 1, 5)).unwrap();
    let members = |member: &str| body.split(member).nth(1).unwrap().split(',').next().unwrap().to_owned();
    let body = body.replace(&format!("\"clean\":{}", members("\"clean\":")), "\"clean\":2");
    let body = body.replace(&format!("\"run\":{}", members("\"run\":")), &format!("\"run\":{run}"));
    format!("pinnace-state 1 crc32={:08x} len={}\n{body}", protocol::crc32(body.as_bytes()), body.len())
}

/// A run, and where it fails, a rescue after it that delivers.
fn rescued(ground: &Ground, at: &str) {
    ground.rig.forget();
    let _ = fs::remove_file(ground.rig.target());
    if ground.rig.run(&[]).status != 0 {
        let rescue = ground.rig.run(&["rescue"]);
        assert_eq!(rescue.status, 0, "{at}: {rescue:#?}");
    }
    assert!(ground.rig.delivered().starts_with("ey"), "{at}: no credential");
}
