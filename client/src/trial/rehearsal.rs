//! The rehearsal: a release that works but could never be replaced must not win. It verifies the root chain and the metadata of the
//! moment, finds itself in them, goes on with a download of itself that was cut, and starts what came of it.

use super::bound;
use crate::{
    cli::Typed,
    deliver::nowhere,
    failure::Failure,
    identity::Identity,
    log,
    net::way::Way,
    site,
    state::State,
    sys::{
        process::{Child, Ended},
        start,
    },
    update::{self, program_of},
};
use protocol::{reason::Reason, site::Site};
use std::time::Instant;

/// The command `rehearse`, which the generation in charge starts; gives the exit status.
pub(crate) fn command(typed: &Typed) -> u8 {
    let rehearsed = typed.generation.as_deref().ok_or_else(|| Failure::new(Reason::Usage, "rehearse needs --generation")).and_then(|candidate| {
        let site = site::load(typed.host_file.as_deref(), typed.state_dir.as_deref())?;
        start::watchdog(site.deadline_seconds.saturating_add(2));
        replace(&site, &site.state_dir, candidate)?;
        starts(&site, &program_of(&site.state_dir, candidate))
    });
    match rehearsed {
        Ok(()) => log::print("rehearsed\n"),
        Err(failure) => log::fail("cannot rehearse an update", &failure),
    }
}

/// All of an update but the switch, in a folder of its own, with a connection of its own.
pub(crate) fn replace(site: &Site, folder: &str, candidate: &str) -> Result<(), Failure> {
    let mut state = State::open(folder);
    let mut memory = state.memory();
    let identity = Identity::parse(&state.identity()?)?;
    let mut way = Way::new(site, &identity.id, &mut memory, Instant::now());
    if !start::entropy_by(way.deadline) {
        return Err(Failure::new(Reason::NoEntropy, "no connection"));
    }
    let session = way.connect_once(Some(&identity))?;
    update::replace(site, &state, session, candidate)
}

fn starts(site: &Site, program: &str) -> Result<(), Failure> {
    let failed = |because: &str| Failure::new(Reason::TrialRehearsal, format!("what was staged does not start: {because}"));
    let silence = nowhere().map_err(|error| failed(&error.to_string()))?;
    let child = Child::start(&[program.to_owned(), "version".to_owned()], &silence, &silence).map_err(|error| failed(&error.to_string()))?;
    match child.end_by(Instant::now() + bound(site)) {
        Ok(Some(Ended::Status(0))) => Ok(()),
        _ => Err(failed("it did not end well")),
    }
}
