//! Death between any two system calls of a run that takes a release: the next run delivers, and what runs is a whole, signed release
//! or the package's own copy.

use super::liar::Lied;
use super::repository::assignment;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use tests::rig::{Outcome, Saved, finish};

/// More calls than any of these runs makes.
const CALLS_MAX: usize = 2_000;
/// What is left to fetch of a release whose first part came with runs before.
const REST_BYTES: usize = 3_000;

/// The client under `weird-host`.
fn weird(lied: &Lied, options: &[&str]) -> Outcome {
    let mut weird = Command::new(env!("CARGO_BIN_EXE_weird-host"));
    weird.args(options).arg("--").arg(lied.ground.rig.client());
    lied.forget();
    finish(&mut weird)
}

/// A whole client, stamped for the same site, that differs from others in its deadline.
fn binary(lied: &Lied, deadline_seconds: u32) -> Vec<u8> {
    let kept = fs::read(lied.ground.rig.client()).unwrap();
    lied.stamp(deadline_seconds);
    let made = fs::read(lied.ground.rig.client()).unwrap();
    fs::write(lied.ground.rig.client(), kept).unwrap();
    made
}

/// The calls from the first that has to do with releases to the last: what comes before is tried elsewhere.
fn calls(lied: &Lied, trace: &Path) -> (usize, usize) {
    let outcome = weird(lied, &["--trace", trace.to_str().unwrap()]);
    lied.expect_delivered(&outcome);
    let text = fs::read_to_string(trace).unwrap();
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with("peak_kib ")).collect();
    let exec = lines.iter().rposition(|line| line.contains(" execve(")).unwrap();
    // The credential is in place once its folder was synced after the rename.
    let delivered = lines.iter().skip(exec).position(|line| line.contains(" rename")).unwrap();
    (delivered, lines.len() - exec)
}

/// What must hold after any death.
fn expect_whole(lied: &Lied, allowed: &[String], at: &str) {
    if let Some(current) = lied.current() {
        assert!(allowed.contains(&current), "{at}: {current} runs");
        let program = lied.ground.rig.path("state/current/pinnace");
        let bytes = fs::read(&program).unwrap_or_else(|error| panic!("{at}: what runs is not there: {error}"));
        let hash = protocol::hex_encode(ring::digest::digest(&ring::digest::SHA256, &bytes).as_ref());
        assert!(current.ends_with(&hash), "{at}: what runs is not whole");
        assert_ne!(fs::metadata(program).unwrap().permissions().mode() & 0o100, 0, "{at}: what runs cannot run");
    }
    let next = lied.run();
    let word = next.last_event["update"].as_str().unwrap_or_default();
    assert!(!word.starts_with("failed"), "{at}: the next run says {word:?}");
}

fn folder_of(generation: i64, bytes: &[u8]) -> String {
    format!("{generation}-{}", protocol::hex_encode(ring::digest::digest(&ring::digest::SHA256, bytes).as_ref()))
}

/// Puts the first part of a release where runs before this one would have left it.
fn begun(lied: &Lied, name: &str, bytes: &[u8]) {
    let folder: PathBuf = lied.ground.rig.path("state/generations").join(name);
    fs::create_dir_all(&folder).unwrap();
    for made in [folder.parent().unwrap(), &folder] {
        tests::rig::mode(made, 0o700);
    }
    fs::write(folder.join("partial"), &bytes[..bytes.len() - REST_BYTES]).unwrap();
}

#[test]
fn death_between_any_two_system_calls_of_taking_a_release_leaves_a_whole_release_and_a_host_that_delivers() {
    let mut lied = Lied::new();
    let (first, second) = (binary(&lied, 11), binary(&lied, 12));
    let path = lied.repository.release(1, &first);
    lied.serve(&path);
    while lied.current().is_none() {
        lied.expect_taken();
    }
    let path = lied.repository.release(2, &second);
    lied.serve(&path);
    lied.says().assignment = assignment(&path);
    let names = [folder_of(1, &first), folder_of(2, &second)];
    begun(&lied, &names[1], &second);
    let state = lied.ground.rig.path("state");
    let saved = Saved::of(&state);
    let (from, to) = calls(&lied, &lied.ground.rig.path("trace"));
    assert!(to < CALLS_MAX && to - from > 60, "calls {from} to {to}");
    let mut killed = 0;
    for number in from..to {
        saved.put_back(&state);
        let outcome = weird(&lied, &["--kill-at", &number.to_string()]);
        let at = format!("killed before call {number} of {to}");
        killed += usize::from(outcome.status == 137);
        expect_whole(&lied, &names, &at);
    }
    assert!(killed > 60, "killed {killed} times");
    println!("killed at {killed} calls, from {from} to {to}");
}
