//! How hosts come in, stay in and come back. Each function takes what is known and gives what should become of it; nothing is
//! done here.
//!
//! A host is known by its registered key. A renewal prepares the next key and keeps the one in use, and the next key takes
//! over once the host comes with it, so an answer that is lost on the way costs nothing. A superseded key that comes again
//! means that the host exists twice, or was set back to an older image of itself; a key that nobody registered in a newer
//! certificate than any on record means that the record was set back. The `notBefore` of our own certificates tells the two apart.

use super::{
    host::{Approval, Fingerprint, Host, Labels, Status},
    token::Token,
};
use protocol::identity::HostId;
use serde::Deserialize;

/// What the operators want of membership; part of `pinnaced.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rules {
    /// How long a host's certificate holds.
    pub certificate_hours: u32,
    /// What becomes of a host that shows a certificate of ours and is not on record.
    pub unregistered: Unregistered,
    /// What follows when a host exists twice.
    pub clones: Clones,
    /// Who decides when a host comes back after its certificate has ended.
    pub returns: Returns,
    /// After how long a host whose credential is fresh asks whether it should fetch all the same; 0 for never.
    pub check_in_seconds: u32,
    /// The labels of hosts that come in by another CA's certificate.
    pub foreign_labels: Labels,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            certificate_hours: 14 * 24,
            unregistered: Unregistered::Adopt,
            clones: Clones::Alarm,
            returns: Returns::Auto,
            check_in_seconds: 0,
            foreign_labels: Labels::new(),
        }
    }
}

/// What becomes of a host that shows a certificate of ours and is not on record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unregistered {
    /// It goes on record, without labels.
    Adopt,
    /// It is refused.
    Refuse,
}

/// What follows when a host exists twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Clones {
    /// An audit record and a metric.
    Alarm,
    /// Also, the host is served no more until somebody has looked.
    Quarantine,
}

/// Who decides when a host comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Returns {
    /// Its registered key does.
    Auto,
    /// Its registered key does, so many times.
    Limited(u32),
    /// An operator does.
    Approve,
}

impl TryFrom<String> for Returns {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let limited = text.strip_prefix("limited ").and_then(|number| number.parse().ok());
        match (text.as_str(), limited) {
            ("auto", _) => Ok(Returns::Auto),
            ("approve", _) => Ok(Returns::Approve),
            (_, Some(number)) => Ok(Returns::Limited(number)),
            _ => Err(format!("returns is \"auto\", \"limited N\" or \"approve\", and not {text:?}")),
        }
    }
}

/// A certificate of ours, as far as membership cares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Its key.
    pub key: Fingerprint,
    /// Its `notBefore`, seconds since 1970.
    pub starts: i64,
    /// Its `notAfter`, seconds since 1970.
    pub ends: i64,
}

/// Why a host is not served, or not let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// An operator or clone detection has put it out.
    Out(Status),
    /// It is not on record, and [`Unregistered::Refuse`] holds.
    Unregistered,
    /// The token does not let it in.
    Token(&'static str),
    /// The name is taken by a host with another key.
    Taken,
    /// Nothing speaks for it.
    Unproven(&'static str),
    /// Its return waits for an operator; the record that says so.
    Waiting(Box<Host>),
    /// It came back too often, or with a key that is not registered.
    NotBack(&'static str),
}

/// What became of a host that came with a valid certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The record to keep, if it changes.
    pub record: Option<Host>,
    /// The word for the audit log, if something happened.
    pub event: Option<&'static str>,
    /// Whether it is served.
    pub served: Result<(), Refused>,
}

/// A host has come with a valid certificate: who is it on record, and is it served?
pub fn see(host: Option<&Host>, shown: &Shown, rules: &Rules) -> Seen {
    let unchanged = |served| Seen { record: None, event: None, served };
    let Some(host) = host else {
        return match rules.unregistered {
            Unregistered::Refuse => unchanged(Err(Refused::Unregistered)),
            Unregistered::Adopt => Seen { record: Some(with_key(Host::default(), shown)), event: Some("host-adopted"), served: Ok(()) },
        };
    };
    let served = served(host);
    if host.key.as_ref() == Some(&shown.key) {
        return unchanged(served);
    }
    if host.next_key.as_ref() == Some(&shown.key) {
        let record = Host { key: host.next_key.clone(), next_key: None, clone_seen: None, ..host.clone() };
        return Seen { record: Some(record), event: None, served };
    }
    if shown.starts > host.newest_certificate {
        return Seen { record: Some(with_key(host.clone(), shown)), event: Some("host-readopted"), served };
    }
    if host.clone_seen.as_ref() == Some(&shown.key) {
        return unchanged(served);
    }
    let mut record = Host { clone_seen: Some(shown.key.clone()), ..host.clone() };
    if rules.clones == Clones::Quarantine && host.status == Status::Active {
        record.status = Status::Quarantined;
        record.status_reason = "a superseded key was used: this host exists twice, or was set back".into();
    }
    let served = self::served(&record);
    Seen { record: Some(record), event: Some("clone-seen"), served }
}

/// Whether a host on record is served.
pub fn served(host: &Host) -> Result<(), Refused> {
    if host.status == Status::Active { Ok(()) } else { Err(Refused::Out(host.status)) }
}

fn with_key(host: Host, shown: &Shown) -> Host {
    Host { key: Some(shown.key.clone()), next_key: None, newest_certificate: shown.starts, certificate_ends: shown.ends, ..host }
}

/// What speaks for a host that wants to come in; that it holds the key it brings has been proved.
pub enum Voucher<'a> {
    /// A token.
    Token(&'a Token),
    /// The key it brings, which an operator has registered.
    Key,
    /// A certificate of another CA that is trusted for this, over the host's name.
    Certificate,
}

/// What an enrolment makes: the records to keep, all or none.
#[derive(Debug, PartialEq, Eq)]
pub struct Enrolled {
    /// The host's.
    pub host: Host,
    /// The token's, if one was spent.
    pub token: Option<Token>,
}

/// Lets a host in that brings `key` and will get the certificate `fresh`.
pub fn enroll(id: &HostId, host: Option<&Host>, voucher: &Voucher<'_>, fresh: &Shown, rules: &Rules, now: i64) -> Result<Enrolled, Refused> {
    let known = host.and_then(|host| host.key.as_ref());
    let same_key = known == Some(&fresh.key) || host.and_then(|host| host.next_key.as_ref()) == Some(&fresh.key);
    let mut record = host.cloned().unwrap_or_default();
    let mut spent = None;
    match voucher {
        Voucher::Token(token) => {
            let after = token.spend(id, &fresh.key, now).map_err(Refused::Token)?;
            let may_replace = token.names(id) || record.status == Status::Evicted;
            if known.is_some() && !same_key && !may_replace {
                return Err(Refused::Taken);
            }
            record.labels.extend(token.labels.clone());
            spent = Some(after);
        }
        Voucher::Key if same_key => (),
        Voucher::Key => return Err(Refused::Unproven("there is no token, and the key is not registered for this host")),
        Voucher::Certificate if known.is_some() && !same_key => return Err(Refused::Taken),
        Voucher::Certificate => record.labels.extend(rules.foreign_labels.clone()),
    }
    if record.status == Status::Evicted && spent.is_some() {
        record.status = Status::Active;
        record.status_reason.clear();
    }
    served(&record)?;
    record.clone_seen = None;
    Ok(Enrolled { host: with_key(record, fresh), token: spent })
}

/// Prepares the next key of a host that is served: the one in use stays good until the host comes with the next.
pub fn renew(host: &Host, shown: &Shown, fresh: &Shown) -> Host {
    let prepared = Host { newest_certificate: fresh.starts, certificate_ends: fresh.ends, ..host.clone() };
    if fresh.key == shown.key { prepared } else { Host { next_key: Some(fresh.key.clone()), ..prepared } }
}

/// Takes a host back that shows a certificate which has ended, or whose CA has.
pub fn recover(host: Option<&Host>, shown: &Shown, fresh: &Shown, rules: &Rules) -> Result<Host, Refused> {
    let host = host.ok_or(Refused::NotBack("it is not on record"))?;
    served(host)?;
    let registered = [&host.key, &host.next_key].into_iter().any(|key| key.as_ref() == Some(&shown.key));
    if !registered {
        return Err(Refused::NotBack("the key it shows is not its registered key"));
    }
    // The same return again, because its answer was lost on the way.
    let again = host.next_key.as_ref() == Some(&fresh.key);
    let allowed = match rules.returns {
        _ if again => true,
        Returns::Auto => true,
        Returns::Limited(most) if host.returns < most => true,
        Returns::Limited(_) => return Err(Refused::NotBack("it came back as often as allowed")),
        Returns::Approve => host.approval == Approval::Given,
    };
    if !allowed {
        return Err(Refused::Waiting(Box::new(Host { approval: Approval::Waiting, ..host.clone() })));
    }
    let returns = if again { host.returns } else { host.returns.saturating_add(1) };
    let prepared = Host { key: Some(shown.key.clone()), returns, approval: Approval::None, ..host.clone() };
    Ok(renew(&prepared, shown, fresh))
}

#[cfg(test)]
mod tests;
