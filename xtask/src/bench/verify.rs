//! `core/trust` beside python-tuf and tough: what it costs to come from a stored root to one of 200 targets.

use super::{Limit, median, peers};
use crate::shell::{Done, cargo, root, run as run_command};
use std::{
    fs,
    io::{BufRead, BufReader, Lines, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

const ROUNDS: usize = 41;
const WARM_UP: usize = 3;
const TARGET: &str = "pinnace/142/pinnace-x86_64";
/// The contender that the limits judge, and its peers.
const OURS: &str = "core/trust, as in the client";
const PYTHON: &str = "python-tuf";
const TOUGH: &str = "tough";

/// Measures and prints; gives the limits that follow.
pub(super) fn run(folder: &Path) -> Done<Vec<Limit>> {
    println!("building the verifiers (release and dist) ...");
    let metadata = folder.join("repository");
    fs::create_dir_all(&metadata).map_err(|cause| format!("{}: {cause}", metadata.display()))?;
    run_command(benches("make", &metadata).stdin(Stdio::null()))?;
    let python = peers::python(&folder.join("venv-tuf"), &["tuf>=6,<8", "securesystemslib[crypto]>=1.2,<2"]);
    let python = python.map_err(|because| println!("NOT MEASURED: python-tuf: {because}")).ok();
    let mut contenders = vec![
        Contender::start(OURS, 40, &mut ours("dist", &metadata)?)?,
        Contender::start("core/trust, for speed", 40, &mut ours("release", &metadata)?)?,
        Contender::start(TOUGH, 10, benches("tough", &metadata).arg(TARGET))?,
    ];
    if let Some(python) = python {
        let mut command = Command::new(python);
        contenders.push(Contender::start(PYTHON, 5, command.arg(root().join("bench/verify.py")).arg(&metadata).arg(TARGET))?);
    }
    for round in 0..WARM_UP + ROUNDS {
        for contender in &mut contenders {
            contender.measure(round >= WARM_UP)?;
        }
    }
    print(&contenders);
    Ok(limits(&contenders))
}

/// `tests/src/bin/verify_cost.rs`, compiled so; ring's C as in the client.
fn ours(profile: &str, metadata: &Path) -> Done<Command> {
    run_command(cargo(&["build", "--quiet", "--locked", "--profile", profile, "-p", "tests", "--bin", "verify-cost"]).env("CFLAGS", "-O2"))?;
    let mut command = Command::new(root().join("target").join(profile).join("verify-cost"));
    command.arg(metadata).arg(TARGET);
    Ok(command)
}

/// `tests/benches/verify.rs`.
fn benches(what: &str, metadata: &Path) -> Command {
    let mut command = cargo(&["bench", "--quiet", "--locked", "-p", "tests", "--bench", "verify", "--", what]);
    // What tough believes it keeps in files: in memory, so that no disk is measured.
    command.arg(metadata).env("TMPDIR", "/dev/shm");
    command
}

/// A verifier that waits for lines.
struct Contender {
    name: &'static str,
    at_once: u32,
    micros: Vec<f64>,
    child: Child,
    asks: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Contender {
    fn start(name: &'static str, at_once: u32, command: &mut Command) -> Done<Self> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().map_err(|cause| format!("{name}: {cause}"))?;
        let (Some(asks), Some(out)) = (child.stdin.take(), child.stdout.take()) else { return Err(format!("{name} has no pipes")) };
        Ok(Self { name, at_once, micros: Vec::new(), child, asks, answers: BufReader::new(out).lines() })
    }

    fn measure(&mut self, counts: bool) -> Done {
        let wrong = |because: String| format!("{}: {because}", self.name);
        writeln!(self.asks, "{}", self.at_once).map_err(|cause| wrong(cause.to_string()))?;
        let line = self.answers.next().ok_or_else(|| wrong("it ended".to_owned()))?.map_err(|cause| wrong(cause.to_string()))?;
        let micros = line.parse().map_err(|_| wrong(line.clone()))?;
        if counts {
            self.micros.push(micros);
        }
        Ok(())
    }
}

impl Drop for Contender {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn print(contenders: &[Contender]) {
    println!("\nCPU from a stored root to the description of one target, 200 targets, all metadata in memory, two P-256 signatures on the root,");
    println!("one on targets, Ed25519 on snapshot and timestamp; each warm and in process, median of {ROUNDS} rounds in turns.");
    let python = of(contenders, PYTHON);
    for contender in contenders {
        let micros = median(contender.micros.clone());
        let against = python.map_or_else(|| "-".to_owned(), |python| format!("{:.3}x", micros / python));
        println!("  {:<30} {micros:>9.0} us  {against:>7} of python-tuf's", contender.name);
    }
    println!("  \"as in the client\": optimised for size. tough also writes what it believes to files, in memory here.");
}

fn of(contenders: &[Contender], name: &str) -> Option<f64> {
    contenders.iter().find(|contender| contender.name == name).map(|contender| median(contender.micros.clone()))
}

fn limits(contenders: &[Contender]) -> Vec<Limit> {
    let ours = of(contenders, OURS).unwrap_or(f64::NAN);
    vec![
        Limit::new("verification CPU, pinnace / python-tuf", ours, of(contenders, PYTHON), 0.5),
        Limit::new("verification CPU, pinnace / tough", ours, of(contenders, TOUGH), 1.0),
    ]
}
