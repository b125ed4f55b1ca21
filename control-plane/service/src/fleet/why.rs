//! What those that fail have in common: every reason code against every fact, ranked by how much more often it comes there than in the
//! whole fleet.
//!
//! The terms of a filter about `state`, `outcome` and `code` say which hosts are the cases, those that fail unless there are any;
//! its other terms say among which hosts. A corner stands in the answer if it has enough cases and Newcombe's interval of the
//! difference to all hosts outside it is above nothing; it is ranked by the lower end of its lift, its rate's Wilson interval over
//! the rate of all, so that nine of nine hosts stand above three of five.

use super::{
    Matcher, State,
    interval::{difference_low, share, wilson},
    snapshot::{Row, Snapshot},
    status::{Group, counted},
};
use protocol::filter::{Filter, Key, quoted};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::HashMap;

/// Cases that a corner needs unless the question says.
pub const SUPPORT: usize = 3;

/// What the cases have in common.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Why {
    /// The version of this answer.
    pub version: u8,
    /// When it was so, seconds since 1970.
    pub at: i64,
    /// How many hosts are cases.
    pub cases: usize,
    /// Among how many.
    pub of: usize,
    /// The one as a share of the other.
    pub rate: f64,
    /// What the cases end with, the most frequent first.
    pub codes: Vec<Group>,
    /// Where a code comes more often than elsewhere, the clearest first.
    pub corners: Vec<Corner>,
    /// How many corners there are, also those beyond `corners`.
    pub total: usize,
}

/// A reason code and a fact.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Corner {
    /// The code; empty for hosts that are cases for another reason than a run's end, such as silence.
    pub code: String,
    /// The fact, as a term of a filter.
    pub fact: String,
    /// Cases with that code there.
    pub cases: usize,
    /// Hosts there.
    pub of: usize,
    /// The one as a share of the other.
    pub rate: f64,
    /// That share over the same code's share of all hosts.
    pub lift: f64,
    /// Between this, with a confidence of 99 %,
    pub lift_low: f64,
    /// and this.
    pub lift_high: f64,
    /// The corner's cases as a share of all cases with that code.
    pub explains: f64,
    /// When half of the cases had begun to fail, seconds since 1970; 0 where nothing failed.
    pub since: i64,
    /// The filter that lists the cases.
    pub filter: String,
}

/// What cases are called that no code ended.
const NO_CODE: &str = "";

impl Snapshot {
    /// What the cases of a filter have in common; corners with at least so many cases, and at most `most` of them.
    pub fn why(&self, filter: &Filter, support: usize, most: usize) -> Why {
        let is_symptom = |key: &Key| matches!(key, Key::State | Key::Outcome | Key::Code);
        let (base, symptoms) = (filter.only(|key| !is_symptom(key)), filter.only(is_symptom));
        let said = !symptoms.terms().is_empty();
        let states = symptoms.terms().iter().any(|term| term.key == Key::State);
        let case = Matcher::new(self, &symptoms);
        let is_case = |row: &Row| if said { case.matches(row) } else { row.state == State::Failing };
        let counts = |row: &&Row| row.state.is_known() || states && row.state != State::Quarantined || said && is_case(row);
        let rows: Vec<&Row> = Matcher::new(self, &base).rows().filter(counts).collect();
        let cases: Vec<&Row> = rows.iter().copied().filter(|row| is_case(row)).collect();
        let codes = counted(cases.iter().map(|row| code_of(row)));
        let symptom = if said { symptoms.to_string() } else { "state=failing".into() };
        let narrowed = |more: &[&str]| {
            let base = base.to_string();
            let terms = [base.as_str(), symptom.as_str()].into_iter().chain(more.iter().copied());
            terms.filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" ")
        };
        let mut corners = self.corners(&rows, &cases, &codes, support);
        corners.sort_by(|one, other| {
            let by_lift = other.lift_low.total_cmp(&one.lift_low).then_with(|| other.cases.cmp(&one.cases));
            by_lift.then_with(|| one.fact.cmp(&other.fact))
        });
        let total = corners.len();
        corners.truncate(most);
        for corner in &mut corners {
            corner.filter = narrowed(&[&code_term(&corner.code), &corner.fact]);
        }
        let group = |(code, hosts): &(&str, usize)| Group { word: (*code).into(), hosts: *hosts, filter: narrowed(&[&code_term(code)]) };
        Why {
            version: 1,
            at: self.at,
            cases: cases.len(),
            of: rows.len(),
            rate: share(cases.len(), rows.len()),
            codes: codes.iter().map(group).collect(),
            corners,
            total,
        }
    }

    fn corners(&self, rows: &[&Row], cases: &[&Row], codes: &[(&str, usize)], support: usize) -> Vec<Corner> {
        let mut hosts = vec![0_usize; self.facts.len()];
        for fact in rows.iter().flat_map(|row| row.facts.iter()) {
            if let Some(count) = hosts.get_mut(*fact as usize) {
                *count += 1;
            }
        }
        let totals: HashMap<&str, usize> = codes.iter().copied().collect();
        let mut found: HashMap<(&str, u32), Vec<i64>> = HashMap::new();
        for row in cases {
            for fact in &row.facts {
                found.entry((code_of(row), *fact)).or_default().push(row.told.failing_since);
            }
        }
        let corner = |((code, number), mut since): ((&str, u32), Vec<i64>)| {
            let (fact, of) = (self.facts.get(number as usize)?, *hosts.get(number as usize)?);
            let (hits, all) = (since.len(), *totals.get(code)?);
            let outside = (all - hits, rows.len() - of);
            // What everybody has explains nothing.
            if hits < support.max(1) || outside.1 == 0 || difference_low((hits, of), outside) <= 0.0 {
                return None;
            }
            since.sort_unstable();
            let (rate, base) = (share(hits, of), share(all, rows.len()));
            let (low, high) = wilson(hits, of);
            Some(Corner {
                code: code.into(),
                fact: format!("{}={}", fact.key, quoted(&fact.value)),
                cases: hits,
                of,
                rate,
                lift: rate / base,
                lift_low: low / base,
                lift_high: high / base,
                explains: share(hits, all),
                since: since.get(hits / 2).copied().unwrap_or(0),
                filter: String::new(),
            })
        };
        found.into_iter().filter_map(corner).collect()
    }
}

/// What a case ended with; a host that is silent, or well, did not end with anything that explains it.
fn code_of(row: &Row) -> &str {
    match (row.state, &row.told.newest) {
        (State::Failing, Some(newest)) => &newest.code,
        _ => NO_CODE,
    }
}

fn code_term(code: &str) -> String {
    if code == NO_CODE { String::new() } else { format!("code={}", quoted(code)) }
}
