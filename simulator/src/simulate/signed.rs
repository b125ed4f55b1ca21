//! Releases, really signed and really verified: by `signing` on one side and `core/trust` on the other, over a fake network and disk.
//!
//! What one host believes of published metadata every host believes, so it is verified once for each that is published.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use host::update::{Record, fits, floor_of};
use protocol::{hex_decode, hex_encode, release::Release};
use signing::{AwsLc, Draft, OfflineKey, OnlineKey, RootPlan, TargetPlan, publish, root, sign, targets};
use std::collections::BTreeMap;
use trust::{Limits, ROOT, Refused, Repository, local_name, refresh};

/// Beyond the end of every scenario.
const ENDS: i64 = 4_000_000_000;
const PLATFORM: &str = "x86_64-linux";
const LENGTH: i64 = 1_000_000;

/// The release engineers, the control plane's online key, and all that they have published.
pub(crate) struct Publisher {
    targets_key: OfflineKey,
    stranger: OfflineKey,
    online: Ed25519KeyPair,
    releases: Vec<TargetPlan>,
    version: i64,
    disk: Disk,
}

/// What a host has on its disk, and what it can fetch.
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
        let plan = RootPlan {
            version: 1,
            expires: ENDS,
            root: (vec![root_key.public().clone()], 1),
            targets: (vec![targets_key.public().clone()], 1),
            online: vec![signing::PublicKey::ed25519(&public(&online)?)],
        };
        let mut draft = Draft::new(root(&plan));
        sign(&mut draft, &root_key).map_err(|cause| cause.to_string())?;
        let kept = BTreeMap::from([(ROOT.to_owned(), draft.to_bytes())]);
        let disk = Disk { kept, published: BTreeMap::new() };
        Ok(Self { targets_key, stranger, online, releases: Vec::new(), version: 0, disk })
    }

    /// Publishes one more release.
    pub(crate) fn publish(&mut self, generation: i64, minimum: i64, sha256: &str, signer: Signer) -> Result<(), String> {
        self.version += 1;
        let release = Release { generation, channel: "stable".into(), minimum, platform: PLATFORM.into(), version: format!("{generation}.0.0") };
        let sha256 = hex_decode(sha256).ok_or("not a hash")?;
        self.releases.push(TargetPlan { path: path(generation), length: LENGTH, sha256, release });
        let mut draft = Draft::new(targets(self.version, ENDS, &self.releases));
        let key = if signer == Signer::Targets { &self.targets_key } else { &self.stranger };
        sign(&mut draft, key).map_err(|cause| cause.to_string())?;
        let with = |message: &[u8]| Some(self.online.sign(message).as_ref().to_vec());
        let online = OnlineKey::new(&public(&self.online)?, &with);
        let published = publish(self.version, self.version, (ENDS, ENDS), &online).ok_or("the online key failed")?;
        let names = [format!("{}.targets.json", self.version), format!("{}.snapshot.json", self.version), "timestamp.json".to_owned()];
        self.disk.published.extend(names.into_iter().zip([draft.to_bytes(), published.snapshot, published.timestamp]));
        Ok(())
    }

    /// Whether a host takes a release: the walk from its root to the target, and whether that fits. The hash is what was signed.
    pub(crate) fn verify(&mut self, generation: i64, now: i64) -> Result<String, String> {
        let trusted = refresh(&mut self.disk, &AwsLc, now, Limits::default()).map_err(|cause| cause.to_string())?;
        let target = trusted.find(&mut self.disk, &AwsLc, &path(generation)).map_err(|cause| cause.to_string())?;
        let release = target.custom.as_ref().and_then(Release::from_custom).ok_or("the target is no release")?;
        let hash = target.hashes.sha256.as_deref().map(hex_encode).ok_or("the target has no SHA-256")?;
        let floor = floor_of(&trusted.targets);
        fits(&release, &hash, PLATFORM, floor, &Record::default()).map_err(|reason| reason.code().to_owned())?;
        Ok(hash)
    }
}

fn path(generation: i64) -> String {
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
    fn what_a_stranger_signed_no_host_takes() {
        let mut publisher = Publisher::new().unwrap();
        let hash = "ab".repeat(32);
        publisher.publish(2, 1, &hash, Signer::Targets).unwrap();
        assert_eq!(publisher.verify(2, 1000), Ok(hash.clone()));
        publisher.publish(3, 1, &hash, Signer::Stranger).unwrap();
        assert!(publisher.verify(3, 1000).is_err());
        publisher.publish(4, 4, &hash, Signer::Targets).unwrap();
        assert_eq!(publisher.verify(4, 1000), Ok(hash));
        assert!(publisher.verify(2, 1000).is_err(), "it is below the floor of the newest");
    }
}
