//! `doctor`: the way of a run, stage by stage; what follows from an earlier failure is not repeated, and every finding has its fix.

use crate::{
    cli::Typed,
    failure::Failure,
    identity::Identity,
    log,
    net::{connect, resolve::resolve, session::Session},
    run::now,
    show::identity_line,
    site,
    state::State,
    sys::file::Directory,
};
use host::state::Memory;
use protocol::{
    json::{Value, object},
    reason::Reason,
    site::{Endpoint, Kind, Site},
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

fn examine(typed: &Typed) -> Vec<Check> {
    let mut checks = Vec::new();
    let loaded = site::load(typed.host_file.as_deref(), typed.state_dir.as_deref());
    let Some(site) = keep(&mut checks, "site", "stamped region and host file", loaded, |site| format!("site {}", site.name)) else { return checks };
    let mut state = State::open(&site.state_dir);
    let memory = state.memory();
    let warnings = state.warnings.first().cloned().map_or(Ok(()), Err);
    keep(&mut checks, "state", &site.state_dir, warnings, |()| {
        format!("last run: {}", if memory.last_code.is_empty() { "none" } else { &memory.last_code })
    });
    let identity = state.identity().and_then(|pem| Identity::parse(&pem));
    let identity =
        keep(&mut checks, "identity", "identity.pem", identity, |identity| format!("{}; {}", identity.id, identity_line(Some(identity), &state)));
    for delivery in site.credentials.iter().flat_map(|credential| &credential.deliveries) {
        if let Kind::File { path } | Kind::Directory { path } = &delivery.kind {
            keep(&mut checks, "disk", path, place(path), |()| "the directory is there".to_owned());
        }
    }
    unit(&mut checks);
    keep(&mut checks, "clock", "this host's clock", Ok(()), |()| format!("says {}; last measured {} s off", now(), memory.clock_skew));
    if let Some(identity) = identity {
        for endpoint in &site.endpoints {
            reach(&mut checks, &site, &identity, endpoint, &memory);
        }
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
                let note = if rescued { "; last good or stamped addresses are used" } else { "" };
                checks.push(Check { stage: "dns", about: about.clone(), result: Err(Failure::new(failure.reason, failure.because + note)) });
                if !rescued {
                    return;
                }
            } else {
                let list = found.addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
                checks.push(Check { stage: "dns", about: about.clone(), result: Ok(list) });
            }
            keep(checks, "tcp", &about, connect::direct(&found.addresses, until), |(_, address)| format!("connected to {address}"))
        }
    };
    let Some((stream, _)) = connected else { return };
    let session = Session::open(stream, endpoint, site, Some(identity), until);
    let session = keep(checks, "tls", &about, session, |session| format!("TLS 1.3, certificate and name hold; clock {} s off", session.skew));
    let Some(mut session) = session else { return };
    let nonce = "0".repeat(32);
    keep(checks, "http", &about, session.get(&format!("/v1/time?nonce={nonce}")), |_| "the control plane answers".to_owned());
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
    checks.push(Check { stage: "unit", about: "pinnace.service and its drop-ins".to_owned(), result: Ok(text) });
}

fn keep<T>(checks: &mut Vec<Check>, stage: &'static str, about: &str, result: Result<T, Failure>, words: impl Fn(&T) -> String) -> Option<T> {
    let text = result.as_ref().map(words).map_err(Clone::clone);
    checks.push(Check { stage, about: about.to_owned(), result: text });
    result.ok()
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
