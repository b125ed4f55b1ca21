//! Death before every system call of a run, one after the other.

use std::path::Path;
use std::process::Command;

use crate::rig::{Rig, Saved, finish};

/// What `weird-host` says where the command ended before the call at which it was to die.
const NEVER: &str = "weird-host: it made only ";

/// From the state as it is now: kills the client before its first system call, then, from the same state, before its second, and so
/// on, each call of what it starts among them, and looks after each death. Gives the number of deaths once a run is not met by one.
pub fn at_every_call(rig: &Rig, weird_host: &Path, arguments: &[&str], mut look: impl FnMut(&str)) -> usize {
    let state = rig.path("state");
    let saved = Saved::of(&state);
    for number in 1.. {
        saved.put_back(&state);
        let mut weird = Command::new(weird_host);
        weird.args(["--kill-at", &number.to_string(), "--"]).arg(rig.client()).args(arguments);
        let outcome = finish(&mut weird);
        if outcome.stderr.contains(NEVER) {
            saved.put_back(&state);
            return number - 1;
        }
        look(&format!("killed before call {number}, {outcome:?}"));
    }
    unreachable!("no run makes so many calls")
}
