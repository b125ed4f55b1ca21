//! Which rows of a snapshot meet a filter.

use super::snapshot::{Row, Snapshot};
use crate::host::Status;
use protocol::filter::{Filter, Key, Side, Test};

/// A filter made ready for one snapshot.
pub struct Matcher<'a> {
    snapshot: &'a Snapshot,
    demands: Vec<Demand<'a>>,
    /// Who has left belongs to the fleet only where the question is about that.
    with_evicted: bool,
}

enum Demand<'a> {
    /// One of its facts is one of these, or none is.
    Facts { hits: Vec<bool>, wanted: bool },
    /// What stands in its row.
    Row(&'a Key, &'a Test),
}

impl<'a> Matcher<'a> {
    /// Ready to match.
    pub fn new(snapshot: &'a Snapshot, filter: &'a Filter) -> Self {
        let demand = |term: &'a protocol::filter::Term| match term.key {
            Key::Fact(_) | Key::Label(_) | Key::Generation | Key::Update => facts(snapshot, &term.key, &term.test),
            _ => Demand::Row(&term.key, &term.test),
        };
        let with_evicted = filter.terms().iter().any(|term| term.key == Key::Status);
        Self { snapshot, demands: filter.terms().iter().map(demand).collect(), with_evicted }
    }

    /// The hosts that meet it.
    pub(super) fn rows(&self) -> impl Iterator<Item = &'a Row> {
        self.snapshot.rows.iter().filter(|row| self.matches(row))
    }

    /// Whether a host meets it.
    pub(super) fn matches(&self, row: &Row) -> bool {
        (self.with_evicted || row.record.status != Status::Evicted) && self.demands.iter().all(|demand| self.meets(row, demand))
    }

    fn meets(&self, row: &Row, demand: &Demand<'_>) -> bool {
        match demand {
            Demand::Facts { hits, wanted } => row.facts.iter().any(|fact| hits.get(*fact as usize).copied().unwrap_or(false)) == *wanted,
            Demand::Row(key, test) => self.row_meets(row, key, test),
        }
    }

    fn row_meets(&self, row: &Row, key: &Key, test: &Test) -> bool {
        let newest = row.told.newest.as_ref();
        match key {
            Key::Host => test.holds(&row.name),
            Key::State => test.holds(row.state.name()),
            Key::Status => test.holds(row.record.status.name()),
            Key::Outcome => newest.map_or(is_negative(test), |newest| test.holds(&newest.outcome)),
            Key::Code => newest.map_or(is_negative(test), |newest| test.holds(&newest.code)),
            Key::Stratum => test.holds(&self.snapshot.stratum(row)),
            Key::Since => newest.is_some_and(|newest| is_aged(test, self.snapshot.at.saturating_sub(newest.at))),
            Key::Seen if row.seen == 0 => matches!(test, Test::Age(Side::Above | Side::AtLeast, _)),
            Key::Seen => is_aged(test, self.snapshot.at.saturating_sub(row.seen)),
            Key::Fact(_) | Key::Label(_) | Key::Generation | Key::Update => false,
        }
    }
}

/// The facts that a term is about: for `!=` those that a host must not have.
fn facts<'a>(snapshot: &Snapshot, key: &Key, test: &Test) -> Demand<'a> {
    let wanted = !is_negative(test);
    let hits = snapshot.facts.iter().map(|fact| fact.key == *key && test.holds(&fact.value) == wanted).collect();
    Demand::Facts { hits, wanted }
}

fn is_negative(test: &Test) -> bool {
    matches!(test, Test::IsNot(_))
}

fn is_aged(test: &Test, age: i64) -> bool {
    matches!(test, Test::Age(side, seconds) if side.holds(age.cmp(seconds)))
}
