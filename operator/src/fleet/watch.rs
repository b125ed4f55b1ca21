//! The status, drawn again and again.

use super::show;
use crate::{ask::Ask, failure::Failure};
use serde_json::json;
use std::{
    io::{IsTerminal, Write},
    thread,
    time::Duration,
};

/// Home, and what is below it goes.
const CLEAR: &str = "\u{1b}[H\u{1b}[J";

/// Draws until it was drawn `times` times, or for ever. A control plane that is away for a moment ends nothing.
pub(super) fn run(ask: &Ask, filter: &str, every: i64, times: Option<u64>) -> Result<(), Failure> {
    let api = ask.api()?;
    let question = json!({"filter": filter});
    let mut drawn = 0;
    loop {
        let text = match api.post("fleet/status", &question) {
            Ok(status) => show::status(&status),
            // What is wrong with the question stays wrong.
            Err(failure) if drawn == 0 || !failure.is("api.unreachable") => return Err(failure),
            Err(_) => format!("{}: the control plane does not answer; asking again\n", show::clock()),
        };
        let mut out = std::io::stdout();
        let clear = if out.is_terminal() { CLEAR } else { "" };
        if write!(out, "{clear}{text}").and_then(|()| out.flush()).is_err() {
            return Ok(());
        }
        drawn += 1;
        if times.is_some_and(|times| drawn >= times) {
            return Ok(());
        }
        thread::sleep(Duration::from_secs(every.unsigned_abs()));
    }
}
