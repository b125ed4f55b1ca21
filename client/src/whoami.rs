//! `whoami`: what the control plane knows of this host.

use crate::{
    cli::Typed,
    failure::Failure,
    identity::Identity,
    log,
    net::{http::printable, way::Way},
    run::now,
    site,
    state::State,
    sys::start,
};
use protocol::{
    json::{self, Value},
    membership::Whoami,
    reason::Reason,
    time::{off, rfc3339},
};
use std::{fmt::Write, time::Instant};

/// The command; gives the exit status.
pub(crate) fn whoami(typed: &Typed, json: bool) -> u8 {
    match ask(typed) {
        Ok((answer, _)) if json => log::print(&format!("{answer}\n")),
        Ok((_, answer)) => log::print(&as_text(&answer)),
        Err(failure) => log::fail("cannot ask the control plane who this host is", &failure),
    }
}

/// Asks along the way of a run.
fn ask(typed: &Typed) -> Result<(Value, Whoami), Failure> {
    let started = Instant::now();
    let site = site::load(typed.host_file.as_deref(), typed.state_dir.as_deref())?;
    start::watchdog(site.deadline_seconds.saturating_add(2));
    let mut state = State::open(&site.state_dir);
    let mut memory = state.memory();
    let identity = Identity::parse(&state.identity()?)?;
    let mut way = Way::new(&site, &identity.id, &mut memory, started);
    let mut body = Vec::new();
    way.attempt(&mut |way, endpoint| {
        body = way.connect(endpoint, Some(&identity))?.get("/v1/whoami")?;
        Ok(())
    })?;
    parse(&body)
}

/// The answer as it came, and what it says.
pub(crate) fn parse(body: &[u8]) -> Result<(Value, Whoami), Failure> {
    let answer = json::parse(body).ok().and_then(|value| Some((value, Whoami::from_json(body)?)));
    answer.ok_or_else(|| Failure::new(Reason::HttpNotJson, "the answer is not what a control plane says of a host"))
}

fn as_text(answer: &Whoami) -> String {
    let mut text = format!("{} is {}\n", printable(&answer.subject), printable(&answer.status));
    let _ = writeln!(text, "certificate ends {}", rfc3339(answer.certificate_expires_at));
    let _ = writeln!(text, "the control plane says {}; this host's clock is {}", rfc3339(answer.time), off(now().saturating_sub(answer.time)));
    for (name, value) in &answer.labels {
        let _ = writeln!(text, "label {} = {}", printable(name), printable(value));
    }
    for name in &answer.credentials {
        let _ = writeln!(text, "credential {}", printable(name));
    }
    text
}
