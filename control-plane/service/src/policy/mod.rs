//! Policy: which host may have which credential, and what it then says. What no rule allows is denied.

mod raw;
mod rule;
mod template;

pub use raw::{LIFETIME_SECONDS_MAX, RawPolicy, fields};
pub use rule::Mismatch;
pub use template::Template;

use super::{host::Labels, keys::Algorithm};
use protocol::identity::HostId;
use rule::Rule;
use std::{collections::BTreeMap, time::Duration};

/// What a policy text means: an immutable snapshot.
#[derive(Debug, Default)]
pub struct Policy {
    grants: BTreeMap<String, Grant>,
}

/// One credential and who may have it.
#[derive(Debug)]
pub struct Grant {
    /// What it is.
    pub kind: Kind,
    /// How long an issued one is good for.
    pub lifetime_seconds: i64,
    rules: Vec<Rule>,
}

/// What a credential is.
#[derive(Debug)]
pub enum Kind {
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
pub struct Jwt {
    /// `aud`.
    pub audience: Vec<String>,
    /// `sub`; the host's SPIFFE ID unless the policy says otherwise.
    pub subject: Template,
    /// What signs it.
    pub algorithm: Algorithm,
}

/// How an X.509-SVID is made.
#[derive(Debug)]
pub struct X509 {
    /// Its one URI; the host's SPIFFE ID unless the policy says otherwise.
    pub subject: Template,
    /// Its DNS names.
    pub dns_names: Vec<Template>,
}

/// How an OpenSSH certificate is made.
#[derive(Debug)]
pub struct Ssh {
    /// Whether it is a server's or a user's.
    pub user: bool,
    /// The names it is good for.
    pub principals: Vec<Template>,
    /// What a user's certificate permits, and as `NAME=DATA` what it is confined to.
    pub extensions: Vec<String>,
}

/// A program that knows a secret.
#[derive(Clone, Debug)]
pub struct Program {
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// How long it may take.
    pub deadline: Duration,
}

/// What policy says to one request.
pub enum Decision<'a> {
    /// Issue it.
    Granted(&'a Grant),
    /// The credential is not for this host.
    Denied,
    /// There is no such credential.
    Unknown,
}

impl Policy {
    /// How long the credential lives that lives longest.
    pub fn lifetime_seconds_max(&self) -> Option<i64> {
        self.grants.values().map(|grant| grant.lifetime_seconds).max()
    }

    /// Whether the host may have the credential `name`.
    pub fn decide(&self, host: &HostId, labels: &Labels, name: &str) -> Decision<'_> {
        match self.grants.get(name) {
            None => Decision::Unknown,
            Some(grant) if grant.rules.iter().any(|rule| rule.check(host, labels).is_ok()) => Decision::Granted(grant),
            Some(_) => Decision::Denied,
        }
    }

    /// Why each rule of a credential does or does not let a host have it, in the policy's order; `None` if there is no such credential.
    pub fn explain(&self, host: &HostId, labels: &Labels, name: &str) -> Option<Vec<(String, Result<(), Mismatch>)>> {
        let grant = self.grants.get(name)?;
        Some(grant.rules.iter().map(|rule| (rule.to_string(), rule.check(host, labels))).collect())
    }

    /// The names of all credentials, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.grants.keys().map(String::as_str)
    }

    /// The names of the credentials that a host may have.
    pub fn granted(&self, host: &HostId, labels: &Labels) -> Vec<String> {
        let granted = |name: &&str| matches!(self.decide(host, labels, name), Decision::Granted(_));
        self.names().filter(granted).map(ToOwned::to_owned).collect()
    }

    /// Whether any token wants this algorithm.
    pub fn uses(&self, algorithm: Algorithm) -> bool {
        self.grants.values().any(|grant| matches!(&grant.kind, Kind::Jwt(jwt) if jwt.algorithm == algorithm))
    }
}

#[cfg(test)]
mod tests;
