//! Where a candidate does its job: a folder in the state directory with a copy of what it needs, and a child that is bounded.

use super::{
    Results,
    attempt::{self, STAGED},
    bound,
};
use crate::{
    deliver::nowhere,
    failure::Failure,
    fetch::{Wanted, add_key},
    identity::Key,
    site::read_all,
    state::{IDENTITY, MEMORY, State, TRUSTED, file_of},
    sys::{
        file::{Directory, Look, may_run, read_link},
        process::{Child, Ended},
    },
    update,
};
use host::{accept::accept, due::Held, state};
use protocol::{
    answer::{Answer, PRIVATE_KEY},
    reason::Reason,
    site::Site,
};
use std::{
    io,
    time::{Duration, Instant},
};

const FOLDER: &str = "trial-run";
const COPY: Look = Look { mode: 0o600, owner: None, keep_previous: false, durable: false };
/// About what a candidate writes; where that finds no room, it is no wonder that the candidate found none.
const PROBE: &str = "probe";
const PROBE_BYTES: usize = 65_536;

/// The folder, and who works in it.
pub(super) struct Ground {
    /// Where the state directory is.
    state_dir: String,
    /// The candidate's folder name.
    candidate: String,
    /// The host's SPIFFE ID.
    host: String,
    host_file: Option<String>,
    deadline_seconds: u32,
    span: Duration,
}

impl Ground {
    pub(super) fn new(site: &Site, state_dir: &str, candidate: &str, host: &str, host_file: Option<&str>) -> Self {
        Self {
            state_dir: state_dir.to_owned(),
            candidate: candidate.to_owned(),
            host: host.to_owned(),
            host_file: host_file.map(str::to_owned),
            deadline_seconds: site.deadline_seconds,
            span: bound(site),
        }
    }

    /// Whom the coin is for: the host's name in its trust domain.
    pub(super) fn host(&self) -> &str {
        self.host.rsplit('/').next().unwrap_or_default()
    }

    /// The candidate's try at some credentials; says too whether it tells nothing of the candidate.
    pub(super) fn attempt(&self, wanted: &[&Wanted<'_>]) -> (Results, bool) {
        let kept = self.keep();
        let ran = self.prepare(wanted).map_err(|error| unstartable(&error)).and_then(|()| self.start("run", &["--attempt"]));
        let mut tells_nothing = ran.as_ref().is_err_and(|failure| failure.reason == Reason::TrialUnstartable);
        let results: Results = wanted
            .iter()
            .map(|wanted| match &ran {
                Ok(()) => self.staged(wanted),
                Err(failure) => Err(failure.clone()),
            })
            .collect();
        tells_nothing |= results.iter().any(Result::is_err) && self.has_no_room(self.prepare(wanted).is_ok());
        // Whatever it has left takes no room from who comes after it.
        self.clear();
        self.restore(kept);
        (results, tells_nothing)
    }

    /// The candidate's rehearsal of its own update.
    pub(super) fn rehearse(&self, state: &State) -> Result<(), Failure> {
        let kept = self.keep();
        let done = self.prepare_rehearsal(state).and_then(|()| self.start("rehearse", &[]));
        let done = done.and_then(|()| {
            let hash = self.candidate.split_once('-').map_or("", |(_, hash)| hash);
            let replaced = update::program_of(&self.path(), &self.candidate);
            if update::has_hash(&replaced, hash) { Ok(()) } else { Err(Failure::new(Reason::TrialRehearsal, "it did not stage what it is")) }
        });
        let has_no_room = || self.has_no_room(self.prepare_rehearsal(state).is_ok());
        let done = done.map_err(|failure| if has_no_room() { Failure::new(Reason::TrialUnstartable, failure.because) } else { failure });
        self.clear();
        self.restore(kept);
        done
    }

    /// Makes the folder as a rehearsal needs it: metadata as this host believes it, and a download that was cut.
    pub(super) fn prepare_rehearsal(&self, state: &State) -> Result<(), Failure> {
        let prepared = self.prepare(&[]).and_then(|()| {
            let folder = self.open()?;
            for name in ["root.json", "timestamp.json", "snapshot.json", "targets.json"] {
                if let Some(bytes) = state.trusted(name) {
                    folder.replace(&format!("{TRUSTED}{name}"), &bytes, COPY)?;
                }
            }
            update::cut(&self.state_dir, &self.path(), &self.candidate)
        });
        prepared.map_err(|error| unstartable(&error))
    }

    /// Whether there is no room for anybody, where the folder was to be prepared anew.
    fn has_no_room(&self, is_prepared: bool) -> bool {
        !is_prepared || self.open().and_then(|folder| folder.replace(PROBE, &[0; PROBE_BYTES], COPY)).is_err()
    }

    /// Leaves nothing behind.
    pub(super) fn clear(&self) {
        let _ = std::fs::remove_dir_all(self.path());
    }

    pub(super) fn path(&self) -> String {
        format!("{}/{FOLDER}", self.state_dir)
    }

    fn open(&self) -> io::Result<Directory> {
        Directory::open(&self.path())
    }

    /// A copy of what a run needs, without the credentials that are wanted: what is not there is due.
    fn prepare(&self, wanted: &[&Wanted<'_>]) -> io::Result<()> {
        self.clear();
        let state = Directory::open(&self.state_dir)?;
        state.make(FOLDER, 0o700)?;
        let folder = self.open()?;
        folder.make(STAGED, 0o700)?;
        let left: Vec<String> = wanted.iter().map(|wanted| file_of(&wanted.credential.name)).collect();
        for name in std::fs::read_dir(&self.state_dir)?.flatten().filter_map(|entry| entry.file_name().into_string().ok()) {
            let is_credential = name.starts_with(&file_of("")) && !left.contains(&name);
            if (is_credential || name == IDENTITY || name == MEMORY) && !name.ends_with(".corrupt") {
                folder.replace(&name, &read_all(&state.read(&name)?, state::STATE_BYTES_MAX)?, COPY)?;
            }
        }
        Ok(())
    }

    /// Runs the candidate to its end, or to its bound.
    fn start(&self, command: &str, more: &[&str]) -> Result<(), Failure> {
        let program = update::program_of(&self.state_dir, &self.candidate);
        may_run(&program).map_err(|error| unstartable(&error))?;
        let mut argv = vec![program, command.to_owned(), "--state-dir".to_owned(), self.path()];
        argv.extend(["--generation".to_owned(), self.candidate.clone()]);
        argv.extend(more.iter().map(|word| (*word).to_owned()));
        argv.extend(self.host_file.iter().flat_map(|file| ["--host-file".to_owned(), file.clone()]));
        let silence = nowhere().map_err(|error| unstartable(&error))?;
        let child = Child::start_bounded(&argv, &silence, self.deadline_seconds).map_err(|error| not_started(&error))?;
        match child.end_by(Instant::now() + self.span) {
            Ok(Some(Ended::Status(0))) => Ok(()),
            Ok(Some(Ended::Status(status))) => {
                let reason = u8::try_from(status).ok().and_then(Reason::from_exit).filter(|reason| *reason != Reason::TrialUnstartable);
                Err(Failure::new(reason.unwrap_or(Reason::TrialCrashed), format!("{} ended with status {status}", self.candidate)))
            }
            Ok(Some(Ended::Signal(signal))) => Err(Failure::new(Reason::TrialCrashed, format!("{}: signal {signal}", self.candidate))),
            Ok(None) => Err(Failure::new(Reason::TrialHung, self.candidate.clone())),
            Err(error) => Err(Failure::io(Reason::TrialUnstartable, &self.candidate, &error)),
        }
    }

    /// What it staged for one credential, judged as if it had come over the network, and the deliveries it made of it.
    fn staged(&self, wanted: &Wanted<'_>) -> Result<Answer, Failure> {
        let nothing = |because: &str| Failure::new(Reason::TrialNothing, format!("{}: {because}", wanted.credential.name));
        let folder = self.open().map_err(|error| nothing(&error.to_string()))?;
        let file = folder.read(&file_of(&wanted.credential.name)).map_err(|error| nothing(&error.to_string()))?;
        let bytes = read_all(&file, state::STATE_BYTES_MAX).map_err(|error| nothing(&error.to_string()))?;
        let held = state::open(&bytes).and_then(state::held_from_json).ok_or_else(|| nothing("what it left is no credential"))?;
        let answer = self.judged(held, wanted)?;
        let stage = Directory::open(&format!("{}/{STAGED}", self.path())).map_err(|error| nothing(&error.to_string()))?;
        let name = attempt::place_of(&wanted.credential.name, 0);
        let is_file = stage.read(&name).and_then(|file| file.metadata()).is_ok_and(|about| about.len() > 0);
        let is_delivered = is_file || read_link(&format!("{}/{STAGED}/{name}", self.path())).is_ok();
        if wanted.credential.deliveries.is_empty() || is_delivered { Ok(answer) } else { Err(nothing("no delivery of it was staged")) }
    }

    fn judged(&self, mut held: Held, wanted: &Wanted<'_>) -> Result<Answer, Failure> {
        let is_key = |(name, _): &(String, String)| held.answer.kind.has_key() && name == PRIVATE_KEY;
        let (key, fields) = std::mem::take(&mut held.answer.fields).into_iter().partition::<Vec<_>, _>(is_key);
        held.answer.fields = fields;
        let before = wanted.held.as_ref().map(|held| &held.answer);
        let body = held.answer.to_json();
        let accepted = accept(body.as_bytes(), &wanted.credential.name, &self.host, before);
        let mut answer = accepted.map_err(|rejected| Failure::new(rejected.reason, rejected.because))?;
        if before.is_some_and(|before| answer.issued_at == before.issued_at && answer.expires_at == before.expires_at) && !wanted.is_dry {
            return Err(Failure::new(Reason::TrialNothing, format!("{}: it is the one that was held", wanted.credential.name)));
        }
        let key = key.first().and_then(|(_, pem)| Key::from_any_form(pem));
        add_key(&mut answer, key.as_ref())?;
        Ok(answer)
    }

    /// What a candidate that runs wild must not take from this host: its identity, and the way to the release in charge.
    fn keep(&self) -> Kept {
        let identity = Directory::open(&self.state_dir).and_then(|state| read_all(&state.read(IDENTITY)?, state::STATE_BYTES_MAX));
        Kept { identity: identity.ok(), current: update::current(&self.state_dir) }
    }

    fn restore(&self, kept: Kept) {
        let found = self.keep();
        let Ok(state) = Directory::open_or_make(&self.state_dir, 0o700) else { return };
        if let Some(identity) = kept.identity.filter(|identity| found.identity.as_ref() != Some(identity)) {
            let _ = state.replace(IDENTITY, &identity, Look { durable: true, ..COPY });
        }
        if kept.current != found.current {
            match kept.current {
                Some(current) => {
                    let _ = state.replace_link(update::CURRENT, &format!("{}/{current}", update::FOLDER));
                }
                None => state.remove(update::CURRENT),
            }
        }
    }
}

struct Kept {
    identity: Option<Vec<u8>>,
    current: Option<String>,
}

fn unstartable(error: &io::Error) -> Failure {
    Failure::new(Reason::TrialUnstartable, error.to_string())
}

/// What keeps every program from starting is no fault of this one.
fn not_started(error: &io::Error) -> Failure {
    match error.raw_os_error() {
        Some(libc::EAGAIN | libc::ENOMEM | libc::EPERM | libc::EACCES | libc::EMFILE | libc::ENFILE) => unstartable(error),
        _ => Failure::new(Reason::TrialCrashed, format!("it cannot be started: {error}")),
    }
}
