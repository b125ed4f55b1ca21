//! Hosts that are not as they should be: each ends in a credential or in a reason code, never in something half done.

mod crash;
mod delivery;
mod disk;
mod process;
mod state;
mod textfile;
mod wire;

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use tests::rig::{Outcome, Rig, finish};

/// Several files in one directory, swapped at once.
const SPIFFE_DIRECTORY: &str = "[[credential.delivery]]\nkind = \"directory\"\npath = \"{dir}/run/svid\"\nformat = \"spiffe\"\n";

/// A command run by `weird-host` with these options.
fn weird(options: &[&str], command: impl AsRef<OsStr>) -> Command {
    let mut weird = Command::new(env!("CARGO_BIN_EXE_weird-host"));
    weird.args(options).arg("--").arg(command);
    weird
}

/// The rig's client under `weird-host`.
fn run_weird(rig: &Rig, options: &[&str]) -> Outcome {
    finish(&mut weird(options, rig.client()))
}

/// The rig's client as `$1` of a shell script.
fn run_shell(rig: &Rig, script: &str) -> Outcome {
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", script, "sh"]).arg(rig.client());
    finish(&mut shell)
}

/// The system calls of one command, its last exec first; the second number is the peak memory in KiB.
struct Trace {
    calls: Vec<String>,
    peak_kib: u64,
}

impl Trace {
    fn read(file: &Path) -> Self {
        let text = std::fs::read_to_string(file).expect("weird-host wrote its trace");
        let lines: Vec<&str> = text.lines().collect();
        let exec = lines.iter().rposition(|line| line.contains(" execve(")).expect("the client was executed");
        let (notes, calls): (Vec<&str>, Vec<&str>) = lines.iter().skip(exec).partition(|line| line.starts_with("peak_kib "));
        let peak_kib = notes.last().and_then(|note| note.trim_start_matches("peak_kib ").parse().ok()).unwrap_or(0);
        Self { calls: calls.into_iter().map(str::to_owned).collect(), peak_kib }
    }

    /// The name of the call that `--kill-at` and `--fail-at` know as `number`.
    fn name(&self, number: usize) -> &str {
        self.calls.get(number).and_then(|line| line.split([' ', '(']).nth(1)).unwrap_or_default()
    }

    /// Results of every call with this name.
    fn results(&self, name: &str) -> Vec<i64> {
        let wanted = format!(" {name}(");
        let of_name = self.calls.iter().filter(|line| line.contains(&wanted));
        of_name.filter_map(|line| line.rsplit(" = ").next()?.parse().ok()).collect()
    }
}

/// One delivery under `weird-host`, with its system calls.
fn traced(rig: &Rig, options: &[&str]) -> (Outcome, Trace) {
    let file = rig.path("trace");
    let mut all = vec!["--trace", file.to_str().expect("a plain path")];
    all.extend(options);
    let outcome = run_weird(rig, &all);
    let trace = Trace::read(&file);
    (outcome, trace)
}

/// Whether this is root. Where it is not, the test says so loudly, and fails in continuous integration.
fn root(test: &str) -> bool {
    let root = std::fs::metadata("/proc/self").is_ok_and(|about| std::os::unix::fs::MetadataExt::uid(&about) == 0);
    if !root {
        eprintln!("NOT TESTED: {test} needs root");
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{test} needs root");
    }
    root
}

/// Whether this is a whole token.
fn is_token(text: &str) -> bool {
    let text = text.trim_end();
    text.starts_with("eyJ") && text.split('.').count() == 3 && text.rsplit('.').next().is_some_and(|signature| signature.len() == 86)
}

/// Names of temporaries in the rig's delivery folder.
fn temporaries(rig: &Rig) -> Vec<String> {
    let entries = std::fs::read_dir(rig.path("run")).expect("the delivery folder").flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).filter(|name| name.contains("pinnace-new")).collect()
}
