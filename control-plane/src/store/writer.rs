//! The one writer of a process: a thread that commits whatever has gathered since the last commit.
//!
//! A commit costs the same for one entry as for a hundred. An entry that comes alone is committed at once; entries that come
//! together wait up to [`PACE`] for each other.

use super::{
    Address, Change,
    audit::{Chain, Event},
    backend::Backend,
};
use crate::{
    failure::{Code, Failure},
    issuers,
    metrics::Metrics,
};
use std::{
    fmt,
    sync::{
        Arc, PoisonError, RwLock,
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

impl fmt::Display for NotWritten {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(match self {
            Self::Full => "too many audit records wait for the disk",
            Self::Failed => "its audit record could not be written",
            Self::Late => "its audit record was not written in time",
            Self::Conflict => "somebody else changed the same at the same time",
        })
    }
}

/// The way in; cheap to share.
pub(crate) struct Log {
    queue: SyncSender<Waiting>,
    wait_max: Duration,
    standing: Arc<RwLock<Standing>>,
}

/// Whether the store can take what is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It can.
    Ready,
    /// The database has been away for so many seconds; what needs no change of objects is taken into the spool.
    Spooling(u64),
    /// It has been away for too long.
    Closed,
}

type Outcome = Result<i64, NotWritten>;

struct Waiting {
    entry: Entry,
    done: oneshot::Sender<Outcome>,
}

impl Log {
    /// Opens the store and starts its writer, which ends once every `Log` is dropped and all is written.
    pub(crate) fn open(
        address: &Address,
        name: &str,
        wait_max: Duration,
        key: issuers::audit::Key,
        metrics: Arc<Metrics>,
    ) -> Result<(Self, JoinHandle<()>), Failure> {
        let (store, chain) = Backend::open(address, name, wait_max)?;
        let (queue, waiting) = sync_channel(QUEUE_MAX);
        let spool_max = match address {
            Address::File(_) => Duration::ZERO,
            Address::Server(server) => server.spool_max,
        };
        let standing = Arc::new(RwLock::new(Standing::Ready));
        let told = Arc::clone(&standing);
        // 0, so that what a spool brought along is covered at once.
        let writer = Writer { store, checkpoint: 0, checkpoint_at: Instant::now(), chain, key, metrics, standing: told, spool_max };
        let thread = thread::Builder::new()
            .name("writer".into())
            .spawn(move || writer.run(&waiting))
            .map_err(|error| Failure::new(Code::SystemLimits, "cannot start the writer", error, "check the limits on threads and memory"))?;
        Ok((Self { queue, wait_max, standing }, thread))
    }

    /// Whether the store can take what is written.
    pub(crate) fn standing(&self) -> Standing {
        *self.standing.read().unwrap_or_else(PoisonError::into_inner)
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
    store: Backend,
    standing: Arc<RwLock<Standing>>,
    spool_max: Duration,
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
                Err(RecvTimeoutError::Timeout) => self.store.rest(&mut self.chain),
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.tell();
            if self.checkpoint_at.elapsed() >= CHECKPOINT_PERIOD {
                self.sign();
            }
        }
        self.sign();
    }

    fn commit(&mut self, group: &mut Vec<Waiting>) {
        let started = Instant::now();
        let entries: Vec<_> = group.iter().map(|waiting| (&waiting.entry.event, waiting.entry.changes.as_slice())).collect();
        let outcomes = self.store.commit(&mut self.chain, &entries);
        let failed = outcomes.contains(&Err(NotWritten::Failed));
        self.metrics.audit_committed(group.len(), started.elapsed(), !failed);
        let mut outcomes = outcomes.into_iter();
        for waiting in group.drain(..) {
            // Who does not wait any more has been told that it is late.
            let _ = waiting.done.send(outcomes.next().unwrap_or(Err(NotWritten::Failed)));
        }
    }

    /// Says how the store stands.
    fn tell(&self) {
        let away = self.store.away();
        let standing = match away {
            None => Standing::Ready,
            Some((away, _)) if away < self.spool_max => Standing::Spooling(away.as_secs()),
            Some(_) => Standing::Closed,
        };
        self.metrics.store_stands(away.is_some(), away.map_or(0, |(_, records)| records));
        *self.standing.write().unwrap_or_else(PoisonError::into_inner) = standing;
    }

    /// Signs the end of the chain, if it has moved.
    fn sign(&mut self) {
        if self.chain.number == self.checkpoint {
            return;
        }
        let line = self.key.checkpoint(&self.chain, crate::api::now());
        match self.store.keep_checkpoint(&self.chain.writer, self.chain.number, &line) {
            Ok(false) => (),
            Ok(true) => (self.checkpoint, self.checkpoint_at) = (self.chain.number, Instant::now()),
            Err(error) => tracing::error!(event = "checkpoint-failed", because = %error, hint = "check the disk of the database"),
        }
    }
}
