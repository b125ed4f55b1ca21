//! What events add to the counts per minute: to those of all, and to those of every fact that their host has.

use crate::store::telemetry::{Batch, RollupKey};
use service::{
    fleet::DROPPED,
    telemetry::{CLOCK_OFFSET, Fresh, Told, code_word, outcome_word},
};
use std::collections::{HashMap, HashSet};

/// The facts that are counted by, as keys of filters. The rest is asked of the hosts as they are.
const DIMENSIONS: [&str; 9] = ["os", "kernel", "arch", "cpu", "init", "virt", "fs", "egress", "clock"];
/// Values of a dimension that are counted apart in an hour: what one host makes up cannot fill the disk.
const VALUES_MAX: usize = 256;
/// The value of all others.
const OTHERS: &str = "(others)";
const HOUR_SECONDS: i64 = 3_600;
const ELAPSED_MS_MAX: i64 = 3_600_000;

/// The values that are counted apart.
#[derive(Default)]
pub(super) struct Words {
    hour: i64,
    known: HashMap<&'static str, HashSet<String>>,
}

/// A dimension and a value in it.
type Slice = (&'static str, String);

impl Words {
    /// What a host's events are counted by, but for their generation.
    pub(super) fn slices(&mut self, told: &Told, now: i64) -> Vec<Slice> {
        let hour = now.div_euclid(HOUR_SECONDS);
        if self.hour != hour {
            (self.hour, self.known) = (hour, HashMap::new());
        }
        let fact = |dimension| if dimension == "clock" { CLOCK_OFFSET } else { dimension };
        let values = DIMENSIONS.into_iter().filter_map(|dimension| Some((dimension, told.facts.get(fact(dimension))?)));
        values.map(|(dimension, value)| (dimension, self.word(dimension, value))).collect()
    }

    fn word(&mut self, dimension: &'static str, value: &str) -> String {
        let known = self.known.entry(dimension).or_default();
        if known.contains(value) {
            return value.into();
        }
        if known.len() == VALUES_MAX {
            return OTHERS.into();
        }
        known.insert(value.into());
        value.into()
    }

    fn generation(&mut self, generation: i64) -> Slice {
        ("generation", self.word("generation", &generation.to_string()))
    }
}

/// Adds what a report brought. What its host dropped stands in the minute in which it said so.
pub(super) fn count_all(batch: &mut Batch, fresh: &Fresh, slices: &[Slice], words: &mut Words, now: i64) {
    for (at, event) in &fresh.events {
        let (outcome, code) = (outcome_word(&event.outcome), code_word(&event.code));
        let elapsed = event.elapsed_ms.min(ELAPSED_MS_MAX);
        let generation = words.generation(event.generation);
        for (dimension, value) in slices.iter().chain([&("", String::new()), &generation]) {
            add(batch, (dimension, value), at.div_euclid(60), (outcome, code), (1, elapsed));
        }
    }
    if fresh.dropped > 0 {
        add(batch, (DROPPED, ""), now.div_euclid(60), ("", ""), (fresh.dropped, 0));
    }
}

fn add(batch: &mut Batch, (dimension, value): (&str, &str), minute: i64, (outcome, code): (&str, &str), (events, elapsed): (i64, i64)) {
    let key = RollupKey { dimension: dimension.into(), value: value.into(), minute, outcome: outcome.into(), code: code.into() };
    let (counted, took) = batch.rollups.entry(key).or_default();
    *counted += events;
    *took += elapsed;
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::event::Event;

    #[test]
    fn an_event_is_counted_by_every_fact_of_its_host_and_what_was_dropped_apart() {
        let (mut batch, mut words, mut told) = (Batch::default(), Words::default(), Told::default());
        told.facts =
            [("os", "rhel7"), (CLOCK_OFFSET, "none"), ("kernel_release", "3.10.0-1")].map(|(name, value)| (name.into(), value.into())).into();
        let event = Event { code: "made-up".into(), outcome: "failed".into(), elapsed_ms: i64::MAX, generation: 7, ..Event::default() };
        let fresh = Fresh { taken: 1, events: vec![(120, event)], dropped: 5 };
        let slices = words.slices(&told, 200);
        count_all(&mut batch, &fresh, &slices, &mut words, 200);
        let mut keys: Vec<_> =
            batch.rollups.iter().map(|(key, (events, _))| (key.dimension.as_str(), key.value.as_str(), key.code.as_str(), *events)).collect();
        keys.sort_unstable();
        let all = [
            ("", "", "unknown", 1),
            ("clock", "none", "unknown", 1),
            ("dropped", "", "", 5),
            ("generation", "7", "unknown", 1),
            ("os", "rhel7", "unknown", 1),
        ];
        assert_eq!(keys, all);
    }

    #[test]
    fn one_host_that_makes_up_facts_cannot_fill_the_disk() {
        let (mut words, mut told) = (Words::default(), Told::default());
        let mut seen = HashSet::new();
        for number in 0..10_000 {
            told.facts.insert("os".into(), format!("made-up-{number}"));
            seen.extend(words.slices(&told, 100));
        }
        assert_eq!(seen.len(), VALUES_MAX + 1);
        assert!(seen.contains(&("os", OTHERS.to_string())));
        told.facts.insert("os".into(), "rhel7".into());
        assert_eq!(words.slices(&told, HOUR_SECONDS), [("os", "rhel7".to_string())], "an hour later there is room again");
    }
}
