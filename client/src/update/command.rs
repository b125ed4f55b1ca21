//! `pinnace update status|pin|unpin|rollback`.

use super::generations::Generations;
use crate::{cli::Typed, failure::Failure, log, site, state::State};
use host::{trial::Trial, update::parse_folder};
use protocol::{
    json::{Value, object},
    reason::Reason,
    time::rfc3339,
};

/// The command; gives the exit status, or words for a word it does not know.
pub(crate) fn command(typed: &Typed, what: &str, json: bool) -> Result<u8, String> {
    let done = match what {
        "status" => open(typed).and_then(|mut state| status(&mut state, json)),
        "pin" => open(typed).and_then(|mut state| pin(&mut state, true)),
        "unpin" => open(typed).and_then(|mut state| pin(&mut state, false)),
        "rollback" => open(typed).and_then(|mut state| rollback(&mut state)),
        _ => return Err("update needs status, pin, unpin or rollback".to_owned()),
    };
    Ok(match done {
        Ok(text) => log::print(&text),
        Err(failure) => log::fail("cannot do that to updates", &failure),
    })
}

/// Alone, as every run is: what a run writes at the same time would be lost.
fn open(typed: &Typed) -> Result<State, Failure> {
    let site = site::load(typed.host_file.as_deref(), typed.state_dir.as_deref())?;
    let mut state = State::open(&site.state_dir);
    state.directory()?;
    state.lock()?;
    Ok(state)
}

fn status(state: &mut State, json: bool) -> Result<String, Failure> {
    let (record, trial) = (state.record(), state.trial());
    let generations = Generations::open(state)?;
    let word = |name: Option<String>| name.and_then(|name| parse_folder(&name).map(|(generation, hash)| (generation, hash.to_owned())));
    let (current, previous) = (word(generations.current()), word(generations.previous()));
    if json {
        let release = |release: &Option<(i64, String)>| {
            release
                .as_ref()
                .map_or(Value::Null, |(generation, hash)| object([("generation", (*generation).into()), ("sha256", hash.as_str().into())]))
        };
        let denied = record.denied.iter().map(|hash| hash.as_str().into()).collect();
        let all = object([
            ("version", 1.into()),
            ("current", release(&current)),
            ("previous", release(&previous)),
            ("trial", trial.as_ref().map_or(Value::Null, on_trial)),
            ("pinned", record.pinned.into()),
            ("floor", record.floor.into()),
            ("denied", Value::Array(denied)),
            ("last_code", record.last_code.as_str().into()),
            ("last_at", record.last_at.into()),
        ]);
        return Ok(format!("{all}\n"));
    }
    let say = |release: Option<(i64, String)>, none: &str| {
        release.map_or(none.to_owned(), |(generation, hash)| format!("generation {generation}, sha256 {hash}"))
    };
    let last = if record.last_code.is_empty() { "none".to_owned() } else { format!("{} at {}", record.last_code, rfc3339(record.last_at)) };
    let pinned = if record.pinned { "yes: no release is taken until pinnace update unpin" } else { "no" };
    let mut text = format!("current   {}\nprevious  {}\n", say(current, "the package's own copy"), say(previous, "none"));
    if let Some(trial) = &trial {
        let name = say(word(Some(trial.candidate.clone())), "none");
        text += &format!("on trial  {name}: {} of {} clean runs, {} bad, {} good\n", trial.clean, trial.terms.runs, trial.bad, trial.good);
    }
    text += &format!("pinned    {pinned}\nfloor     generation {}\nlast      {last}\n", record.floor);
    for hash in &record.denied {
        text += &format!("denied    sha256 {hash}\n");
    }
    Ok(text)
}

fn on_trial(trial: &Trial) -> Value {
    let generation = parse_folder(&trial.candidate).map_or(0, |(generation, _)| generation);
    object([
        ("generation", generation.into()),
        ("sha256", trial.hash().into()),
        ("run", trial.run.into()),
        ("clean", trial.clean.into()),
        ("runs", trial.terms.runs.into()),
        ("bad", trial.bad.into()),
        ("good", trial.good.into()),
        ("rehearsed", trial.rehearsed.into()),
    ])
}

fn pin(state: &mut State, pinned: bool) -> Result<String, Failure> {
    let mut record = state.record();
    record.pinned = pinned;
    save(state, &record)?;
    if pinned {
        state.end_trial();
    }
    Ok(if pinned { "pinned: this host keeps the release it has\n" } else { "not pinned: this host takes the release it is told to\n" }.to_owned())
}

/// The release that is left is denied before it is left: it would come back with the next run.
fn rollback(state: &mut State) -> Result<String, Failure> {
    let mut record = state.record();
    let current = Generations::open(state)?.current();
    state.end_trial();
    if let Some((_, hash)) = current.as_deref().and_then(parse_folder) {
        record.deny(hash);
        save(state, &record)?;
    }
    let (left, previous) = Generations::open(state)?.back()?;
    let generation = |name: &str| parse_folder(name).map_or(0, |(generation, _)| generation);
    let now = previous.map_or("the package's own copy".to_owned(), |name| format!("generation {}", generation(&name)));
    Ok(format!("back to {now}; generation {} is denied on this host\n", generation(&left)))
}

fn save(state: &mut State, record: &host::update::Record) -> Result<(), Failure> {
    let before = state.warnings.len();
    state.save_record(record);
    match state.warnings.get(before) {
        None => Ok(()),
        Some(failure) => Err(Failure::new(Reason::StateUnwritable, failure.because.clone())),
    }
}
