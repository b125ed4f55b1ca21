//! The four roles, each with what it says; a value of theirs exists only for metadata that was believed.

use crate::{
    date::parse_date,
    delegation::Delegations,
    envelope::{Envelope, Signers},
    file::{Hashes, Meta},
    key::{Crypto, Key, read_keys},
    refused::Why,
};
use alloc::{
    string::{String, ToString},
    vec::Vec,
};
use protocol::json::Value;

/// What every role says first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) version: i64,
    pub(crate) expires: i64,
}

/// Believes an envelope for the role that `kind` names.
fn believe<'a>(envelope: &'a Envelope, kind: &str, signers: &Signers, crypto: &impl Crypto) -> Result<(&'a Value, Head), Why> {
    let signed = envelope.believe(signers, crypto)?;
    let head = head(signed, kind).ok_or(Why::Malformed)?;
    Ok((signed, head))
}

fn head(signed: &Value, kind: &str) -> Option<Head> {
    let text = |name| signed.get(name).and_then(Value::as_str);
    (text("_type")? == kind && text("spec_version")?.split('.').next()? == "1").then_some(())?;
    let version = signed.get("version")?.as_i64().filter(|version| *version > 0)?;
    Some(Head { version, expires: parse_date(text("expires")?)? })
}

/// The trust anchor: which keys speak for which role.
#[derive(Clone, Debug)]
pub struct Root {
    pub(crate) head: Head,
    pub(crate) consistent: bool,
    roles: [Signers; 4],
}

/// In the order of [`Root::roles`].
const ROLES: [&str; 4] = ["root", "timestamp", "snapshot", "targets"];

impl Root {
    /// The root that a host begins with: signed by its own keys, and trusted because somebody put it there.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn anchor(bytes: &[u8], crypto: &impl Crypto) -> Result<Self, Why> {
        let envelope = Envelope::open(bytes)?;
        let root = Self::read(envelope.claims()).ok_or(Why::Malformed)?;
        envelope.believe(root.signers("root"), crypto)?;
        Ok(root)
    }

    /// Its successor (specification 5.3.4 and 5.3.5): exactly one version on, signed by enough keys of both.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn succeed(&self, bytes: &[u8], crypto: &impl Crypto) -> Result<Self, Why> {
        let envelope = Envelope::open(bytes)?;
        let (signed, head) = believe(&envelope, "root", self.signers("root"), crypto)?;
        let next = Self::read(signed).ok_or(Why::Malformed)?;
        envelope.believe(next.signers("root"), crypto)?;
        if self.head.version.checked_add(1) == Some(head.version) { Ok(next) } else { Err(Why::WrongVersion) }
    }

    /// Its version.
    #[must_use]
    pub fn version(&self) -> i64 {
        self.head.version
    }

    /// When it ends, seconds since 1970.
    #[must_use]
    pub fn expires(&self) -> i64 {
        self.head.expires
    }

    /// The keys of a role and its threshold.
    pub(crate) fn signers(&self, role: &str) -> &Signers {
        let [root, timestamp, snapshot, targets] = &self.roles;
        match role {
            "timestamp" => timestamp,
            "snapshot" => snapshot,
            "targets" => targets,
            _ => root,
        }
    }

    fn read(signed: &Value) -> Option<Self> {
        let head = head(signed, "root")?;
        let keys = read_keys(signed.get("keys")?)?;
        let roles = signed.get("roles")?;
        let mut read = ROLES.into_iter().map(|role| read_signers(roles.get(role)?, &keys));
        let roles = [read.next()??, read.next()??, read.next()??, read.next()??];
        let consistent = match signed.get("consistent_snapshot") {
            None => false,
            Some(value) => value.as_bool()?,
        };
        Some(Self { head, consistent, roles })
    }
}

/// The keys that a role's identifiers name.
pub(crate) fn read_signers(role: &Value, keys: &[(String, Option<Key>)]) -> Option<Signers> {
    let threshold = usize::try_from(role.get("threshold")?.as_i64()?).ok().filter(|threshold| *threshold > 0)?;
    let mut found: Vec<(String, Option<Key>)> = Vec::new();
    for id in role.get("keyids")?.as_array()? {
        let id = id.as_str()?;
        if found.iter().any(|(known, _)| known == id) {
            return None;
        }
        let key = keys.iter().find(|(known, _)| known == id).and_then(|(_, key)| key.clone());
        found.push((id.to_string(), key));
    }
    Some(Signers { keys: found, threshold })
}

/// Which snapshot is the newest.
#[derive(Clone, Debug)]
pub struct Timestamp {
    pub(crate) head: Head,
    pub(crate) snapshot: Meta,
}

impl Timestamp {
    /// By the keys that the root names.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn believe(bytes: &[u8], root: &Root, crypto: &impl Crypto) -> Result<Self, Why> {
        let envelope = Envelope::open(bytes)?;
        let (signed, head) = believe(&envelope, "timestamp", root.signers("timestamp"), crypto)?;
        let snapshot = signed.get("meta").and_then(|meta| Meta::read(meta.get("snapshot.json")?));
        Ok(Self { head, snapshot: snapshot.ok_or(Why::Malformed)? })
    }

    /// Its version.
    #[must_use]
    pub fn version(&self) -> i64 {
        self.head.version
    }
}

/// Which targets metadata belongs together.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub(crate) head: Head,
    pub(crate) files: Vec<(String, Meta)>,
}

impl Snapshot {
    /// By the keys that the root names.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn believe(bytes: &[u8], root: &Root, crypto: &impl Crypto) -> Result<Self, Why> {
        let envelope = Envelope::open(bytes)?;
        let (signed, head) = believe(&envelope, "snapshot", root.signers("snapshot"), crypto)?;
        let files = signed.get("meta").and_then(Value::as_object).ok_or(Why::Malformed)?;
        let files: Option<Vec<_>> = files.iter().map(|(name, meta)| Some((name.clone(), Meta::read(meta)?))).collect();
        Ok(Self { head, files: files.ok_or(Why::Malformed)? })
    }

    /// Its version.
    #[must_use]
    pub fn version(&self) -> i64 {
        self.head.version
    }

    pub(crate) fn file(&self, name: &str) -> Option<&Meta> {
        self.files.iter().find(|(known, _)| known == name).map(|(_, meta)| meta)
    }
}

/// What may be run: targets, and who else may vouch for some.
#[derive(Clone, Debug)]
pub struct Targets {
    pub(crate) head: Head,
    targets: Vec<(String, Target)>,
    pub(crate) delegations: Option<Delegations>,
}

/// One file that the repository offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// How many bytes it has.
    pub length: usize,
    /// Their hashes.
    pub hashes: Hashes,
    /// What its publishers say of it.
    pub custom: Option<Value>,
}

impl Targets {
    /// Top-level targets, by the keys that the root names.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn top(bytes: &[u8], root: &Root, crypto: &impl Crypto) -> Result<Self, Why> {
        Self::believe(bytes, root.signers("targets"), crypto)
    }

    /// By the keys that the root or the delegating role names.
    pub(crate) fn believe(bytes: &[u8], signers: &Signers, crypto: &impl Crypto) -> Result<Self, Why> {
        let envelope = Envelope::open(bytes)?;
        let (signed, head) = believe(&envelope, "targets", signers, crypto)?;
        Self::read(signed, head).ok_or(Why::Malformed)
    }

    /// Its version.
    #[must_use]
    pub fn version(&self) -> i64 {
        self.head.version
    }

    /// When it ends, seconds since 1970.
    #[must_use]
    pub fn expires(&self) -> i64 {
        self.head.expires
    }

    /// A target by its path.
    #[must_use]
    pub fn target(&self, path: &str) -> Option<&Target> {
        self.targets.iter().find(|(known, _)| known == path).map(|(_, target)| target)
    }

    /// All targets, in the order they were written.
    #[must_use]
    pub fn targets(&self) -> &[(String, Target)] {
        &self.targets
    }

    fn read(signed: &Value, head: Head) -> Option<Self> {
        let targets = signed.get("targets")?.as_object()?;
        let targets: Option<Vec<_>> = targets.iter().map(|(path, target)| Some((path.clone(), Target::read(target)?))).collect();
        let delegations = match signed.get("delegations") {
            None => None,
            Some(delegations) => Some(Delegations::read(delegations)?),
        };
        Some(Self { head, targets: targets?, delegations })
    }
}

impl Target {
    fn read(value: &Value) -> Option<Self> {
        let length = usize::try_from(value.get("length")?.as_i64()?).ok()?;
        Some(Self { length, hashes: Hashes::read(value.get("hashes")?)?, custom: value.get("custom").cloned() })
    }

    /// Whether these are its bytes (specification 5.7.2).
    ///
    /// # Errors
    /// That they are not.
    pub fn check(&self, bytes: &[u8], crypto: &impl Crypto) -> Result<(), Why> {
        if bytes.len() == self.length && self.hashes.fit(bytes, crypto) { Ok(()) } else { Err(Why::WrongTarget) }
    }
}
