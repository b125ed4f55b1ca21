//! The telemetry's writer: a thread that commits whatever has gathered, and keeps the fleet in memory current.

use super::{
    NotTaken, Shared, Waiting,
    counts::{Words, count_all},
    lock,
};
use crate::{
    config::Kept,
    metrics::Metrics,
    otlp::{Otlp, Record},
    store::telemetry::{Batch, Before, EventRow, HostRow, Mark, Place, Telemetry},
};
use service::telemetry::{Fresh, Told, TooMuch};
use std::{
    collections::{BTreeMap, HashMap},
    mem,
    sync::{
        Arc, PoisonError,
        mpsc::{Receiver, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

const GROUP_MAX: usize = 512;
/// The least time between commits, so that what shares the disk is left alone.
const PACE: Duration = Duration::from_millis(40);
const TICK: Duration = Duration::from_millis(500);
/// Between two tries to open the database.
const RETRY: Duration = Duration::from_secs(1);
/// Between two looks at what is too old.
const PRUNING: Duration = Duration::from_secs(60);
/// Hosts heard of that one commit takes in.
const HEARD_MAX: usize = 4_096;

pub(super) struct Writer {
    place: Place,
    kept: Kept,
    metrics: Arc<Metrics>,
    otlp: Option<Arc<Otlp>>,
    shared: Arc<Shared>,
    store: Option<Telemetry>,
    tried: Option<Instant>,
    /// When what is too old was last looked for; `None` before the first time.
    pruned: Option<Instant>,
    ticked: Instant,
    mark: Mark,
    trouble: String,
    words: Words,
}

/// What comes of one report, and what to tell once it is on record: also what is known of its host.
pub(super) type Outcome = Result<(Fresh, BTreeMap<String, String>), TooMuch>;

impl Writer {
    pub(super) fn new(place: Place, kept: Kept, metrics: Arc<Metrics>, otlp: Option<Arc<Otlp>>, shared: Arc<Shared>) -> Self {
        let (pruned, ticked) = (None, Instant::now());
        Self {
            place,
            kept,
            metrics,
            otlp,
            shared,
            store: None,
            tried: None,
            pruned,
            ticked,
            mark: (0, String::new()),
            trouble: String::new(),
            words: Words::default(),
        }
    }

    pub(super) fn run(mut self, waiting: &Receiver<Waiting>) {
        self.tick();
        loop {
            match waiting.recv_timeout(TICK) {
                Ok(first) => {
                    let mut group = vec![first];
                    group.extend(waiting.try_iter().take(GROUP_MAX - 1));
                    self.take(group);
                    if self.ticked.elapsed() >= TICK {
                        self.tick();
                    }
                    thread::sleep(PACE);
                }
                Err(RecvTimeoutError::Timeout) => self.tick(),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.tick();
    }

    fn take(&mut self, group: Vec<Waiting>) {
        let hosts = hosts_of(&group);
        let (mut words, began) = (mem::take(&mut self.words), Instant::now());
        let outcomes = self.with_store(|store| store.change(&hosts, |known| merge(&known, &group, &mut words)));
        self.words = words;
        if outcomes.is_some() {
            self.metrics.telemetry_committed(began.elapsed());
        }
        let outcomes = outcomes.unwrap_or_default();
        let mut outcomes = outcomes.into_iter();
        for waiting in group {
            let outcome = match outcomes.next() {
                Some(Ok((fresh, facts))) => {
                    self.metrics.events_taken(fresh.events.len(), fresh.dropped);
                    let taken = fresh.taken;
                    self.pass_on(&waiting, fresh, facts);
                    Ok(taken)
                }
                Some(Err(TooMuch)) => Err(NotTaken::TooMuch),
                None => Err(NotTaken::Busy),
            };
            if outcome.is_err() {
                self.metrics.report_refused();
            }
            // Who does not wait any more tells it again.
            let _ = waiting.done.send(outcome);
        }
    }

    /// To the collector, where there is one; what it has no room for is counted.
    fn pass_on(&self, waiting: &Waiting, fresh: Fresh, facts: BTreeMap<String, String>) {
        let Some(otlp) = &self.otlp else { return };
        let facts = Arc::new(facts);
        for (at, event) in fresh.events {
            if !otlp.offer(Record { at, host: waiting.host.clone(), facts: Arc::clone(&facts), event }) {
                self.metrics.otlp_dropped(1);
            }
        }
    }

    /// Records who was heard of, takes in what others recorded, and drops what is too old.
    fn tick(&mut self) {
        self.ticked = Instant::now();
        let seen = self.unrecorded();
        if !seen.is_empty() && self.with_store(|store| store.change(&[], |_| (Batch { seen: seen.clone(), ..Batch::default() }, ()))).is_some() {
            for (host, at) in seen {
                if let Some(known) = self.shared.part(&host).get_mut(&host) {
                    known.recorded = at;
                }
            }
        }
        self.follow();
        if self.pruned.is_none_or(|pruned| pruned.elapsed() >= PRUNING) {
            let (now, kept) = (crate::api::now(), self.kept);
            let before = Before {
                events: now - i64::from(kept.events_hours) * 3_600,
                minute: now / 60 - i64::from(kept.counts_days) * 1_440,
                hosts: now - i64::from(kept.hosts_days) * 86_400,
            };
            if self.with_store(|store| store.prune(before)) != Some(true) {
                self.pruned = Some(Instant::now());
            }
        }
    }

    fn unrecorded(&self) -> Vec<(String, i64)> {
        let mut new = Vec::new();
        for part in &self.shared.heard {
            let left = HEARD_MAX - new.len();
            new.extend(lock(part).iter().filter(|(_, known)| known.at > known.recorded).map(|(host, known)| (host.clone(), known.at)).take(left));
        }
        new
    }

    fn follow(&mut self) {
        loop {
            let mark = self.mark.clone();
            let Some((rows, next)) = self.with_store(|store| store.since(&mark)) else { return };
            let last = rows.len() < crate::store::telemetry::PIECE;
            self.shared.fleet.write().unwrap_or_else(PoisonError::into_inner).follow(rows, last);
            if let Some(next) = next {
                self.mark = next;
            }
            if last {
                return;
            }
        }
    }

    /// Does something with the database, which is opened again after it failed.
    fn with_store<T>(&mut self, act: impl FnOnce(&mut Telemetry) -> Result<T, crate::store::Error>) -> Option<T> {
        if self.store.is_none() {
            if self.tried.is_some_and(|tried| tried.elapsed() < RETRY) {
                return None;
            }
            self.tried = Some(Instant::now());
            match Telemetry::open(&self.place) {
                Ok(store) => self.store = Some(store),
                Err(error) => {
                    self.say(error.to_string());
                    return None;
                }
            }
        }
        match act(self.store.as_mut()?) {
            Ok(done) => {
                self.say(String::new());
                Some(done)
            }
            Err(error) => {
                self.store = None;
                self.say(error.to_string());
                None
            }
        }
    }

    fn say(&mut self, trouble: String) {
        if trouble == self.trouble {
            return;
        }
        if trouble.is_empty() {
            tracing::info!(event = "telemetry-mended");
        } else {
            tracing::error!(event = "telemetry-away", because = trouble, hint = "credentials go on; hosts keep what they have to tell");
        }
        self.trouble = trouble;
    }
}

/// The hosts of a group of reports, each once.
pub(super) fn hosts_of(group: &[Waiting]) -> Vec<String> {
    let mut hosts: Vec<String> = group.iter().map(|waiting| waiting.host.clone()).collect();
    hosts.sort_unstable();
    hosts.dedup();
    hosts
}

/// What a group of reports makes of what is known of their hosts.
pub(super) fn merge(known: &HashMap<String, String>, group: &[Waiting], words: &mut Words) -> (Batch, Vec<Outcome>) {
    let mut hosts: HashMap<&str, (Told, i64)> = HashMap::new();
    let mut batch = Batch::default();
    let mut outcomes = Vec::new();
    for Waiting { host, report, now, holds, .. } in group {
        let read = || known.get(host).and_then(|body| serde_json::from_str(body).ok()).unwrap_or_default();
        let (told, seen) = hosts.entry(host).or_insert_with(|| (read(), 0));
        *seen = (*seen).max(*now);
        told.hold(holds.clone(), *now);
        let outcome = told.take(report, *now);
        if let Ok(fresh) = &outcome {
            let slices = words.slices(told, *now);
            count_all(&mut batch, fresh, &slices, words, *now);
            for (at, event) in &fresh.events {
                let body = event.to_value().to_string();
                batch.events.push(EventRow { at: *at, host: host.clone(), outbox: report.outbox.clone(), number: event.number, body });
            }
        }
        outcomes.push(outcome.map(|fresh| (fresh, told.facts.clone())));
    }
    let row = |(host, (told, seen)): (&str, (Told, i64))| Some(HostRow { host: host.into(), seen, body: serde_json::to_string(&told).ok()? });
    batch.hosts = hosts.into_iter().filter_map(row).collect();
    (batch, outcomes)
}
