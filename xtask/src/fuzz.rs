//! `cargo xtask fuzz [SECONDS] [--runs N] [TARGET ...]`: fuzz targets for some time or a number of runs, beginning with their corpora.

use crate::shell::{Done, has, root, run as run_command};
use std::{fs, process::Command};

const USAGE: &str = "usage: cargo xtask fuzz [SECONDS] [--runs N] [TARGET ...]";
const SECONDS_DEFAULT: u32 = 60;

/// What was typed: when to stop, and which targets.
struct Typed {
    seconds: Option<u32>,
    runs: Option<u32>,
    targets: Vec<String>,
}

/// The command, with the words after its name.
pub(crate) fn run(args: &[String]) -> Done {
    let typed = parse(args)?;
    if !has("cargo-fuzz") {
        return Err("cargo-fuzz is needed, and a nightly toolchain: cargo install cargo-fuzz; rustup toolchain install nightly".to_owned());
    }
    let stop = match (typed.seconds, typed.runs) {
        (None, Some(runs)) => vec![format!("-runs={runs}")],
        (seconds, runs) => {
            let seconds = format!("-max_total_time={}", seconds.unwrap_or(SECONDS_DEFAULT));
            runs.map(|runs| format!("-runs={runs}")).into_iter().chain([seconds]).collect()
        }
    };
    for name in &typed.targets {
        println!("== {name}: {}", stop.join(" "));
        // What is found beyond the seeds stays out of the repository.
        let found = root().join("target/fuzz-corpus").join(name);
        fs::create_dir_all(&found).map_err(|cause| format!("{}: {cause}", found.display()))?;
        let mut fuzz = Command::new("cargo");
        // What is fuzzed has no unsafe code, so a sanitizer would find nothing and take most of the time; overflows panic.
        fuzz.env_remove("RUSTUP_TOOLCHAIN").args(["+nightly", "fuzz", "run", "--sanitizer", "none"]);
        fuzz.args(["--fuzz-dir", "fuzz", "--target-dir", "target/fuzz", name]);
        fuzz.arg(&found).arg(root().join("fuzz/corpus").join(name)).arg("--").args(&stop).arg("-print_final_stats=1");
        run_command(fuzz.current_dir(root()))?;
    }
    println!("{} targets ran, and none found anything", typed.targets.len());
    Ok(())
}

fn parse(args: &[String]) -> Done<Typed> {
    let known = targets()?;
    let number = |text: &String| text.parse::<u32>().map_err(|_| format!("{text:?} is no number; {USAGE}"));
    let mut typed = Typed { seconds: None, runs: None, targets: Vec::new() };
    let mut args = args.iter();
    while let Some(word) = args.next() {
        if word == "--runs" {
            typed.runs = Some(number(args.next().ok_or(USAGE)?)?);
        } else if known.contains(word) {
            typed.targets.push(word.clone());
        } else {
            typed.seconds = Some(number(word).map_err(|because| format!("{because}\ntargets: {}", known.join(" ")))?);
        }
    }
    if typed.targets.is_empty() {
        typed.targets = known;
    }
    Ok(typed)
}

fn targets() -> Done<Vec<String>> {
    let folder = root().join("fuzz/fuzz_targets");
    let files = fs::read_dir(&folder).map_err(|cause| format!("{}: {cause}", folder.display()))?.flatten();
    let mut names: Vec<String> = files.filter_map(|file| Some(file.path().file_stem()?.to_str()?.to_owned())).collect();
    names.sort();
    Ok(names)
}
