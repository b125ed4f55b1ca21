//! The programs under test, built once.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::SystemTime;

use super::check;

/// Paths of the programs under test.
#[derive(Debug)]
pub struct Programs {
    /// The client, static and not stamped.
    pub client: PathBuf,
    /// The server.
    pub pinnaced: PathBuf,
    /// The operator's tool.
    pub pinnacectl: PathBuf,
}

/// The programs; whoever asks first builds them, across processes.
pub fn programs() -> &'static Programs {
    static PROGRAMS: OnceLock<Programs> = OnceLock::new();
    PROGRAMS.get_or_init(|| {
        let target = target_folder();
        std::fs::create_dir_all(&target).expect("the target folder");
        let lock = std::fs::File::create(target.join("rig.lock")).expect("a lock file");
        lock.lock().expect("a lock");
        check(cargo().args(["build", "--quiet", "-p", "control-plane", "-p", "operator"]));
        Programs { client: client(&target), pinnaced: target.join("debug/pinnaced"), pinnacectl: target.join("debug/pinnacectl") }
    })
}

/// The client named by `PINNACE_TEST_CLIENT`, or a distribution build that is newer than its sources, or a build of the day.
fn client(target: &Path) -> PathBuf {
    if let Some(path) = std::env::var_os("PINNACE_TEST_CLIENT") {
        return path.into();
    }
    let made = target.join("dist/pinnace-x86_64");
    let sources = ["client", "core", "Cargo.toml"].map(|name| newest(&workspace().join(name)));
    if changed(&made) > sources.into_iter().max().unwrap_or(SystemTime::UNIX_EPOCH) {
        return made;
    }
    check(cargo().args(["build", "--quiet", "--profile", "dist", "-p", "client", "--target", "x86_64-unknown-linux-musl"]));
    target.join("x86_64-unknown-linux-musl/dist/pinnace")
}

fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(workspace());
    command
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_path_buf).unwrap_or_default()
}

fn target_folder() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), PathBuf::from)
}

/// When the newest file under a folder changed.
fn newest(path: &Path) -> SystemTime {
    let Ok(entries) = std::fs::read_dir(path) else { return changed(path) };
    entries.flatten().map(|entry| newest(&entry.path())).max().unwrap_or(SystemTime::UNIX_EPOCH)
}

fn changed(path: &Path) -> SystemTime {
    std::fs::metadata(path).and_then(|about| about.modified()).unwrap_or(SystemTime::UNIX_EPOCH)
}
