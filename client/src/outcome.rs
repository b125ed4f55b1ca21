//! What a run came to, as its last line, and as the event that the control plane is told.

use crate::{failure::Failure, log::End, run::now, spent::Spent};
use protocol::{event::Event, json::Value, reason::Reason};
use std::time::Instant;

/// What a run came to.
pub(crate) struct Outcome {
    pub(crate) word: &'static str,
    pub(crate) failure: Option<Failure>,
    pub(crate) attempts: u32,
    pub(crate) skew: i64,
    pub(crate) endpoint: Option<String>,
    pub(crate) next_seconds: i64,
    /// Where its time went.
    pub(crate) spent: Spent,
    /// What became of the host's identity; none where there is none.
    pub(crate) identity: Option<String>,
    /// What became of the release this host runs; none where nobody was asked.
    pub(crate) update: Option<String>,
}

pub(crate) fn ended(failure: Failure) -> Outcome {
    Outcome { failure: Some(failure), ..nothing() }
}

pub(crate) fn nothing() -> Outcome {
    Outcome {
        word: "failed",
        failure: None,
        attempts: 0,
        skew: 0,
        endpoint: None,
        next_seconds: i64::MAX,
        spent: Spent::default(),
        identity: None,
        update: None,
    }
}

pub(crate) fn end(started: Instant, outcome: &Outcome, generation: i64) -> End<'_> {
    let elapsed = i64::try_from(started.elapsed().as_millis()).unwrap_or(i64::MAX);
    let optional = |text: &Option<String>| text.as_deref().map_or(Value::Null, Value::from);
    let done = if outcome.word == "fresh" { "nothing is due; checked" } else { "the credential is in place; done" };
    End {
        name: "run",
        outcome: outcome.word,
        doing: "cannot put every credential in place",
        text: format!("{done} in {elapsed} ms"),
        failure: outcome.failure.as_ref(),
        members: vec![
            ("elapsed_ms", elapsed.into()),
            ("phases", outcome.spent.phases().to_value().unwrap_or(Value::Null)),
            ("generation", generation.into()),
            ("attempts", i64::from(outcome.attempts).into()),
            ("clock_skew_seconds", outcome.skew.into()),
            ("endpoint", optional(&outcome.endpoint)),
            ("next_fetch_in", if outcome.next_seconds == i64::MAX { Value::Null } else { outcome.next_seconds.into() }),
            ("identity", optional(&outcome.identity)),
            ("update", optional(&outcome.update)),
            ("version", env!("CARGO_PKG_VERSION").into()),
        ],
    }
}

/// The run as an event; its number is the outbox's to give.
pub(crate) fn event(started: Instant, outcome: &Outcome, generation: i64) -> Event {
    Event {
        at: now(),
        code: outcome.failure.as_ref().map_or(Reason::Ok, |failure| failure.reason).code().to_owned(),
        outcome: if outcome.failure.is_some() { "failed" } else { outcome.word }.to_owned(),
        elapsed_ms: i64::try_from(started.elapsed().as_millis()).unwrap_or(i64::MAX),
        phases: outcome.spent.phases(),
        attempts: outcome.attempts.into(),
        generation,
        identity: outcome.identity.clone().unwrap_or_default(),
        ..Event::default()
    }
}
