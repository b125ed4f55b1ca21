//! A repository whose keys are all in the test's hands: those of its engineers, and those that an attacker has stolen.

use protocol::json::{Value, object};
use protocol::release::Release;
use ring::digest::{SHA256, digest};
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use signing::{Draft, OfflineKey, OnlineKey, PublicKey, RootPlan, TargetPlan};
use std::collections::BTreeMap;
use tests::evil::authority::now;

pub(crate) const PLATFORM: &str = "x86_64-linux";
const DAY: i64 = 86_400;

/// Keys, what they have signed, and the files as a folder of `pinnaced` has them: `metadata/NAME` and `targets/NAME`.
pub(crate) struct Repository {
    pub(crate) root_keys: Vec<OfflineKey>,
    pub(crate) targets_keys: Vec<OfflineKey>,
    online: Ed25519KeyPair,
    pub(crate) root: RootPlan,
    pub(crate) releases: Vec<TargetPlan>,
    /// The version of targets, snapshot and timestamp.
    pub(crate) version: i64,
    pub(crate) files: BTreeMap<String, Vec<u8>>,
}

impl Repository {
    /// With root 1, in which two keys must sign for root and two for targets, and nothing released.
    pub(crate) fn new() -> Self {
        let keys = || vec![key(), key()];
        let (root_keys, targets_keys, online) = (keys(), keys(), online());
        let public = |keys: &[OfflineKey]| keys.iter().map(|key| key.public().clone()).collect::<Vec<_>>();
        let root = RootPlan {
            version: 1,
            expires: now() + 30 * DAY,
            root: (public(&root_keys), 2),
            targets: (public(&targets_keys), 2),
            online: vec![public_of(&online)],
        };
        let mut repository = Self { root_keys, targets_keys, online, root, releases: Vec::new(), version: 0, files: BTreeMap::new() };
        repository.publish_root();
        repository.publish();
        repository
    }

    /// Adds a release of these bytes and publishes it; gives its path.
    pub(crate) fn release(&mut self, generation: i64, bytes: &[u8]) -> String {
        self.release_as(Release { generation, channel: "stable".into(), minimum: 0, platform: PLATFORM.into(), version: "1".into() }, bytes)
    }

    /// The same with everything that a release says of itself.
    pub(crate) fn release_as(&mut self, release: Release, bytes: &[u8]) -> String {
        let path = format!("pinnace/{}/pinnace-x86_64", release.generation);
        let sha256 = digest(&SHA256, bytes).as_ref().to_vec();
        let length = i64::try_from(bytes.len()).unwrap();
        self.files.insert(file_of(&path, &sha256), bytes.to_vec());
        self.releases.push(TargetPlan { path: path.clone(), length, sha256, release });
        self.publish();
        path
    }

    /// Where a release's bytes are.
    pub(crate) fn file(&self, path: &str) -> String {
        let plan = self.releases.iter().find(|plan| plan.path == path).unwrap();
        file_of(path, &plan.sha256)
    }

    /// Signs and puts out the root as it is planned.
    pub(crate) fn publish_root(&mut self) {
        let draft = signed(signing::root(&self.root), &self.root_keys);
        self.files.insert(format!("metadata/{}.root.json", self.root.version), draft.to_bytes());
    }

    /// Replaces the online key in the next root.
    pub(crate) fn replace_online_key(&mut self) {
        self.online = online();
        self.root.online = vec![public_of(&self.online)];
        self.root.version += 1;
        self.publish_root();
    }

    /// Targets, snapshot and timestamp, a version on.
    pub(crate) fn publish(&mut self) {
        self.version += 1;
        self.publish_targets(now() + DAY);
        self.vouch(self.version, self.version, (now() + DAY, now() + DAY));
    }

    /// Targets of the version in force that end then.
    pub(crate) fn publish_targets(&mut self, ends: i64) {
        let draft = signed(signing::targets(self.version, ends, &self.releases), &self.targets_keys);
        self.put_targets(&draft);
    }

    pub(crate) fn put_targets(&mut self, draft: &Draft) {
        self.files.insert(format!("metadata/{}.targets.json", self.version), draft.to_bytes());
    }

    /// Snapshot and timestamp: their version, the targets' version, and when each ends.
    pub(crate) fn vouch(&mut self, version: i64, targets: i64, ends: (i64, i64)) {
        let sign = |message: &[u8]| Some(self.online.sign(message).as_ref().to_vec());
        let public = self.online.public_key().as_ref().try_into().unwrap();
        let published = signing::publish(version, targets, ends, &OnlineKey::new(&public, &sign)).unwrap();
        self.files.insert(format!("metadata/{version}.snapshot.json"), published.snapshot);
        self.files.insert("metadata/timestamp.json".into(), published.timestamp);
    }

    /// The targets in force, unsigned.
    pub(crate) fn targets(&self) -> Value {
        signing::targets(self.version, now() + DAY, &self.releases)
    }

    /// A metadata file with more members around what is signed.
    pub(crate) fn add_unsigned(&mut self, name: &str, members: &[(&str, Value)]) {
        let file = self.files.get_mut(name).unwrap();
        let Value::Object(mut all) = protocol::json::parse(file).unwrap() else { panic!("{name} is no object") };
        let added = members.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        all.splice(0..0, added);
        *file = Value::Object(all).to_string().into_bytes();
    }
}

/// A fresh offline key.
pub(crate) fn key() -> OfflineKey {
    OfflineKey::generate().unwrap().0
}

/// Metadata with the signature of each key.
pub(crate) fn signed(value: Value, keys: &[OfflineKey]) -> Draft {
    let mut draft = Draft::new(value);
    for key in keys {
        signing::sign(&mut draft, key).unwrap();
    }
    draft
}

/// Metadata whose signatures are these, each under this identifier.
pub(crate) fn signed_as(value: &Value, signatures: &[(&str, &OfflineKey)]) -> Vec<u8> {
    let message = trust::canonical(value);
    let signature = |(id, key): &(&str, &OfflineKey)| {
        object([("keyid", (*id).into()), ("sig", protocol::hex_encode(&key.sign(&message).unwrap()).as_str().into())])
    };
    let signatures = Value::Array(signatures.iter().map(signature).collect());
    object([("signatures", signatures), ("signed", value.clone())]).to_string().into_bytes()
}

/// The assignment of a target.
pub(crate) fn assignment(path: &str) -> String {
    protocol::release::Assignment { target: Some(path.to_owned()), ..Default::default() }.to_json()
}

fn online() -> Ed25519KeyPair {
    let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap()
}

fn public_of(online: &Ed25519KeyPair) -> PublicKey {
    PublicKey::ed25519(online.public_key().as_ref().try_into().unwrap())
}

fn file_of(path: &str, sha256: &[u8]) -> String {
    let (folder, name) = path.rsplit_once('/').unwrap();
    format!("targets/{folder}/{}.{name}", protocol::hex_encode(sha256))
}
