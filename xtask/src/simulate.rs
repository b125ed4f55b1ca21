//! `cargo xtask simulate`: the scenarios, and the table, on virtual time.

use crate::{
    server::release,
    shell::{Done, cargo, output, root, run as run_command},
};
use std::{fs, path::PathBuf, process::Command, time::Instant};

const USAGE: &str = "usage: cargo xtask simulate [--bless] [SCENARIO ...] | --table [--good RUNS] [--bad RUNS] [--only WORDS]";
/// All scenarios together, of which one is 90,000 hosts for two days, on one core.
const SECONDS_MAX: u64 = 120;

/// The command, with the words after its name.
pub(crate) fn run(arguments: &[String]) -> Done {
    if arguments.iter().any(|argument| argument == "--help") {
        return Err(USAGE.to_owned());
    }
    println!("building pinnace-simulate (release) ...");
    run_command(&mut cargo(&["build", "--quiet", "--locked", "--release", "-p", "simulator", "--bin", "pinnace-simulate"]))?;
    println!("commit {}", commit());
    if arguments.iter().any(|argument| argument == "--table") { table(arguments) } else { scenarios(arguments) }
}

/// The whole table goes into the documentation; a part of it is shown.
fn table(arguments: &[String]) -> Done {
    let mut command = release("pinnace-simulate");
    command.args(arguments).current_dir(root());
    if !arguments.iter().any(|argument| argument == "--only") {
        command.args(["--page", "docs/trial.md"]);
    }
    run_command(&mut command)
}

fn scenarios(arguments: &[String]) -> Done {
    let mut command = release("pinnace-simulate");
    command.args(arguments).current_dir(root());
    if arguments.iter().all(|argument| argument == "--bless") {
        command.args(all()?);
    }
    let started = Instant::now();
    run_command(&mut command)?;
    let seconds = started.elapsed().as_secs();
    println!("{seconds} s of {SECONDS_MAX} allowed");
    if seconds > SECONDS_MAX { Err("the scenarios take too long".to_owned()) } else { Ok(()) }
}

fn all() -> Done<Vec<PathBuf>> {
    let folder = root().join("tests/scenarios");
    let entries = fs::read_dir(&folder).map_err(|cause| format!("{}: {cause}", folder.display()))?;
    let mut paths: Vec<PathBuf> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "txt"));
    paths.sort();
    if paths.is_empty() { Err(format!("{} holds no scenario", folder.display())) } else { Ok(paths) }
}

/// With a seed, all that a replay needs.
fn commit() -> String {
    let git = |arguments: &[&str]| output(Command::new("git").args(arguments).current_dir(root())).unwrap_or_default().trim().to_owned();
    let changed = if git(&["status", "--porcelain"]).is_empty() { "" } else { ", and changes that are in none" };
    format!("{}{changed}", git(&["rev-parse", "HEAD"]))
}
