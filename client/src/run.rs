//! One run: read, due?, fetch, validate, deliver, remember, exit.

use crate::{deliver, failure::Failure, fetch::Fetch, log::Log, log::four_lines, site, state::State, sys::start};
use host::due::{self, Due, Held};
use host::state::Memory;
use protocol::{
    json::{Value, object},
    reason::Reason,
    site::{Credential, Kind, Site},
};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// What a run came to.
struct Outcome {
    word: &'static str,
    failure: Option<Failure>,
    attempts: u32,
    skew: i64,
    endpoint: Option<String>,
    next_seconds: i64,
}

/// The command `run`; gives the exit status.
pub(crate) fn run(host_file: Option<&str>, state_dir: Option<&str>) -> u8 {
    let started = Instant::now();
    match site::load(host_file, state_dir) {
        Ok(site) => {
            let stdout = site.credentials.iter().flat_map(|credential| &credential.deliveries).any(|delivery| delivery.kind == Kind::Stdout);
            start::watchdog(site.deadline_seconds.saturating_add(2));
            let log = Log::new(stdout);
            let outcome = go(&site, started, log);
            report(log, started, &outcome)
        }
        Err(failure) => report(Log::new(false), started, &ended(failure)),
    }
}

/// This host's own clock, in seconds; before 1970 it says 0.
pub(crate) fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).ok().and_then(|since| i64::try_from(since.as_secs()).ok()).unwrap_or(0)
}

fn go(site: &Site, started: Instant, log: Log) -> Outcome {
    let mut state = State::open(&site.state_dir);
    if let Err(failure) = state.lock() {
        return ended(failure);
    }
    let mut memory = state.memory();
    let outcome = fetch_what_is_due(site, started, &mut state, &mut memory);
    memory.last_run_at = now();
    memory.last_code = outcome.failure.as_ref().map_or(Reason::Ok, |failure| failure.reason).code().to_owned();
    if outcome.failure.is_none() {
        memory.last_success_at = memory.last_run_at;
    }
    if outcome.word != "fresh" {
        state.save_memory(&memory);
    }
    state.warnings.iter().for_each(|warning| log.warning(warning));
    // The kernel closes and unlocks the state as the process ends.
    std::mem::forget(state);
    outcome
}

fn fetch_what_is_due(site: &Site, started: Instant, state: &mut State, memory: &mut Memory) -> Outcome {
    let identity = match state.identity().and_then(|pem| crate::net::tls::Identity::parse(&pem)) {
        Ok(identity) => identity,
        Err(failure) => return ended(failure),
    };
    let mut outcome = Outcome { word: "fresh", failure: None, attempts: 0, skew: 0, endpoint: None, next_seconds: i64::MAX };
    let mut due: Vec<(&Credential, Option<Held>)> = Vec::new();
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
                hand_over(site, credential, &held, started, memory, &mut outcome, |kind| missing || matches!(kind, Kind::Socket { .. }));
            }
            (_, held) => due.push((credential, held)),
        }
    }
    if due.is_empty() {
        return outcome;
    }
    outcome.word = "delivered";
    let deadline = started + Duration::from_secs(site.deadline_seconds.into());
    if !start::entropy_by(deadline) {
        return ended(Failure::new(Reason::NoEntropy, "neither getrandom nor /dev/urandom gives any"));
    }
    let mut fetch = Fetch::new(site, &identity, memory, started, deadline);
    let results = fetch.all(&due);
    (outcome.attempts, outcome.skew, outcome.endpoint) = (fetch.attempts, fetch.skew, fetch.endpoint.take());
    for ((credential, _), result) in due.iter().zip(results) {
        match result {
            Ok(answer) => {
                let held = Held { answer, received_at: now() };
                outcome.next_seconds = outcome.next_seconds.min(due::next_fetch_after(&held.answer, &identity.id));
                hand_over(site, credential, &held, started, memory, &mut outcome, |_| true);
                state.save_held(&held);
            }
            Err(failure) => {
                outcome.failure.get_or_insert(failure);
            }
        }
    }
    memory.clock_skew = outcome.skew;
    outcome
}

fn hand_over(
    site: &Site,
    credential: &Credential,
    held: &Held,
    started: Instant,
    memory: &mut Memory,
    outcome: &mut Outcome,
    to: impl Fn(&Kind) -> bool,
) {
    let until = started + Duration::from_secs(site.deadline_seconds.into());
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
    Outcome { word: "failed", failure: Some(failure), attempts: 0, skew: 0, endpoint: None, next_seconds: i64::MAX }
}

fn report(log: Log, started: Instant, outcome: &Outcome) -> u8 {
    let reason = outcome.failure.as_ref().map_or(Reason::Ok, |failure| failure.reason);
    let elapsed = i64::try_from(started.elapsed().as_millis()).unwrap_or(i64::MAX);
    let mut event = object([
        ("event", "run".into()),
        ("outcome", if outcome.failure.is_some() { "failed" } else { outcome.word }.into()),
        ("code", reason.code().into()),
        ("exit", i64::from(reason.exit()).into()),
        ("fault", reason.fault().name().into()),
        ("retry", reason.retry().into()),
        ("elapsed_ms", elapsed.into()),
        ("attempts", i64::from(outcome.attempts).into()),
        ("clock_skew_seconds", outcome.skew.into()),
        ("endpoint", outcome.endpoint.as_deref().map_or(Value::Null, Value::from)),
        ("next_fetch_in", if outcome.next_seconds == i64::MAX { Value::Null } else { outcome.next_seconds.into() }),
        ("version", env!("CARGO_PKG_VERSION").into()),
    ]);
    let mut text =
        format!("{} in {elapsed} ms", if outcome.word == "fresh" { "nothing is due; checked" } else { "the credential is in place; done" });
    if let (Some(failure), Value::Object(members)) = (&outcome.failure, &mut event) {
        members.push(("error".to_owned(), reason.summary().into()));
        members.push(("because".to_owned(), failure.because.as_str().into()));
        members.push(("hint".to_owned(), reason.hint().into()));
        let lines = four_lines("cannot put every credential in place", failure);
        text = lines.trim_start_matches("pinnace: ").trim_end().to_owned();
    }
    log.event(&text, &event);
    reason.exit()
}
