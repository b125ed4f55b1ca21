//! What became of the fleet.

use std::{
    fmt::{self, Display},
    time::Duration,
};

/// What became of one host.
#[derive(Default)]
pub(crate) struct Outcome {
    /// From its return to its credential.
    pub(crate) waited: Option<Duration>,
    /// When it got it, from the start of the load.
    pub(crate) served_at: Option<Duration>,
    /// How often it got a 503 with Retry-After.
    pub(crate) told_to_return: u32,
    /// How often it got another answer.
    pub(crate) refused: u32,
    /// How often the connection broke.
    pub(crate) broken: u32,
    /// How often its run ended without any answer.
    pub(crate) late: u32,
}

/// What became of all.
pub(crate) struct Report {
    hosts: u32,
    waits: Vec<Duration>,
    last: Duration,
    told_to_return: u64,
    refused: u64,
    broken: u64,
    late: u64,
}

impl Report {
    /// Of so many hosts, none of which has come yet.
    pub(crate) fn new(hosts: u32) -> Self {
        Self { hosts, waits: Vec::new(), last: Duration::ZERO, told_to_return: 0, refused: 0, broken: 0, late: 0 }
    }

    /// Takes one host in.
    pub(crate) fn add(&mut self, outcome: &Outcome) {
        self.waits.extend(outcome.waited);
        self.last = self.last.max(outcome.served_at.unwrap_or_default());
        self.told_to_return += u64::from(outcome.told_to_return);
        self.refused += u64::from(outcome.refused);
        self.broken += u64::from(outcome.broken);
        self.late += u64::from(outcome.late);
    }

    /// Puts what was taken in into order.
    pub(crate) fn sorted(mut self) -> Self {
        self.waits.sort_unstable();
        self
    }

    /// Whether nobody was lost.
    pub(crate) fn everyone_has_a_credential(&self) -> bool {
        self.waits.len() == usize::try_from(self.hosts).unwrap_or(usize::MAX)
    }
}

impl Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = |share: usize| self.waits.get((self.waits.len().saturating_sub(1)) * share / 1000).copied().unwrap_or_default().as_secs_f64();
        writeln!(
            out,
            "  {} of {} hosts got their credential, the last {:.1} s after the start",
            self.waits.len(),
            self.hosts,
            self.last.as_secs_f64()
        )?;
        writeln!(
            out,
            "  from a host's return to its credential: half {:.3} s, 99 % {:.3} s, 99.9 % {:.3} s, all {:.3} s",
            at(500),
            at(990),
            at(999),
            at(1000)
        )?;
        write!(
            out,
            "  answers 503 with Retry-After: {}, other refusals: {}, broken connections: {}, runs without an answer: {}",
            self.told_to_return, self.refused, self.broken, self.late
        )
    }
}
