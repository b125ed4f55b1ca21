//! What a host does about the release that it is told to run: it leaves what was pulled, and takes only what it has verified.

use super::{Harms, host::Host};
use crate::{
    machine::Moment,
    signed::{Found, PLATFORM, Unbelieved, hash_of},
};
use host::update::{fits, folder_of};
use protocol::{
    reason::Reason,
    release::{Assignment, Terms},
};
use std::collections::BTreeMap;

/// What hosts find of each release, by its path.
pub(super) type Releases = BTreeMap<String, Result<Found, Unbelieved>>;

/// What a host is told, and what it finds when it follows.
pub(super) struct Told<'a> {
    pub(super) assignment: &'a Assignment,
    pub(super) releases: &'a Releases,
    pub(super) harms: &'a Harms,
    pub(super) moment: &'a Moment<'a>,
}

impl Host {
    /// One step towards it; what came of it, where that is told.
    pub(super) fn step(&mut self, told: &Told<'_>) -> Option<(Reason, String)> {
        let Assignment { target, trial, pulled } = told.assignment;
        let done = match target {
            _ if self.leave(pulled) => Err(Reason::UpdatePulled),
            Some(path) => self.take(path, *trial, told),
            None => return None,
        };
        Some(done.map_or_else(|reason| (reason, format!("failed: {}", reason.code())), |word| (Reason::Ok, word)))
    }

    /// Whether it had what was pulled.
    fn leave(&mut self, pulled: &[String]) -> bool {
        if pulled.is_empty() {
            return false;
        }
        let (machine, record) = (&mut self.machine, &mut self.record);
        let is_pulled = |hash: &str| pulled.iter().any(|pulled| pulled == hash);
        let on_trial = machine.trial.as_ref().is_some_and(|trial| is_pulled(trial.hash()));
        let live = is_pulled(&hash_of(machine.generation));
        pulled.iter().filter(|hash| !record.denies(hash)).cloned().collect::<Vec<_>>().iter().for_each(|hash| record.deny(hash));
        if on_trial {
            machine.trial = None;
        }
        if live {
            machine.go_back();
        }
        on_trial || live
    }

    fn take(&mut self, path: &str, terms: Option<Terms>, told: &Told<'_>) -> Result<String, Reason> {
        let found = told.releases.get(path).ok_or(Reason::UpdateNoSuchTarget)?.as_ref().map_err(|(_, reason)| *reason)?;
        self.record.floor = self.record.floor.max(found.floor);
        fits(&found.release, &found.hash, PLATFORM, found.floor, &self.record)?;
        let (generation, machine) = (found.release.generation, &mut self.machine);
        match terms {
            _ if machine.generation == generation => {}
            Some(terms) => {
                if machine.on_trial() != Some(generation) {
                    machine.change_roles(told.harms.of(generation, &self.facts));
                }
                machine.begin(&folder_of(generation, &found.hash), terms, told.moment);
                let clean = machine.trial.as_ref().map_or(0, |trial| trial.clean);
                return Ok(format!("generation {generation} is on trial: {clean} of {} runs", terms.runs));
            }
            None => {
                machine.change_roles(told.harms.of(generation, &self.facts));
                (machine.before, machine.generation) = (machine.generation, generation);
            }
        }
        Ok(format!("generation {generation} is in place"))
    }
}
