//! What one verification of a repository costs tough, and the repository: see `cargo xtask bench verify`.
//!
//!     verify make FOLDER            makes a repository of 200 targets, as pinnacectl and pinnaced do
//!     verify tough FOLDER TARGET    each line that comes is a number of verifications; each that goes, the microseconds of CPU one took
#![expect(clippy::unwrap_used, reason = "what cannot be measured ends the measurement")]

use protocol::release::Release;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use signing::{AwsLc, Draft, OfflineKey, OnlineKey, RootPlan, TargetPlan, publish, root, sign, targets};
use std::{collections::HashMap, fs, io::stdin, path::Path, sync::Arc, time::SystemTime};
use tough::{Bytes, RepositoryLoader, TargetName, Transport, TransportError, TransportErrorKind, TransportStream, async_trait};
use trust::Crypto as _;
use url::Url;

const TARGETS: i64 = 200;
const YEAR: i64 = 365 * 86_400;

fn main() {
    // cargo says `--bench` as well.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["make", folder] => make(Path::new(folder)),
        ["tough", folder, target] => serve(&Arc::new(read(Path::new(folder))), target),
        _ => eprintln!("usage: verify make FOLDER, verify tough FOLDER TARGET; cargo xtask bench verify runs it"),
    }
}

/// A root of three keys and a threshold of two, one key for targets, and one online.
fn make(folder: &Path) {
    let key = || OfflineKey::generate().unwrap().0;
    let (roots, releaser) = ([key(), key(), key()], key());
    let pkcs8 = Ed25519KeyPair::generate_pkcs8(&ring::rand::SystemRandom::new()).unwrap();
    let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap();
    let online_sign = |message: &[u8]| Some(pair.sign(message).as_ref().to_vec());
    let online = OnlineKey::new(pair.public_key().as_ref().try_into().unwrap(), &online_sign);
    let ends = now() + YEAR;
    let plan = RootPlan {
        version: 1,
        expires: ends,
        root: (roots.iter().map(|key| key.public().clone()).collect(), 2),
        targets: (vec![releaser.public().clone()], 1),
        online: vec![online.public().clone()],
    };
    let signed = |value, keys: &[&OfflineKey]| {
        let mut draft = Draft::new(value);
        keys.iter().for_each(|key| assert!(sign(&mut draft, key).is_ok()));
        draft.to_bytes()
    };
    let [first, second, _] = &roots;
    let all: Vec<TargetPlan> = (1..=TARGETS).map(target).collect();
    let published = publish(1, 1, (ends, ends), &online).unwrap();
    for (name, bytes) in [
        ("1.root.json", signed(root(&plan), &[first, second])),
        ("1.targets.json", signed(targets(1, ends, &all), &[&releaser])),
        ("1.snapshot.json", published.snapshot),
        ("timestamp.json", published.timestamp),
    ] {
        fs::write(folder.join(name), bytes).unwrap();
    }
}

fn target(generation: i64) -> TargetPlan {
    let release = Release { generation, channel: "stable".into(), minimum: 0, platform: "x86_64-linux".into(), version: format!("1.{generation}.0") };
    let sha256 = AwsLc.sha256(&generation.to_le_bytes()).to_vec();
    TargetPlan { path: format!("pinnace/{generation}/pinnace-x86_64"), length: 1_000_000 + generation, sha256, release }
}

type Files = HashMap<String, Vec<u8>>;

fn read(folder: &Path) -> Files {
    let names = ["1.root.json", "1.targets.json", "1.snapshot.json", "timestamp.json"];
    names.map(|name| (name.to_owned(), fs::read(folder.join(name)).unwrap())).into()
}

fn serve(files: &Arc<Files>, target: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let target = TargetName::new(target).unwrap();
    for count in stdin().lines().map_while(Result::ok).map(|line| line.parse::<u32>().unwrap()) {
        // Of all threads: tough writes files on threads of their own.
        let before = tests::cpu_seconds();
        for _ in 0..count {
            runtime.block_on(verify(files, &target));
        }
        println!("{}", (tests::cpu_seconds() - before) * 1e6 / f64::from(count));
    }
}

async fn verify(files: &Arc<Files>, target: &TargetName) {
    let url = Url::parse("memory:///").unwrap();
    let root = files.get("1.root.json").unwrap();
    let loader = RepositoryLoader::new(root, url.clone(), url).transport(InMemory(Arc::clone(files)));
    let repository = loader.load().await.unwrap();
    assert!(repository.targets().signed.find_target(target, false).is_ok());
}

#[derive(Clone, Debug)]
struct InMemory(Arc<Files>);

#[async_trait]
impl Transport for InMemory {
    async fn fetch(&self, url: Url) -> Result<TransportStream, TransportError> {
        let bytes = self.0.get(url.path().trim_start_matches('/')).cloned();
        let bytes = bytes.ok_or_else(|| TransportError::new(TransportErrorKind::FileNotFound, url))?;
        Ok(Box::pin(futures::stream::once(futures::future::ready(Ok(Bytes::from(bytes))))))
    }
}

fn now() -> i64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs().cast_signed())
}
