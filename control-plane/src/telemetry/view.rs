//! The snapshot that questions are answered from: taken when somebody asks and the last one is too old.

use crate::api::{ControlPlane, now};
use arc_swap::ArcSwapOption;
use service::fleet::{Seen, Snapshot};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// A snapshot is good for so long, or for twenty times what it took to take, so that looking costs a twentieth of a core at most.
const GOOD_FOR: Duration = Duration::from_secs(1);
const SHARE: u32 = 20;
/// The first questions after a start are answered anew until all has been read.
const GOOD_WHILE_READING: Duration = Duration::from_millis(200);

/// The last snapshot.
#[derive(Default)]
pub(crate) struct View {
    last: ArcSwapOption<Taken>,
    turn: Mutex<()>,
}

struct Taken {
    snapshot: Arc<Snapshot>,
    at: Instant,
    took: Duration,
}

impl Taken {
    fn is_good(&self) -> bool {
        let good_for = if self.snapshot.whole { GOOD_FOR.max(self.took * SHARE) } else { GOOD_WHILE_READING };
        self.at.elapsed() < good_for
    }
}

impl ControlPlane {
    /// The fleet as it was a second ago. It may take some tenths of a second where there are many hosts, so ask aside.
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        let view = &self.telemetry.view;
        let good = || view.last.load_full().filter(|taken| taken.is_good()).map(|taken| Arc::clone(&taken.snapshot));
        good().unwrap_or_else(|| {
            let _turn = view.turn.lock().unwrap_or_else(PoisonError::into_inner);
            // Whoever had the turn before may have taken it.
            good().unwrap_or_else(|| {
                let at = Instant::now();
                let snapshot = Arc::new(taken(self));
                view.last.store(Some(Arc::new(Taken { snapshot: Arc::clone(&snapshot), at, took: at.elapsed() })));
                snapshot
            })
        })
    }

    /// The text of `/metrics`. How many hosts are in each state is said once all of them are known.
    pub(crate) fn measured(&self) -> String {
        let snapshot = self.snapshot();
        if snapshot.whole {
            self.metrics.hosts_stand(&snapshot.stand());
        }
        self.metrics.text()
    }
}

fn taken(plane: &ControlPlane) -> Snapshot {
    let records = plane.registry.hosts();
    let fleet = plane.telemetry.fleet();
    let host = |(name, known): (String, crate::registry::Known<service::host::Host>)| {
        let told = fleet.get(&name);
        let (heard, holds) = plane.telemetry.held_here(&name);
        let seen = heard.max(told.map_or(0, |known| known.seen));
        Seen { record: known.value, seen, told: told.map(|known| Arc::clone(&known.told)).unwrap_or_default(), holds, name }
    };
    Snapshot::of(records.into_iter().map(host), plane.release_rules.interval(plane.policy.load().lifetime_seconds_max()), fleet.is_whole(), now())
}
