//! The hosts of a filter, page by page.

use super::{
    Matcher, State,
    snapshot::{Row, Snapshot},
};
use protocol::filter::Filter;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

/// Hosts of a page, at most.
pub(crate) const PAGE_MAX: usize = 1_000;

/// Some hosts of a filter, by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct HostPage {
    /// The version of this answer.
    pub version: u8,
    /// When it was so, seconds since 1970.
    pub at: i64,
    /// The hosts.
    pub hosts: Vec<HostLine>,
    /// How many the filter is about, also those beyond `hosts`.
    pub total: usize,
    /// What to ask with as `after` for those behind; `null` at the end.
    pub next: Option<String>,
}

/// A host in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct HostLine {
    /// Its name.
    pub name: String,
    /// `healthy`, `updating`, `failing`, `silent`, `missing` or `quarantined`.
    pub state: String,
    /// How its newest run ended; empty before the first.
    pub code: String,
    /// What its newest run came to.
    pub outcome: String,
    /// The generation in charge; `null` before the first run.
    pub generation: Option<i64>,
    /// When its newest run ended, seconds since 1970; 0 for never.
    pub ran_at: i64,
    /// Since when its runs have failed; 0 if the newest did not.
    pub failing_since: i64,
    /// When it was last heard of; 0 for never.
    pub seen: i64,
    /// When the first of its credentials ends that has not; 0 if none is known.
    pub ends: i64,
    /// What it told of itself.
    pub facts: BTreeMap<String, String>,
    /// What operators label it.
    pub labels: BTreeMap<String, String>,
}

/// A cell for each host: for a picture of all of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FleetMap {
    /// The version of this answer.
    pub version: u8,
    /// When it was so, seconds since 1970.
    pub at: i64,
    /// The states' words.
    pub states: Vec<String>,
    /// The hosts, by name.
    pub hosts: Vec<String>,
    /// The state of each, as an index into `states`.
    pub cells: Vec<u8>,
}

impl Snapshot {
    /// The hosts of a filter behind `after`, at most `most`.
    pub fn page(&self, filter: &Filter, after: Option<&str>, most: usize) -> HostPage {
        let rows: Vec<&Row> = Matcher::new(self, filter).rows().collect();
        let start = after.map_or(0, |after| rows.partition_point(|row| row.name.as_str() <= after));
        let hosts: Vec<HostLine> = rows.iter().skip(start).take(most.min(PAGE_MAX)).map(|row| self.line(row)).collect();
        let more = start + hosts.len() < rows.len();
        let next = hosts.last().filter(|_| more).map(|host| host.name.clone());
        HostPage { version: 1, at: self.at, hosts, total: rows.len(), next }
    }

    /// A cell for each host of a filter.
    pub fn map(&self, filter: &Filter) -> FleetMap {
        let (hosts, cells) = Matcher::new(self, filter).rows().map(|row| (row.name.clone(), row.state as u8)).unzip();
        FleetMap { version: 1, at: self.at, states: State::ALL.map(|state| state.name().into()).into(), hosts, cells }
    }

    pub(super) fn line(&self, row: &Row) -> HostLine {
        let newest = row.told.newest.as_ref();
        let facts = self.facts_of(row).filter(|(_, fact)| fact.told);
        HostLine {
            name: row.name.clone(),
            state: row.state.name().into(),
            code: newest.map_or_else(String::new, |newest| newest.code.clone()),
            outcome: newest.map_or_else(String::new, |newest| newest.outcome.clone()),
            generation: newest.map(|newest| newest.generation),
            ran_at: newest.map_or(0, |newest| newest.at),
            failing_since: row.told.failing_since,
            seen: row.seen,
            ends: row.ends,
            facts: facts.map(|(_, fact)| (fact.key.to_string(), fact.value.clone())).collect(),
            labels: row.record.labels.clone(),
        }
    }
}
