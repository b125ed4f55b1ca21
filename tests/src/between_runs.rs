//! What a host's state directory says of a release between runs: one row of ARCHITECTURE.md's table, or the test fails.

use std::path::Path;

use protocol::{crc32, json};

/// A row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Row {
    /// No release is on trial.
    NoTrial,
    /// A trial is under way.
    UnderWay,
    /// The run that committed it died before it forgot the trial.
    Committed,
    /// The run that gave the verdict died before it forgot the trial.
    Judged,
    /// The run died before it went back.
    Denied,
}

/// The row that a state directory is in, as far as this candidate goes: its folder's name, generation and hash.
pub fn row(state: &Path, candidate: &str) -> Row {
    let links = ["current", "previous"].map(|name| std::fs::read_link(state.join(name)).ok());
    for link in links.iter().flatten() {
        assert!(state.join(link).join("pinnace").is_file(), "a link leads to no program: {}", link.display());
    }
    let [current, _] = links;
    let is_current = current.is_some_and(|link| link.ends_with(candidate));
    let (_, hash) = candidate.split_once('-').expect("generation and hash");
    let denied = body(&state.join("update")).is_some_and(|update| update.get("denied").is_some_and(|denied| denied.to_string().contains(hash)));
    let trial = body(&state.join("trial"));
    if let Some(trial) = &trial {
        let tries = trial.get("tries_left").and_then(json::Value::as_i64);
        let of = trial.get("candidate").and_then(json::Value::as_str);
        assert!(of == Some(candidate) && tries.is_some_and(|tries| (0..=3).contains(&tries)), "no trial of {candidate}: {trial}");
    }
    match (is_current, trial.is_some(), denied) {
        (true, false, true) => Row::Denied,
        (_, false, _) => Row::NoTrial,
        (false, true, false) => Row::UnderWay,
        (true, true, false) => Row::Committed,
        (false, true, true) => Row::Judged,
        (true, true, true) => panic!("{candidate} is in charge, on trial and denied"),
    }
}

/// The body of a state file, if there is one; it must be whole.
fn body(path: &Path) -> Option<json::Value> {
    let bytes = std::fs::read(path).ok()?;
    let mut parts = bytes.splitn(2, |byte| *byte == b'\n');
    let (head, body) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let expected = format!("pinnace-state 1 crc32={:08x} len={}", crc32(body), body.len());
    assert_eq!(String::from_utf8_lossy(head), expected, "{} is not whole", path.display());
    Some(json::parse(body).expect("JSON"))
}
