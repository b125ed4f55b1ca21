//! A host with a release on trial.

use protocol::{crc32, hex_encode, json, trial::candidate_goes_first};
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};
use tests::rig::{Outcome, Rig, Site, check, finish, programs};

/// Runs after which a trial with eight wanted runs must have come to something.
pub(crate) const RUNS: i64 = 60;

/// The host; its package's copy is in charge.
pub(crate) struct Ground {
    pub(crate) rig: Rig,
    /// The candidate's hash.
    pub(crate) release: String,
}

impl Ground {
    /// With a candidate that goes wrong as it is told; `good` goes on as the client. The deadline is two seconds.
    pub(crate) fn new(how: &str) -> Self {
        Self::new_in(&std::env::temp_dir(), how)
    }

    /// The same below a folder.
    pub(crate) fn new_in(parent: &Path, how: &str) -> Self {
        let rig = Rig::new_in(parent, &Site { deadline_seconds: 2, ..Site::default() });
        let mut ground = Self { rig, release: String::new() };
        ground.put_on_trial(how);
        ground
    }

    /// Puts a candidate where a verified release stands, and its trial where the one in charge looks for it.
    fn put_on_trial(&mut self, how: &str) {
        let candidate = self.stamped(how);
        let bytes = fs::read(candidate).unwrap();
        self.release = hex_encode(ring::digest::digest(&ring::digest::SHA256, &bytes).as_ref());
        let folder = self.rig.path(&format!("state/generations/7-{}", self.release));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("pinnace"), bytes).unwrap();
        fs::set_permissions(folder.join("pinnace"), fs::Permissions::from_mode(0o755)).unwrap();
        self.put(0, 0);
    }

    /// Begins the trial anew, where the next run has that side go first, with so many bad pairs before it.
    pub(crate) fn begin_with(&self, candidate_first: bool, bad: i64) {
        let run = (0..).find(|run| self.goes_first(run + 1) == candidate_first).unwrap();
        self.put(run, bad);
    }

    fn put(&self, run: i64, bad: i64) {
        let trial = format!(
            "{{\"candidate\":\"7-{}\",\"runs\":8,\"seconds\":0,\"started_at\":0,\"run\":{run},\"tries_left\":3,\"clean\":0,\"bad\":{bad},\"good\":0,\
             \"rehearsed\":false}}",
            self.release
        );
        let sealed = format!("pinnace-state 1 crc32={:08x} len={}\n{trial}", crc32(trial.as_bytes()), trial.len());
        fs::write(self.rig.path("state/trial"), sealed).unwrap();
    }

    /// The bad release, stamped with its way to go wrong.
    fn stamped(&self, how: &str) -> PathBuf {
        let site = fs::read_to_string(self.rig.path("domain/rig.toml")).unwrap();
        let client = self.rig.path("right");
        fs::copy(self.rig.client(), &client).unwrap();
        let file = self.rig.path("domain/bad.toml");
        fs::write(&file, site.replace("name = \"rig\"", &format!("name = \"{how}\""))).unwrap();
        let out = self.rig.path("bin/candidate");
        let binary = env!("CARGO_BIN_EXE_bad-release");
        check(Command::new(&programs().pinnacectl).args(["stamp", "--binary", binary, "--site"]).arg(file).arg("--out").arg(&out));
        out
    }

    /// A run that has something to do; its credential is fresh and whole.
    pub(crate) fn run(&self) -> Outcome {
        self.run_with(&mut Command::new(self.rig.client()))
    }

    /// As [`Ground::run`], under another launcher.
    pub(crate) fn run_with(&self, command: &mut Command) -> Outcome {
        self.rig.forget();
        let _ = fs::remove_file(self.rig.target());
        let outcome = finish(command);
        outcome.expect_delivered();
        assert!(self.rig.delivered().starts_with("ey"), "no credential: {outcome:?}");
        outcome
    }

    /// The trial as the host has it; `None` once it has ended.
    pub(crate) fn trial(&self) -> Option<json::Value> {
        let text = fs::read(self.rig.path("state/trial")).ok()?;
        let body = text.splitn(2, |byte| *byte == b'\n').nth(1)?;
        json::parse(body).ok()
    }

    /// A number of the trial.
    pub(crate) fn number(&self, name: &str) -> i64 {
        self.trial().and_then(|trial| trial.get(name)?.as_i64()).unwrap_or(-1)
    }

    /// The release that runs from the next run on.
    pub(crate) fn current(&self) -> Option<PathBuf> {
        fs::read_link(self.rig.path("state/current")).ok()
    }

    /// Whether the host denies the candidate.
    pub(crate) fn is_denied(&self) -> bool {
        let update = fs::read_to_string(self.rig.path("state/update")).unwrap_or_default();
        update.contains(&self.release)
    }

    /// Whether the candidate goes first in a run.
    pub(crate) fn goes_first(&self, run: i64) -> bool {
        candidate_goes_first("web-1", &self.release, run, 0)
    }
}
