//! One request for a certificate, in three steps that a crash cannot break: the next key is on the disk before the control plane
//! hears of it, the identity is replaced in one piece, and only then the next key goes.

use crate::{
    failure::Failure,
    identity::{Identity, Key},
    net::{http, session::Session},
    state::State,
};
use protocol::{
    identity::HostId,
    membership::{self, Purpose, Request},
    reason::Reason,
};

/// As [`ask`], and once more on a connection of its own if the first was closed while nobody looked: asking twice with one key is
/// asking once.
pub(crate) fn ask_again(
    mut session: Session,
    reconnect: &mut dyn FnMut() -> Result<Session, Failure>,
    state: &State,
    current: &Identity,
    purpose: Purpose,
) -> Result<Identity, Failure> {
    let id = HostId::parse(&current.id).ok_or_else(|| Failure::new(Reason::Internal, "an identity without a name"))?;
    match ask(&mut session, state, Some(current), &id, purpose, None) {
        Err(failure) if failure.reason == Reason::HttpClosed => ask(&mut reconnect()?, state, Some(current), &id, purpose, None),
        other => other,
    }
}

/// Asks for a certificate for `id` over the next key, and puts both in place of `current`.
pub(super) fn ask(
    session: &mut Session,
    state: &State,
    current: Option<&Identity>,
    id: &HostId,
    purpose: Purpose,
    token: Option<&str>,
) -> Result<Identity, Failure> {
    let key = next_key(state, current)?;
    let proof = key.proof(purpose.name(), id.host(), &session.binding()?);
    let request = Request { host: id.host().to_owned(), key: key.public, proof, token: token.map(str::to_owned) };
    let body = session.send(&http::Request { body: Some(&request.to_json()), ..http::Request::get(purpose.path()) })?;
    let (pem, identity) = check(&body, &key, &id.to_string())?;
    state.put_identity(pem.as_bytes())?;
    Ok(identity)
}

/// The key that was prepared and got no certificate, or a fresh one. A key that is in use already is what a crash after the last
/// step leaves behind.
pub(super) fn next_key(state: &State, current: Option<&Identity>) -> Result<Key, Failure> {
    let prepared = state.next_key().and_then(|pem| Key::from_pem(&pem));
    if let Some(key) = prepared.filter(|key| !current.is_some_and(|current| current.is_over(&key.public.spki()))) {
        return Ok(key);
    }
    let key = Key::fresh()?;
    state.put_next_key(key.to_pem().as_bytes())?;
    Ok(key)
}

/// Believes a certificate only over the key that was sent and for this host alone.
fn check(body: &[u8], key: &Key, id: &str) -> Result<(String, Identity), Failure> {
    let malformed = |because: String| Failure::new(Reason::CredentialMalformed, because);
    let answer = membership::Identity::from_json(body).ok_or_else(|| malformed("the answer holds no certificate".to_owned()))?;
    let pem = key.to_pem() + &answer.certificates;
    let identity = Identity::read(pem.as_bytes(), "the answer").map_err(|failure| malformed(failure.because))?;
    if identity.id != id {
        return Err(Failure::new(Reason::CredentialWrongSubject, format!("this host is {id}, and the certificate is for {}", identity.id)));
    }
    if !identity.is_over(&key.public.spki()) {
        return Err(Failure::new(Reason::CredentialWrongKey, "the certificate is not over the key that was sent"));
    }
    if identity.life().is_none() {
        return Err(malformed("the certificate's dates cannot be read".to_owned()));
    }
    Ok((pem, identity))
}
