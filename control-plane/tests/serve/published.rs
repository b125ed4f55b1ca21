//! Releases signed and published as release engineers do, for a control plane's online key.

use crate::rig::Domain;
use protocol::{hex_decode, release::Release};
use signing::{Draft, OfflineKey, PublicKey, RootPlan, TargetPlan, root, sign, targets};
use std::fs;

/// As far away as a test needs it.
const ENDS: i64 = 4_000_000_000;

/// The offline keys of a trust domain.
pub(crate) struct Publisher {
    root: OfflineKey,
    targets: OfflineKey,
    version: i64,
}

impl Publisher {
    /// With a root that names the control plane's online key, which signs at once.
    pub(crate) fn new(domain: &Domain) -> Self {
        let publisher = Self { root: OfflineKey::generate().unwrap().0, targets: OfflineKey::generate().unwrap().0, version: 0 };
        let online = PublicKey::ed25519(&online_key(domain).try_into().unwrap());
        let keys = |key: &OfflineKey| (vec![key.public().clone()], 1);
        let plan = RootPlan { version: 1, expires: ENDS, root: keys(&publisher.root), targets: keys(&publisher.targets), online: vec![online] };
        let mut draft = Draft::new(root(&plan));
        sign(&mut draft, &publisher.root).unwrap();
        fs::create_dir_all(domain.path("releases/metadata")).unwrap();
        fs::write(domain.path("releases/metadata/1.root.json"), draft.to_bytes()).unwrap();
        publisher
    }

    /// Publishes these generations for x86_64, and no others.
    pub(crate) fn publish(&mut self, domain: &Domain, generations: &[i64]) {
        let target = |generation: &i64| TargetPlan {
            path: path(*generation),
            length: 1,
            sha256: hex_decode(&hash(*generation)).unwrap(),
            release: Release { generation: *generation, channel: "stable".into(), minimum: 0, platform: PLATFORM.into(), version: "1".into() },
        };
        self.version += 1;
        let mut draft = Draft::new(targets(self.version, ENDS, &generations.iter().map(target).collect::<Vec<_>>()));
        sign(&mut draft, &self.targets).unwrap();
        fs::write(domain.path(&format!("releases/metadata/{}.targets.json", self.version)), draft.to_bytes()).unwrap();
    }
}

pub(crate) const PLATFORM: &str = "x86_64-linux";

/// The file of a generation.
pub(crate) fn path(generation: i64) -> String {
    format!("pinnace/{generation}/pinnace-x86_64")
}

/// Its SHA-256.
pub(crate) fn hash(generation: i64) -> String {
    format!("{generation:064x}")
}

/// Makes an online key that signs at once; gives its public half.
fn online_key(domain: &Domain) -> Vec<u8> {
    let keys = |arguments: &[&str]| {
        let output = domain.pinnaced(&[&["keys"], arguments].concat());
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let id = keys(&["prepare", "--use", "online", "--reason", "a test"]).trim().lines().last().unwrap().to_owned();
    keys(&["activate", &id, "--reason", "a test", "--force"]);
    let list = keys(&["list"]);
    let line = list.lines().skip_while(|line| !line.starts_with(&id)).nth(1).unwrap();
    hex_decode(line.split(' ').next_back().unwrap()).unwrap()
}
