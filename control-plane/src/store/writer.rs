//! The one writer of a process: a thread that commits whatever has gathered since the last commit.
//!
//! A commit costs the same for one entry as for a hundred. An entry that comes alone is committed at once; entries that come
//! together wait up to [`PACE`] for each other.

use super::{
    Change, Conflict,
    audit::{Chain, Event},
    sqlite::{self, Sqlite},
};
use crate::{failure::Failure, issuers, metrics::Metrics};
use std::{
    path::Path,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};
use tokio::sync::oneshot;

const GROUP_MAX: usize = 512;
const QUEUE_MAX: usize = 4096;
/// The least time from one commit's start to the next's, while entries come faster than one at a time.
const PACE: Duration = Duration::from_millis(8);
const CHECKPOINT_PERIOD: Duration = Duration::from_secs(1);

/// What is committed as one: a record of what happens, and the changes that make it happen.
#[derive(Debug)]
pub(crate) struct Entry {
    /// For the audit log.
    pub(crate) event: Event,
    /// To the objects; all or none.
    pub(crate) changes: Vec<Change>,
}

/// Why an entry is not durable: what depends on it must not happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotWritten {
    /// More entries wait than the queue holds.
    Full,
    /// The commit failed.
    Failed,
    /// The commit did not end in time.
    Late,
    /// An object was changed by someone else in the meantime.
    Conflict,
}

/// The way in; cheap to share.
pub(crate) struct Log {
    queue: SyncSender<Waiting>,
    wait_max: Duration,
}

type Outcome = Result<i64, NotWritten>;

struct Waiting {
    entry: Entry,
    done: oneshot::Sender<Outcome>,
}

impl Log {
    /// Opens the store and starts its writer, which ends once every `Log` is dropped and all is written.
    pub(crate) fn open(
        path: &Path,
        name: &str,
        wait_max: Duration,
        key: issuers::audit::Key,
        metrics: Arc<Metrics>,
    ) -> Result<(Self, JoinHandle<()>), Failure> {
        let store = Sqlite::open(path)?;
        let chain = store.chain(name).map_err(|error| sqlite::failed(path, &error))?;
        let (queue, waiting) = sync_channel(QUEUE_MAX);
        let writer = Writer { store, checkpoint: chain.number, checkpoint_at: Instant::now(), chain, key, metrics };
        let thread = thread::Builder::new()
            .name("writer".into())
            .spawn(move || writer.run(&waiting))
            .map_err(|error| Failure::new("cannot start the writer", error, "check the limits on threads and memory"))?;
        Ok((Self { queue, wait_max }, thread))
    }

    /// Returns once the entry is on the disk, with the revision its changes made.
    pub(crate) async fn write(&self, entry: Entry) -> Outcome {
        let (done, wait) = oneshot::channel();
        self.queue.try_send(Waiting { entry, done }).map_err(|_| NotWritten::Full)?;
        match tokio::time::timeout(self.wait_max, wait).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(NotWritten::Failed),
            Err(_) => Err(NotWritten::Late),
        }
    }
}

struct Writer {
    store: Sqlite,
    chain: Chain,
    checkpoint: i64,
    checkpoint_at: Instant,
    key: issuers::audit::Key,
    metrics: Arc<Metrics>,
}

impl Writer {
    fn run(mut self, waiting: &Receiver<Waiting>) {
        let mut group = Vec::with_capacity(GROUP_MAX);
        let mut next = Instant::now();
        loop {
            match waiting.recv_timeout(CHECKPOINT_PERIOD) {
                Ok(first) => {
                    thread::sleep(next.saturating_duration_since(Instant::now()));
                    group.push(first);
                    group.extend(waiting.try_iter().take(GROUP_MAX - 1));
                    next = Instant::now() + if group.len() == 1 { Duration::ZERO } else { PACE };
                    self.commit(&mut group);
                }
                Err(RecvTimeoutError::Timeout) => (),
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if self.checkpoint_at.elapsed() >= CHECKPOINT_PERIOD {
                self.sign();
            }
        }
        self.sign();
    }

    fn commit(&mut self, group: &mut Vec<Waiting>) {
        let started = Instant::now();
        let entries = group.iter().map(|waiting| (&waiting.entry.event, waiting.entry.changes.as_slice()));
        let committed = self.store.commit(&mut self.chain, entries);
        self.metrics.audit_committed(group.len(), started.elapsed(), committed.is_ok());
        let outcomes = committed.unwrap_or_else(|error| {
            tracing::error!(event = "commit-failed", because = %error, entries = group.len(), hint = "check the disk of the database");
            Vec::new()
        });
        let mut outcomes = outcomes.into_iter().map(|outcome| outcome.map_err(|Conflict| NotWritten::Conflict));
        for waiting in group.drain(..) {
            // Who does not wait any more has been told that it is late.
            let _ = waiting.done.send(outcomes.next().unwrap_or(Err(NotWritten::Failed)));
        }
    }

    /// Signs the end of the chain, if it has moved.
    fn sign(&mut self) {
        if self.chain.number == self.checkpoint {
            return;
        }
        let line = self.key.checkpoint(&self.chain, crate::api::now());
        match self.store.keep_checkpoint(&self.chain.writer, self.chain.number, &line) {
            Ok(()) => (self.checkpoint, self.checkpoint_at) = (self.chain.number, Instant::now()),
            Err(error) => tracing::error!(event = "checkpoint-failed", because = %error, hint = "check the disk of the database"),
        }
    }
}
