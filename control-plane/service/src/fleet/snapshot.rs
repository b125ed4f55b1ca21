//! The fleet at one moment: a row for each host, facts as numbers into one list.

use super::{MISSING_SECONDS, SILENT_HALF_INTERVALS, State};
use crate::{
    host::{Host, Status},
    telemetry::{CLOCK_OFFSET, FAILED, Told},
};
use protocol::filter::{FACTS, Key};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

/// The fleet at one moment.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// When it was taken, seconds since 1970.
    pub at: i64,
    /// How often a host is expected to be heard of, seconds.
    pub interval: i64,
    /// Whether all that hosts ever told has been read.
    pub whole: bool,
    /// The hosts, by name.
    pub(super) rows: Vec<Row>,
    /// What the rows' facts stand for.
    pub(super) facts: Vec<Fact>,
    /// Hosts that are served.
    active: usize,
}

/// What is known of a host when a snapshot is taken.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Its name.
    pub name: String,
    /// What is on record of it.
    pub record: Arc<Host>,
    /// When it was last heard of; 0 for never.
    pub seen: i64,
    /// What it told.
    pub told: Arc<Told>,
    /// When credentials end that it was issued and has not told anything since.
    pub holds: BTreeMap<String, i64>,
}

/// A host.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) record: Arc<Host>,
    pub(super) told: Arc<Told>,
    /// Its last word: a request of its, or a certificate issued to it.
    pub(super) seen: i64,
    pub(super) state: State,
    /// When the first of its credentials ends that has not; 0 if none is known.
    pub(super) ends: i64,
    /// Whether every credential it was issued has ended.
    pub(super) ended: bool,
    /// When credentials end that it was issued, by name.
    pub(super) holds: BTreeMap<String, i64>,
    /// Indices into the list of facts: those it told, its labels, its generation.
    pub(super) facts: Box<[u32]>,
}

/// Something that hosts have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fact {
    /// Its key in a filter.
    pub(super) key: Key,
    /// Its value.
    pub(super) value: String,
    /// Whether a host told it; labels and generations are not told as facts.
    pub(super) told: bool,
    /// How many active hosts have it.
    pub(super) hosts: usize,
}

impl Snapshot {
    /// Of these hosts, who are by name.
    pub fn of(hosts: impl Iterator<Item = Seen>, interval: i64, whole: bool, at: i64) -> Self {
        let mut facts = Facts::default();
        let rows: Vec<Row> = hosts.map(|host| row(host, &mut facts, interval, at)).collect();
        let active = rows.iter().filter(|row| row.record.status == Status::Active).count();
        Self { at, interval, whole, rows, facts: facts.list, active }
    }

    /// The host of this name.
    pub(super) fn find(&self, name: &str) -> Option<&Row> {
        self.rows.binary_search_by(|row| row.name.as_str().cmp(name)).ok().and_then(|index| self.rows.get(index))
    }

    /// What a row's facts stand for.
    pub(super) fn facts_of<'a>(&'a self, row: &'a Row) -> impl Iterator<Item = (u32, &'a Fact)> {
        row.facts.iter().filter_map(|index| Some((*index, self.facts.get(*index as usize)?)))
    }

    /// The values that the fleet holds under a key, the most frequent first.
    pub fn values(&self, key: &Key) -> Vec<String> {
        let mut values: Vec<&Fact> = self.facts.iter().filter(|fact| fact.key == *key).collect();
        values.sort_by(|one, other| other.hosts.cmp(&one.hosts).then_with(|| one.value.cmp(&other.value)));
        values.into_iter().map(|fact| fact.value.clone()).collect()
    }

    /// The names of labels and of facts that have no key of their own, as keys.
    pub fn other_keys(&self) -> Vec<String> {
        let other = |key: &Key| matches!(key, Key::Label(_)) || matches!(key, Key::Fact(name) if !FACTS.contains(&name.as_str()));
        let mut keys: Vec<String> = self.facts.iter().filter(|fact| other(&fact.key)).map(|fact| fact.key.to_string()).collect();
        keys.sort();
        keys.dedup();
        keys
    }

    /// The rarest of a host's facts if it is rare, else its system: as rollouts divide the fleet.
    pub(super) fn stratum(&self, row: &Row) -> String {
        let told = self.facts_of(row).filter(|(_, fact)| fact.told);
        let facts: Vec<_> = told
            .filter_map(|(_, fact)| match &fact.key {
                Key::Fact(name) => Some((if name == CLOCK { CLOCK_OFFSET } else { name }, fact.value.as_str(), fact.hosts)),
                _ => None,
            })
            .collect();
        rollout::survey::stratum(&facts, self.active)
    }
}

/// The key of the clock's offset.
const CLOCK: &str = "clock";

#[derive(Default)]
struct Facts {
    list: Vec<Fact>,
    index: HashMap<String, HashMap<String, u32>>,
}

impl Facts {
    /// The number of a fact. `name` is unique to its key.
    fn number(&mut self, name: &str, value: &str, active: bool, key: impl FnOnce() -> (Key, bool)) -> u32 {
        if !self.index.contains_key(name) {
            self.index.insert(name.into(), HashMap::new());
        }
        let known = self.index.get(name).and_then(|values| values.get(value)).copied();
        let number = known.unwrap_or_else(|| {
            let number = u32::try_from(self.list.len()).unwrap_or(u32::MAX);
            let (key, told) = key();
            self.list.push(Fact { key, value: value.into(), told, hosts: 0 });
            if let Some(values) = self.index.get_mut(name) {
                values.insert(value.into(), number);
            }
            number
        });
        if let Some(fact) = self.list.get_mut(number as usize).filter(|_| active) {
            fact.hosts += 1;
        }
        number
    }
}

fn row(host: Seen, facts: &mut Facts, interval: i64, now: i64) -> Row {
    let Seen { name, record, seen, told, holds } = host;
    let seen = seen.max(record.newest_certificate.min(now));
    let state = state(&record, seen, &told, interval, now);
    let active = record.status == Status::Active;
    let mut numbers = Vec::with_capacity(told.facts.len() + record.labels.len() + 2);
    for (fact, value) in &told.facts {
        let word = if fact == CLOCK_OFFSET { CLOCK } else { fact };
        numbers.push(facts.number(word, value, active, || (Key::Fact(word.into()), true)));
    }
    for (label, value) in &record.labels {
        // No fact's name holds a full stop.
        numbers.push(facts.number(&format!("label.{label}"), value, active, || (Key::Label(label.clone()), false)));
    }
    if let Some(newest) = &told.newest {
        numbers.push(facts.number(".generation", &newest.generation.to_string(), active, || (Key::Generation, false)));
        if !newest.update.is_empty() {
            numbers.push(facts.number(".update", &newest.update, active, || (Key::Update, false)));
        }
    }
    let mut all = told.holds.clone();
    for (credential, ends) in holds {
        let known = all.entry(credential).or_default();
        *known = ends.max(*known);
    }
    let ends = all.values().copied().filter(|ends| *ends > now).min().unwrap_or(0);
    Row { ends, ended: !all.is_empty() && ends == 0, holds: all, facts: numbers.into(), name, record, told, seen, state }
}

fn state(record: &Host, seen: i64, told: &Told, interval: i64, now: i64) -> State {
    let quiet = now.saturating_sub(seen);
    if record.status != Status::Active {
        State::Quarantined
    } else if seen == 0 || quiet > MISSING_SECONDS {
        State::Missing
    } else if quiet > interval.saturating_mul(SILENT_HALF_INTERVALS) / 2 {
        State::Silent
    } else if told.newest.as_ref().is_some_and(|newest| newest.outcome == FAILED) {
        State::Failing
    } else if told.tries() {
        State::Updating
    } else {
        State::Healthy
    }
}
