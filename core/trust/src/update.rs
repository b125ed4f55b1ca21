//! The client's walk (specification 5): root after root, then timestamp, snapshot, targets, and from there to one target.
//!
//! What is on disk is trusted no more than what comes over the wire: it counts only if the current root's keys still vouch for it.
//! That is also how a repository recovers from a version number driven to its end: it replaces the key that signed it.

use crate::{
    delegation::Delegations,
    envelope::Signers,
    file::{Hashes, Meta},
    key::Crypto,
    refused::{Refused, Why},
    role::{Head, Root, Snapshot, Target, Targets, Timestamp},
};
use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};

/// Where metadata comes from and where it is kept.
pub trait Repository {
    /// Why it could not be asked, or not written to; a [`Refused`] becomes one as well.
    type Error: From<Refused>;
    /// Fetches a metadata file of at most that many bytes; `None` if the repository says that it has none.
    ///
    /// # Errors
    /// The way to the repository failed, or the file is larger.
    fn fetch(&mut self, name: &str, bytes_max: usize) -> Result<Option<Vec<u8>>, Self::Error>;
    /// Reads what was kept under a name, if it can be read.
    fn load(&mut self, name: &str) -> Option<Vec<u8>>;
    /// Keeps the bytes under a name: whole, or not at all.
    ///
    /// # Errors
    /// They could not be kept.
    fn store(&mut self, name: &str, bytes: &[u8]) -> Result<(), Self::Error>;
}

/// How much is read at most.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Successors of the root that are followed at once.
    pub roots: usize,
    /// Bytes of a root.
    pub root_bytes: usize,
    /// Bytes of a timestamp.
    pub timestamp_bytes: usize,
    /// Bytes of a snapshot whose length is not given.
    pub snapshot_bytes: usize,
    /// Bytes of targets whose length is not given.
    pub targets_bytes: usize,
    /// Roles that are asked for one target.
    pub delegations: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { roots: 256, root_bytes: 512_000, timestamp_bytes: 16_384, snapshot_bytes: 2_000_000, targets_bytes: 5_000_000, delegations: 32 }
    }
}

/// The metadata of one moment, all of it believed.
pub struct Trusted {
    /// The newest root.
    pub root: Root,
    /// The newest timestamp.
    pub timestamp: Timestamp,
    /// The snapshot it names.
    pub snapshot: Snapshot,
    /// The targets that the snapshot names.
    pub targets: Targets,
    now: i64,
    limits: Limits,
}

/// The name under which the root is kept.
pub const ROOT: &str = "root.json";
const TIMESTAMP: &str = "timestamp.json";
const SNAPSHOT: &str = "snapshot.json";

/// Brings the metadata up to date. `now` holds for the whole walk (specification 5.1), however long it takes.
///
/// # Errors
/// What was refused, or how the repository failed. What was believed before that is kept.
pub fn refresh<R: Repository>(repository: &mut R, crypto: &impl Crypto, now: i64, limits: Limits) -> Result<Trusted, R::Error> {
    let root = newest_root(repository, crypto, now, &limits)?;
    let timestamp = newest_timestamp(repository, crypto, &root, now, &limits)?;
    let snapshot = named_snapshot(repository, crypto, &root, &timestamp, now, &limits)?;
    let walk = Walk { root: &root, snapshot: &snapshot, now, limits };
    let targets = walk.targets(repository, crypto, "targets", root.signers("targets"))?;
    Ok(Trusted { root, timestamp, snapshot, targets, now, limits })
}

/// 5.2 and 5.3.
fn newest_root<R: Repository>(repository: &mut R, crypto: &impl Crypto, now: i64, limits: &Limits) -> Result<Root, R::Error> {
    let refused = |why: Why| why.about("root");
    let stored = repository.load(ROOT).ok_or_else(|| refused(Why::Missing))?;
    let mut root = Root::anchor(&stored, crypto).map_err(refused)?;
    for _ in 0..limits.roots {
        let name = file_name("root", root.head.version.saturating_add(1), true);
        let Some(bytes) = repository.fetch(&name, limits.root_bytes)? else {
            return in_time("root", &root.head, now).map(|()| root).map_err(Into::into);
        };
        root = root.succeed(&bytes, crypto).map_err(refused)?;
        repository.store(ROOT, &bytes)?;
    }
    Err(refused(Why::TooManyRoots).into())
}

/// 5.4.
fn newest_timestamp<R: Repository>(repository: &mut R, crypto: &impl Crypto, root: &Root, now: i64, limits: &Limits) -> Result<Timestamp, R::Error> {
    let refused = |why: Why| why.about("timestamp");
    let held = repository.load(TIMESTAMP).and_then(|bytes| Timestamp::believe(&bytes, root, crypto).ok());
    let bytes = repository.fetch(TIMESTAMP, limits.timestamp_bytes)?.ok_or_else(|| refused(Why::Missing))?;
    let fresh = Timestamp::believe(&bytes, root, crypto).map_err(refused)?;
    if let Some(held) = held {
        if fresh.head.version < held.head.version || fresh.head.version > held.head.version && fresh.snapshot.version < held.snapshot.version {
            return Err(refused(Why::Rollback).into());
        }
        // 5.4.3.1: the same version again brings nothing, whatever it says.
        if fresh.head.version == held.head.version {
            in_time("timestamp", &held.head, now)?;
            return Ok(held);
        }
    }
    in_time("timestamp", &fresh.head, now)?;
    repository.store(TIMESTAMP, &bytes)?;
    Ok(fresh)
}

/// 5.5.
fn named_snapshot<R: Repository>(
    repository: &mut R,
    crypto: &impl Crypto,
    root: &Root,
    timestamp: &Timestamp,
    now: i64,
    limits: &Limits,
) -> Result<Snapshot, R::Error> {
    let refused = |why: Why| why.about("snapshot");
    let meta = &timestamp.snapshot;
    let stored = repository.load(SNAPSHOT);
    let held = stored.as_deref().and_then(|bytes| Snapshot::believe(bytes, root, crypto).ok());
    if let (Some(held), Some(bytes)) = (&held, &stored)
        && held.head.version == meta.version
        && meta.check(bytes, crypto).is_ok()
    {
        in_time("snapshot", &held.head, now)?;
        return Ok(held.clone());
    }
    let name = file_name("snapshot", meta.version, root.consistent);
    let bytes = repository.fetch(&name, meta.length.unwrap_or(limits.snapshot_bytes).min(limits.snapshot_bytes))?;
    let bytes = bytes.ok_or_else(|| refused(Why::Missing))?;
    meta.check(&bytes, crypto).map_err(refused)?;
    let fresh = Snapshot::believe(&bytes, root, crypto).map_err(refused)?;
    if fresh.head.version != meta.version {
        return Err(refused(Why::Mixed).into());
    }
    // 5.5.5: no file is left out, and none goes back.
    let goes_on = |(name, meta): &(String, Meta)| fresh.file(name).is_some_and(|fresh| fresh.version >= meta.version);
    if !held.iter().flat_map(|held| &held.files).all(goes_on) {
        return Err(refused(Why::Rollback).into());
    }
    in_time("snapshot", &fresh.head, now)?;
    repository.store(SNAPSHOT, &bytes)?;
    Ok(fresh)
}

/// What vouches for targets metadata.
struct Walk<'a> {
    root: &'a Root,
    snapshot: &'a Snapshot,
    now: i64,
    limits: Limits,
}

impl Walk<'_> {
    /// 5.6, for the top level and for delegated roles alike.
    fn targets<R: Repository>(&self, repository: &mut R, crypto: &impl Crypto, role: &str, signers: &Signers) -> Result<Targets, R::Error> {
        let refused = |why: Why| why.about(role);
        let meta = self.snapshot.file(&format!("{role}.json")).ok_or_else(|| refused(Why::Mixed))?;
        let kept_as = local_name(role);
        if let Some(held) = repository.load(&kept_as).and_then(|bytes| self.accept(&bytes, role, signers, meta, crypto).ok()) {
            return Ok(held);
        }
        let limit = meta.length.unwrap_or(self.limits.targets_bytes).min(self.limits.targets_bytes);
        let bytes = repository.fetch(&file_name(role, meta.version, self.root.consistent), limit)?;
        let bytes = bytes.ok_or_else(|| refused(Why::Missing))?;
        let fresh = self.accept(&bytes, role, signers, meta, crypto)?;
        repository.store(&kept_as, &bytes)?;
        Ok(fresh)
    }

    fn accept(&self, bytes: &[u8], role: &str, signers: &Signers, meta: &Meta, crypto: &impl Crypto) -> Result<Targets, Refused> {
        let refused = |why: Why| why.about(role);
        meta.check(bytes, crypto).map_err(refused)?;
        let targets = Targets::believe(bytes, signers, crypto).map_err(refused)?;
        if targets.head.version != meta.version {
            return Err(refused(Why::Mixed));
        }
        in_time(role, &targets.head, self.now).map(|()| targets)
    }
}

impl Trusted {
    /// Finds who vouches for a target, depth first in the order of the delegations (specification 5.6.7).
    ///
    /// # Errors
    /// That nobody does, or what was refused on the way.
    pub fn find<R: Repository>(&self, repository: &mut R, crypto: &impl Crypto, path: &str) -> Result<Target, R::Error> {
        let walk = Walk { root: &self.root, snapshot: &self.snapshot, now: self.now, limits: self.limits };
        let mut ahead: Vec<(String, Signers)> = Vec::new();
        let mut seen: Vec<String> = ["targets".to_string()].into();
        if let Some(target) = self.targets.target(path) {
            return Ok(target.clone());
        }
        descend(self.targets.delegations.as_ref(), path, crypto, &mut ahead);
        while let Some((role, signers)) = ahead.pop() {
            if seen.contains(&role) {
                continue;
            }
            if seen.len() > self.limits.delegations {
                return Err(Why::TooDeep.about(path).into());
            }
            let targets = walk.targets(repository, crypto, &role, &signers)?;
            if let Some(target) = targets.target(path) {
                return Ok(target.clone());
            }
            seen.push(role);
            descend(targets.delegations.as_ref(), path, crypto, &mut ahead);
        }
        Err(Why::NoSuchTarget.about(path).into())
    }

    /// Whether files carry their version or hash in their names.
    #[must_use]
    pub fn is_consistent(&self) -> bool {
        self.root.consistent
    }
}

/// Puts the roles to ask on the pile, the first on top; after a terminating one, nobody else is left.
fn descend(delegations: Option<&Delegations>, path: &str, crypto: &impl Crypto, ahead: &mut Vec<(String, Signers)>) {
    let Some(delegations) = delegations else { return };
    let (roles, terminating) = delegations.of(path, crypto);
    if terminating {
        ahead.clear();
    }
    ahead.extend(roles.into_iter().rev().map(|(name, signers)| (name, signers.clone())));
}

fn in_time(role: &str, head: &Head, now: i64) -> Result<(), Refused> {
    if head.expires > now { Ok(()) } else { Err(Why::Expired.about(role)) }
}

/// The name of a metadata file in the repository.
#[must_use]
pub fn file_name(role: &str, version: i64, consistent: bool) -> String {
    if consistent && role != "timestamp" { format!("{version}.{}", local_name(role)) } else { local_name(role) }
}

/// The name under which a role's metadata is kept.
#[must_use]
pub fn local_name(role: &str) -> String {
    quoted(role, "") + ".json"
}

/// A text in which every byte that is not a letter, a digit, one of `_.-~` or of `kept` is `%XX` (RFC 3986 section 2.1).
#[must_use]
pub fn quoted(text: &str, kept: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"_.-~".contains(&byte) || kept.as_bytes().contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// The version in a metadata file's name; `None` if it is not a versioned file of this role.
#[must_use]
pub fn file_version(name: &str, role: &str) -> Option<i64> {
    let version = name.strip_suffix(&local_name(role))?.strip_suffix('.')?;
    version.parse().ok().filter(|version| *version > 0)
}

/// The name of a target's file in the repository: with consistent snapshots its hash stands before the last segment.
#[must_use]
pub fn target_name(path: &str, hashes: &Hashes, consistent: bool) -> String {
    match path.rsplit_once('/') {
        _ if !consistent => path.to_string(),
        Some((folder, name)) => format!("{folder}/{}.{name}", hashes.name()),
        None => format!("{}.{path}", hashes.name()),
    }
}
