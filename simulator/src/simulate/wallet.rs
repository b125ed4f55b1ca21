//! A host's credential, by the real rules of `core/host`: when a fetch is due, and whether what is held is still fresh.

use crate::machine::Machine;
use host::due::{Due, Held, due, remaining};
use protocol::answer::{Answer, Kind};

const HOUR: i64 = 3600;
/// From the delivery until the next fetch, at the soonest and at the latest: every run of a quarter-hourly timer finds one due.
const FETCH_AFTER: i64 = 600;
const FETCH_WINDOW: i64 = 240;

pub(crate) fn is_due(held: Option<&Held>, name: &str, now: i64) -> bool {
    due(held, name, now) == Due::Yes
}

/// A delivery.
pub(crate) fn fill(machine: &mut Machine, name: &str, issued_at: i64, now: i64) {
    match &mut machine.held {
        Some(held) => {
            (held.received_at, held.answer.issued_at, held.answer.expires_at) = (now, issued_at, issued_at + HOUR);
        }
        None => {
            let answer = Answer {
                credential: "db".to_owned(),
                kind: Kind::Jwt,
                subject: format!("spiffe://example.org/host/{name}"),
                issued_at,
                expires_at: issued_at + HOUR,
                expires_in: HOUR,
                fetch_after: FETCH_AFTER,
                fetch_window: FETCH_WINDOW,
                check_after: None,
                token_subject: None,
                token: String::new(),
                fields: Vec::new(),
            };
            machine.held = Some(Box::new(Held { answer, received_at: now }));
        }
    }
}

/// Whether the host holds a credential that has not ended, by its own clock.
pub(crate) fn is_fresh(machine: &Machine, now: i64) -> bool {
    machine.held.as_ref().is_some_and(|held| remaining(held, now).is_some_and(|left| left > 0))
}
