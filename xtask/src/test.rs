//! `cargo xtask test`: all checks in order, each with its time, and the sum at the end.

use crate::{
    dist, layers,
    shell::{Done, cargo, has, need, root, run as run_command, unpack},
};
use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    time::Instant,
};

type Step = (&'static str, fn() -> Done);

const DENY: &str = "0.20.2";

/// The command.
pub(crate) fn run() -> Done {
    let steps: [Step; 7] = [
        ("tools", || {
            need(&[
                ("curl", "curl"),
                ("tinyproxy", "tinyproxy"),
                ("nginx", "nginx"),
                ("openssl", "openssl"),
                ("sshd", "openssh-server"),
                ("ssh", "openssh-client"),
                ("softhsm2-util", "softhsm2"),
                ("pkcs11-tool", "opensc"),
                ("python3", "python3-venv"),
                ("script", "bsdutils"),
                ("pg_ctlcluster", "postgresql"),
                ("rpm", "rpm"),
                ("bwrap", "bubblewrap"),
                ("chromium", "chromium"),
                ("chromedriver", "chromium-driver"),
                ("mmdebstrap", "mmdebstrap"),
                ("systemd-nspawn", "systemd-container"),
                ("strace", "strace"),
                ("zsh", "zsh"),
                ("fish", "fish"),
            ])
            .and_then(|()| unpack("promtool", "prometheus"))
            .and_then(|()| dist::prepare())
        }),
        ("format", || run_command(&mut cargo(&["fmt", "--all", "--check"]))),
        ("layers", layers::run),
        ("lints", || run_command(&mut cargo(&["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"]))),
        ("licences and bans", deny),
        ("what is released", || dist::run(&[])),
        ("same bytes twice", dist::reproduce),
    ];
    let mut failed = Vec::new();
    for (name, step) in steps {
        let started = Instant::now();
        println!("== {name}");
        let done = step();
        println!("== {name}: {:.1} s", started.elapsed().as_secs_f32());
        if let Err(because) = done {
            eprintln!("== {name} FAILED: {because}");
            failed.push(name);
        }
    }
    println!("== tests");
    let started = Instant::now();
    let Counts { passed, failed: tests_failed } = tests()?;
    println!("== tests: {:.1} s", started.elapsed().as_secs_f32());
    if !failed.is_empty() {
        println!("steps that failed, counted below as one each: {}", failed.join(", "));
    }
    let failed = tests_failed + failed.len();
    println!("\n{passed} passed, {failed} failed");
    if failed == 0 { Ok(()) } else { Err("not everything holds".to_owned()) }
}

struct Counts {
    passed: usize,
    failed: usize,
}

fn deny() -> Done {
    let mut deny = "cargo-deny".into();
    if !has("cargo-deny") {
        let tools = root().join("target/tools");
        deny = tools.join("bin/cargo-deny").into_os_string();
        if !tools.join("bin/cargo-deny").is_file() {
            // It is made for this one use, and is made in half the time where nothing in it is optimised.
            let install = ["install", "--quiet", "--debug", "--locked", "cargo-deny", "--version", DENY, "--root"];
            run_command(cargo(&install).arg(&tools).current_dir(std::env::temp_dir()))?;
        }
    }
    run_command(Command::new(deny).args(["--all-features", "check", "bans", "licenses", "sources"]).current_dir(root()))
}

/// Runs every test and adds up what the runners print.
fn tests() -> Done<Counts> {
    run_command(&mut cargo(&["build", "--quiet", "-p", "control-plane", "-p", "operator"]))?;
    let mut command = cargo(&["test", "--workspace", "--no-fail-fast"]);
    command.env("PINNACE_TEST_CLIENT", root().join("target/dist/pinnace-x86_64"));
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(|cause| cause.to_string())?;
    let (mut passed, mut failed) = (0, 0);
    for line in child.stdout.take().into_iter().flat_map(|stdout| BufReader::new(stdout).lines()).map_while(Result::ok) {
        println!("{line}");
        if let Some(counts) = line.strip_prefix("test result: ") {
            let count = |word: &str| {
                counts
                    .split([' ', ';', '.'])
                    .collect::<Vec<_>>()
                    .windows(2)
                    .find(|pair| pair.last() == Some(&word))
                    .and_then(|pair| pair.first()?.parse::<usize>().ok())
            };
            passed += count("passed").unwrap_or(0);
            failed += count("failed").unwrap_or(0);
        }
    }
    let status = child.wait().map_err(|cause| cause.to_string())?;
    // A test that does not compile, or a runner that dies, prints no count.
    Ok(Counts { passed, failed: if status.success() { failed } else { failed.max(1) } })
}
