//! The life of a signing key, as data.
//!
//! A key is **prepared**: published, so that everybody knows it before it signs. It becomes **active**: it signs, and the one
//! before it is **retired**: it signs no more and stays published until the last thing it signed has ended. Then it is **dropped**.
//! **Revoked**, it is published no more from then on, whatever it has signed. Each function takes what is known and gives what
//! should become of it; nothing is done here.

use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fmt::{self, Display},
};

/// Replicas take up a change within seconds, and clocks differ: for so long a retired key is kept beyond what it signed.
const LEEWAY_SECONDS: i64 = 600;

/// All keys on record, by their identifiers.
pub type Keys = BTreeMap<String, Key>;

/// One key, as the store keeps it; never the private key itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// What it is for.
    #[serde(rename = "use")]
    pub purpose: Use,
    /// How it signs.
    pub algorithm: Algorithm,
    /// Where its life stands.
    pub state: State,
    /// Where the private key is: a file in the trust domain's folder, or `pkcs11:object=LABEL`.
    pub place: String,
    /// What is published: a CA's certificate (PEM), a token key's JWK, an SSH CA's line, hexadecimal for the others.
    pub public: String,
    /// Since when it is published, seconds since 1970.
    pub prepared_at: i64,
    /// When it began to sign.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activated_at: Option<i64>,
    /// When it signed its last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retired_at: Option<i64>,
    /// Until when it stays published, once it is retired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published_until: Option<i64>,
    /// When it was revoked or dropped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<i64>,
    /// Why it is in its state, in an operator's words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Use {
    /// Certificates of hosts.
    Ca,
    /// Tokens.
    Jwt,
    /// The time.
    Time,
    /// OpenSSH certificates.
    Ssh,
    /// The online roles of release metadata.
    Online,
}

/// How a key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, clap::ValueEnum)]
pub enum Algorithm {
    /// RFC 8032.
    #[value(name = "Ed25519")]
    Ed25519,
    /// ECDSA over P-256 with SHA-256 (RFC 7518 section 3.4).
    #[serde(rename = "ES256")]
    #[value(name = "ES256")]
    Es256,
    /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518 section 3.3).
    #[serde(rename = "RS256")]
    #[value(name = "RS256")]
    Rs256,
}

/// Where a key's life stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It is published and does not sign yet.
    Prepared,
    /// It signs.
    Active,
    /// It signs no more, and what it signed still holds.
    Retired,
    /// Nothing it signed holds.
    Revoked,
    /// Nothing it signed is left.
    Dropped,
}

/// What the operators want of keys; part of `pinnaced.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rules {
    /// For how long a key is published before it may sign.
    pub publish_hours: u32,
    /// For how long anybody may keep a copy of the public documents.
    pub cache_seconds: u32,
    /// For how long a retired CA is trusted: longer than any certificate it ever signed, those of operators and servers too.
    pub ca_hours: u32,
}

impl Default for Rules {
    fn default() -> Self {
        Self { publish_hours: 24, cache_seconds: 300, ca_hours: 366 * 24 }
    }
}

/// What is wanted of a key, when and why.
#[derive(Clone, Copy)]
pub struct Order<'a> {
    /// Why; empty if nobody said.
    pub reason: &'a str,
    /// Whether it shall happen against the rules; that takes a reason.
    pub forced: bool,
    /// Seconds since 1970.
    pub now: i64,
}

/// Why nothing became of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// There is no such key.
    Unknown,
    /// The key's state does not allow it.
    State(State),
    /// Not everybody knows the key yet; so many seconds more.
    TooEarly(i64),
    /// It signs, and nothing else would.
    Signs,
    /// To force and to revoke take a reason.
    NoReason,
}

impl Display for Refused {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::Unknown => out.write_str("there is no such key"),
            Refused::State(state) => write!(out, "the key is {}", state.name()),
            Refused::TooEarly(seconds) => {
                write!(out, "it has not been published for long enough: {} min more, until nobody holds a copy without it", (seconds + 59) / 60)
            }
            Refused::Signs => out.write_str("it is the one that signs, and nothing would sign after it"),
            Refused::NoReason => out.write_str("there is no reason given"),
        }
    }
}

/// The records that change, the key ordered about first.
pub type Changed = Vec<(String, Key)>;

/// The key signs from `now` on, and the one before it is retired for `signed_seconds`, the longest life of anything it signed.
/// A retired key may sign again: it is still published.
pub fn activate(keys: &Keys, id: &str, order: Order<'_>, rules: &Rules, signed_seconds: i64) -> Result<Changed, Refused> {
    let key = ordered(keys, id, order)?;
    let published = order.now.saturating_sub(key.prepared_at);
    match key.state {
        State::Prepared if published < rules.publish_seconds() && !order.forced => {
            return Err(Refused::TooEarly(rules.publish_seconds() - published));
        }
        State::Prepared | State::Retired => (),
        state => return Err(Refused::State(state)),
    }
    let active = Key {
        state: State::Active,
        activated_at: Some(order.now),
        retired_at: None,
        published_until: None,
        reason: order.reason.into(),
        ..key.clone()
    };
    let before = keys.iter().filter(|(other, before)| *other != id && before.state == State::Active && before.role() == key.role());
    let retired = before.map(|(other, before)| (other.clone(), before.retired(order, rules, signed_seconds)));
    Ok(std::iter::once((id.to_string(), active)).chain(retired).collect())
}

/// The key signs no more. One that never signed is dropped.
pub fn retire(keys: &Keys, id: &str, order: Order<'_>, rules: &Rules, signed_seconds: i64) -> Result<Changed, Refused> {
    let key = ordered(keys, id, order)?;
    let changed = match key.state {
        State::Prepared => key.ended(State::Dropped, order),
        State::Active if !order.forced => return Err(Refused::Signs),
        State::Active => key.retired(order, rules, signed_seconds),
        state => return Err(Refused::State(state)),
    };
    Ok(vec![(id.into(), changed)])
}

/// Nothing that the key signed holds from `now` on.
pub fn revoke(keys: &Keys, id: &str, order: Order<'_>) -> Result<Changed, Refused> {
    let key = ordered(keys, id, order)?;
    if order.reason.is_empty() {
        return Err(Refused::NoReason);
    }
    match key.state {
        State::Active if !order.forced => Err(Refused::Signs),
        State::Prepared | State::Active | State::Retired => Ok(vec![(id.into(), key.ended(State::Revoked, order))]),
        state => Err(Refused::State(state)),
    }
}

/// The retired keys that nothing they signed outlives.
pub fn due_to_drop(keys: &Keys, now: i64) -> Changed {
    let order = Order { reason: "nothing it signed is left", forced: false, now };
    let due = keys.iter().filter(|(_, key)| key.state == State::Retired && key.published_until.is_some_and(|until| until <= now));
    due.map(|(id, key)| (id.clone(), key.ended(State::Dropped, order))).collect()
}

fn ordered<'a>(keys: &'a Keys, id: &str, order: Order<'_>) -> Result<&'a Key, Refused> {
    if order.forced && order.reason.is_empty() {
        return Err(Refused::NoReason);
    }
    keys.get(id).ok_or(Refused::Unknown)
}

impl Key {
    /// One that nobody knows yet.
    pub fn prepared(purpose: Use, algorithm: Algorithm, place: String, public: String, order: Order<'_>) -> Self {
        Self {
            purpose,
            algorithm,
            state: State::Prepared,
            place,
            public,
            prepared_at: order.now,
            activated_at: None,
            retired_at: None,
            published_until: None,
            ended_at: None,
            reason: order.reason.into(),
        }
    }

    /// One that has signed before there was a record of it.
    pub fn taken_in(self) -> Self {
        Self { state: State::Active, activated_at: Some(self.prepared_at), ..self }
    }

    /// Whether it is among those that consumers shall believe.
    pub fn is_published(&self) -> bool {
        matches!(self.state, State::Prepared | State::Active | State::Retired)
    }

    /// Of all keys with one role at most one is active: tokens have one for each algorithm.
    pub fn role(&self) -> (Use, Option<Algorithm>) {
        (self.purpose, (self.purpose == Use::Jwt).then_some(self.algorithm))
    }

    fn retired(&self, order: Order<'_>, rules: &Rules, signed_seconds: i64) -> Self {
        let signed_seconds = if self.purpose == Use::Ca { signed_seconds.max(i64::from(rules.ca_hours) * 3600) } else { signed_seconds };
        let until = order.now.saturating_add(signed_seconds).saturating_add(LEEWAY_SECONDS);
        Self { state: State::Retired, retired_at: Some(order.now), published_until: Some(until), reason: order.reason.into(), ..self.clone() }
    }

    fn ended(&self, state: State, order: Order<'_>) -> Self {
        Self { state, ended_at: Some(order.now), reason: order.reason.into(), ..self.clone() }
    }
}

impl Rules {
    /// However short it is set, no copy may be without the key.
    fn publish_seconds(&self) -> i64 {
        (i64::from(self.publish_hours) * 3600).max(i64::from(self.cache_seconds))
    }
}

impl Use {
    /// Its word.
    pub fn name(self) -> &'static str {
        match self {
            Use::Ca => "ca",
            Use::Jwt => "jwt",
            Use::Time => "time",
            Use::Ssh => "ssh",
            Use::Online => "online",
        }
    }

    /// How a new key for it signs unless somebody says otherwise.
    pub fn algorithm(self) -> Algorithm {
        if self == Use::Jwt { Algorithm::Es256 } else { Algorithm::Ed25519 }
    }

    /// Whether keys for it may sign so.
    pub fn takes(self, algorithm: Algorithm) -> bool {
        match self {
            Use::Ca => true,
            Use::Jwt => algorithm != Algorithm::Ed25519,
            Use::Time | Use::Ssh | Use::Online => algorithm == Algorithm::Ed25519,
        }
    }
}

impl Algorithm {
    /// Its name, as RFC 7518 has it where it has one.
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Ed25519 => "Ed25519",
            Algorithm::Es256 => "ES256",
            Algorithm::Rs256 => "RS256",
        }
    }
}

impl State {
    /// Its word.
    pub fn name(self) -> &'static str {
        match self {
            State::Prepared => "prepared",
            State::Active => "active",
            State::Retired => "retired",
            State::Revoked => "revoked",
            State::Dropped => "dropped",
        }
    }
}

#[cfg(test)]
mod tests;
