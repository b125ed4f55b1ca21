//! What hosts tell and when they were heard of: taken in beside the way to a credential, which never waits for it.
//!
//! Reports go through a bounded queue to a writer of their own. When it is full, or its database is away, a host is told to come
//! again; it keeps what it has to tell.

#[cfg(test)]
mod bench;
mod counts;
mod fleet;
mod history;
mod view;
mod writer;

pub(crate) use fleet::Fleet;

use crate::{
    config::Kept,
    failure::{Code, Failure},
    metrics::Metrics,
    otlp::Otlp,
    store::telemetry::Place,
};
use protocol::event::Report;
use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::{self, JoinHandle},
    time::Duration,
};
use tokio::sync::oneshot;

const QUEUE_MAX: usize = 512;
const PARTS: usize = 32;
/// For a report to become durable: a host's run waits for it.
const PATIENCE: Duration = Duration::from_secs(2);

/// The way in.
pub(crate) struct Telemetry {
    queue: SyncSender<Waiting>,
    waiting: Mutex<Option<Receiver<Waiting>>>,
    shared: Arc<Shared>,
    place: OnceLock<Place>,
    view: view::View,
}

/// What the writer and those who read have in common.
#[derive(Default)]
struct Shared {
    fleet: RwLock<Fleet>,
    /// When hosts were heard of by this process: when, and up to when that is on record. In parts, so that nobody waits for a look at all.
    heard: [Mutex<HashMap<String, Heard>>; PARTS],
}

impl Shared {
    fn part(&self, host: &str) -> MutexGuard<'_, HashMap<String, Heard>> {
        let index = protocol::crc32(host.as_bytes()) as usize % PARTS;
        lock(self.heard.get(index).unwrap_or(&self.heard[0]))
    }
}

#[derive(Clone, Default)]
struct Heard {
    at: i64,
    recorded: i64,
    /// When the credentials end that this process issued it.
    holds: BTreeMap<String, i64>,
}

/// Why a report was not taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotTaken {
    /// There is no room, or no database, or no time.
    Busy,
    /// This host has told too much in this minute.
    TooMuch,
}

struct Waiting {
    host: String,
    report: Report,
    now: i64,
    holds: BTreeMap<String, i64>,
    done: oneshot::Sender<Result<i64, NotTaken>>,
}

impl Telemetry {
    /// Not started yet.
    pub(crate) fn new() -> Self {
        let (queue, waiting) = sync_channel(QUEUE_MAX);
        Self { queue, waiting: Mutex::new(Some(waiting)), shared: Arc::default(), place: OnceLock::new(), view: view::View::default() }
    }

    /// Starts the writer, which ends once this is dropped and all is written.
    pub(crate) fn start(&self, place: Place, kept: Kept, metrics: Arc<Metrics>, otlp: Option<Arc<Otlp>>) -> Result<Option<JoinHandle<()>>, Failure> {
        let Some(waiting) = lock(&self.waiting).take() else { return Ok(None) };
        let place = self.place.get_or_init(|| place).clone();
        let writer = writer::Writer::new(place, kept, metrics, otlp, Arc::clone(&self.shared));
        let thread = thread::Builder::new().name("telemetry".into()).spawn(move || writer.run(&waiting));
        thread
            .map(Some)
            .map_err(|error| Failure::new(Code::SystemLimits, "cannot start the telemetry's writer", error, "check the limits on threads and memory"))
    }

    /// Returns once the report is on the disk, with the number of the newest event that is.
    pub(crate) async fn take(&self, host: &str, report: Report, now: i64) -> Result<i64, NotTaken> {
        let (done, wait) = oneshot::channel();
        // What was issued on the same connection becomes durable with what is told: it costs no write of its own.
        let holds = self.shared.part(host).get(host).map(|heard| heard.holds.clone()).unwrap_or_default();
        self.queue.try_send(Waiting { host: host.into(), report, now, holds, done }).map_err(|_| NotTaken::Busy)?;
        match tokio::time::timeout(PATIENCE, wait).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) | Err(_) => Err(NotTaken::Busy),
        }
    }

    /// A host was heard of.
    pub(crate) fn hear(&self, host: &str, now: i64) {
        self.hear_and(host, now, |_| ());
    }

    /// A host was issued a credential that ends then.
    pub(crate) fn issued(&self, host: &str, credential: &str, ends: i64, now: i64) {
        self.hear_and(host, now, |heard| {
            heard.holds.insert(credential.into(), ends);
        });
    }

    fn hear_and(&self, host: &str, now: i64, act: impl FnOnce(&mut Heard)) {
        let mut part = self.shared.part(host);
        if !part.contains_key(host) {
            part.insert(host.into(), Heard::default());
        }
        if let Some(heard) = part.get_mut(host) {
            heard.at = heard.at.max(now);
            act(heard);
        }
    }

    /// When a host was last heard of by this process; 0 for never.
    pub(crate) fn heard_here(&self, host: &str) -> i64 {
        self.shared.part(host).get(host).map_or(0, |heard| heard.at)
    }

    /// The same, and when the credentials end that it was issued here.
    pub(crate) fn held_here(&self, host: &str) -> (i64, BTreeMap<String, i64>) {
        self.shared.part(host).get(host).map(|heard| (heard.at, heard.holds.clone())).unwrap_or_default()
    }

    /// Where it is on record; `None` before the start.
    fn place(&self) -> Option<Place> {
        self.place.get().cloned()
    }

    /// The fleet as it was a second ago.
    pub(crate) fn fleet(&self) -> RwLockReadGuard<'_, Fleet> {
        self.shared.fleet.read().unwrap_or_else(PoisonError::into_inner)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
