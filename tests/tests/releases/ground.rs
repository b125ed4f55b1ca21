//! A host, its `pinnaced`, and release engineers with their keys.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};
use tests::rig::{Rig, Site, check, programs};

const PASSPHRASE: &str = "correct horse";
/// How long a published release may take to be offered.
const TRIES: u32 = 60;

/// All of them.
pub(crate) struct Ground {
    pub(crate) rig: Rig,
}

impl Ground {
    /// With root 1 and targets 1 published, and a host that trusts root 1; a release goes to every host at once.
    pub(crate) fn new() -> Self {
        Self::unserved().begun()
    }

    /// The same where a release reaches hosts by a rollout alone, which goes fast.
    pub(crate) fn with_rollouts() -> Self {
        Self::of(("rollouts = true", "rollouts = true\ninterval_seconds = 2\nsoak_intervals = 1")).begun()
    }

    /// As [`Ground::new`], with one of the control plane's settings another.
    pub(crate) fn new_with(setting: &str, value: &str) -> Self {
        Self::of((setting, value)).begun()
    }

    /// As [`Ground::new_with`], below a folder.
    pub(crate) fn new_in(parent: &Path, setting: &str, value: &str) -> Self {
        Self { rig: Rig::unserved_in(parent) }.set((setting, value)).begun()
    }

    fn begun(self) -> Self {
        let mut ground = self;
        ["root-a", "root-b", "targets-a"].iter().for_each(|name| ground.key(name));
        let online = ground.online_key();
        ground.release(&[
            "init",
            "--root-key",
            "root-a.pub",
            "--root-key",
            "root-b.pub",
            "--root-threshold",
            "2",
            "--targets-key",
            "targets-a.pub",
            "--online-key",
            &online,
        ]);
        ground.sign(&["root-a", "root-b", "targets-a"]);
        ground.publish();
        ground.serve();
        ground
    }

    /// Without keys, without metadata, without a control plane that runs.
    pub(crate) fn unserved() -> Self {
        Self::of(("", ""))
    }

    fn of(setting: (&str, &str)) -> Self {
        Self { rig: Rig::unserved() }.set(setting)
    }

    fn set(self, (setting, value): (&str, &str)) -> Self {
        let ground = self;
        let settings = ground.rig.path("domain/pinnaced.toml");
        let text = fs::read_to_string(&settings).unwrap().replace("reload_seconds = 2", "reload_seconds = 1");
        let usual =
            [("rollouts = true", "rollouts = false"), ("trial_runs = 10", "trial_runs = 0"), ("# trial_seconds = 50400", "trial_seconds = 0")];
        let other = usual.into_iter().filter(|(name, _)| *name != setting).chain((!setting.is_empty()).then_some((setting, value)));
        let text = other.fold(text, |text, (name, value)| text.replace(name, value));
        fs::write(&settings, text).unwrap();
        fs::write(ground.rig.path("pass"), PASSPHRASE).unwrap();
        ground
    }

    /// Starts the control plane, and stamps the host's client for the root that is published.
    pub(crate) fn serve(&mut self) {
        self.rig.start_server();
        self.stamp(10);
    }

    /// Where releases are served, who vouches for the server, and who the host is.
    pub(crate) fn served(&self) -> (String, PathBuf, PathBuf) {
        let url = format!("https://localhost:{}/v1/releases", self.rig.hosts_port);
        (url, self.rig.path("domain/ca/ca.crt"), self.rig.path("state/identity.pem"))
    }

    /// A client that differs from others in its deadline.
    pub(crate) fn stamp(&self, deadline_seconds: u32) {
        let extra = "update_root = \"releases/metadata/1.root.json\"".to_owned();
        self.rig.stamp(&Site { extra, deadline_seconds, ..Site::default() });
    }

    /// Makes an offline key.
    pub(crate) fn key(&self, name: &str) {
        self.operate(&["release", "key", "--out", name, "--passphrase-file", "pass"]);
    }

    /// Makes an online key of `pinnaced` that signs at once; gives its public half.
    pub(crate) fn online_key(&self) -> String {
        let id = self.keys(&["prepare", "--use", "online", "--reason", "a test"]).trim().lines().last().unwrap().to_owned();
        self.keys(&["activate", &id, "--reason", "a test", "--force"]);
        let list = self.keys(&["list"]);
        let mut lines = list.lines().skip_while(|line| !line.starts_with(&id));
        lines.nth(1).unwrap().split(' ').next_back().unwrap().to_owned()
    }

    fn keys(&self, arguments: &[&str]) -> String {
        let output = Command::new(&programs().pinnaced).arg("keys").args(arguments).arg("--dir").arg(self.rig.path("domain")).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// `pinnacectl` in the rig's folder.
    pub(crate) fn operate(&self, arguments: &[&str]) -> String {
        let output = self.tried(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    pub(crate) fn tried(&self, arguments: &[&str]) -> std::process::Output {
        let mut command = Command::new(&programs().pinnacectl);
        // Only where a test has made tokens of its own is there such a file.
        command.env("SOFTHSM2_CONF", self.rig.path("softhsm2.conf"));
        command.args(arguments).current_dir(self.rig.path(".")).output().unwrap()
    }

    /// A step of `pinnacectl release`.
    pub(crate) fn release(&self, arguments: &[&str]) -> String {
        self.operate(&[&["release"], arguments, &["--dir", "releases"]].concat())
    }

    pub(crate) fn sign(&self, keys: &[&str]) {
        for key in keys {
            self.release(&["sign", "--key", key, "--passphrase-file", "pass"]);
        }
    }

    pub(crate) fn publish(&self) {
        self.release(&["publish", "--to", "domain/releases"]);
    }

    /// Builds, signs and publishes a generation that differs from others in its deadline.
    pub(crate) fn generation(&self, number: u32) {
        self.build(number);
        self.sign(&["targets-a"]);
        self.publish();
    }

    /// Stages such a generation.
    pub(crate) fn build(&self, number: u32) {
        self.candidate(number);
        self.release(&["build", "--binary", "candidate", "--generation", &number.to_string(), "--version", &format!("1.{number}")]);
    }

    /// A client that differs from others in its deadline, beside the host's own.
    pub(crate) fn candidate(&self, number: u32) -> PathBuf {
        let (kept, candidate) = (fs::read(self.rig.client()).unwrap(), self.rig.path("candidate"));
        self.stamp(10 + number);
        check(Command::new("cp").arg(self.rig.client()).arg(&candidate));
        fs::write(self.rig.client(), kept).unwrap();
        candidate
    }

    /// A run that has to fetch, and what it says of updates; the credential comes with every one of them.
    pub(crate) fn run(&self) -> String {
        self.rig.forget();
        let _ = fs::remove_file(self.rig.target());
        let outcome = self.rig.run(&[]);
        outcome.expect_delivered();
        assert!(self.rig.delivered().starts_with("ey"), "no credential: {outcome:?}");
        outcome.last_event["update"].as_str().unwrap_or_default().to_owned()
    }

    /// Runs until one of them says so of updates.
    pub(crate) fn runs_until(&self, word: &str) {
        let mut said = String::new();
        for _ in 0..TRIES {
            said = self.run();
            if said == word {
                return;
            }
            std::thread::sleep(Duration::from_millis(250));
        }
        panic!("{word:?} never came; the last was {said:?}");
    }

    /// `pinnace update status --json`.
    pub(crate) fn status(&self) -> serde_json::Value {
        self.rig.run(&["update", "status", "--json"]).last_event
    }

    /// The file of a published target.
    pub(crate) fn published(&self, generation: u32) -> PathBuf {
        let folder = self.rig.path(&format!("domain/releases/targets/pinnace/{generation}"));
        let files = fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path());
        files.into_iter().find(|path| path.to_string_lossy().ends_with("pinnace-x86_64")).unwrap()
    }
}
