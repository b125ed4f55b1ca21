//! A credential for a host: policy, signature, durable record, answer, in this order.

use super::{ControlPlane, Reply, Visitor, admission, membership::proved, operators, reply};
use crate::{
    issue::{self, Asked, Issued, Makers, NotIssued},
    issuers::program,
    store::{Entry, NotWritten},
};
use hyper::StatusCode;
use protocol::{identity::HostId, membership::KeyRequest};
use service::{
    Decision,
    policy::{Grant, Kind},
};
use std::sync::Arc;

/// What a host wants.
pub(super) struct Wanted<'a> {
    /// The credential's name.
    pub(super) name: &'a str,
    /// The key that it is to be over.
    pub(super) key: Option<KeyRequest>,
    /// When the one was issued that the host holds, if it wants another only where it should have one.
    pub(super) issued: Option<i64>,
}

/// Answers the request for one credential.
pub(super) async fn answer(plane: &Arc<ControlPlane>, visitor: &Visitor, wanted: Wanted<'_>, now: i64) -> Result<Reply, Box<Reply>> {
    let Wanted { name, key, issued } = wanted;
    let guest = admission::admit(plane, visitor, now)?;
    if let Some(asked) = &key
        && !proved(visitor, "credential", name, &asked.key, &asked.proof)
    {
        let words = ["the credential was not issued", "the proof that the host holds the key does not hold", "report it"];
        return Err(Box::new(reply::refuse(StatusCode::FORBIDDEN, "credential.key-unproven", words)));
    }
    if issued.is_some_and(|issued| may_hold(plane, &guest, name, issued, now)) {
        plane.telemetry.hear(guest.id.host(), now);
        return Ok(reply::hold());
    }
    let printed = if key.is_none() { ask_program(plane, &guest, name).await? } else { None };
    let Issued { answer, event } = decide_and_sign(plane, &guest, name, (key, printed), now)?;
    if let Err(not_written) = plane.log.write(Entry { event, changes: Vec::new() }).await {
        tracing::error!(event = "not-issued", host = %guest.id, credential = name, because = ?not_written);
        return Err(Box::new(unrecorded(not_written)));
    }
    plane.metrics.issued(name);
    plane.telemetry.issued(guest.id.host(), name, answer.expires_at, now);
    tracing::debug!(event = "issued", host = %guest.id, credential = name);
    Ok(reply::json(answer.to_json()))
}

/// Whether a host may go on with what it was issued then.
fn may_hold(plane: &ControlPlane, guest: &admission::Guest, name: &str, issued: i64, now: i64) -> bool {
    let granted = matches!(plane.policy.load().decide(&guest.id, &guest.labels, name), Decision::Granted(_));
    granted && !operators::current_wave(plane).is_some_and(|wave| wave.wants(&guest.id, &guest.labels, issued, now))
}

type Fields = Vec<(String, String)>;

/// What the program prints that knows the credential, if there is one and the host may have what it knows.
async fn ask_program(plane: &ControlPlane, guest: &admission::Guest, name: &str) -> Result<Option<Fields>, Box<Reply>> {
    let program = match plane.policy.load().decide(&guest.id, &guest.labels, name) {
        Decision::Granted(Grant { kind: Kind::Program(program), .. }) => program.clone(),
        _ => return Ok(None),
    };
    match program::run(&program, &plane.programs).await {
        Ok(printed) => Ok(Some(printed)),
        Err(because) => {
            tracing::error!(event = "program-failed", host = %guest.id, credential = name, because = %because);
            let words = ["the credential was not issued", "the program that knows it failed", "check the control plane's log"];
            Err(Box::new(reply::come_again("issuer.program-failed", words)))
        }
    }
}

fn decide_and_sign(
    plane: &ControlPlane,
    guest: &admission::Guest,
    name: &str,
    (key, printed): (Option<KeyRequest>, Option<Fields>),
    now: i64,
) -> Result<Issued, Box<Reply>> {
    let host = &guest.id;
    let policy = plane.policy.load();
    let grant = match policy.decide(host, &guest.labels, name) {
        Decision::Granted(grant) => grant,
        Decision::Denied => return Err(Box::new(denied(host, name))),
        Decision::Unknown => return Err(Box::new(unknown(host, name))),
    };
    let chance = chance().ok_or_else(|| Box::new(unsigned(host, name)))?;
    let key = key.map(|asked| asked.key);
    let asked = Asked { host, labels: &guest.labels, credential: name, key, printed, chance, now };
    let keys = plane.keys.load();
    let names = plane.names.load();
    let makers = Makers { issuer: &plane.issuer, keys: &keys, server: &names, check_in_seconds: plane.rules.check_in_seconds };
    waiting_aside(keys.is_slow(), || issue::issue(grant, &asked, &makers)).map_err(|not_issued| Box::new(refusal(host, name, &not_issued)))
}

/// Does what may take long without holding up others on this thread.
pub(super) fn waiting_aside<T>(slow: bool, act: impl FnOnce() -> T) -> T {
    if slow { tokio::task::block_in_place(act) } else { act() }
}

/// 128 bits of chance.
fn chance() -> Option<[u8; 16]> {
    let mut bytes = [0_u8; 16];
    aws_lc_rs::rand::fill(&mut bytes).ok().map(|()| bytes)
}

fn refusal(host: &HostId, name: &str, not_issued: &NotIssued) -> Reply {
    match not_issued {
        NotIssued::Unsigned | NotIssued::NotPrinted => unsigned(host, name),
        NotIssued::KeyNeeded => {
            let words =
                ["the credential was not issued", "it is made over a key of the host's own", "write key = \"ed25519\" in the site's credential"];
            reply::refuse(StatusCode::BAD_REQUEST, "credential.key-needed", words)
        }
        NotIssued::KeyNotTaken => {
            let words = ["the credential was not issued", "it has no key of the host's own", "take key = \"ed25519\" out of the site's credential"];
            reply::refuse(StatusCode::BAD_REQUEST, "credential.key-not-taken", words)
        }
        NotIssued::NoLabel(label) => {
            tracing::info!(event = "refused", code = "policy.label-missing", host = %host, credential = name, label);
            let because = format!("the policy speaks of the label {label}, and {host} has none");
            let words = ["the credential is not for this host", because.as_str(), "label the host, or change the policy"];
            reply::refuse(StatusCode::FORBIDDEN, "policy.label-missing", words)
        }
        NotIssued::NotItsOwn(other) => {
            tracing::error!(event = "refused", code = "policy.subject", host = %host, credential = name, other);
            let because = format!("the policy names {other:?}, which is not for {host} to be");
            let words = ["the credential was not issued", because.as_str(), "correct the credential's subject and dns_names, or the host's labels"];
            reply::refuse(StatusCode::FORBIDDEN, "policy.subject", words)
        }
    }
}

fn denied(host: &HostId, name: &str) -> Reply {
    tracing::info!(event = "refused", code = "policy.denied", host = %host, credential = name);
    let because = format!("no rule of the policy lets {host} have {name}");
    let words = ["the credential is not for this host", because.as_str(), "add the host to the credential's policy"];
    reply::refuse(StatusCode::FORBIDDEN, "policy.denied", words)
}

fn unknown(host: &HostId, name: &str) -> Reply {
    tracing::info!(event = "refused", code = "policy.unknown-credential", host = %host, credential = name);
    let because = format!("the policy holds no credential {name}");
    let words = ["there is no such credential", because.as_str(), "check the credential's name in the site and in the policy"];
    reply::refuse(StatusCode::NOT_FOUND, "policy.unknown-credential", words)
}

fn unsigned(host: &HostId, name: &str) -> Reply {
    tracing::error!(event = "not-issued", host = %host, credential = name, because = "the signing key did not sign");
    reply::come_again("issuer.unsigned", ["the credential was not issued", "the signing key did not sign", "check the control plane's log"])
}

/// A 503: what is not durable has not happened.
pub(super) fn unrecorded(not_written: NotWritten) -> Reply {
    reply::come_again("audit.unavailable", ["nothing was issued", &not_written.to_string(), "check the disk of the control plane's database"])
}
