//! One run: read, due?, fetch, validate, deliver, remember, renew the identity, exit.

use crate::{
    cli::Typed,
    deliver,
    failure::Failure,
    fetch::{Fetch, Wanted},
    identity::{self, Identity, Shown},
    log::{self, End, Log},
    net::{session::Session, way::Way},
    site,
    state::State,
    sys::start,
    update,
};
use host::due::{self, Due, Held};
use host::state::Memory;
use protocol::{
    json::Value,
    reason::Reason,
    site::{Credential, Kind, Site},
};
use std::{
    ffi::OsString,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// What a run came to.
struct Outcome {
    word: &'static str,
    failure: Option<Failure>,
    attempts: u32,
    skew: i64,
    endpoint: Option<String>,
    next_seconds: i64,
    /// What became of the host's identity; none where there is none.
    identity: Option<String>,
    /// What became of the release this host runs; none where nobody was asked.
    update: Option<String>,
}

/// The command `run`; gives the exit status.
pub(crate) fn run(typed: &Typed, arguments: &[OsString], factory: bool) -> u8 {
    let started = Instant::now();
    match site::load(typed.host_file.as_deref(), typed.state_dir.as_deref()) {
        Ok(site) => {
            if site.update_root.is_some() && typed.generation.is_none() && !factory {
                update::hand_over(&site.state_dir, arguments);
            }
            let stdout = site.credentials.iter().flat_map(|credential| &credential.deliveries).any(|delivery| delivery.kind == Kind::Stdout);
            start::watchdog(site.deadline_seconds.saturating_add(2));
            let log = Log::new(stdout);
            let outcome = go(&site, started, log, update::generation_of(typed.generation.as_deref()));
            log.end(end(started, &outcome))
        }
        Err(failure) => Log::new(false).end(end(started, &ended(failure))),
    }
}

/// The command `rescue`, after a run that failed; gives the exit status.
pub(crate) fn rescue(typed: &Typed, arguments: &[OsString]) -> u8 {
    let memory = site::load(typed.host_file.as_deref(), typed.state_dir.as_deref()).map(|site| State::open(&site.state_dir).memory());
    match memory.ok().and_then(|memory| memory.needs_no_rescue(now())) {
        Some(reason) => log::print(&format!("no rescue: the package's own copy was that run, and says {}\n", reason.code())),
        None => run(typed, arguments, true),
    }
}

/// This host's own clock, in seconds; before 1970 it says 0.
pub(crate) fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).ok().and_then(|since| i64::try_from(since.as_secs()).ok()).unwrap_or(0)
}

fn go(site: &Site, started: Instant, log: Log, generation: i64) -> Outcome {
    let mut state = State::open(&site.state_dir);
    if let Err(failure) = state.lock() {
        return ended(failure);
    }
    let mut memory = state.memory();
    let (mut outcome, shown) = fetch_what_is_due(site, started, &mut state, &mut memory);
    memory.last_run_at = now();
    memory.last_generation = generation;
    memory.last_code = outcome.failure.as_ref().map_or(Reason::Ok, |failure| failure.reason).code().to_owned();
    if outcome.failure.is_none() {
        memory.last_success_at = memory.last_run_at;
    }
    let session = keep_identity(site, started, log, &mut outcome, shown, &mut state, &mut memory);
    if let Some(session) = session.filter(|_| site.update_root.is_some()) {
        log.settle(end(started, &outcome));
        outcome.update = update::step(site, &mut state, session, generation, deadline(site, started));
    }
    state.warnings.iter().for_each(|warning| log.warning(warning));
    // The kernel closes and unlocks the state as the process ends.
    std::mem::forget(state);
    outcome
}

/// The last step but the update: how the run ended is settled before, and the state says that a renewal was tried before it is tried.
/// Gives the connection back if it was not needed.
fn keep_identity(
    site: &Site,
    started: Instant,
    log: Log,
    outcome: &mut Outcome,
    shown: Option<Shown>,
    state: &mut State,
    memory: &mut Memory,
) -> Option<Session> {
    let due = shown.as_ref().is_some_and(|shown| identity::is_due(shown, memory, deadline(site, started)));
    outcome.identity = shown.as_ref().map(|shown| if shown.came_back { "recovered" } else { "kept" }.to_owned());
    if due {
        memory.renewal_tried_at = now();
    }
    if due || outcome.word != "fresh" || outcome.attempts > 0 {
        state.save_memory(memory);
    }
    let shown = shown?;
    if !due {
        return shown.session;
    }
    outcome.identity = Some(format!("failed: {}", Reason::Deadline.code()));
    log.settle(end(started, outcome));
    let mut way = Way::new(site, &shown.identity.id, memory, started);
    outcome.identity = Some(match identity::renew(shown, &mut way, state) {
        Ok(()) => "renewed".to_owned(),
        Err(failure) => {
            log.warning(&failure);
            format!("failed: {}", failure.reason.code())
        }
    });
    None
}

fn deadline(site: &Site, started: Instant) -> Instant {
    started + Duration::from_secs(site.deadline_seconds.into())
}

fn fetch_what_is_due(site: &Site, started: Instant, state: &mut State, memory: &mut Memory) -> (Outcome, Option<Shown>) {
    let identity = match state.identity().and_then(|pem| Identity::parse(&pem)) {
        Ok(identity) => identity,
        Err(failure) => return (ended(failure), None),
    };
    let mut outcome = Outcome { word: "fresh", ..nothing() };
    let mut due = Vec::new();
    for credential in &site.credentials {
        let held = state.held(&credential.name);
        match (due::due(held.as_ref(), &identity.id, now()), held) {
            (Due::In(wait), Some(held)) => {
                outcome.next_seconds = outcome.next_seconds.min(wait);
                let missing = !deliver::in_place(site, credential, &held.answer) || memory.pending.contains(&credential.name);
                if missing {
                    outcome.word = "delivered";
                }
                // An agent that was started again has forgotten what it was told, so its socket is served on every run.
                hand_over(site, credential, &held, started, memory, &mut outcome, &|kind| missing || matches!(kind, Kind::Socket { .. }));
                if due::is_check_due(&held, memory.checked_at, now()) {
                    due.push(Wanted { credential, held: Some(held), is_fresh: true });
                }
            }
            (_, held) => due.push(Wanted { credential, held, is_fresh: false }),
        }
    }
    if due.is_empty() {
        return (outcome, Some(Shown { identity, session: None, came_back: false }));
    }
    if due.iter().any(|wanted| !wanted.is_fresh) {
        outcome.word = "delivered";
    }
    if !start::entropy_by(deadline(site, started)) {
        return (ended(Failure::new(Reason::NoEntropy, "neither getrandom nor /dev/urandom gives any")), None);
    }
    let mut fetch = Fetch::new(state, identity, memory.clock_skew);
    let mut way = Way::new(site, &fetch.identity.id, memory, started);
    let results = fetch.all(&mut way, &due);
    (outcome.attempts, outcome.endpoint) = (way.attempts, way.endpoint);
    let Fetch { identity, session, came_back, skew, .. } = fetch;
    (outcome.skew, memory.clock_skew) = (skew, skew);
    // Whatever came of it: a control plane that is away is not asked on every run.
    memory.checked_at = now();
    for (wanted, result) in due.iter().zip(results) {
        match result {
            Ok(answer) if wanted.is_fresh && wanted.has(&answer) => {}
            Ok(answer) => {
                outcome.word = "delivered";
                let held = Held { answer, received_at: now() };
                outcome.next_seconds = outcome.next_seconds.min(due::next_fetch_after(&held.answer, &identity.id));
                hand_over(site, wanted.credential, &held, started, memory, &mut outcome, &|_| true);
                state.save_held(&held);
            }
            Err(failure) if wanted.is_fresh => state.warnings.push(failure),
            Err(failure) => {
                outcome.failure.get_or_insert(failure);
            }
        }
    }
    (outcome, Some(Shown { identity, session, came_back }))
}

fn hand_over(
    site: &Site,
    credential: &Credential,
    held: &Held,
    started: Instant,
    memory: &mut Memory,
    outcome: &mut Outcome,
    to: &dyn Fn(&Kind) -> bool,
) {
    let until = deadline(site, started);
    memory.pending.retain(|name| *name != credential.name);
    for delivery in credential.deliveries.iter().filter(|delivery| to(&delivery.kind)) {
        if let Err(failure) = deliver::deliver(site, delivery, &held.answer, until) {
            if !memory.pending.contains(&credential.name) {
                memory.pending.push(credential.name.clone());
            }
            outcome.failure.get_or_insert(failure);
        }
    }
}

fn ended(failure: Failure) -> Outcome {
    Outcome { failure: Some(failure), ..nothing() }
}

fn nothing() -> Outcome {
    Outcome { word: "failed", failure: None, attempts: 0, skew: 0, endpoint: None, next_seconds: i64::MAX, identity: None, update: None }
}

fn end(started: Instant, outcome: &Outcome) -> End<'_> {
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
