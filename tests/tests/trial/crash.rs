//! Death at every system call of a run under a trial: the host is in a state that the table in ARCHITECTURE.md has, and the next run
//! delivers.

use super::ground::Ground;
use std::{collections::BTreeMap, path::Path};
use tests::{
    between_runs::{Row, row},
    deaths,
    rig::memory,
};

/// A release that is unfit with the next bad pair.
const ALMOST_UNFIT: i64 = 8;

/// Kills runs from a trial's record on, and looks; the rows that they left must be these.
fn expect(how: &str, candidate_first: bool, bad: i64, rows: &[Row]) {
    let ground = Ground::new_in(&memory(), how);
    ground.run();
    ground.rig.forget();
    ground.begin_with(candidate_first, bad);
    let candidate = format!("7-{}", ground.release);
    let mut seen = BTreeMap::new();
    let deaths = deaths::at_every_call(&ground.rig, Path::new(env!("CARGO_BIN_EXE_weird-host")), &[], |at| {
        let state = ground.rig.path("state");
        *seen.entry(row(&state, &candidate)).or_insert(0) += 1;
        let delivered = ground.rig.delivered();
        assert!(delivered.starts_with("ey") && delivered.split('.').count() == 3, "{at}: {delivered:?}");
        ground.run();
        row(&state, &candidate);
    });
    println!("{how}: killed at {deaths} calls, which left {seen:?}");
    assert!(deaths > 60 && seen.keys().copied().eq(rows.iter().copied()), "{how}: {deaths} deaths left {seen:?}");
}

#[test]
fn death_at_any_call_of_a_clean_run_costs_no_credential() {
    expect("good", true, 0, &[Row::UnderWay]);
}

#[test]
fn death_at_any_call_of_a_run_that_needs_no_candidate_costs_no_credential() {
    expect("good", false, 0, &[Row::UnderWay]);
}

#[test]
fn death_at_any_call_of_a_bad_pair_and_its_repeats_costs_no_credential() {
    expect("crash-at-start", true, 0, &[Row::UnderWay]);
}

#[test]
fn death_at_any_call_of_a_verdict_costs_no_credential() {
    expect("crash-at-start", true, ALMOST_UNFIT, &[Row::NoTrial, Row::UnderWay, Row::Judged]);
}
