//! A control plane that gives every credential it is asked for, and of releases says what a test wants it to; and the host that
//! asks it.

use super::repository::{Repository, assignment};
use protocol::event::{Report, Taken};
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read, Write};
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard};
use tests::evil::answer::{HOST, delivered, http, ok};
use tests::evil::ground::Ground;
use tests::evil::peer::{Peer, drip, read_head, script};
use tests::evil::tls::{self, Clients, Tls};
use tests::rig::{Outcome, Site, finish};

/// A host, and the liar it asks.
pub(crate) struct Lied {
    pub(crate) ground: Ground,
    pub(crate) repository: Repository,
    served: Arc<Mutex<Served>>,
    peer: Peer,
}

/// What the liar says.
#[derive(Default)]
pub(crate) struct Served {
    /// The answer to the question which release to run.
    pub(crate) assignment: String,
    /// Metadata and targets.
    pub(crate) files: BTreeMap<String, Vec<u8>>,
    /// What comes a byte a second.
    pub(crate) slow: Option<String>,
    /// What never ends.
    pub(crate) endless: Option<String>,
}

impl Lied {
    /// A host that trusts the first root of a repository of its own, and has taken nothing yet.
    pub(crate) fn new() -> Self {
        Self::with(Repository::new(), 10)
    }

    /// The same with a repository and a deadline.
    pub(crate) fn with(repository: Repository, deadline_seconds: u32) -> Self {
        let ground = Ground::new();
        let served = Arc::new(Mutex::new(Served::default()));
        let peer = start(&ground, &served);
        let folder = ground.rig.path("domain/releases");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("1.root.json"), &repository.files["metadata/1.root.json"]).unwrap();
        let lied = Self { ground, repository, served, peer };
        lied.stamp(deadline_seconds);
        lied
    }

    /// A client that differs from others in its deadline.
    pub(crate) fn stamp(&self, deadline_seconds: u32) {
        let endpoints = vec![("localhost".to_owned(), self.peer.port, vec!["127.0.0.1".to_owned()])];
        let extra = "update_root = \"releases/1.root.json\"".to_owned();
        self.ground.rig.stamp(&Site { endpoints, extra, deadline_seconds, ..Site::default() });
    }

    /// What the liar says from here on, to be changed.
    pub(crate) fn says(&self) -> MutexGuard<'_, Served> {
        self.served.lock().unwrap()
    }

    /// Serves the repository as it is, and assigns a target.
    pub(crate) fn serve(&self, path: &str) {
        *self.says() = Served { assignment: assignment(path), files: self.repository.files.clone(), ..Served::default() };
    }

    /// One run; whatever it says of updates, in it the credential came.
    pub(crate) fn run(&self) -> Outcome {
        self.run_of(&mut Command::new(self.ground.rig.client()))
    }

    /// The same for a run that this command makes.
    pub(crate) fn run_of(&self, command: &mut Command) -> Outcome {
        self.forget();
        let outcome = finish(command);
        self.expect_delivered(&outcome);
        outcome
    }

    /// Leaves the host without the credential, so that the next run has to bring it.
    pub(crate) fn forget(&self) {
        self.ground.rig.forget();
        let _ = fs::remove_file(self.ground.rig.target());
    }

    /// What must hold after a run that began without the credential.
    pub(crate) fn expect_delivered(&self, outcome: &Outcome) {
        outcome.expect_delivered();
        let token = self.ground.rig.delivered();
        assert!(token.starts_with("ey") && token.split('.').count() == 3, "no credential: {outcome:#?}");
    }

    /// The attack is refused for this reason, which stands in the run's last line; nothing is taken, and the credential came.
    pub(crate) fn expect_refused(&self, code: &str) -> Outcome {
        let before = self.current();
        let outcome = self.run();
        let last: serde_json::Value = serde_json::from_str(outcome.stdout.lines().last().unwrap_or_default()).unwrap();
        assert_eq!(last["update"], format!("failed: {code}"), "{outcome:#?}");
        assert_eq!(self.current(), before, "the attack changed what runs");
        outcome
    }

    /// What is served is taken, now or over some runs.
    pub(crate) fn expect_taken(&self) {
        let outcome = self.run();
        let word = outcome.last_event["update"].as_str().unwrap_or_default();
        assert!(!word.is_empty() && !word.starts_with("failed"), "{outcome:#?}");
    }

    /// The folder's name of the release that runs, if any.
    pub(crate) fn current(&self) -> Option<String> {
        let target = fs::read_link(self.ground.rig.path("state/current")).ok()?;
        Some(target.file_name()?.to_str()?.to_owned())
    }
}

fn start(ground: &Ground, served: &Arc<Mutex<Served>>) -> Peer {
    let config = tls::config(&ground.authority.server(&["localhost"]), Clients::Of(&ground.authority));
    let served = Arc::clone(served);
    Peer::start(&script(move |call| {
        let mut tls = tls::accept(&config, call)?;
        loop {
            let head = read_head(&mut tls)?;
            answer(&mut tls, &head, &served)?;
            tls.flush()?;
        }
    }))
}

fn answer(tls: &mut Tls, head: &str, served: &Mutex<Served>) -> io::Result<()> {
    let path = head.split(' ').nth(1).unwrap_or_default();
    if path.starts_with("/v1/credentials/") {
        return tls.write_all(&delivered());
    }
    if path == "/v1/events" {
        return told(tls, head);
    }
    let name = path.strip_prefix("/v1/releases/").unwrap_or(path).to_owned();
    let (bytes, slow, endless) = {
        let served = served.lock().unwrap();
        if path.starts_with("/v1/release?") {
            return tls.write_all(&ok(&served.assignment));
        }
        let is = |which: &Option<String>| which.as_ref() == Some(&name);
        (served.files.get(&name).cloned(), is(&served.slow), is(&served.endless))
    };
    if endless {
        tls.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")?;
        loop {
            tls.write_all(&[b' '; 16_384])?;
        }
    }
    let Some(bytes) = bytes else { return tls.write_all(&http("404 Not Found", "", "")) };
    let (status, extra, body) = range(head, &bytes);
    tls.write_all(format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n{extra}\r\n", body.len()).as_bytes())?;
    if slow { drip(tls, body) } else { tls.write_all(body) }
}

/// All that a host tells of its runs is taken.
fn told(tls: &mut Tls, head: &str) -> io::Result<()> {
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")?.trim().parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    tls.read_exact(&mut body)?;
    let last = Report::from_json(&body, HOST).and_then(|report| Some(report.events.last()?.number));
    tls.write_all(&ok(&Taken(last.unwrap_or(0)).to_json()))
}

fn range<'a>(head: &str, bytes: &'a [u8]) -> (&'static str, String, &'a [u8]) {
    let wanted = head.lines().find_map(|line| line.strip_prefix("Range: bytes=")?.trim().split_once('-'));
    let Some((first, last)) = wanted.and_then(|(first, last)| Some((first.parse::<usize>().ok()?, last.parse::<usize>().ok()?))) else {
        return ("200 OK", String::new(), bytes);
    };
    let end = bytes.len().min(last + 1);
    let piece = bytes.get(first..end).unwrap_or_default();
    ("206 Partial Content", format!("Content-Range: bytes {first}-{}/{}\r\n", end.saturating_sub(1), bytes.len()), piece)
}
