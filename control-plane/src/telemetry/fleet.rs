//! The fleet in memory: what each host last told, from the rows of the database.

use crate::store::telemetry::HostRow;
use service::telemetry::Told;
use std::{collections::HashMap, sync::Arc};

/// A host.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    /// When it was last heard of; 0 for never.
    pub(crate) seen: i64,
    /// What it told.
    pub(crate) told: Arc<Told>,
    /// Grows with each change here.
    pub(crate) change: u64,
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Fleet {
    hosts: HashMap<String, Known>,
    changes: u64,
    whole: bool,
}

impl Fleet {
    /// A host.
    pub(crate) fn get(&self, host: &str) -> Option<&Known> {
        self.hosts.get(host)
    }

    /// Every host that told something or was heard of.
    pub(crate) fn hosts(&self) -> impl Iterator<Item = (&String, &Known)> {
        self.hosts.iter()
    }

    /// Whether all that was on record when the process started has been read.
    pub(crate) fn is_whole(&self) -> bool {
        self.whole
    }

    /// The number of the newest change.
    pub(crate) fn changes(&self) -> u64 {
        self.changes
    }

    /// Takes rows in; `last` if there are no more for now.
    pub(super) fn follow(&mut self, rows: Vec<HostRow>, last: bool) {
        for HostRow { host, seen, body } in rows {
            match serde_json::from_str::<Told>(&body) {
                Ok(told) => {
                    self.changes += 1;
                    let known = self.hosts.entry(host).or_default();
                    known.seen = known.seen.max(seen);
                    if *known.told != told {
                        known.told = Arc::new(told);
                    }
                    known.change = self.changes;
                }
                Err(error) => tracing::error!(event = "telemetry-unreadable", host, because = %error),
            }
        }
        self.whole |= last;
    }
}
