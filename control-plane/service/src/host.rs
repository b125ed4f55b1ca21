//! What the control plane knows of a host.

use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt::Display};

const LABELS_MAX: usize = 32;

/// Labels of a host: what policy speaks of.
pub type Labels = BTreeMap<String, String>;

/// A host's key: the SHA-256 of its `SubjectPublicKeyInfo`, hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// Of a `SubjectPublicKeyInfo` in DER.
    pub fn of(spki: &[u8]) -> Self {
        use aws_lc_rs::digest::{SHA256, digest};
        Self(protocol::hex_encode(digest(&SHA256, spki).as_ref()))
    }
}

impl Display for Fingerprint {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.0)
    }
}

/// One host, as the store keeps it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Host {
    /// What policy knows it by.
    pub labels: Labels,
    /// Whether it is served.
    pub status: Status,
    /// Why it is not, in an operator's words or ours.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub status_reason: String,
    /// The key it comes with; `None` before its first certificate.
    pub key: Option<Fingerprint>,
    /// The key of a renewal that it has not come with yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_key: Option<Fingerprint>,
    /// The newest `notBefore` of a certificate issued to it, seconds since 1970.
    pub newest_certificate: i64,
    /// When that certificate ends, seconds since 1970.
    pub certificate_ends: i64,
    /// How often it came back with a certificate that had ended.
    #[serde(skip_serializing_if = "is_zero")]
    pub returns: u32,
    /// Where its return stands, where an operator decides.
    #[serde(skip_serializing_if = "Approval::is_none")]
    pub approval: Approval,
    /// The superseded key that was seen after its successor: the host, or a copy of it, exists twice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clone_seen: Option<Fingerprint>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// Whether a host is served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It is.
    #[default]
    Active,
    /// Not until somebody has looked; set by clone detection or an operator.
    Quarantined,
    /// Not until the ban is lifted.
    Banned,
    /// It left; a token for its name lets it in again.
    Evicted,
}

impl Status {
    /// Its word.
    pub fn name(self) -> &'static str {
        match self {
            Status::Active => "active",
            Status::Quarantined => "quarantined",
            Status::Banned => "banned",
            Status::Evicted => "evicted",
        }
    }
}

/// Where the return of a host stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Approval {
    /// Nobody asked.
    #[default]
    None,
    /// It has asked, and waits.
    Waiting,
    /// An operator lets it back in, once.
    Given,
}

impl Approval {
    fn is_none(&self) -> bool {
        *self == Approval::None
    }
}

/// Labels that are well formed: names and values of 1 to 63 of `a-z A-Z 0-9 . _ - /`, at most 32.
///
/// # Errors
/// The first label that is not, in words.
pub fn check_labels(labels: &Labels) -> Result<(), String> {
    if labels.len() > LABELS_MAX {
        return Err(format!("there are {} labels, and at most {LABELS_MAX} are kept", labels.len()));
    }
    let fits = |text: &str| (1..=63).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte));
    match labels.iter().find(|(name, value)| !fits(name) || !fits(value)) {
        Some((name, value)) => Err(format!("{name:?}={value:?} is no label: name and value are 1 to 63 of a-z A-Z 0-9 . _ - /")),
        None => Ok(()),
    }
}
