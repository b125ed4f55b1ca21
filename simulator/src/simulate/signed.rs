//! Releases, really signed and really verified: by `signing` on one side and `core/trust` on the other, over a fake network and disk.
//!
//! What one host believes of published metadata every host believes, so it is verified once for each release. The control plane was
//! deceived: it believes a stranger too, and offers what no host may take.

use crate::chance::Chance;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use host::update::{Record, fits, floor_of, reason_of};
use protocol::{hex_decode, hex_encode, reason::Reason, release::Release};
use service::release::Catalog;
use signing::{AwsLc, Draft, OfflineKey, OnlineKey, RootPlan, TargetPlan, publish, root, sign, targets};
use std::collections::BTreeMap;
use trust::{Limits, ROOT, Refused, Repository, local_name, refresh};

/// Beyond the end of every scenario.
const ENDS: i64 = 4_000_000_000;
/// Where every host runs.
pub(crate) const PLATFORM: &str = "x86_64-linux";
const LENGTH: i64 = 1_000_000;

/// The release engineers, the control plane's online key, and all that they have published.
pub(crate) struct Publisher {
    targets_key: OfflineKey,
    stranger: OfflineKey,
    online: Ed25519KeyPair,
    releases: Vec<TargetPlan>,
    version: i64,
    hosts: Disk,
    plane: Disk,
}

/// A release that a host has verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) release: Release,
    /// Its SHA-256, as it was signed.
    pub(crate) hash: String,
    /// The lowest generation that what is published allows.
    pub(crate) floor: i64,
}

/// Why a host does not believe a release, and the reason's code.
pub(crate) type Unbelieved = (String, Reason);

/// A release's SHA-256, as good as any.
pub(crate) fn hash_of(generation: i64) -> String {
    let mut chance = Chance::new(generation.unsigned_abs());
    (0..4).map(|_| format!("{:016x}", chance.next())).collect()
}

/// What somebody has on its disk, and what it can fetch.
#[derive(Default)]
struct Disk {
    kept: BTreeMap<String, Vec<u8>>,
    published: BTreeMap<String, Vec<u8>>,
}

/// Who signs a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signer {
    /// Who may.
    Targets,
    /// Somebody else.
    Stranger,
}

impl Publisher {
    pub(crate) fn new() -> Result<Self, String> {
        let key = || OfflineKey::generate().map(|(key, _)| key).map_err(|cause| cause.to_string());
        let (root_key, targets_key, stranger) = (key()?, key()?, key()?);
        let online = Ed25519KeyPair::generate().map_err(|_| "no randomness")?;
        let online_key = signing::PublicKey::ed25519(&public(&online)?);
        let root_of = |targets: Vec<signing::PublicKey>| {
            let root_role = (vec![root_key.public().clone()], 1);
            let plan = RootPlan { version: 1, expires: ENDS, root: root_role, targets: (targets, 1), online: vec![online_key.clone()] };
            let mut draft = Draft::new(root(&plan));
            sign(&mut draft, &root_key).map_err(|cause| cause.to_string())?;
            Ok::<_, String>(Disk { kept: BTreeMap::from([(ROOT.to_owned(), draft.to_bytes())]), published: BTreeMap::new() })
        };
        let hosts = root_of(vec![targets_key.public().clone()])?;
        let plane = root_of(vec![targets_key.public().clone(), stranger.public().clone()])?;
        Ok(Self { targets_key, stranger, online, releases: Vec::new(), version: 0, hosts, plane })
    }

    /// Publishes one more release.
    pub(crate) fn publish(&mut self, generation: i64, minimum: i64, signer: Signer) -> Result<(), String> {
        self.version += 1;
        let release = Release { generation, channel: "stable".into(), minimum, platform: PLATFORM.into(), version: format!("{generation}.0.0") };
        let sha256 = hex_decode(&hash_of(generation)).ok_or("not a hash")?;
        self.releases.push(TargetPlan { path: path(generation), length: LENGTH, sha256, release });
        let mut draft = Draft::new(targets(self.version, ENDS, &self.releases));
        let key = if signer == Signer::Targets { &self.targets_key } else { &self.stranger };
        sign(&mut draft, key).map_err(|cause| cause.to_string())?;
        let with = |message: &[u8]| Some(self.online.sign(message).as_ref().to_vec());
        let online = OnlineKey::new(&public(&self.online)?, &with);
        let published = publish(self.version, self.version, (ENDS, ENDS), &online).ok_or("the online key failed")?;
        let names = [format!("{}.targets.json", self.version), format!("{}.snapshot.json", self.version), "timestamp.json".to_owned()];
        let files: Vec<_> = names.into_iter().zip([draft.to_bytes(), published.snapshot, published.timestamp]).collect();
        self.hosts.published.extend(files.clone());
        self.plane.published.extend(files);
        Ok(())
    }

    /// What the control plane offers.
    pub(crate) fn catalog(&mut self, now: i64) -> Result<Catalog, String> {
        let trusted = refresh(&mut self.plane, &AwsLc, now, Limits::default()).map_err(|cause| cause.to_string())?;
        Ok(Catalog::of(&trusted.targets))
    }

    /// What a host finds that is to take a release: the walk from its root to the target, and whether that fits.
    pub(crate) fn find(&mut self, generation: i64, now: i64) -> Result<Found, Unbelieved> {
        let refused = |refused: Refused| (refused.to_string(), reason_of(refused.why));
        let unfit = |what: &str, reason: Reason| (what.to_owned(), reason);
        let trusted = refresh(&mut self.hosts, &AwsLc, now, Limits::default()).map_err(refused)?;
        let target = trusted.find(&mut self.hosts, &AwsLc, &path(generation)).map_err(refused)?;
        let release = target.custom.as_ref().and_then(Release::from_custom);
        let release = release.ok_or_else(|| unfit("the target is no release", Reason::UpdateNotRelease))?;
        let hash = target.hashes.sha256.as_deref().map(hex_encode);
        let hash = hash.ok_or_else(|| unfit("the target has no SHA-256", Reason::UpdateNotRelease))?;
        let floor = floor_of(&trusted.targets);
        fits(&release, &hash, PLATFORM, floor, &Record::default()).map_err(|reason| unfit(reason.code(), reason))?;
        Ok(Found { release, hash, floor })
    }
}

/// Where a release is published.
pub(crate) fn path(generation: i64) -> String {
    format!("pinnace/{generation}/pinnace-x86_64")
}

fn public(key: &Ed25519KeyPair) -> Result<[u8; 32], String> {
    key.public_key().as_ref().try_into().map_err(|_| "not an Ed25519 key".to_owned())
}

impl Repository for Disk {
    type Error = Refused;

    fn fetch(&mut self, name: &str, bytes_max: usize) -> Result<Option<Vec<u8>>, Refused> {
        Ok(self.published.get(name).filter(|bytes| bytes.len() <= bytes_max).cloned())
    }

    fn load(&mut self, name: &str) -> Option<Vec<u8>> {
        self.kept.get(name).or_else(|| self.kept.get(&local_name(name))).cloned()
    }

    fn store(&mut self, name: &str, bytes: &[u8]) -> Result<(), Refused> {
        self.kept.insert(name.to_owned(), bytes.to_vec());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_stranger_signed_no_host_takes_whatever_the_control_plane_offers() {
        let mut publisher = Publisher::new().unwrap();
        publisher.publish(2, 1, Signer::Targets).unwrap();
        assert_eq!(publisher.find(2, 1000).map(|found| found.hash), Ok(hash_of(2)));
        publisher.publish(3, 1, Signer::Stranger).unwrap();
        assert_eq!(publisher.find(3, 1000).map_err(|(_, reason)| reason), Err(Reason::UpdateUnsigned));
        assert_eq!(publisher.catalog(1000).unwrap().of_generation(3, 1000).count(), 1, "it was deceived");
        publisher.publish(4, 4, Signer::Targets).unwrap();
        assert_eq!(publisher.find(4, 1000).map(|found| found.floor), Ok(4));
        assert_eq!(publisher.find(2, 1000).map_err(|(_, reason)| reason), Err(Reason::UpdateBelowFloor));
        assert_eq!(publisher.catalog(1000).unwrap().of_generation(2, 1000).count(), 0);
    }
}
