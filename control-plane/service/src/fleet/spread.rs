//! What a map of the fleet is drawn from: its cells, and how they are spread over everything hosts can be told apart by.

use super::{
    Matcher, State,
    snapshot::{Row, Snapshot},
};
use protocol::filter::Filter;
use std::collections::BTreeMap;

/// By key, its values, the most frequent first.
pub(crate) type Spread = BTreeMap<String, Vec<(String, usize)>>;

impl Snapshot {
    /// A cell for each host of a filter, by name.
    pub fn cells<'a>(&'a self, filter: &Filter) -> Vec<(&'a str, State)> {
        let matcher = Matcher::new(self, filter);
        self.rows.iter().filter(|row| matcher.matches(row)).map(|row| (row.name.as_str(), row.state)).collect()
    }

    /// How many hosts the filter is about, and how many of them have each value of each key.
    pub fn spread(&self, filter: &Filter) -> (usize, Spread) {
        let rows: Vec<&Row> = Matcher::new(self, filter).rows().collect();
        let (mut facts, mut words) = (vec![0_usize; self.facts.len()], BTreeMap::<(&str, &str), usize>::new());
        for row in &rows {
            for fact in &row.facts {
                if let Some(count) = facts.get_mut(*fact as usize) {
                    *count += 1;
                }
            }
            *words.entry(("state", row.state.name())).or_default() += 1;
            if let (State::Failing, Some(newest)) = (row.state, &row.told.newest) {
                *words.entry(("code", &newest.code)).or_default() += 1;
            }
        }
        let mut spread = Spread::new();
        let told = self.facts.iter().zip(facts).map(|(fact, hosts)| (fact.key.to_string(), fact.value.clone(), hosts));
        let words = words.into_iter().map(|((key, value), hosts)| (key.to_string(), value.to_string(), hosts));
        for (key, value, hosts) in told.chain(words).filter(|(_, _, hosts)| *hosts > 0) {
            spread.entry(key).or_default().push((value, hosts));
        }
        for values in spread.values_mut() {
            values.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
        }
        (rows.len(), spread)
    }
}
