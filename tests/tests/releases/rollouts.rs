//! `pinnacectl rollout` against a real control plane: what people see, and the exit status a pipeline waits for.

use crate::ground::Ground;
use std::process::Output;

fn rollout(ground: &Ground, arguments: &[&str]) -> (i32, String) {
    let Output { status, stdout, stderr } = ground.rig.operate(&[&["rollout"], arguments].concat());
    (status.code().unwrap_or(-1), String::from_utf8_lossy(&stdout).into_owned() + &String::from_utf8_lossy(&stderr))
}

fn eventually(ground: &Ground, arguments: &[&str], status: i32) -> String {
    for _ in 0..240 {
        let (code, said) = rollout(ground, arguments);
        if code == status {
            return said;
        }
        std::thread::sleep(std::time::Duration::from_millis(250));
    }
    panic!("{arguments:?} never ended with {status}: {:?}", rollout(ground, arguments));
}

#[test]
fn a_release_engineers_day_from_start_to_pull() {
    let ground = Ground::with_rollouts();
    assert_eq!(rollout(&ground, &["status"]).0, 0);
    ground.generation(2);
    assert_eq!(ground.run(), "current", "no release without a rollout");
    let dry = eventually(&ground, &["start", "2", "--reason", "a test", "--dry-run"], 0);
    assert!(dry.contains("would be started for 1 hosts"), "{dry}");
    assert_eq!(rollout(&ground, &["start", "9", "--reason", "a test"]).0, 1);
    assert_eq!(rollout(&ground, &["start", "2", "--reason", "a test"]).0, 0);
    assert_eq!(rollout(&ground, &["pause", "--reason", "lunch"]).0, 0);
    let paused = eventually(&ground, &["status"], 4);
    assert!(paused.contains("PAUSED") && paused.contains("paused it: lunch") && paused.contains("held back"), "{paused}");
    assert_eq!(rollout(&ground, &["resume", "--reason", "back"]).0, 0);
    eventually(&ground, &["status"], 5);
    // Of a fleet of one host nobody can try it first.
    assert_eq!(rollout(&ground, &["promote", "--all", "--reason", "one host is all there is"]).0, 0);
    let (code, watched) = rollout(&ground, &["status", "--watch"]);
    assert_eq!(code, 0, "{watched}");
    assert!(watched.contains("DONE") && watched.contains("stable x86_64-linux: generation 2"), "{watched}");
    ground.runs_until("generation 2 is in place");
    let (code, explained) = rollout(&ground, &["explain"]);
    assert!(code == 0 && explained.contains("paused it: lunch") && explained.contains("recomputed: each of these"), "{explained}");
    let (code, json) = rollout(&ground, &["explain", "-o", "json"]);
    assert!(code == 0 && json.contains("\"recomputed\":true"), "{json}");
    let weird = ground.rig.operate(&["hosts", "weird"]);
    assert!(String::from_utf8_lossy(&weird.stdout).contains("web-1"), "{weird:?}");
    assert_eq!(rollout(&ground, &["pull", "--reason", "it is worse after all"]).0, 0);
    let pulled = eventually(&ground, &["status"], 3);
    assert!(pulled.contains("PULLED") && pulled.contains("wants it so: it is worse after all"), "{pulled}");
    assert_eq!(rollout(&ground, &["start", "2", "--reason", "again"]).0, 1);
}
