//! Server processes that are measured.

use crate::shell::{Done, root};
use serde_json::Value;
use std::{
    fs,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    thread,
};

/// A server process.
pub(crate) struct Server {
    pub(crate) name: &'static str,
    pub(crate) address: String,
    pub(crate) child: Child,
}

impl Server {
    /// Starts it and waits until `ready` finds its address in a line of its output.
    pub(crate) fn start(name: &'static str, command: &mut Command, ready: impl Fn(&str) -> Option<String>) -> Done<Self> {
        let mut child = command.stdout(Stdio::piped()).spawn().map_err(|cause| format!("{name}: {cause}"))?;
        let stdout = child.stdout.take();
        let mut server = Self { name, address: String::new(), child };
        let mut lines = BufReader::new(stdout.ok_or("no output")?).lines().map_while(Result::ok);
        server.address = lines.by_ref().find_map(|line| ready(&line)).ok_or_else(|| format!("{name} ended before it listened"))?;
        thread::spawn(move || lines.for_each(drop));
        Ok(server)
    }

    pub(crate) fn port(&self) -> &str {
        self.address.rsplit(':').next().unwrap_or_default()
    }

    /// User and system time of the whole process so far, in seconds.
    pub(crate) fn cpu_seconds(&self) -> Done<f64> {
        cpu_seconds(&format!("/proc/{}/stat", self.child.id()))
    }

    /// That of the threads of one name, as far as they still run.
    pub(crate) fn cpu_seconds_of(&self, thread: &str) -> Done<f64> {
        let path = format!("/proc/{}/task", self.child.id());
        let tasks = fs::read_dir(&path).map_err(|cause| format!("{path}: {cause}"))?.flatten().map(|task| task.path());
        let named = tasks.filter(|task| fs::read_to_string(task.join("comm")).is_ok_and(|name| name.trim_end() == thread));
        named.map(|task| cpu_seconds(&task.join("stat").display().to_string())).sum()
    }
}

impl Server {
    /// The most memory that it ever held, in kilobytes: `VmHWM` of proc(5).
    pub(crate) fn peak_kb(&self) -> Done<u64> {
        let path = format!("/proc/{}/status", self.child.id());
        let status = fs::read_to_string(&path).map_err(|cause| format!("{path}: {cause}"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        line.and_then(|line| line.split_whitespace().next()?.parse().ok()).ok_or_else(|| format!("{path} is not as expected"))
    }
}

/// Fields 14 and 15 of proc(5), in ticks of 1/100 s.
fn cpu_seconds(path: &str) -> Done<f64> {
    let stat = fs::read_to_string(path).map_err(|cause| format!("{path}: {cause}"))?;
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks: Vec<f64> = after_name.split_whitespace().skip(11).take(2).filter_map(|field| field.parse().ok()).collect();
    if ticks.len() == 2 { Ok(ticks.iter().sum::<f64>() / 100.0) } else { Err(format!("{path} is not as expected")) }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `pinnaced` on a trust domain's folder, on ports that the system chooses.
pub(crate) fn pinnaced(domain: &str) -> Done<Server> {
    let any = "127.0.0.1:0";
    let mut command = release("pinnaced");
    command.args(["serve", "--dir", domain, "--listen-hosts", any, "--listen-public", any, "--listen-admin", any, "--listen-operators", any]);
    Server::start("pinnaced", &mut command, |line| {
        let event: Value = serde_json::from_str(line).ok()?;
        event["hosts"].as_str().filter(|_| event["event"] == "listening").map(str::to_owned)
    })
}

/// One of ours, as released.
pub(crate) fn release(name: &str) -> Command {
    Command::new(root().join("target/release").join(name))
}
