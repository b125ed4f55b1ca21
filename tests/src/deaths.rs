//! Death before every system call of a run, one after the other.

use std::path::Path;
use std::process::Command;

use crate::rig::{Rig, Saved, finish};

/// What `weird-host` says where the command ended before the call at which it was to die.
const NEVER: &str = "weird-host: it made only ";
/// Every call, and then once more those that leave marks. A run that waited for its network once more than the run before makes its
/// calls at other numbers, so that by numbers of all calls one of them may be met by no death.
const COUNTS: [&str; 2] = ["--kill-at", "--kill-at-change"];

/// From the state as it is now: kills the client before its first system call, then, from the same state, before its second, and so
/// on, each call of what it starts among them, and looks after each death. Gives the number of deaths.
pub fn at_every_call(rig: &Rig, weird_host: &Path, arguments: &[&str], mut look: impl FnMut(&str)) -> usize {
    let state = rig.path("state");
    let saved = Saved::of(&state);
    let mut deaths = 0;
    for count in COUNTS {
        for number in 1.. {
            saved.put_back(&state);
            let mut weird = Command::new(weird_host);
            weird.args([count, &number.to_string(), "--"]).arg(rig.client()).args(arguments);
            let outcome = finish(&mut weird);
            // Once a run is not met by its death, all were.
            if outcome.stderr.contains(NEVER) {
                break;
            }
            deaths += 1;
            look(&format!("{count} {number}, {outcome:?}"));
        }
    }
    saved.put_back(&state);
    deaths
}
