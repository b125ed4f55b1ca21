//! Updates: after everything else a run does, and unable to touch it. What is believed comes from `trust`; what may be taken
//! from `host::update`; here it is fetched, put on the disk, and switched to.

mod command;
mod crypto;
mod generations;
mod walk;

pub(crate) use command::command;
pub(crate) use generations::{CURRENT, FOLDER, Generations, current, cut, generation_of, hand_over, has_hash, previous, program_of};

use crate::{failure::Failure, net::session::Session, run::now, state::State, trial};
use crypto::Ring;
use host::update::{Record, fits, floor_of, parse_folder};
use protocol::{
    hex_encode,
    reason::Reason,
    release::{Assignment, Release, Terms},
    site::Site,
};
use std::time::Instant;
use trust::{Target, Targets};
use walk::{LIMITS, Walk};

/// Where this client runs.
const PLATFORM: &str = if cfg!(target_arch = "aarch64") { "aarch64-linux" } else { "x86_64-linux" };

/// One step towards the release that the control plane wants this host to run; says in a word or two what came of it.
pub(crate) fn step(site: &Site, state: &mut State, session: &mut Session, generation: i64, deadline: Instant) -> Option<String> {
    let root = site.update_root.as_deref()?;
    let mut record = state.record();
    session.until(deadline);
    let done = ask(session, generation).and_then(|assignment| {
        if leave(state, &mut record, &assignment.pulled)? {
            return Err(Failure::new(Reason::UpdatePulled, "this host is back on what it ran before"));
        }
        match assignment.target {
            Some(path) if !record.pinned => take(root, state, &mut record, session, &path, assignment.trial).map(Some),
            _ => Ok(None),
        }
    });
    if let Ok(None) = done {
        return Some(if record.pinned { "pinned" } else { "current" }.to_owned());
    }
    record.last_code = done.as_ref().map_or_else(|failure| failure.reason, |_| Reason::Ok).code().to_owned();
    record.last_at = now();
    state.save_record(&record);
    Some(match done {
        Ok(word) => word.unwrap_or_default(),
        Err(failure) => {
            let word = format!("failed: {}", failure.reason.code());
            state.warnings.push(failure);
            word
        }
    })
}

fn ask(session: &mut Session, generation: i64) -> Result<Assignment, Failure> {
    match session.get(&format!("/v1/release?platform={PLATFORM}&generation={generation}")) {
        // A control plane without releases.
        Err(failure) if failure.reason == Reason::HttpNotFound => Ok(Assignment::default()),
        body => Assignment::from_json(&body?).ok_or_else(|| Failure::new(Reason::UpdateNotMetadata, "the answer assigns no release")),
    }
}

/// Leaves what was pulled: on trial, or live. Nothing needs to be fetched for that, and nothing to be signed: it only takes away.
fn leave(state: &mut State, record: &mut Record, pulled: &[String]) -> Result<bool, Failure> {
    let (on_trial, live) = (state.trial(), current(state.path()));
    let is_pulled = |name: &str| parse_folder(name).is_some_and(|(_, hash)| pulled.iter().any(|pulled| pulled == hash));
    let (on_trial, live) = (on_trial.is_some_and(|trial| is_pulled(&trial.candidate)), live.as_deref().is_some_and(is_pulled));
    let news: Vec<&String> = pulled.iter().filter(|hash| !record.denies(hash)).collect();
    if !news.is_empty() {
        news.into_iter().for_each(|hash| record.deny(hash));
        state.save_record(record);
    }
    if on_trial {
        state.end_trial();
    }
    if live {
        Generations::open(state)?.back()?;
    }
    Ok(on_trial || live)
}

/// Verifies a release, fetches what is missing of it, and lets it earn this host.
fn take(root: &str, state: &mut State, record: &mut Record, session: &mut Session, path: &str, terms: Option<Terms>) -> Result<String, Failure> {
    let found = find(root, state, session, |_| Ok(path.to_owned()))?;
    record.floor = record.floor.max(found.floor);
    fits(&found.release, &found.hash, PLATFORM, found.floor, record).map_err(|reason| Failure::new(reason, path))?;
    let generation = found.release.generation;
    let name = host::update::folder_of(generation, &found.hash);
    if !Generations::open(state)?.stage(&name, &found.file, &found.target, session, record)? {
        return Ok(format!("fetching generation {generation}"));
    }
    match terms {
        _ if current(state.path()).as_deref() == Some(&name) => {}
        Some(terms) => {
            let trial = trial::begin(state, &name, terms)?;
            if trial.run == 0 {
                // What was on trial before it, and was unfit or pulled.
                Generations::open(state)?.tidy(&name);
            }
            return Ok(format!("generation {generation} is on trial: {} of {} runs", trial.clean, terms.runs));
        }
        None => Generations::open(state)?.switch(&name)?,
    }
    Ok(format!("generation {generation} is in place"))
}

/// All of an update but the switch, for the generation that a folder's name says.
pub(crate) fn replace(site: &Site, state: &State, mut session: Session, name: &str) -> Result<(), Failure> {
    let unfit = || Failure::new(Reason::TrialRehearsal, "the site has no root of trust, or this is no generation");
    let (root, (_, hash)) = site.update_root.as_deref().zip(parse_folder(name)).ok_or_else(unfit)?;
    let found = find(root, state, &mut session, |targets| {
        let ours = targets.targets().iter().find(|(_, target)| target.hashes.sha256.as_deref().map(hex_encode).as_deref() == Some(hash));
        ours.map(|(path, _)| path.clone()).ok_or_else(|| Failure::new(Reason::UpdateNoSuchTarget, name))
    })?;
    let mut record = Record::default();
    fits(&found.release, &found.hash, PLATFORM, found.floor, &record).map_err(|reason| Failure::new(reason, name))?;
    let whole = Generations::open(state)?.stage(name, &found.file, &found.target, &mut session, &mut record)?;
    if whole { Ok(()) } else { Err(Failure::new(Reason::UpdateSlow, name)) }
}

/// A release that is signed.
struct Found {
    release: Release,
    hash: String,
    target: Target,
    /// Its name where targets are served.
    file: String,
    floor: i64,
}

fn find(root: &str, state: &State, session: &mut Session, path: impl FnOnce(&Targets) -> Result<String, Failure>) -> Result<Found, Failure> {
    let time = now().saturating_sub(session.skew);
    let mut walk = Walk::new(session, state, root)?;
    let trusted = trust::refresh(&mut walk, &Ring, time, LIMITS)?;
    let path = path(&trusted.targets)?;
    let target = trusted.find(&mut walk, &Ring, &path)?;
    let (release, hash) = release_of(&target, &path)?;
    let file = trust::target_name(&path, &target.hashes, trusted.is_consistent());
    Ok(Found { release, hash, file, floor: floor_of(&trusted.targets), target })
}

/// Takes a release by its hash no more.
pub(crate) fn deny(state: &mut State, hash: &str) {
    let mut record = state.record();
    record.deny(hash);
    state.save_record(&record);
}

fn release_of(target: &Target, path: &str) -> Result<(Release, String), Failure> {
    let release = target.custom.as_ref().and_then(Release::from_custom);
    let hash = target.hashes.sha256.as_deref().map(hex_encode);
    let both = release.zip(hash).filter(|_| target.length <= host::update::RELEASE_BYTES_MAX);
    both.ok_or_else(|| Failure::new(Reason::UpdateNotRelease, format!("{path} says no generation, or has no SHA-256, or is too large")))
}
