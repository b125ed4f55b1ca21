//! Running programs, and saying what could not be run.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// What every command ends with: a sentence for a person.
pub(crate) type Done<T = ()> = Result<T, String>;

/// The workspace's folder.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_path_buf).unwrap_or_default()
}

/// A cargo command in the workspace.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(root());
    command
}

/// Runs to the end; a failure names the command.
pub(crate) fn run(command: &mut Command) -> Done {
    let status = command.status().map_err(|cause| format!("cannot run {command:?}: {cause}"))?;
    if status.success() { Ok(()) } else { Err(format!("{command:?} ended with {status}")) }
}

/// Standard output of a command that succeeds.
pub(crate) fn output(command: &mut Command) -> Done<String> {
    let output = command.stderr(Stdio::inherit()).output().map_err(|cause| format!("cannot run {command:?}: {cause}"))?;
    if !output.status.success() {
        return Err(format!("{command:?} ended with {}: {}", output.status, String::from_utf8_lossy(&output.stdout)));
    }
    String::from_utf8(output.stdout).map_err(|cause| format!("{command:?}: {cause}"))
}

/// Whether a program is on the path.
pub(crate) fn has(program: &str) -> bool {
    std::env::var_os("PATH").is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(program).is_file()))
}

/// Whether this is root, who may install packages and mount.
pub(crate) fn is_root() -> bool {
    output(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0")
}

/// Installs Debian packages for programs that are missing, or says which are.
pub(crate) fn need(programs: &[(&str, &str)]) -> Done {
    let missing: Vec<&str> = programs.iter().filter(|(program, _)| !has(program)).map(|(_, package)| *package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let by_hand = format!("these Debian packages are missing: {}; install them and run again", missing.join(" "));
    if !has("apt-get") || !is_root() {
        eprintln!("CANNOT INSTALL: {by_hand}");
        return Err(by_hand);
    }
    println!("installing {}", missing.join(" "));
    let update = Command::new("apt-get").args(["-qq", "update"]).stdin(Stdio::null()).status();
    let install = Command::new("apt-get").args(["-qq", "-y", "install"]).args(&missing).stdin(Stdio::null()).stdout(Stdio::null()).status();
    if update.is_ok() && install.is_ok_and(|status| status.success()) { Ok(()) } else { Err(by_hand) }
}

/// Takes one program out of a Debian package whose service nobody wants to run: into `target/tools/debian`, unless it is on the path.
pub(crate) fn unpack(program: &str, package: &str) -> Done {
    let folder = root().join("target/tools/debian");
    if has(program) || folder.join("usr/bin").join(program).is_file() {
        return Ok(());
    }
    std::fs::create_dir_all(&folder).map_err(|cause| format!("{}: {cause}", folder.display()))?;
    println!("unpacking {package} for {program}");
    let _ = Command::new("apt-get").args(["-qq", "update"]).stdin(Stdio::null()).status();
    run(Command::new("apt-get").args(["-qq", "download", package]).current_dir(&folder).stdin(Stdio::null()))?;
    let files = std::fs::read_dir(&folder).map_err(|cause| format!("{}: {cause}", folder.display()))?;
    let archive = files.flatten().map(|entry| entry.path()).find(|path| path.display().to_string().contains(&format!("/{package}_")));
    let archive = archive.ok_or_else(|| format!("apt-get downloaded no {package}"))?;
    run(Command::new("dpkg").arg("-x").arg(archive).arg(&folder))
}
