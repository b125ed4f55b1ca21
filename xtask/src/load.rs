//! `cargo xtask load`: every host of a fleet comes back within a minute of an outage, to a control plane that has just started.

use crate::{
    server::{self, release},
    shell::{Done, cargo, output, run as run_command},
};
use std::{fs, path::PathBuf, process::Command};

const USAGE: &str = "usage: cargo xtask load [--hosts N] [--within SECONDS]";
/// The most memory that `pinnaced` may take: some for itself, and some for each host on record.
const PEAK_KB: u64 = 65_536;
const PEAK_KB_PER_HOST: u64 = 2;

/// The command, with the words after its name.
pub(crate) fn run(arguments: &[String]) -> Done {
    let (hosts, within) = parse(arguments)?;
    println!("building pinnaced and the load (release) ...");
    run_command(&mut cargo(&["build", "--quiet", "--locked", "--release", "-p", "control-plane", "-p", "simulator"]))?;
    let folder = Folder(std::env::temp_dir().join(format!("pinnace-load-{}", std::process::id())));
    let domain = folder.0.display().to_string();
    output(release("pinnaced").args(["init", "--dir", &domain, "--trust-domain", "example.org", "--name", "127.0.0.1"]))?;
    let bound = PEAK_KB + PEAK_KB_PER_HOST * u64::from(hosts);
    let rounds = ["every host comes for the first time and goes on record", "the control plane was away, has just started, and all come back"];
    for what in rounds {
        println!("\n{what}: {hosts} hosts within {within} s, full TLS 1.3 handshakes, durable audit");
        let server = server::pinnaced(&domain)?;
        let mut load = load(&server.address, &domain, hosts, within);
        let done = run_command(&mut load);
        let (peak, cpu) = (server.peak_kb()?, server.cpu_seconds()?);
        println!("  pinnaced: {cpu:.1} s of CPU, {:.0} us a host; at most {peak} KB of memory, {bound} allowed", cpu / f64::from(hosts) * 1e6);
        done.map_err(|_| "not every host got its credential".to_owned())?;
        if peak > bound {
            return Err(format!("pinnaced took {peak} KB, and {bound} are allowed"));
        }
    }
    let audit = output(release("pinnaced").args(["audit", "--dir", &domain]))?;
    let issued = audit.lines().filter(|line| line.contains("\"event\":\"issued\"")).count();
    println!("\nthe audit log holds {issued} issued credentials");
    if issued >= 2 * usize::try_from(hosts).unwrap_or(usize::MAX) { Ok(()) } else { Err("credentials are missing in the audit log".to_owned()) }
}

fn parse(arguments: &[String]) -> Done<(u32, u32)> {
    let (mut hosts, mut within) = (90_000, 60);
    for pair in arguments.chunks(2) {
        match pair {
            [name, value] if name == "--hosts" => hosts = value.parse().map_err(|_| USAGE)?,
            [name, value] if name == "--within" => within = value.parse().map_err(|_| USAGE)?,
            _ => return Err(USAGE.to_owned()),
        }
    }
    Ok((hosts, within))
}

fn load(address: &str, domain: &str, hosts: u32, within: u32) -> Command {
    let mut command = release("pinnace-load");
    command.args(["--server", address, "--name", "127.0.0.1", "--domain", domain]);
    command.args(["--hosts", &hosts.to_string(), "--within", &within.to_string()]);
    command
}

struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
