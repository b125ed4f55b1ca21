//! The table: every case, every policy, many runs.

mod case;
mod numbers;
mod page;
mod policy;
mod stream;
mod target;

use crate::{fleet, world::Harm};
use case::Case;
use numbers::quantile;
use protocol::stable_hash;
use std::{
    num::NonZero,
    path::Path,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Instant,
};
use stream::{Outcome, Pulled};

/// How often each case runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    pub(crate) good: u64,
    pub(crate) bad: u64,
}

/// All runs of one case, by policy: ours first.
pub(crate) struct Row {
    pub(crate) case: Case,
    pub(crate) runs: u64,
    pub(crate) policies: Vec<Tally>,
    /// Runs in which our rollout reached every host.
    pub(crate) done: u64,
    /// Runs that end with ours held for doubt.
    pub(crate) held: u64,
    /// Runs in which ours was ever held for doubt.
    pub(crate) doubted: u64,
    /// Hosts that missed a credential under ours, in all runs.
    pub(crate) missed: usize,
}

/// What one policy did in all runs of a case.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) pulled: u64,
    pub(crate) ticks: Vec<u64>,
    pub(crate) exposed: Vec<u64>,
    pub(crate) harmed: Vec<u64>,
    pub(crate) missed: Vec<u64>,
    pub(crate) named_right: u64,
}

/// Runs all, and writes the page's part.
pub(crate) fn run(sizes: Sizes, only: Option<&str>, page: Option<&Path>) -> Result<(), String> {
    let started = Instant::now();
    let rows = |cases: Vec<Case>, runs| -> Vec<Row> {
        cases.into_iter().filter(|case| only.is_none_or(|only| case.name.contains(only))).map(|case| tally(case, runs)).collect()
    };
    let (good, bad) = (rows(case::good(), sizes.good), rows(case::bad(), sizes.bad));
    let text = page::text(&good, &bad, sizes);
    println!("{text}");
    eprintln!("{:.0} s", started.elapsed().as_secs_f32());
    page.map_or(Ok(()), |page| page::write(page, &text))?;
    let unmet = target::unmet(&good, &bad);
    if unmet.is_empty() { Ok(()) } else { Err(format!("not what the table must show: {}", unmet.join("; "))) }
}

fn tally(case: Case, runs: u64) -> Row {
    let started = Instant::now();
    let survey = fleet::survey(&case.population());
    let next = AtomicU64::new(0);
    // Every case of a good release draws its own runs, so that they count together; bad ones are counted each by itself.
    let own = if case.harm == Harm::None { stable_hash(&[case.name]) } else { 0 };
    let row = Mutex::new(Row {
        policies: (0..=policy::NAMES.len()).map(|_| Tally::default()).collect(),
        case,
        runs,
        done: 0,
        held: 0,
        doubted: 0,
        missed: 0,
    });
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= runs {
                        return;
                    }
                    let (simulation, ticks) = {
                        let row = row.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                        (row.case.simulation(&survey, own ^ seed), row.case.ticks)
                    };
                    let outcome = stream::follow(simulation, ticks, own ^ seed);
                    row.lock().unwrap_or_else(std::sync::PoisonError::into_inner).add(outcome);
                }
            });
        }
    });
    let mut row = row.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    row.sort();
    eprintln!("{}: {} runs, {:.1} s", row.case.name, row.runs, started.elapsed().as_secs_f32());
    row
}

impl Row {
    fn add(&mut self, outcome: Outcome) {
        self.done += u64::from(outcome.done);
        self.held += u64::from(outcome.held);
        self.doubted += u64::from(outcome.doubted);
        self.missed += outcome.missed;
        for (tally, pulled) in self.policies.iter_mut().zip(outcome.pulled) {
            let Some(Pulled { tick, exposed, harmed, missed, named }) = pulled else { continue };
            tally.pulled += 1;
            tally.ticks.push(u64::from(tick));
            tally.named_right += u64::from(named.as_deref() == self.case.stratum);
            for (list, value) in [(&mut tally.exposed, exposed), (&mut tally.harmed, harmed), (&mut tally.missed, missed)] {
                list.push(u64::try_from(value).unwrap_or(u64::MAX));
            }
        }
    }

    /// The threads' order leaves no trace.
    fn sort(&mut self) {
        for tally in &mut self.policies {
            for list in [&mut tally.ticks, &mut tally.exposed, &mut tally.harmed, &mut tally.missed] {
                quantile(list, 50);
            }
        }
    }
}
