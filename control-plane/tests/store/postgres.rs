//! A PostgreSQL server in a temporary folder, run by somebody who is not root.

use crate::rig::Domain;
use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

/// A running server; stopped and removed in the end.
pub(crate) struct Postgres {
    dir: PathBuf,
}

impl Postgres {
    pub(crate) fn start() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("pinnaced-pg-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let server = Self { dir: std::env::temp_dir().join(name) };
        assert!(as_somebody("mkdir").args(["-m", "0700"]).arg(&server.dir).status().unwrap().success());
        let made = as_somebody(&tool("initdb")).args(["-U", "pinnaced", "-A", "trust", "-E", "UTF8", "-D"]).arg(server.data()).output().unwrap();
        assert!(made.status.success(), "{made:?}");
        assert!(as_somebody("chmod").arg("0755").arg(&server.dir).status().unwrap().success());
        server.run();
        server
    }

    pub(crate) fn run(&self) {
        let options = format!("-c listen_addresses='' -c fsync=on -c shared_buffers=16MB -k {}", self.dir.display());
        self.control(&["start", "-w", "-o", &options, "-l", &self.dir.join("log").display().to_string()]);
    }

    pub(crate) fn stop(&self) {
        self.control(&["stop", "-m", "immediate"]);
    }

    /// Its processes keep their connections and do nothing.
    pub(crate) fn halt(&self) {
        self.signal("STOP");
    }

    pub(crate) fn go_on(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        let master = fs::read_to_string(self.data().join("postmaster.pid")).unwrap();
        let master = master.lines().next().unwrap().to_string();
        let children = fs::read_to_string(format!("/proc/{master}/task/{master}/children")).unwrap();
        for process in children.split_whitespace().chain([master.as_str()]) {
            // One that has ended meanwhile needs no signal.
            let _ = Command::new("kill").args([&format!("-{name}"), process]).status();
        }
    }

    /// As `pinnaced init --postgres` takes it.
    pub(crate) fn address(&self) -> String {
        format!("host={} user=pinnaced dbname=postgres", self.dir.display())
    }

    /// The one number that a query finds.
    pub(crate) fn number(&self, query: &str) -> i64 {
        self.asked(query).parse().unwrap()
    }

    /// Does what these statements say.
    pub(crate) fn execute(&self, statements: &str) {
        self.asked(statements);
    }

    /// The same in one commit, however many they are.
    pub(crate) fn execute_all(&self, statements: &str) {
        let mut child = self.psql(&["-q", "-1", "-f", "-"]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(statements.as_bytes()).unwrap();
        let done = child.wait_with_output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    fn asked(&self, query: &str) -> String {
        let psql = self.psql(&["-Atc", query]).output().unwrap();
        assert!(psql.status.success(), "{}", String::from_utf8_lossy(&psql.stderr));
        String::from_utf8(psql.stdout).unwrap().trim().to_string()
    }

    fn psql(&self, arguments: &[&str]) -> Command {
        let mut psql = as_somebody(&tool("psql"));
        psql.args(["-v", "ON_ERROR_STOP=1", "-h", &self.dir.display().to_string(), "-U", "pinnaced", "-d", "postgres"]).args(arguments);
        psql
    }

    fn control(&self, arguments: &[&str]) {
        let ended = as_somebody(&tool("pg_ctl")).arg("-s").arg("-D").arg(self.data()).args(arguments).status().unwrap();
        assert!(ended.success(), "pg_ctl {arguments:?}");
    }

    fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    /// Puts a trust domain's store here.
    pub(crate) fn keep(&self, domain: &Domain, spool_minutes: u32) {
        let path = domain.path("pinnaced.toml");
        let text = fs::read_to_string(&path).unwrap();
        let store = format!("\n[store]\npostgres = {:?}\nspool_minutes = {spool_minutes}\n", self.address());
        fs::write(path, text + &store).unwrap();
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let _ = as_somebody(&tool("pg_ctl")).args(["-s", "-m", "immediate", "stop", "-D"]).arg(self.data()).status();
        let _ = as_somebody("rm").arg("-rf").arg(&self.dir).status();
    }
}

/// PostgreSQL refuses to run as root.
fn as_somebody(program: &str) -> Command {
    if !rustix::process::geteuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups", program]).current_dir("/");
    command
}

/// Debian keeps them beside the path.
fn tool(name: &str) -> String {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|entry| entry.path().join("bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders = std::env::split_paths(&path).collect::<Vec<_>>().into_iter().chain(versions);
    let found = folders.find(|folder| Path::is_file(&folder.join(name))).expect("PostgreSQL is needed (package postgresql)");
    found.join(name).display().to_string()
}
