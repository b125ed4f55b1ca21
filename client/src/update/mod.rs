//! Updates: after everything else a run does, and unable to touch it. What is believed comes from `trust`; what may be taken
//! from `host::update`; here it is fetched, put on the disk, and switched to.

mod command;
mod crypto;
mod generations;
mod walk;

pub(crate) use command::command;
pub(crate) use generations::{generation_of, hand_over};

use crate::{failure::Failure, net::session::Session, run::now, state::State};
use crypto::Ring;
use generations::Generations;
use host::update::{Record, fits, floor_of};
use protocol::{
    hex_encode,
    reason::Reason,
    release::{Assignment, Release},
    site::Site,
};
use std::time::Instant;
use trust::Target;
use walk::{LIMITS, Walk};

/// Where this client runs.
const PLATFORM: &str = if cfg!(target_arch = "aarch64") { "aarch64-linux" } else { "x86_64-linux" };

/// One step towards the release that the control plane wants this host to run; says in a word or two what came of it.
pub(crate) fn step(site: &Site, state: &mut State, mut session: Session, generation: i64, deadline: Instant) -> Option<String> {
    let root = site.update_root.as_deref()?;
    let mut record = state.record();
    if record.pinned {
        return Some("pinned".to_owned());
    }
    session.until(deadline);
    let done = take(root, state, &mut record, &mut session, generation);
    if let Ok(None) = done {
        return Some("current".to_owned());
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

/// `None` where there is nothing to take.
fn take(root: &str, state: &State, record: &mut Record, session: &mut Session, generation: i64) -> Result<Option<String>, Failure> {
    let body = match session.get(&format!("/v1/release?platform={PLATFORM}&generation={generation}")) {
        // A control plane without releases.
        Err(failure) if failure.reason == Reason::HttpNotFound => return Ok(None),
        body => body?,
    };
    let assignment = Assignment::from_json(&body).ok_or_else(|| Failure::new(Reason::UpdateNotMetadata, "the answer assigns no release"))?;
    let Some(path) = assignment.target else { return Ok(None) };
    let time = now().saturating_sub(session.skew);
    let mut walk = Walk::new(session, state, root)?;
    let trusted = trust::refresh(&mut walk, &Ring, time, LIMITS)?;
    let target = trusted.find(&mut walk, &Ring, &path)?;
    let floor = floor_of(&trusted.targets);
    record.floor = record.floor.max(floor);
    let (release, hash) = release_of(&target, &path)?;
    fits(&release, &hash, PLATFORM, floor, record).map_err(|reason| Failure::new(reason, path.clone()))?;
    let generations = Generations::open(state)?;
    let name = host::update::folder_of(release.generation, &hash);
    let file = trust::target_name(&path, &target.hashes, trusted.is_consistent());
    if !generations.stage(&name, &file, &target, walk.session, record)? {
        return Ok(Some(format!("fetching generation {}", release.generation)));
    }
    if generations.current().as_deref() != Some(&name) {
        generations.switch(&name)?;
    }
    Ok(Some(format!("generation {} is in place", release.generation)))
}

fn release_of(target: &Target, path: &str) -> Result<(Release, String), Failure> {
    let release = target.custom.as_ref().and_then(Release::from_custom);
    let hash = target.hashes.sha256.as_deref().map(hex_encode);
    let both = release.zip(hash).filter(|_| target.length <= host::update::RELEASE_BYTES_MAX);
    both.ok_or_else(|| Failure::new(Reason::UpdateNotRelease, format!("{path} says no generation, or has no SHA-256, or is too large")))
}
