//! What a host says of itself: one event for each run that did something, gathered in its outbox, and told in reports.
//!
//! An event is counted once however often it is told: a host's outbox has a name, its events have numbers that only grow.

use crate::{
    json::{self, Value},
    phases::Phases,
    trial::Crossover,
};
use alloc::{
    string::{String, ToString},
    vec::Vec,
};

/// Events in one report, at most.
pub const EVENTS_MAX: usize = 64;
/// Bytes of a report, at most.
pub const REPORT_BYTES_MAX: usize = 65_536;
/// Facts of a host, at most.
pub const FACTS_MAX: usize = 24;
/// Crossovers in one event, at most.
const CROSSOVERS_MAX: usize = 16;
const WORD_BYTES_MAX: usize = 96;

/// One run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// Its number in the outbox, counted from 1.
    pub number: i64,
    /// When the run ended, in the host's own seconds.
    pub at: i64,
    /// How it ended: a code of the table.
    pub code: String,
    /// What the run came to, such as `delivered`.
    pub outcome: String,
    /// How long it took.
    pub elapsed_ms: i64,
    /// Where that time went.
    pub phases: Phases,
    /// Connections tried.
    pub attempts: i64,
    /// The generation that was in charge; 0 for the package's own copy.
    pub generation: i64,
    /// What became of the release, a word or a code; empty where nothing did.
    pub update: String,
    /// What became of the identity; empty where nothing did.
    pub identity: String,
    /// Crossovers of a trial in this run.
    pub crossovers: Vec<Crossover>,
    /// What ended in this run: `committed`, or a code such as `trial.unfit`; empty where nothing did.
    pub verdict: String,
    /// The SHA-256 of the release the verdict is about; empty without one.
    pub verdict_on: String,
}

impl Event {
    /// Whether it may be dropped before others when there is no room: nothing failed, and it says nothing of a release.
    #[must_use]
    pub fn is_routine(&self) -> bool {
        self.code == "ok" && self.crossovers.is_empty() && self.verdict.is_empty()
    }

    /// As it goes over the wire and into the outbox; what says nothing is left out.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let mut members = Vec::from([
            ("number".to_string(), self.number.into()),
            ("at".to_string(), self.at.into()),
            ("code".to_string(), self.code.as_str().into()),
            ("outcome".to_string(), self.outcome.as_str().into()),
            ("elapsed_ms".to_string(), self.elapsed_ms.into()),
            ("attempts".to_string(), self.attempts.into()),
            ("generation".to_string(), self.generation.into()),
        ]);
        let texts = [("update", &self.update), ("identity", &self.identity), ("verdict", &self.verdict), ("verdict_on", &self.verdict_on)];
        members.extend(texts.into_iter().filter(|(_, text)| !text.is_empty()).map(|(name, text)| (name.to_string(), text.as_str().into())));
        members.extend(self.phases.to_value().map(|phases| ("phases".to_string(), phases)));
        if !self.crossovers.is_empty() {
            members.push(("crossovers".to_string(), Value::Array(self.crossovers.iter().map(Crossover::to_value).collect())));
        }
        Value::Object(members)
    }

    /// From the wire or the outbox; `None` if it is none.
    #[must_use]
    pub fn from_value(value: &Value) -> Option<Self> {
        let number = |name| value.get(name).and_then(Value::as_i64);
        let word = |name| word(value.get(name)?);
        let optional = |name: &str| value.get(name).map_or(Some(String::new()), self::word);
        let crossovers = value.get("crossovers").and_then(Value::as_array).unwrap_or_default();
        Some(Self {
            number: number("number").filter(|number| *number > 0)?,
            at: number("at")?,
            code: word("code")?,
            outcome: word("outcome")?,
            elapsed_ms: number("elapsed_ms").filter(|elapsed| *elapsed >= 0)?,
            phases: value.get("phases").map_or(Some(Phases::default()), Phases::from_value)?,
            attempts: number("attempts").filter(|attempts| *attempts >= 0)?,
            generation: number("generation").filter(|generation| *generation >= 0)?,
            update: optional("update")?,
            identity: optional("identity")?,
            crossovers: crossovers.iter().take(CROSSOVERS_MAX).map(Crossover::from_value).collect::<Option<_>>()?,
            verdict: optional("verdict")?,
            verdict_on: optional("verdict_on")?,
        })
    }
}

/// What goes over the wire at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The outbox's name: 16 hexadecimal characters, new where an outbox was lost.
    pub outbox: String,
    /// The host's clock as it sends.
    pub now: i64,
    /// Events that were dropped for want of room, since the outbox was made.
    pub dropped: i64,
    /// What the host knows of itself, such as `kernel` and `os`; a name and a value each.
    pub facts: Vec<(String, String)>,
    /// The events, in the order of their numbers.
    pub events: Vec<Event>,
}

impl Report {
    /// As it goes over the wire.
    #[must_use]
    pub fn to_json(&self) -> String {
        let facts = self.facts.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
        json::object([
            ("version", 1.into()),
            ("outbox", self.outbox.as_str().into()),
            ("now", self.now.into()),
            ("dropped", self.dropped.into()),
            ("facts", Value::Object(facts)),
            ("events", Value::Array(self.events.iter().map(Event::to_value).collect())),
        ])
        .to_string()
    }

    /// From the wire; `None` if any part of it has another form. A crossover that the coin of `host` contradicts is left out.
    #[must_use]
    pub fn from_json(bytes: &[u8], host: &str) -> Option<Self> {
        let value = json::parse(bytes).ok()?;
        let number = |name| value.get(name).and_then(Value::as_i64);
        let facts = value.get("facts")?.as_object().filter(|facts| facts.len() <= FACTS_MAX)?;
        let fact = |(name, value): &(String, Value)| Some((is_fact_name(name).then(|| name.clone())?, word(value)?));
        let events = value.get("events")?.as_array().filter(|events| events.len() <= EVENTS_MAX)?;
        let event = |event| {
            let mut event = Event::from_value(event)?;
            event.crossovers.retain(|crossover| crossover.is_possible(host));
            Some(event)
        };
        Some(Self {
            outbox: value.get("outbox")?.as_str().filter(|name| is_outbox(name))?.to_string(),
            now: number("now")?,
            dropped: number("dropped").filter(|dropped| *dropped >= 0)?,
            facts: facts.iter().map(fact).collect::<Option<_>>()?,
            events: events.iter().map(event).collect::<Option<_>>()?,
        })
    }
}

/// The control plane's answer: the events up to this number are on record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken(pub i64);

impl Taken {
    /// As it goes over the wire.
    #[must_use]
    pub fn to_json(self) -> String {
        json::object([("version", 1.into()), ("taken", self.0.into())]).to_string()
    }

    /// From the wire.
    #[must_use]
    pub fn from_json(bytes: &[u8]) -> Option<Self> {
        json::parse(bytes).ok()?.get("taken")?.as_i64().map(Self)
    }
}

/// Whether a text is an outbox's name.
#[must_use]
pub fn is_outbox(name: &str) -> bool {
    name.len() == 16 && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn is_fact_name(name: &str) -> bool {
    (1..=32).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

/// A short text of printable characters.
fn word(value: &Value) -> Option<String> {
    let text = value.as_str().filter(|text| text.len() <= WORD_BYTES_MAX)?;
    text.chars().all(|character| !character.is_control()).then(|| text.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{phases::Phase, trial::Pair};
    use alloc::{format, vec};

    fn report() -> Report {
        let crossover = Crossover { release: "cd".repeat(32), run: 3, crossover: 1, pair: Pair::Void, code: "http.closed".into() };
        let phases = Phases::new([(Phase::Connect, 3), (Phase::Tls, 12)]);
        let routine = Event { number: 7, at: 1_000, code: "ok".into(), outcome: "delivered".into(), phases, attempts: 1, ..Event::default() };
        let trial = Event { number: 8, crossovers: vec![crossover], verdict: "trial.unfit".into(), verdict_on: "cd".repeat(32), ..routine.clone() };
        assert!(routine.is_routine() && !trial.is_routine());
        Report {
            outbox: "0123456789abcdef".into(),
            now: 1_001,
            dropped: 2,
            facts: vec![("kernel".into(), "3.10".into()), ("os".into(), "rhel 7".into())],
            events: vec![routine, trial],
        }
    }

    #[test]
    fn reports_round_trip() {
        assert_eq!(Report::from_json(report().to_json().as_bytes(), "web-1"), Some(report()));
        assert_eq!(Taken::from_json(Taken(8).to_json().as_bytes()), Some(Taken(8)));
    }

    #[test]
    fn events_of_clients_that_measured_no_phases_are_events() {
        let mut old = report();
        old.events.iter_mut().for_each(|event| event.phases = Phases::default());
        assert!(!old.to_json().contains("phases"));
        assert_eq!(Report::from_json(old.to_json().as_bytes(), "web-1"), Some(old));
    }

    #[test]
    fn what_is_out_of_bounds_is_no_report() {
        let many = Report { events: vec![report().events.remove(0); EVENTS_MAX + 1], ..report() };
        let long = Report { facts: vec![("os".into(), "x".repeat(WORD_BYTES_MAX + 1))], ..report() };
        let named = Report { facts: vec![("OS".into(), "x".into())], ..report() };
        let crowded = Report { facts: (0..=FACTS_MAX).map(|number| (format!("fact_{}", "a".repeat(number)), "x".into())).collect(), ..report() };
        let colored = Report { facts: vec![("os".into(), "\u{1b}[31m".into())], ..report() };
        let nameless = Report { outbox: "x".into(), ..report() };
        for bad in [many, long, named, crowded, colored, nameless] {
            assert_eq!(Report::from_json(bad.to_json().as_bytes(), "web-1"), None, "{bad:?}");
        }
        for text in ["", "{}", "[]", "<html>"] {
            assert_eq!(Report::from_json(text.as_bytes(), "web-1"), None);
        }
    }
}
