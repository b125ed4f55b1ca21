//! What this host tells of itself, after everything a run is for: at once where there is a connection, else from the outbox later.

use crate::{
    facts,
    net::{http::Request, random, session::Session},
    run::now,
    state::State,
};
use host::outbox::Outbox;
use protocol::{
    event::{Event, Report, Taken},
    hex_encode,
};

/// Puts an event where the next connection finds it.
pub(crate) fn keep(state: &mut State, event: Event) {
    let outbox = with(state, event, random).0;
    state.save_outbox(Some(&outbox));
}

/// Tells an event and what was not told before; whether the control plane has it. What is not taken waits in the outbox.
pub(crate) fn tell(state: &mut State, session: &mut Session, event: Event, with_facts: bool) -> bool {
    let is_news = !event.is_routine();
    let (mut outbox, was_kept) = with(state, event, || session.number());
    if is_news {
        state.save_outbox(Some(&outbox));
    }
    let facts = if with_facts { facts::gather(state.path(), session) } else { Vec::new() };
    let report = Report { outbox: outbox.name.clone(), now: now(), dropped: outbox.dropped, facts, events: outbox.events.clone() };
    let answer = session.send(&Request { body: Some(&report.to_json()), ..Request::get("/v1/events") });
    let taken = answer.ok().and_then(|body| Taken::from_json(&body));
    if let Some(Taken(number)) = taken {
        outbox.taken(number);
    }
    match (outbox.events.is_empty(), was_kept || is_news) {
        (true, false) => {}
        (true, true) => state.save_outbox(None),
        (false, _) => state.save_outbox(Some(&outbox)),
    }
    taken.is_some()
}

/// The outbox with one event more, and whether it was on the disk.
fn with(state: &mut State, event: Event, name: impl FnOnce() -> u64) -> (Outbox, bool) {
    let kept = state.outbox();
    let was_kept = kept.is_some();
    let mut outbox = kept.unwrap_or_else(|| Outbox::new(hex_encode(&name().to_be_bytes())));
    outbox.push(event);
    (outbox, was_kept)
}
