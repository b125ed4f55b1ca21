//! Where a run's time goes.

use protocol::phases::{Phase, Phases};
use std::time::{Duration, Instant};

/// The time in each phase that the run came to.
#[derive(Clone, Copy, Default)]
pub(crate) struct Spent([Option<Duration>; Phase::ALL.len()]);

impl Spent {
    /// Adds what has passed since.
    pub(crate) fn since(&mut self, begun: Instant, phase: Phase) {
        self.add(phase, begun.elapsed());
    }

    /// Adds what was spent elsewhere.
    pub(crate) fn take(&mut self, other: Self) {
        Phase::ALL.into_iter().zip(other.0).filter_map(|(phase, time)| Some((phase, time?))).for_each(|(phase, time)| self.add(phase, time));
    }

    fn add(&mut self, phase: Phase, time: Duration) {
        if let Some(place) = self.0.get_mut(phase as usize) {
            *place = Some(place.unwrap_or_default().saturating_add(time));
        }
    }

    /// In milliseconds.
    pub(crate) fn phases(&self) -> Phases {
        let milliseconds = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        Phases::new(Phase::ALL.into_iter().zip(self.0).filter_map(|(phase, time)| Some((phase, milliseconds(time?)))))
    }
}
