//! How the fleet is, in counts.

use super::{
    Horizon, Matcher, State,
    interval::share,
    snapshot::{Row, Snapshot},
};
use protocol::filter::{Filter, Key, quoted};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

/// Words of a clock's offset, from behind to ahead.
const CLOCKS: [&str; 11] = [
    "years behind",
    "days behind",
    "hours behind",
    "minutes behind",
    "seconds behind",
    "none",
    "seconds ahead",
    "minutes ahead",
    "hours ahead",
    "days ahead",
    "years ahead",
];

/// How the hosts of a filter are.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct FleetStatus {
    /// The version of this answer.
    pub version: u8,
    /// When it was so, seconds since 1970.
    pub at: i64,
    /// Whether all that hosts ever told has been read; right after a start it may not be.
    pub whole: bool,
    /// How often a host is expected to be heard of; it is silent after 2.5 times that.
    pub interval_seconds: i64,
    /// How many hosts the filter is about.
    pub hosts: usize,
    /// How many are in each state, and the filter that lists them.
    pub states: Vec<Group>,
    /// Hosts whose newest run failed, of those heard of lately.
    pub failing: usize,
    /// Hosts heard of lately that are served.
    pub known: usize,
    /// The one as a share of the other.
    pub failure_rate: f64,
    /// What those that fail end with, the most frequent first.
    pub codes: Vec<Group>,
    /// The generations in charge, the most frequent first.
    pub generations: Vec<Group>,
    /// How far clocks are off, from behind to ahead.
    pub clocks: Vec<Group>,
    /// When hosts fail if the control plane stops now.
    pub horizon: Horizon,
    /// Hosts that dropped events for want of room.
    pub hosts_with_holes: usize,
    /// How many events they dropped: holes in the counts.
    pub dropped_events: i64,
}

/// Hosts with something in common.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Group {
    /// What they have in common, such as a state's or a code's word.
    pub word: String,
    /// How many they are.
    pub hosts: usize,
    /// The filter that lists them.
    pub filter: String,
}

impl Snapshot {
    /// How the hosts of a filter are.
    pub fn status(&self, filter: &Filter) -> FleetStatus {
        let rows: Vec<&Row> = Matcher::new(self, filter).rows().collect();
        let group = |word: &str, hosts: usize, term: String| {
            let base = filter.to_string();
            Group { word: word.into(), hosts, filter: [base, term].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" ") }
        };
        let states = counted_states(rows.iter().copied());
        let states = states.into_iter().map(|(state, hosts)| group(state.name(), hosts, format!("state={}", state.name()))).collect();
        let failing: Vec<&Row> = rows.iter().copied().filter(|row| row.state == State::Failing).collect();
        let known = rows.iter().filter(|row| row.state.is_known()).count();
        let codes = counted(failing.iter().filter_map(|row| row.told.newest.as_ref()).map(|newest| newest.code.as_str()));
        let generations = self.counted(&rows, &Key::Generation);
        let clock = Key::Fact("clock".into());
        let clocks: BTreeMap<&str, usize> = self.counted(&rows, &clock).into_iter().collect();
        let clocks = CLOCKS.iter().filter_map(|word| Some((*word, *clocks.get(word)?)));
        FleetStatus {
            version: 1,
            at: self.at,
            whole: self.whole,
            interval_seconds: self.interval,
            hosts: rows.len(),
            states,
            failing: failing.len(),
            known,
            failure_rate: share(failing.len(), known),
            codes: codes.into_iter().map(|(code, hosts)| group(code, hosts, format!("state=failing code={}", quoted(code)))).collect(),
            generations: generations.into_iter().map(|(word, hosts)| group(word, hosts, format!("generation={word}"))).collect(),
            clocks: clocks.map(|(word, hosts)| group(word, hosts, format!("clock={}", quoted(word)))).collect(),
            horizon: Horizon::of(self, rows.iter().copied()),
            hosts_with_holes: rows.iter().filter(|row| row.told.dropped > 0).count(),
            dropped_events: rows.iter().map(|row| row.told.dropped).fold(0, i64::saturating_add),
        }
    }

    /// How many hosts are in each state.
    #[must_use]
    pub fn stand(&self) -> [(State, usize); State::ALL.len()] {
        counted_states(Matcher::new(self, &Filter::default()).rows())
    }

    /// The values of one key among some hosts, the most frequent first.
    fn counted<'a>(&'a self, rows: &[&Row], key: &Key) -> Vec<(&'a str, usize)> {
        let mut counts = vec![0_usize; self.facts.len()];
        for fact in rows.iter().flat_map(|row| row.facts.iter()) {
            if let Some(count) = counts.get_mut(*fact as usize) {
                *count += 1;
            }
        }
        let mut found: Vec<_> = self
            .facts
            .iter()
            .zip(counts)
            .filter(|(fact, count)| fact.key == *key && *count > 0)
            .map(|(fact, count)| (fact.value.as_str(), count))
            .collect();
        found.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(other.0)));
        found
    }
}

fn counted_states<'a>(rows: impl Iterator<Item = &'a Row>) -> [(State, usize); State::ALL.len()] {
    let mut states = State::ALL.map(|state| (state, 0));
    for row in rows {
        if let Some((_, hosts)) = states.iter_mut().find(|(state, _)| *state == row.state) {
            *hosts += 1;
        }
    }
    states
}

/// How often each text comes, the most frequent first.
pub(super) fn counted<'a>(texts: impl Iterator<Item = &'a str>) -> Vec<(&'a str, usize)> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for text in texts {
        *counts.entry(text).or_default() += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    counts
}
