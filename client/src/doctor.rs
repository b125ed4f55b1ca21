//! `doctor`: the way of a run, stage by stage; what follows from an earlier failure is not repeated, and every finding has its fix.

use crate::{
    cli::Typed,
    deliver,
    failure::Failure,
    identity::Identity,
    log,
    net::{connect, http::printable, resolve::resolve, session::Session},
    run::now,
    show::identity_line,
    site,
    standing::Standing,
    state::State,
    sys::file::Directory,
    whoami,
};
use host::state::Memory;
use protocol::{
    json::{Value, object},
    membership::Whoami,
    reason::Reason,
    site::{Endpoint, Kind, Site},
    time::{off, rfc3339},
};
use std::{
    fmt::Write,
    time::{Duration, Instant},
};

/// One stage and what was found.
struct Check {
    stage: &'static str,
    about: String,
    result: Result<String, Failure>,
}

/// The command; exits with the first failure's status.
pub(crate) fn doctor(typed: &Typed, json: bool) -> u8 {
    let checks = examine(typed);
    let first = checks.iter().find_map(|check| check.result.as_ref().err()).map_or(Reason::Ok, |failure| failure.reason);
    let text = if json { format!("{}\n", as_json(&checks)) } else { as_text(&checks) };
    log::print(&text);
    first.exit()
}

/// What it finds, for programs.
pub(crate) fn findings(typed: &Typed) -> String {
    as_json(&examine(typed)).to_string()
}

fn examine(typed: &Typed) -> Vec<Check> {
    let mut checks = Vec::new();
    let loaded = site::load(typed.host_file.as_deref(), typed.state_dir.as_deref());
    let Some(site) = keep(&mut checks, "site", "stamped region and host file", loaded, |site| format!("site {}", site.name)) else { return checks };
    let mut state = State::open(&site.state_dir);
    let memory = state.memory();
    let warnings = state.warnings.first().cloned().map_or(Ok(()), Err);
    let last = if memory.last_code.is_empty() { "none" } else { &memory.last_code };
    let standing = Standing::of(&mut state, &memory).line();
    note(&mut checks, "state", &site.state_dir, warnings.map(|()| format!("{standing}; last run: {last}")));
    let identity = state.identity().and_then(|pem| Identity::parse(&pem));
    let identity =
        keep(&mut checks, "identity", "identity.pem", identity, |identity| format!("{}; {}", identity.id, identity_line(Some(identity), &state)));
    for delivery in site.credentials.iter().flat_map(|credential| &credential.deliveries) {
        if let Kind::File { path } | Kind::Directory { path } = &delivery.kind {
            note(&mut checks, "disk", path, place(path).map(|()| "the directory is there".to_owned()));
        }
    }
    unit(&mut checks);
    note(&mut checks, "clock", "this host's clock", Ok(format!("says {}; {} when last measured", rfc3339(now()), off(memory.clock_skew))));
    if let Some(identity) = identity {
        for endpoint in &site.endpoints {
            reach(&mut checks, &site, &identity, endpoint, &memory);
        }
    }
    let until = Instant::now() + Duration::from_secs(site.deadline_seconds.into());
    for delivery in site.credentials.iter().flat_map(|credential| &credential.deliveries) {
        let about = match &delivery.kind {
            // Without its directory it was told of above.
            Kind::File { path } | Kind::Directory { path } if place(path).is_err() => continue,
            Kind::File { path } | Kind::Directory { path } | Kind::Socket { path, .. } => path,
            Kind::Exec { argv } => argv.first().map_or("", String::as_str),
            Kind::Stdout => "standard output",
        };
        let tried = deliver::try_out(delivery, until).map(|()| "a credential can be handed over".to_owned());
        note(&mut checks, "delivery", about, tried);
    }
    checks
}

/// Walks to one endpoint; the first stage that fails ends the walk.
fn reach(checks: &mut Vec<Check>, site: &Site, identity: &Identity, endpoint: &Endpoint, memory: &Memory) {
    let until = Instant::now() + Duration::from_secs(site.deadline_seconds.into());
    let mut memory = memory.clone();
    let about = format!("{}:{}", endpoint.host, endpoint.port);
    let connected = match &site.proxy {
        Some(proxy) => {
            keep(checks, "proxy", proxy, connect::through(proxy, endpoint, &mut memory, &identity.id, until), |_| "CONNECT is allowed".to_owned())
        }
        None => {
            let found = resolve(&endpoint.host, endpoint.port, &endpoint.addresses, &memory, &identity.id, until);
            if let Some(failure) = found.failure {
                let rescued = !found.addresses.is_empty();
                let rescue = if rescued { "; last good or stamped addresses are used" } else { "" };
                note(checks, "dns", &about, Err(Failure::new(failure.reason, failure.because + rescue)));
                if !rescued {
                    return;
                }
            } else {
                let list = found.addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
                note(checks, "dns", &about, Ok(list));
            }
            keep(checks, "tcp", &about, connect::direct(&found.addresses, until), |(_, address)| format!("connected to {address}"))
        }
    };
    let Some((stream, _)) = connected else { return };
    let session = Session::open(stream, endpoint, site, Some(identity), until);
    let session = keep(checks, "tls", &about, session, |session| format!("TLS 1.3, certificate and name hold; clock {}", off(session.skew)));
    let Some(mut session) = session else { return };
    let answer = keep(checks, "http", &about, session.get("/v1/whoami"), |_| "the control plane answers".to_owned());
    let Some(known) = answer.map(|body| whoami::parse(&body).map(|(_, known)| known)) else { return };
    let words = |known: &Whoami| format!("this host is {}", printable(&known.status));
    let Some(known) = keep(checks, "policy", &about, known, words) else { return };
    for credential in site.credentials.iter().filter(|credential| !known.credentials.contains(&credential.name)) {
        let because = "the control plane's policy does not grant it to this host";
        note(checks, "policy", &credential.name, Err(Failure::new(Reason::HttpForbidden, because)));
    }
}

fn place(path: &str) -> Result<(), Failure> {
    let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
    Directory::open(parent).map(|_| ()).map_err(|error| {
        let reason = if error.raw_os_error() == Some(libc::ELOOP) { Reason::DeliverySymlink } else { Reason::DeliveryDirectory };
        Failure::io(reason, parent, &error)
    })
}

/// Directives that have kept services from working when a drop-in set them.
const RISKY: [&str; 12] = [
    "RootDirectory",
    "RootImage",
    "PrivateNetwork",
    "IPAddressDeny",
    "LimitNOFILE",
    "LimitAS",
    "MemoryMax",
    "NoExecPaths",
    "ReadOnlyPaths",
    "InaccessiblePaths",
    "SystemCallFilter",
    "User",
];

fn unit(checks: &mut Vec<Check>) {
    let folders = ["/etc/systemd/system", "/run/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"];
    let drop_ins = folders.iter().filter_map(|folder| std::fs::read_dir(format!("{folder}/pinnace.service.d")).ok()).flatten().flatten();
    let mut found = Vec::new();
    for file in drop_ins.map(|entry| entry.path().display().to_string()) {
        let text = site::read_capped(&file, 65_536).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
        let risky = text.lines().filter(|line| line.split_once('=').is_some_and(|(key, _)| RISKY.contains(&key.trim())));
        found.extend(risky.map(|line| format!("{file}: {}", line.trim())));
    }
    let text = if found.is_empty() { "no drop-in stands in the way".to_owned() } else { format!("look at {}", found.join("; ")) };
    note(checks, "unit", "pinnace.service and its drop-ins", Ok(text));
}

fn keep<T>(checks: &mut Vec<Check>, stage: &'static str, about: &str, result: Result<T, Failure>, words: impl Fn(&T) -> String) -> Option<T> {
    match result {
        Ok(found) => {
            note(checks, stage, about, Ok(words(&found)));
            Some(found)
        }
        Err(failure) => {
            note(checks, stage, about, Err(failure));
            None
        }
    }
}

fn note(checks: &mut Vec<Check>, stage: &'static str, about: &str, result: Result<String, Failure>) {
    checks.push(Check { stage, about: about.to_owned(), result });
}

fn as_text(checks: &[Check]) -> String {
    let mut text = String::new();
    for check in checks {
        let _ = match &check.result {
            Ok(found) => writeln!(text, "ok    {:<9} {}: {found}", check.stage, check.about),
            Err(failure) => writeln!(
                text,
                "FAIL  {:<9} {}: {}\n      because: {}\n      fix: {}\n      code={} fault={}",
                check.stage,
                check.about,
                failure.reason.summary(),
                failure.because,
                failure.reason.hint(),
                failure.reason.code(),
                failure.reason.fault().name()
            ),
        };
    }
    text
}

fn as_json(checks: &[Check]) -> Value {
    let one = |check: &Check| {
        let failure = check.result.as_ref().err();
        object([
            ("stage", check.stage.into()),
            ("about", check.about.as_str().into()),
            ("ok", failure.is_none().into()),
            ("code", failure.map_or(Reason::Ok, |failure| failure.reason).code().into()),
            ("found", check.result.as_ref().map_or_else(|failure| failure.because.as_str(), String::as_str).into()),
            ("fix", failure.map_or(Value::Null, |failure| failure.reason.hint().into())),
        ])
    };
    object([("version", 1.into()), ("checks", Value::Array(checks.iter().map(one).collect()))])
}
