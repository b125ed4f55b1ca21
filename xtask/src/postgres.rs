//! A PostgreSQL server in a folder of its own, run by somebody who is not root.

use crate::shell::{Done, output, run as run_command};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// A running server; stopped and removed when dropped.
pub(crate) struct Postgres {
    folder: PathBuf,
    programs: PathBuf,
}

impl Postgres {
    /// Makes a cluster and starts it; `None`, said loudly, where there is no PostgreSQL.
    pub(crate) fn start() -> Done<Option<Self>> {
        let Some(programs) = programs() else {
            println!("NOT MEASURED: there is no PostgreSQL (package postgresql), so pinnaced cannot be measured on it");
            return Ok(None);
        };
        let server = Self { folder: std::env::temp_dir().join(format!("pinnace-postgres-{}", std::process::id())), programs };
        run_command(as_somebody(Path::new("mkdir")).args(["-m", "0755"]).arg(&server.folder))?;
        output(as_somebody(&server.programs.join("initdb")).args(["-U", "pinnaced", "-A", "trust", "-E", "UTF8", "-D"]).arg(server.data()))?;
        let options = format!("-c listen_addresses='' -c fsync=on -k {}", server.folder.display());
        run_command(server.control().args(["start", "-w", "-o", &options, "-l"]).arg(server.folder.join("log")))?;
        Ok(Some(server))
    }

    /// How to reach it.
    pub(crate) fn address(&self) -> String {
        format!("host={} user=pinnaced dbname=postgres", self.folder.display())
    }

    /// Where its files are.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn control(&self) -> Command {
        let mut command = as_somebody(&self.programs.join("pg_ctl"));
        command.arg("-s").arg("-D").arg(self.data());
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let _ = self.control().args(["stop", "-m", "immediate"]).status();
        let _ = as_somebody(Path::new("rm")).arg("-rf").arg(&self.folder).status();
    }
}

/// PostgreSQL refuses to run as root.
fn as_somebody(program: &Path) -> Command {
    let root = fs::metadata("/proc/self").is_ok_and(|about| std::os::unix::fs::MetadataExt::uid(&about) == 0);
    let mut command = Command::new(if root { Path::new("setpriv") } else { program });
    if root {
        command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups"]).arg(program);
    }
    command.current_dir("/");
    command
}

/// Debian keeps them beside the path.
fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|entry| entry.path().join("bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).chain(versions).find(|folder| folder.join("initdb").is_file() && folder.join("pg_ctl").is_file())
}
