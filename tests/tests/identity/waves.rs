//! A host whose credential is fresh asks whether it should fetch all the same, and does where operators want it to.

use std::time::Duration;

use tests::rig::{Outcome, Rig, Site};

use crate::member;

/// A host that asks every second.
fn rig() -> Rig {
    let mut rig = Rig::unserved();
    let path = rig.path("domain/pinnaced.toml");
    let text = std::fs::read_to_string(&path).expect("the domain's folder");
    std::fs::write(&path, text.replace("check_in_seconds = 900", "check_in_seconds = 1")).expect("the domain's folder");
    rig.start_server();
    rig.stamp(&Site::default());
    rig.run(&[]).expect_delivered();
    rig
}

fn attempts(outcome: &Outcome) -> i64 {
    outcome.last_event.get("attempts").and_then(|attempts| attempts.as_i64()).unwrap_or(0)
}

fn wait() {
    std::thread::sleep(Duration::from_millis(2_100));
}

#[test]
fn a_fresh_host_asks_from_time_to_time_and_fetches_when_a_wave_wants_it() {
    let rig = rig();
    let first = rig.delivered();
    let soon = rig.run(&[]);
    assert_eq!((soon.status, member(&soon, "outcome"), attempts(&soon)), (0, "fresh", 0), "it is not time to ask: {soon:#?}");
    wait();
    let asked = rig.run(&[]);
    assert_eq!((asked.status, member(&asked, "outcome"), attempts(&asked)), (0, "fresh", 1), "{asked:#?}");
    assert_eq!(rig.delivered(), first, "nothing was fetched");
    let again = rig.run(&[]);
    assert_eq!(attempts(&again), 0, "it has just asked: {again:#?}");
    let _ = rig.operated(&["wave", "start", "--rate", "100", "--reason", "the key leaked"]);
    assert!(rig.operated(&["status"]).contains("wave for"));
    wait();
    rig.run(&[]).expect_delivered();
    let second = rig.delivered();
    assert_ne!(second, first, "the wave wanted it");
    wait();
    let after = rig.run(&[]);
    assert_eq!((member(&after, "outcome"), rig.delivered()), ("fresh", second), "once is enough: {after:#?}");
}

#[test]
fn a_control_plane_that_is_away_when_a_fresh_host_asks_costs_it_nothing() {
    let mut rig = rig();
    rig.stop_server();
    let first = rig.delivered();
    wait();
    let asked = rig.run(&[]);
    assert_eq!((asked.status, member(&asked, "outcome")), (0, "fresh"), "{asked:#?}");
    assert!(attempts(&asked) > 0 && asked.stdout.contains("connect.refused"), "it says so: {asked:#?}");
    let soon = rig.run(&[]);
    assert!(attempts(&soon) == 0, "it does not ask every time: {soon:#?}");
    assert_eq!(rig.delivered(), first);
}
