//! How this host stands, in the words of the fleet's view.

use crate::{state::State, update};
use host::{state::Memory, trial::Trial, update::parse_folder};

/// How it stands.
pub(crate) struct Standing {
    /// `healthy`, `updating` or `failing` as the newest run was, `missing` before the first.
    pub(crate) word: &'static str,
    /// The generation in charge; 0 for the package's own copy.
    pub(crate) generation: i64,
    /// The release on trial.
    pub(crate) trial: Option<Trial>,
    /// Events that wait to be told.
    pub(crate) untold: usize,
    /// Events that were dropped for want of room: holes in what the fleet's view knows of this host.
    pub(crate) dropped: i64,
}

impl Standing {
    /// From what is remembered.
    pub(crate) fn of(state: &mut State, memory: &Memory) -> Self {
        let trial = state.trial();
        let word = match memory.last_code.as_str() {
            "" => "missing",
            "ok" if trial.is_some() => "updating",
            "ok" => "healthy",
            _ => "failing",
        };
        let current = update::current(state.path());
        let outbox = state.outbox().unwrap_or_default();
        Self { word, generation: generation(current.as_deref()), trial, untold: outbox.events.len(), dropped: outbox.dropped }
    }

    /// For a person.
    pub(crate) fn line(&self) -> String {
        let mut line = format!("{}, generation {}", self.word, self.generation);
        if let Some(trial) = &self.trial {
            line += &format!("; on trial generation {}: {} of {} clean runs", self.on_trial(), trial.clean, trial.terms.runs);
        }
        if self.untold > 0 || self.dropped > 0 {
            line += &format!("; {} event(s) not told yet, {} dropped", self.untold, self.dropped);
        }
        line
    }

    /// The generation on trial; 0 without one.
    pub(crate) fn on_trial(&self) -> i64 {
        generation(self.trial.as_ref().map(|trial| trial.candidate.as_str()))
    }
}

fn generation(folder: Option<&str>) -> i64 {
    folder.and_then(parse_folder).map_or(0, |(generation, _)| generation)
}
