//! The control plane's keys: orders become records, records become the ring in force.
//!
//! A record is changed in the store and takes effect with the next look of every process on it, in this one at once.

mod command;

use crate::{
    api::{ControlPlane, now},
    config::Files,
    failure::{Code, Failure},
    issuers::{Ring, ca, source},
    store::{Change, Kind, NotWritten, audit::Event},
};
pub(crate) use command::{Command, documents, run};
use protocol::json::{self, Value};
use service::{
    RawPolicy,
    keys::{self, Algorithm, Changed, Key, Keys, Order, Refused, Use},
    policy::LIFETIME_SECONDS_MAX,
};
use std::{collections::HashMap, path::Path, sync::Arc};

/// How often an order is given again that somebody else has overtaken.
const TRIES: u32 = 4;

/// Who orders, and why.
#[derive(Clone, Copy)]
pub(crate) struct By<'a> {
    /// Their name in the audit log.
    pub(crate) who: &'a str,
    /// In their words; empty if they gave none.
    pub(crate) reason: &'a str,
    /// Whether it shall happen against the rules; that takes a reason.
    pub(crate) forced: bool,
}

/// Why an order was not carried out.
#[derive(Debug)]
pub(crate) enum NotDone {
    /// The rules do not allow it.
    Refused(Refused),
    /// The key cannot be made or read.
    Failed(Failure),
    /// The record could not be written.
    NotWritten(NotWritten),
}

impl From<Refused> for NotDone {
    fn from(refused: Refused) -> Self {
        NotDone::Refused(refused)
    }
}

impl From<Failure> for NotDone {
    fn from(failure: Failure) -> Self {
        NotDone::Failed(failure)
    }
}

/// All keys on record.
pub(crate) fn list(plane: &ControlPlane) -> Keys {
    records(plane).into_iter().map(|(id, (_, key))| (id, key)).collect()
}

/// Publishes a key that does not sign yet: a new one, or one that lies at `place` already. Gives its identifier.
pub(crate) async fn prepare(
    plane: &ControlPlane,
    purpose: Use,
    algorithm: Option<Algorithm>,
    place: Option<&str>,
    by: By<'_>,
) -> Result<String, NotDone> {
    let algorithm = algorithm.unwrap_or(purpose.algorithm());
    let refused = |because| {
        Failure::new(Code::Usage, format!("cannot prepare a {} key", purpose.name()), because, "leave --algorithm away, or look into the docs")
    };
    if !purpose.takes(algorithm) {
        return Err(refused(format!("{} is not for it", algorithm.name())).into());
    }
    if let Some(place) = place {
        return publish(plane, (purpose, algorithm), place, by).await;
    }
    let made = plane.source.make(purpose, algorithm)?;
    let published = publish(plane, (purpose, algorithm), &made, by).await;
    if published.is_err() {
        plane.source.forget(&made);
    }
    published
}

async fn publish(plane: &ControlPlane, (purpose, algorithm): (Use, Algorithm), place: &str, by: By<'_>) -> Result<String, NotDone> {
    let refused =
        |because| Failure::new(Code::KeyUnusable, format!("cannot prepare a {} key", purpose.name()), because, "name a key of the right algorithm");
    let pair = plane.source.pair(place)?;
    if pair.algorithm() != algorithm || (pair.is_slow() && matches!(purpose, Use::Time | Use::Ssh | Use::Online)) {
        return Err(refused(format!("{place} holds a key of {}", pair.algorithm().name())).into());
    }
    let id = source::id(&pair);
    let public = match purpose {
        Use::Ca => ca::self_signed(&format!("Pinnace CA of {} {id}", plane.trust_domain), &pair).ok(),
        _ => source::public(purpose, &pair),
    };
    let public = public.ok_or_else(|| refused(format!("{place} cannot be used for it")))?;
    order(plane, "key-prepared", by, |keys, order| match keys.get(&id) {
        Some(known) => Err(Refused::State(known.state)),
        None => Ok(vec![(id.clone(), Key::prepared(purpose, algorithm, place.to_string(), public.clone(), order))]),
    })
    .await?;
    Ok(id)
}

/// The key signs from here on, and the one before it is retired.
pub(crate) async fn activate(plane: &ControlPlane, id: &str, by: By<'_>) -> Result<Changed, NotDone> {
    // What cannot sign here must not be told to.
    let keys = list(plane);
    let key = keys.get(id).ok_or(Refused::Unknown)?;
    let pair = plane.source.pair(&key.place)?;
    if source::id(&pair) != id {
        let because = "there is another key";
        return Err(
            Failure::new(Code::KeyUnusable, format!("cannot sign with {}", key.place), because, "put the private key of this record there").into()
        );
    }
    let signed = signed_seconds(plane);
    order(plane, "key-activated", by, |keys, order| keys::activate(keys, id, order, &plane.key_rules, signed)).await
}

/// The key signs no more; what it signed holds.
pub(crate) async fn retire(plane: &ControlPlane, id: &str, by: By<'_>) -> Result<Changed, NotDone> {
    let signed = signed_seconds(plane);
    order(plane, "key-retired", by, |keys, order| keys::retire(keys, id, order, &plane.key_rules, signed)).await
}

/// Nothing that the key signed holds any more.
pub(crate) async fn revoke(plane: &ControlPlane, id: &str, by: By<'_>) -> Result<Changed, NotDone> {
    order(plane, "key-revoked", by, |keys, order| keys::revoke(keys, id, order)).await
}

/// Retired keys whose time is over are published no more.
pub(crate) async fn drop_due(plane: &ControlPlane) {
    let by = By { who: "pinnaced", reason: "", forced: false };
    let due = |keys: &Keys, order: Order<'_>| Ok(keys::due_to_drop(keys, order.now));
    if !keys::due_to_drop(&list(plane), now()).is_empty()
        && let Err(because) = order(plane, "key-dropped", by, due).await
    {
        tracing::error!(event = "key-not-dropped", ?because);
    }
}

async fn order(plane: &ControlPlane, what: &str, by: By<'_>, act: impl Fn(&Keys, Order<'_>) -> Result<Changed, Refused>) -> Result<Changed, NotDone> {
    for _ in 0..TRIES {
        let known = records(plane);
        let keys = known.iter().map(|(id, (_, key))| (id.clone(), key.clone())).collect();
        let at = now();
        let changed = act(&keys, Order { reason: by.reason, forced: by.forced, now: at })?;
        let event = event_of(what, &changed, by, at);
        let changes = changed.iter().map(|(id, key)| change_of(id, known.get(id).map_or(0, |(revision, _)| *revision), key)).collect();
        match plane.change(event, changes).await {
            Ok(()) => {
                plane.changed.notify_one();
                return Ok(changed);
            }
            Err(NotWritten::Conflict) => plane.catch_up().await,
            Err(not_written) => return Err(NotDone::NotWritten(not_written)),
        }
    }
    Err(NotDone::NotWritten(NotWritten::Conflict))
}

fn event_of(what: &str, changed: &Changed, by: By<'_>, at: i64) -> Event {
    let mut event = Event::new(what, at).with("by", by.who).with("reason", by.reason);
    if by.forced {
        event = event.with("forced", true);
    }
    let key = |(id, key): &(String, Key)| {
        let members = [("id", id.as_str()), ("use", key.purpose.name()), ("algorithm", key.algorithm.name()), ("state", key.state.name())];
        json::object(members.map(|(name, text)| (name, text.into())))
    };
    event.with("keys", Value::Array(changed.iter().map(key).collect()))
}

fn change_of(id: &str, on: i64, key: &Key) -> Change {
    Change { kind: Kind::Key, name: id.into(), on, body: serde_json::to_string(key).ok() }
}

/// The keys that `pinnaced init` has made are taken in as those that sign, each where there is none on record for its role.
pub(crate) async fn take_in(plane: &ControlPlane, files: &Files) -> Result<(), Failure> {
    let certificate = crate::files::read(&files.ca_certificate).ok();
    let made = [
        (Use::Ca, None, &files.ca_key),
        (Use::Jwt, Some(Algorithm::Es256), &files.jwt_key),
        (Use::Jwt, Some(Algorithm::Rs256), &files.jwt_rs256_key),
        (Use::Time, None, &files.time_key),
        (Use::Ssh, None, &files.ssh_key),
    ];
    let known = list(plane);
    let mut changed = Vec::new();
    for (purpose, algorithm, path) in made {
        if known.values().any(|key| key.role() == (purpose, algorithm)) {
            continue;
        }
        let may_be_missing = purpose == Use::Ssh || algorithm == Some(Algorithm::Rs256);
        if let Some(taken) = made_key(plane, (purpose, algorithm), path, certificate.as_deref(), may_be_missing)? {
            changed.push(taken);
        }
    }
    if changed.is_empty() {
        return Ok(());
    }
    let by = By { who: "pinnaced.toml", reason: "made by pinnaced init", forced: false };
    match order(plane, "keys-taken-in", by, |_, _| Ok(changed.clone())).await {
        // Another process has taken them in; they are read with the next look.
        Ok(_) | Err(NotDone::NotWritten(NotWritten::Conflict)) => Ok(()),
        Err(NotDone::NotWritten(because)) => {
            Err(Failure::new(Code::StoreUnavailable, "cannot keep the keys", because, "check the disk of the database"))
        }
        Err(not_done) => Err(command::failure(not_done)),
    }
}

fn made_key(
    plane: &ControlPlane,
    (purpose, algorithm): (Use, Option<Algorithm>),
    path: &Path,
    certificate: Option<&str>,
    may_be_missing: bool,
) -> Result<Option<(String, Key)>, Failure> {
    let place = plane.source.place(path);
    if may_be_missing && !plane.source.has(&place) {
        return Ok(None);
    }
    let pair = plane.source.pair(&place)?;
    let fits = algorithm.is_none_or(|algorithm| algorithm == pair.algorithm()) && purpose.takes(pair.algorithm());
    let public = if purpose == Use::Ca { certificate.map(ToOwned::to_owned) } else { source::public(purpose, &pair) };
    let Some(public) = public.filter(|_| fits) else {
        let because = format!("{} is not for a {} key", pair.algorithm().name(), purpose.name());
        return Err(Failure::new(Code::KeyUnusable, format!("cannot use {}", path.display()), because, "put the key there that pinnaced init makes"));
    };
    let order = Order { reason: "made by pinnaced init", forced: false, now: now() };
    Ok(Some((source::id(&pair), Key::prepared(purpose, pair.algorithm(), place, public, order).taken_in())))
}

/// The newest change of any key.
pub(crate) fn revision(plane: &ControlPlane) -> i64 {
    plane.registry.others(Kind::Key).iter().map(|(_, known)| known.revision).max().unwrap_or(0)
}

/// Puts the records in force, as far as the private keys can be had; gives the first failure.
pub(crate) fn put_in_force(plane: &ControlPlane) -> Result<(), Failure> {
    let (ring, failures) = Ring::new(list(plane), &plane.source, &plane.keys.load());
    plane.keys.store(Arc::new(ring));
    failures.into_iter().next().map_or(Ok(()), Err)
}

fn records(plane: &ControlPlane) -> HashMap<String, (i64, Key)> {
    let read = |(id, known): (String, crate::registry::Known<String>)| match serde_json::from_str(&known.value) {
        Ok(key) => Some((id, (known.revision, key))),
        Err(error) => {
            tracing::error!(event = "object-unreadable", name = id, because = %error, hint = "a newer pinnaced wrote it; update this one");
            None
        }
    };
    plane.registry.others(Kind::Key).into_iter().filter_map(read).collect()
}

/// The longest life of anything that was issued: of hosts' certificates, and of what any version of the policy on record grants.
fn signed_seconds(plane: &ControlPlane) -> i64 {
    let versions = plane.registry.others(Kind::Policy).into_iter();
    let version = |text: &str| serde_json::from_str::<crate::reload::PolicyVersion>(text).ok();
    let policy = |text: &str| toml::from_str::<RawPolicy>(&version(text)?.text).ok();
    // What cannot be read may have granted the most that there is.
    let longest = |text: &str| policy(text).map_or(LIFETIME_SECONDS_MAX, |policy| policy.longest_seconds());
    let granted = versions.map(|(_, known)| longest(&known.value)).max().unwrap_or(0);
    granted.max(i64::from(plane.rules.certificate_hours) * 3600)
}
