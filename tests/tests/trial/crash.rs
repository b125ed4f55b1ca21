//! Death at every system call of a run under a trial: the next run delivers, and the trial's record is one of the legal ones.

use super::ground::Ground;
use std::{fs, process::Command};
use tests::rig::finish;

/// Calls between two deaths that are tried; all of them are, over the rounds.
const STRIDE: usize = 7;

#[test]
fn death_at_any_call_of_a_run_under_trial_costs_no_credential() {
    for how in ["good", "crash-at-start"] {
        let ground = Ground::new(how);
        let calls = calls(&ground);
        assert!(calls > 60, "a run under trial has {calls} calls");
        for number in (1..=calls).step_by(STRIDE) {
            ground.begin();
            ground.rig.forget();
            let mut killed = Command::new(env!("CARGO_BIN_EXE_weird-host"));
            let _ = finish(killed.args(["--kill-at", &number.to_string(), "--"]).arg(ground.rig.client()));
            assert!(is_legal(&ground), "{how}: killed before call {number}: {:?}", ground.trial());
            ground.run();
            assert!(is_legal(&ground), "{how}: after call {number}: {:?}", ground.trial());
        }
    }
}

/// No trial, or one whose run is counted and whose tries are left or given back; and nothing else that was not there before.
fn is_legal(ground: &Ground) -> bool {
    let trial = ground.trial().is_some() || ground.is_denied();
    let tries = ground.number("tries_left");
    trial && (-1..=3).contains(&tries) && ground.current().is_none()
}

/// How many calls the supervisor makes in a run in which the candidate goes first.
fn calls(ground: &Ground) -> usize {
    while !ground.goes_first(ground.number("run") + 1) {
        ground.run();
    }
    let file = ground.rig.path("trace");
    let mut traced = Command::new(env!("CARGO_BIN_EXE_weird-host"));
    traced.arg("--trace").arg(&file).arg("--").arg(ground.rig.client());
    ground.run_with(&mut traced);
    fs::read_to_string(file).unwrap().lines().count()
}
