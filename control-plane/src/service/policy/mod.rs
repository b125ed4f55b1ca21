//! Policy: which host may have which credential, and what it then says. What no rule allows is denied.

mod raw;
mod rule;
mod template;

pub(crate) use raw::{LIFETIME_SECONDS_MAX, RawPolicy, fields};
pub(crate) use rule::Mismatch;
pub(crate) use template::Template;

use super::{host::Labels, keys::Algorithm};
use protocol::identity::HostId;
use rule::Rule;
use std::{collections::BTreeMap, time::Duration};

/// What a policy text means: an immutable snapshot.
#[derive(Debug, Default)]
pub(crate) struct Policy {
    grants: BTreeMap<String, Grant>,
}

/// One credential and who may have it.
#[derive(Debug)]
pub(crate) struct Grant {
    /// What it is.
    pub(crate) kind: Kind,
    /// How long an issued one is good for.
    pub(crate) lifetime_seconds: i64,
    rules: Vec<Rule>,
}

/// What a credential is.
#[derive(Debug)]
pub(crate) enum Kind {
    /// A token.
    Jwt(Jwt),
    /// An X.509-SVID over a key that the host made.
    X509(X509),
    /// An OpenSSH certificate over a key that the host made.
    Ssh(Ssh),
    /// Texts from a file.
    Fields(Vec<(String, String)>),
    /// Texts that a program prints.
    Program(Program),
}

/// How a token is made.
#[derive(Debug)]
pub(crate) struct Jwt {
    /// `aud`.
    pub(crate) audience: Vec<String>,
    /// `sub`; the host's SPIFFE ID unless the policy says otherwise.
    pub(crate) subject: Template,
    /// What signs it.
    pub(crate) algorithm: Algorithm,
}

/// How an X.509-SVID is made.
#[derive(Debug)]
pub(crate) struct X509 {
    /// Its one URI; the host's SPIFFE ID unless the policy says otherwise.
    pub(crate) subject: Template,
    /// Its DNS names.
    pub(crate) dns_names: Vec<Template>,
}

/// How an OpenSSH certificate is made.
#[derive(Debug)]
pub(crate) struct Ssh {
    /// Whether it is a server's or a user's.
    pub(crate) user: bool,
    /// The names it is good for.
    pub(crate) principals: Vec<Template>,
    /// What a user's certificate permits, and as `NAME=DATA` what it is confined to.
    pub(crate) extensions: Vec<String>,
}

/// A program that knows a secret.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    /// The program and its arguments.
    pub(crate) argv: Vec<String>,
    /// How long it may take.
    pub(crate) deadline: Duration,
}

/// What policy says to one request.
pub(crate) enum Decision<'a> {
    /// Issue it.
    Granted(&'a Grant),
    /// The credential is not for this host.
    Denied,
    /// There is no such credential.
    Unknown,
}

impl Policy {
    /// How long the credential lives that lives longest.
    pub(crate) fn lifetime_seconds_max(&self) -> Option<i64> {
        self.grants.values().map(|grant| grant.lifetime_seconds).max()
    }

    /// Whether the host may have the credential `name`.
    pub(crate) fn decide(&self, host: &HostId, labels: &Labels, name: &str) -> Decision<'_> {
        match self.grants.get(name) {
            None => Decision::Unknown,
            Some(grant) if grant.rules.iter().any(|rule| rule.check(host, labels).is_ok()) => Decision::Granted(grant),
            Some(_) => Decision::Denied,
        }
    }

    /// Why each rule of a credential does or does not let a host have it, in the policy's order; `None` if there is no such credential.
    pub(crate) fn explain(&self, host: &HostId, labels: &Labels, name: &str) -> Option<Vec<(String, Result<(), Mismatch>)>> {
        let grant = self.grants.get(name)?;
        Some(grant.rules.iter().map(|rule| (rule.to_string(), rule.check(host, labels))).collect())
    }

    /// The names of all credentials, in order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.grants.keys().map(String::as_str)
    }

    /// The names of the credentials that a host may have.
    pub(crate) fn granted(&self, host: &HostId, labels: &Labels) -> Vec<String> {
        let granted = |name: &&str| matches!(self.decide(host, labels, name), Decision::Granted(_));
        self.names().filter(granted).map(ToOwned::to_owned).collect()
    }

    /// Whether any token wants this algorithm.
    pub(crate) fn uses(&self, algorithm: Algorithm) -> bool {
        self.grants.values().any(|grant| matches!(&grant.kind, Kind::Jwt(jwt) if jwt.algorithm == algorithm))
    }
}

#[cfg(test)]
mod tests;
