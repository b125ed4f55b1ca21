//! `cargo xtask fuzz [SECONDS]`: every fuzz target for some time, beginning with its corpus.

use crate::shell::{Done, has, root, run as run_command};
use std::{fs, process::Command};

const SECONDS_DEFAULT: u32 = 60;

/// The command, with the words after its name.
pub(crate) fn run(args: &[String]) -> Done {
    let seconds = match args {
        [] => SECONDS_DEFAULT,
        [seconds] => seconds.parse().map_err(|_| "usage: cargo xtask fuzz [SECONDS]".to_owned())?,
        _ => return Err("usage: cargo xtask fuzz [SECONDS]".to_owned()),
    };
    if !has("cargo-fuzz") {
        return Err("cargo-fuzz is needed, and a nightly toolchain: cargo install cargo-fuzz; rustup toolchain install nightly".to_owned());
    }
    let folder = root().join("fuzz/fuzz_targets");
    let targets = fs::read_dir(&folder).map_err(|cause| format!("{}: {cause}", folder.display()))?.flatten();
    let mut names: Vec<String> = targets.filter_map(|file| Some(file.path().file_stem()?.to_str()?.to_owned())).collect();
    names.sort();
    for name in &names {
        println!("== {name}: {seconds} s");
        // What is found beyond the seeds stays out of the repository.
        let found = root().join("target/fuzz-corpus").join(name);
        fs::create_dir_all(&found).map_err(|cause| format!("{}: {cause}", found.display()))?;
        let mut fuzz = Command::new("cargo");
        fuzz.env_remove("RUSTUP_TOOLCHAIN").args(["+nightly", "fuzz", "run", "--fuzz-dir", "fuzz", "--target-dir", "target/fuzz", name]);
        fuzz.arg(&found).arg(root().join("fuzz/corpus").join(name)).arg("--").arg(format!("-max_total_time={seconds}")).arg("-print_final_stats=1");
        run_command(fuzz.current_dir(root()))?;
    }
    println!("{} targets ran for {seconds} s each, and none found anything", names.len());
    Ok(())
}
