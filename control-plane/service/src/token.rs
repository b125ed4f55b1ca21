//! Enrolment tokens: good once, for the hosts they are for, until they end.

use super::{
    host::{Fingerprint, Labels, check_labels},
    pattern::HostPattern,
};
use protocol::identity::HostId;
use serde::{Deserialize, Serialize};

/// A token, as the store keeps it: under the SHA-256 of its text, which nobody but its holder has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// The hosts it is for: a name, or a beginning such as `web-*`.
    pub hosts: String,
    /// What the host will be labelled.
    pub labels: Labels,
    /// When it ends, seconds since 1970.
    pub expires_at: i64,
    /// Who made it.
    pub made_by: String,
    /// Who spent it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub spent: Option<Spent>,
}

/// The one use of a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    /// The host's name.
    pub host: String,
    /// The key it came in with.
    pub key: Fingerprint,
    /// When, seconds since 1970.
    pub at: i64,
}

impl Token {
    /// Checks what an operator asks for.
    ///
    /// # Errors
    /// In words.
    pub fn check(&self) -> Result<(), String> {
        HostPattern::parse(&self.hosts)?;
        check_labels(&self.labels)
    }

    /// The token as it is after `host` has spent it with `key`; the same use again changes nothing.
    ///
    /// # Errors
    /// Why it cannot be used, in words.
    pub fn spend(&self, host: &HostId, key: &Fingerprint, now: i64) -> Result<Self, &'static str> {
        if !self.is_for(host) {
            return Err("the token is for other hosts");
        }
        match &self.spent {
            Some(spent) if spent.host == host.host() && spent.key == *key => Ok(self.clone()),
            Some(_) => Err("the token has been spent"),
            None if now >= self.expires_at => Err("the token has ended"),
            None => Ok(Self { spent: Some(Spent { host: host.host().into(), key: key.clone(), at: now }), ..self.clone() }),
        }
    }

    /// Whether it names this one host, so that it may also replace the host's key.
    pub fn names(&self, host: &HostId) -> bool {
        self.hosts == host.host()
    }

    fn is_for(&self, host: &HostId) -> bool {
        HostPattern::parse(&self.hosts).is_ok_and(|pattern| pattern.includes(host))
    }
}

/// Where a token is kept: under the SHA-256 of its text.
pub fn name_of(text: &str) -> String {
    use aws_lc_rs::digest::{SHA256, digest};
    protocol::hex_encode(digest(&SHA256, text.as_bytes()).as_ref())
}
