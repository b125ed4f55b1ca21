//! The commands that only tell.

use crate::{cli::Typed, failure::Failure, identity::Identity, log, run::now, site, standing::Standing, state::State};
use host::{
    due::{self, Due},
    formats::{Rendered, render},
    renewal::due_at,
};
use protocol::{
    json::{Quoted, Value, object},
    reason::Reason,
    site::{Format, Site},
    time::{rfc3339, span},
};
use std::fmt::Write;

/// Command, arguments, and what it does: help, completions and the manual page are made from this table.
const COMMANDS: [(&str, &str, &str); 15] = [
    ("run", "", "fetch what is due and hand it over (the default)"),
    ("rescue", "", "after a run that failed: run the package's own copy, unless it was that run and the fault lies elsewhere"),
    ("status", "[--json]", "what this host holds, until when, and how the last run ended"),
    ("doctor", "[--json]", "walk the way of a run stage by stage and print the fix"),
    ("bundle", "FILE", "what helps others to see what is wrong here, without keys and credentials, as a tar archive"),
    ("enroll", "[--host NAME] --token-file FILE", "come in with a token: FILE holds it, - is standard input"),
    ("whoami", "[--json]", "what the control plane knows of this host"),
    ("update", "status|pin|unpin|rollback", "which release this host runs; keep it; take others again; go back to the one before"),
    ("explain", "CODE", "what a reason code or an exit status means"),
    ("inspect", "", "print the stamped site"),
    ("credential", "NAME --format FORMAT", "print the credential in place: raw json aws kubernetes env vault"),
    ("needs-renewal", "", "0: due, 1: not yet, 2: nothing held, 255: error"),
    ("completions", "SHELL", "print completions for bash, zsh or fish"),
    ("man", "", "print the manual page"),
    ("version", "[--json]", "print the version"),
];

const OPTIONS: [(&str, &str, &str); 8] = [
    ("--state-dir", "DIR", "a state directory in place of the site's"),
    ("--host-file", "FILE", "a host file in place of the site's"),
    ("--factory", "", "run the package's own copy, whatever release is in place"),
    ("--json", "", "answer in JSON"),
    ("--host", "NAME", "enroll under this name; the kernel's name for this host if not said"),
    ("--token-file", "FILE", "enroll with the token in it"),
    ("--certificate", "FILE", "enroll with another CA's certificate and key in it, PEM"),
    ("--key", "", "print the public key for the operators to register; enroll without a token afterwards"),
];

pub(crate) fn help() -> String {
    let mut text =
        String::from("pinnace: fetches short-lived credentials for this host and hands them over\n\nusage: pinnace [COMMAND] [OPTIONS]\n\n");
    for (command, arguments, does) in COMMANDS.iter().chain(&OPTIONS) {
        let _ = writeln!(text, "  {:<38} {does}", format!("{command} {arguments}"));
    }
    text.push_str("\nThe environment is never read. Exit statuses: pinnace explain CODE.\n");
    text
}

pub(crate) fn version(json: bool) -> u8 {
    let version = env!("CARGO_PKG_VERSION");
    if json { print_json(&object([("name", "pinnace".into()), ("version", version.into())])) } else { log::print(&format!("pinnace {version}\n")) }
}

pub(crate) fn explain(word: &str) -> Result<u8, String> {
    let reason = word.parse().ok().and_then(Reason::from_exit).or_else(|| Reason::from_code(word));
    let reason = reason.ok_or_else(|| format!("{} is no code and no exit status of pinnace", Quoted(word)))?;
    let retry = if reason.retry() { "yes" } else { "no" };
    Ok(log::print(&format!(
        "{} (exit status {})\n  {}\n  fault: {}\n  retry: {retry}\n  hint:  {}\n",
        reason.code(),
        reason.exit(),
        reason.summary(),
        reason.fault().name(),
        reason.hint()
    )))
}

pub(crate) fn inspect() -> u8 {
    match site::stamped() {
        Ok(site) => log::print(&format!("{}\n", site.to_json())),
        Err(failure) => log::fail("cannot inspect", &failure),
    }
}

pub(crate) fn status(typed: &Typed, json: bool) -> u8 {
    let site = match load(typed) {
        Ok(site) => site,
        Err(failure) => return log::fail("cannot tell the status", &failure),
    };
    let mut state = State::open(&site.state_dir);
    let event = standing(&site, &mut state);
    if json {
        return print_json(&event);
    }
    let (memory, identity) = (state.memory(), state.identity().and_then(|pem| Identity::parse(&pem)).ok());
    let id = identity.as_ref().map_or("without identity", |identity| &identity.id);
    let mut text = format!("site {}, host {id}\n{}\n", site.name, Standing::of(&mut state, &memory).line());
    let _ = writeln!(text, "{}", identity_line(identity.as_ref(), &state));
    let code = if memory.last_code.is_empty() { String::new() } else { format!(" ({})", memory.last_code) };
    let _ = writeln!(text, "last run {}{code}, last success {}", ago(memory.last_run_at, now()), ago(memory.last_success_at, now()));
    for credential in event.get("credentials").and_then(Value::as_array).unwrap_or_default() {
        let number = |key| credential.get(key).and_then(Value::as_i64);
        let name = credential.get("name").and_then(Value::as_str).unwrap_or_default();
        let _ = writeln!(
            text,
            "credential {name}: {}",
            life_line(credential.get("held") == Some(&true.into()), number("expires_in"), number("next_fetch_in").unwrap_or(0))
        );
    }
    log::print(&text)
}

/// When something was, by this host's clock, which may have been set back since.
fn ago(at: i64, now: i64) -> String {
    match now.saturating_sub(at) {
        _ if at == 0 => "never".into(),
        age @ 0.. => format!("{}, {} ago", rfc3339(at), span(age)),
        _ => rfc3339(at),
    }
}

fn life_line(held: bool, ends_in: Option<i64>, next_fetch_in: i64) -> String {
    let life = match ends_in {
        None if held => "held, until when this host's clock cannot tell, for it was set back".into(),
        None => "none is held".into(),
        Some(left @ 1..) => format!("ends in {}", span(left)),
        Some(left) => format!("ended {} ago", span(left.saturating_neg())),
    };
    if next_fetch_in > 0 { format!("{life}, next fetch in {}", span(next_fetch_in)) } else { format!("{life}, to be fetched by the next run") }
}

/// What `status` tells, for programs.
pub(crate) fn standing(site: &Site, state: &mut State) -> Value {
    let memory = state.memory();
    let standing = Standing::of(state, &memory);
    let identity = state.identity().and_then(|pem| Identity::parse(&pem)).ok();
    let id = identity.as_ref().map_or("", |identity| &identity.id).to_owned();
    let life = identity.as_ref().and_then(Identity::life);
    let credentials: Vec<Value> = site.credentials.iter().map(|credential| credential_status(state, &credential.name, &id)).collect();
    object([
        ("state", standing.word.into()),
        ("generation", standing.generation.into()),
        ("trial_generation", standing.on_trial().into()),
        ("events_untold", i64::try_from(standing.untold).unwrap_or(i64::MAX).into()),
        ("events_dropped", standing.dropped.into()),
        ("site", site.name.as_str().into()),
        ("host", if id.is_empty() { Value::Null } else { id.as_str().into() }),
        ("certificate_expires_at", life.map_or(Value::Null, |life| life.ends.into())),
        ("renewal_due_at", life.map_or(Value::Null, |life| due_at(life).into())),
        ("next_key_pending", state.next_key().is_some().into()),
        ("last_run_at", memory.last_run_at.into()),
        ("last_code", memory.last_code.as_str().into()),
        ("last_success_at", memory.last_success_at.into()),
        ("clock_skew_seconds", memory.clock_skew.into()),
        ("credentials", Value::Array(credentials)),
    ])
}

/// The identity's dates and what is prepared, for a person.
pub(crate) fn identity_line(identity: Option<&Identity>, state: &State) -> String {
    let life = identity.and_then(Identity::life);
    let mut line = life.map_or_else(
        || "no certificate".to_owned(),
        |life| format!("certificate ends {}, renewal is due {}", rfc3339(life.ends), rfc3339(due_at(life))),
    );
    if state.next_key().is_some() {
        line += "; a next key is pending";
    }
    line
}

fn credential_status(state: &mut State, name: &str, id: &str) -> Value {
    let held = state.held(name);
    let remaining = held.as_ref().and_then(|held| due::remaining(held, now()));
    let next = match due::due(held.as_ref(), id, now()) {
        Due::In(wait) => wait,
        Due::Yes => 0,
    };
    object([
        ("name", name.into()),
        ("held", held.is_some().into()),
        ("expires_in", remaining.map_or(Value::Null, Value::from)),
        ("next_fetch_in", next.into()),
    ])
}

pub(crate) fn credential(typed: &Typed, name: &str, format: Format) -> u8 {
    let rendered = load(typed).and_then(|site| {
        let held = State::open(&site.state_dir).held(name);
        let held = held.filter(|held| due::remaining(held, now()).is_none_or(|left| left > 0));
        let held = held.ok_or_else(|| Failure::new(Reason::CredentialEmpty, format!("no credential {} is held that has not ended", Quoted(name))))?;
        render(format, &held.answer, &site.roots_pem).map_err(|unfit| Failure::new(Reason::DeliveryFormat, unfit.because))
    });
    match rendered {
        Ok(Rendered::One(bytes)) => crate::sys::start::write_all(1, &bytes).map_or(Reason::DeliveryStdout.exit(), |()| 0),
        Ok(Rendered::Several(_)) => log::fail("cannot print", &Failure::new(Reason::DeliveryFormat, "it is a layout of several files")),
        Err(failure) => log::fail("cannot print the credential", &failure),
    }
}

/// The contract of `ExecCondition=` users: 0 due, 1 not yet, 2 nothing held, 255 error.
pub(crate) fn needs_renewal(typed: &Typed) -> u8 {
    let Ok(site) = load(typed) else { return 255 };
    let mut state = State::open(&site.state_dir);
    let id = identity_of(&state);
    let held: Vec<_> = site.credentials.iter().map(|credential| state.held(&credential.name)).collect();
    if held.iter().any(Option::is_none) {
        return 2;
    }
    u8::from(!held.iter().any(|held| due::due(held.as_ref(), &id, now()) == Due::Yes))
}

pub(crate) fn completions(shell: &str) -> Result<u8, String> {
    let words = COMMANDS.map(|(command, _, _)| command).join(" ");
    let options = OPTIONS.map(|(option, _, _)| option).join(" ");
    let text = match shell {
        "bash" => format!("complete -W '{words} {options} --format --help --version' pinnace\n"),
        "zsh" => format!("#compdef pinnace\n_arguments '1:command:({words})' '*:option:({options} --format --help --version)'\n"),
        "fish" => COMMANDS.iter().fold(String::new(), |mut text, (command, _, does)| {
            let _ = writeln!(text, "complete -c pinnace -n __fish_use_subcommand -f -a {command} -d '{does}'");
            text
        }),
        _ => return Err(format!("no completions for {}; there are bash, zsh and fish", Quoted(shell))),
    };
    Ok(log::print(&text))
}

pub(crate) fn man() -> u8 {
    let mut text = String::from(
        ".TH PINNACE 8\n.SH NAME\npinnace \\- fetch short-lived credentials for this host\n.SH SYNOPSIS\n.B pinnace\n[COMMAND] [OPTIONS]\n.SH COMMANDS\n",
    );
    for (command, arguments, does) in COMMANDS.iter().chain(&OPTIONS) {
        let _ = writeln!(text, ".TP\n.B {}\n{does}", format!("{command} {arguments}").trim_end().replace('-', "\\-"));
    }
    text.push_str(".SH EXIT STATUS\n");
    for reason in Reason::ALL {
        let _ = writeln!(text, ".TP\n.B {} ({})\n{}", reason.exit(), reason.code(), reason.summary());
    }
    log::print(&text)
}

fn identity_of(state: &State) -> String {
    state.identity().and_then(|pem| Identity::parse(&pem)).map(|identity| identity.id).unwrap_or_default()
}

fn load(typed: &Typed) -> Result<Site, Failure> {
    site::load(typed.host_file.as_deref(), typed.state_dir.as_deref())
}

fn print_json(value: &Value) -> u8 {
    log::print(&format!("{value}\n"))
}
