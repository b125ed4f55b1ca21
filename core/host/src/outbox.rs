//! What this host has not told yet: bounded, and when there is no room the oldest that says least goes first.

use alloc::{
    string::{String, ToString},
    vec::Vec,
};
use protocol::{
    event::{Event, is_outbox},
    json::{self, Value},
};

/// Events that are kept at most.
pub const EVENTS_MAX: usize = 48;

/// Events in the order of their numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outbox {
    /// Its name; a new one where there was none on the disk.
    pub name: String,
    /// The number of the newest event.
    pub newest: i64,
    /// Events dropped for want of room.
    pub dropped: i64,
    /// The events.
    pub events: Vec<Event>,
}

impl Outbox {
    /// An empty one.
    #[must_use]
    pub fn new(name: String) -> Self {
        Self { name, ..Self::default() }
    }

    /// Takes in an event and numbers it.
    pub fn push(&mut self, event: Event) {
        self.newest = self.newest.saturating_add(1);
        self.events.push(Event { number: self.newest, ..event });
        if self.events.len() > EVENTS_MAX {
            self.events.remove(self.least());
            self.dropped = self.dropped.saturating_add(1);
        }
    }

    /// Which to drop: the oldest routine one, else the oldest failure that the next event repeats, else the oldest without a trial in it,
    /// else the oldest.
    fn least(&self) -> usize {
        let events = &self.events;
        let is_plain = |event: &Event| event.crossovers.is_empty() && event.verdict.is_empty();
        let repeated = || events.windows(2).skip(1).position(|pair| matches!(pair, [one, next] if is_plain(one) && one.code == next.code));
        let plain = || events.iter().position(is_plain);
        events.iter().position(Event::is_routine).or_else(|| repeated().map(|index| index + 1)).or_else(plain).unwrap_or(0)
    }

    /// Lets go of what the control plane has on record.
    pub fn taken(&mut self, number: i64) {
        self.events.retain(|event| event.number > number);
    }

    /// As a state file's body.
    #[must_use]
    pub fn to_json(&self) -> String {
        json::object([
            ("name", self.name.as_str().into()),
            ("newest", self.newest.into()),
            ("dropped", self.dropped.into()),
            ("events", Value::Array(self.events.iter().map(Event::to_value).collect())),
        ])
        .to_string()
    }

    /// From a state file's body.
    #[must_use]
    pub fn from_json(bytes: &[u8]) -> Option<Self> {
        let value = json::parse(bytes).ok()?;
        let events = value.get("events")?.as_array().filter(|events| events.len() <= EVENTS_MAX)?;
        Some(Self {
            name: value.get("name")?.as_str().filter(|name| is_outbox(name))?.to_string(),
            newest: value.get("newest")?.as_i64()?,
            dropped: value.get("dropped")?.as_i64()?,
            events: events.iter().map(Event::from_value).collect::<Option<_>>()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use protocol::trial::{Crossover, Pair};

    fn event(code: &str) -> Event {
        Event { code: code.into(), outcome: "x".into(), ..Event::default() }
    }

    fn trial() -> Event {
        let crossover = Crossover { release: "ab".repeat(32), run: 1, crossover: 0, pair: Pair::Void, code: "ok".into() };
        Event { crossovers: vec![crossover], ..event("ok") }
    }

    #[test]
    fn failures_and_trials_outlive_routine_and_drops_are_counted() {
        let mut outbox = Outbox::new("0123456789abcdef".into());
        outbox.push(trial());
        outbox.push(event("tls.closed"));
        (0..100).for_each(|_| outbox.push(event("ok")));
        assert_eq!((outbox.events.len(), outbox.dropped, outbox.newest), (EVENTS_MAX, 54, 102));
        assert_eq!((outbox.events[0].number, outbox.events[1].number, outbox.events[2].number), (1, 2, 57));
        assert_eq!(Outbox::from_json(outbox.to_json().as_bytes()), Some(outbox));
    }

    #[test]
    fn a_long_outage_keeps_its_beginning_and_its_end_and_every_trial() {
        let mut outbox = Outbox::new("0123456789abcdef".into());
        outbox.push(event("dns.timeout"));
        outbox.push(trial());
        (0..1_000).for_each(|_| outbox.push(event("connect.timeout")));
        let numbers: Vec<i64> = outbox.events.iter().map(|event| event.number).collect();
        assert_eq!((numbers[0], numbers[1], numbers[EVENTS_MAX - 1]), (1, 2, 1_002));
        (0..100).for_each(|_| outbox.push(trial()));
        assert_eq!(outbox.events.len(), EVENTS_MAX);
        assert!(outbox.events.iter().all(|event| !event.crossovers.is_empty()));
    }

    #[test]
    fn what_is_on_record_is_let_go() {
        let mut outbox = Outbox::new("0123456789abcdef".into());
        (0..3).for_each(|_| outbox.push(event("ok")));
        outbox.taken(2);
        assert_eq!(outbox.events.iter().map(|event| event.number).collect::<Vec<_>>(), [3]);
        outbox.push(event("ok"));
        assert_eq!(outbox.newest, 4, "numbers only grow");
    }
}
