//! A fleet on one machine: real client processes, each with a state folder of its own, started again and again as a timer would.

use crate::shell::{Done, is_root};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// Runs that are started at one time: most of a run is waiting for what is told to become durable.
const WORKERS: usize = 24;
/// An old kind of host: what uname and os-release say there.
const OLD: &str = "mount --bind \"$1\" /etc/os-release && shift && exec setarch \"$(uname -m)\" --uname-2.6 \"$@\"";
const OLD_RELEASE: &str = "ID=\"rhel\"\nVERSION_ID=\"6.10\"\n";

/// Hosts that run.
pub(super) struct Fleet {
    folder: PathBuf,
    /// Runs started and ended well, and what the others said.
    pub(super) counts: Arc<Counts>,
    goes_on: Arc<AtomicBool>,
    workers: Vec<JoinHandle<()>>,
}

/// What came of the runs.
#[derive(Default)]
pub(super) struct Counts {
    ended: AtomicUsize,
    by_host: Mutex<BTreeMap<String, usize>>,
    pub(super) rescues: AtomicUsize,
    missed: Mutex<Vec<String>>,
}

impl Counts {
    /// How often each host has run.
    pub(super) fn by_host(&self) -> BTreeMap<String, usize> {
        self.by_host.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// All of them.
    pub(super) fn runs(&self) -> usize {
        self.by_host().values().sum()
    }

    /// Runs after which a host had no fresh credential, in their own words.
    pub(super) fn missed(&self) -> Vec<String> {
        self.missed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The names of the fleet; those of the old kind stand among the others, so that no worker has more of them.
pub(super) fn names(hosts: usize, old: usize) -> Vec<String> {
    let every = (hosts / old.max(1)).max(1);
    (0..hosts).map(|number| if number % every == 0 && number / every < old { format!("old-{number}") } else { format!("web-{number}") }).collect()
}

/// How long it takes until each host has run once.
pub(super) fn round(folder: &Path, client: &Path, names: &[String]) -> Done<Duration> {
    let started = Instant::now();
    let mut fleet = Fleet::start(folder, client, names, Duration::MAX)?;
    while fleet.counts.ended.load(Ordering::Relaxed) < names.len() {
        std::thread::sleep(Duration::from_millis(20));
    }
    let took = started.elapsed();
    fleet.stop();
    let missed = fleet.counts.missed();
    missed.first().map_or(Ok(took), |first| Err(format!("a host without a credential, before anything was released: {first}")))
}

impl Fleet {
    /// Starts `client` as every host of the folder, each once in an interval.
    pub(super) fn start(folder: &Path, client: &Path, names: &[String], interval: Duration) -> Done<Self> {
        fs::write(folder.join("os-release"), OLD_RELEASE).map_err(|cause| cause.to_string())?;
        let (counts, goes_on) = (Arc::new(Counts::default()), Arc::new(AtomicBool::new(true)));
        let workers = (0..WORKERS).map(|worker| {
            let names: Vec<String> = names.iter().skip(worker).step_by(WORKERS).cloned().collect();
            let (folder, client, counts, goes_on) = (folder.to_owned(), client.to_owned(), Arc::clone(&counts), Arc::clone(&goes_on));
            std::thread::spawn(move || {
                while goes_on.load(Ordering::Relaxed) {
                    let round = Instant::now();
                    names.iter().take_while(|_| goes_on.load(Ordering::Relaxed)).for_each(|name| run(&folder, &client, name, &counts));
                    while goes_on.load(Ordering::Relaxed) && round.elapsed() < interval {
                        std::thread::sleep(Duration::from_millis(20));
                    }
                }
            })
        });
        Ok(Self { folder: folder.to_owned(), workers: workers.collect(), counts, goes_on })
    }

    /// Lets every run that has begun end.
    pub(super) fn stop(&mut self) {
        self.goes_on.store(false, Ordering::Relaxed);
        self.workers.drain(..).for_each(|worker| drop(worker.join()));
    }

    /// Which generation each host runs: hosts by generation, 0 for the package's copy.
    pub(super) fn generations(&self, names: &[String]) -> BTreeMap<i64, usize> {
        let mut counts = BTreeMap::new();
        for name in names {
            let link = fs::read_link(self.folder.join("hosts").join(name).join("current")).ok();
            let generation = link.and_then(|link| link.file_name()?.to_str()?.split('-').next()?.parse().ok()).unwrap_or(0);
            *counts.entry(generation).or_default() += 1;
        }
        counts
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.stop();
    }
}

/// One run of one host that has to fetch, and the rescue if it fails.
fn run(folder: &Path, client: &Path, name: &str, counts: &Counts) {
    let state = folder.join("hosts").join(name);
    let _ = fs::remove_file(state.join("credential-db"));
    let started = |command: &str| {
        let mut run = if name.starts_with("old-") { old(folder, client) } else { Command::new(client) };
        run.args([command, "--state-dir"]).arg(&state).stdin(Stdio::null()).stderr(Stdio::null()).output()
    };
    *counts.by_host.lock().unwrap_or_else(PoisonError::into_inner).entry(name.to_owned()).or_default() += 1;
    let mut done = started("run");
    if !done.as_ref().is_ok_and(|done| done.status.success()) {
        counts.rescues.fetch_add(1, Ordering::Relaxed);
        done = started("rescue");
    }
    let is_held = fs::read(state.join("credential-db")).is_ok_and(|held| !held.is_empty());
    if !is_held || !done.as_ref().is_ok_and(|done| done.status.success()) {
        let said = done.map_or_else(|cause| cause.to_string(), |done| String::from_utf8_lossy(&done.stdout).into_owned());
        counts.missed.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{name}: {}", said.trim()));
    }
    counts.ended.fetch_add(1, Ordering::Relaxed);
}

fn old(folder: &Path, client: &Path) -> Command {
    let mut command = Command::new("unshare");
    command.arg(if is_root() { "-m" } else { "-rm" }).args(["sh", "-c", OLD, "sh"]).arg(folder.join("os-release")).arg(client);
    command
}
