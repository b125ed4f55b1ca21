//! `enroll`: how a host comes in. It makes its key, proves it, and says why it may: by a token, by a key that the operators
//! know already, or by another CA's certificate.

use crate::{
    cli::Typed,
    failure::Failure,
    identity::{
        Identity,
        request::{ask, next_key},
    },
    log::{End, Log},
    net::way::Way,
    site::{self, read_capped, read_stream},
    state::State,
    sys::{file::open_to_read, start},
};
use protocol::{
    hex_encode,
    identity::HostId,
    json::Quoted,
    json::Value,
    membership::{Purpose, is_token},
    reason::Reason,
    site::Site,
    time::rfc3339,
};
use ring::digest::{SHA256, digest};
use std::time::Instant;

const TOKEN_FILE_BYTES_MAX: usize = 4096;
const CERTIFICATE_FILE_BYTES_MAX: usize = 65_536;

/// What the command gives: words for a person, and members of its event.
struct Done {
    outcome: &'static str,
    text: String,
    members: Vec<(&'static str, Value)>,
}

/// The command; gives the exit status.
pub(crate) fn enroll(typed: &Typed) -> u8 {
    let started = Instant::now();
    let done = go(typed, started);
    let failure = done.as_ref().err().cloned();
    let Done { outcome, text, mut members } = done.unwrap_or(Done { outcome: "failed", text: String::new(), members: Vec::new() });
    members.push(("elapsed_ms", i64::try_from(started.elapsed().as_millis()).unwrap_or(i64::MAX).into()));
    Log::new(false).end(End { name: "enroll", outcome, doing: "cannot enroll this host", text, failure: failure.as_ref(), members })
}

fn go(typed: &Typed, started: Instant) -> Result<Done, Failure> {
    let site = site::load(typed.host_file.as_deref(), typed.state_dir.as_deref())?;
    start::watchdog(site.deadline_seconds.saturating_add(2));
    let mut state = State::open(&site.state_dir);
    state.lock()?;
    not_enrolled(&state)?;
    let mut memory = state.memory();
    let id = name(typed, &site)?;
    let token = typed.token_file.as_deref().map(token).transpose()?;
    let foreign = typed.certificate.as_deref().map(certificate).transpose()?;
    let mut way = Way::new(&site, &id.to_string(), &mut memory, started);
    if !start::entropy_by(way.deadline) {
        return Err(Failure::new(Reason::NoEntropy, "neither getrandom nor /dev/urandom gives any"));
    }
    if typed.key {
        return key(&state);
    }
    let mut enrolled = None;
    way.attempt(&mut |way, endpoint| {
        let mut session = way.connect(endpoint, foreign.as_ref())?;
        enrolled = Some(ask(&mut session, &state, None, &id, Purpose::Enroll, token.as_deref())?);
        Ok(())
    })?;
    let ends = enrolled.and_then(|identity| identity.life()).map_or(0, |life| life.ends);
    Ok(Done {
        outcome: "enrolled",
        text: format!("this host is {id}; its certificate ends {}", rfc3339(ends)),
        members: vec![("host", id.to_string().as_str().into()), ("certificate_expires_at", ends.into())],
    })
}

/// Prints the key that the next `enroll` will prove, so that the operators can register it.
fn key(state: &State) -> Result<Done, Failure> {
    let key = next_key(state, None)?.public;
    let (hex, fingerprint) = (hex_encode(&key.0), hex_encode(digest(&SHA256, &key.spki()).as_ref()));
    Ok(Done {
        outcome: "key",
        text: format!("public key {hex}\nSHA-256 of its SubjectPublicKeyInfo {fingerprint}"),
        members: vec![("key", hex.as_str().into()), ("fingerprint", fingerprint.as_str().into())],
    })
}

/// An identity that cannot be used is no reason to stay out; one that cannot be read is for a person to look at.
fn not_enrolled(state: &State) -> Result<(), Failure> {
    match state.identity() {
        Err(failure) if failure.reason == Reason::IdentityMissing => Ok(()),
        Err(failure) => Err(failure),
        Ok(pem) => Identity::parse(&pem).map_or(Ok(()), |identity| Err(Failure::new(Reason::AlreadyEnrolled, format!("it is {}", identity.id)))),
    }
}

fn name(typed: &Typed, site: &Site) -> Result<HostId, Failure> {
    let (name, whose) = match &typed.host {
        Some(name) => (name.clone(), "--host"),
        None => (start::node_name().to_ascii_lowercase(), "the kernel's name for this host"),
    };
    HostId::new(&site.trust_domain, &name)
        .ok_or_else(|| Failure::new(Reason::Usage, format!("{whose} is {}, not 1 to 63 of a-z 0-9 . _ -; name the host with --host", Quoted(&name))))
}

fn token(path: &str) -> Result<String, Failure> {
    let bytes = if path == "-" {
        read_stream(&start::stdin(), TOKEN_FILE_BYTES_MAX)
    } else {
        open_to_read(path).and_then(|file| read_stream(&file, TOKEN_FILE_BYTES_MAX))
    };
    let bytes = bytes.map_err(|error| Failure::io(Reason::Usage, &format!("--token-file {path}"), &error))?;
    let token = String::from_utf8(bytes).ok().map(|text| text.trim().to_owned()).filter(|token| is_token(token));
    token.ok_or_else(|| Failure::new(Reason::EnrollTokenInvalid, format!("what {path} holds has not the form of a token")))
}

fn certificate(path: &str) -> Result<Identity, Failure> {
    let pem = read_capped(path, CERTIFICATE_FILE_BYTES_MAX).map_err(|error| Failure::io(Reason::Usage, &format!("--certificate {path}"), &error))?;
    Identity::read(&pem, path)
}
