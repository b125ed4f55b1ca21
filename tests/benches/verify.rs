//! Verification of a repository of 200 targets, from the stored root to one target, by `core/trust` and by tough: `cargo xtask bench
//! verify` starts this program twice, as the client is compiled and as programs usually are, and asks them and python-tuf in turns.
//!
//!     verify make FOLDER     makes the repository, as pinnacectl and pinnaced do
//!     verify serve FOLDER    each line that comes is `trust N` or `tough N`; each that goes, the microseconds of CPU that one of N took
#![expect(clippy::unwrap_used, reason = "what cannot be measured ends the measurement")]

#[path = "../../client/src/update/crypto.rs"]
mod crypto;

use crypto::Ring;
use protocol::release::Release;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use signing::{Draft, OfflineKey, OnlineKey, RootPlan, TargetPlan, publish, root, sign, targets};
use std::{
    collections::HashMap,
    fs,
    io::stdin,
    path::Path,
    sync::Arc,
    time::SystemTime,
};
use tough::{Bytes, RepositoryLoader, TargetName, Transport, TransportError, TransportErrorKind, TransportStream, async_trait};
use trust::{Limits, Refused, Repository, refresh};
use url::Url;

const TARGETS: i64 = 200;
/// Neither the first nor the last.
const TARGET: &str = "pinnace/142/pinnace-x86_64";
const YEAR: i64 = 365 * 86_400;

fn main() {
    // cargo says `--bench` as well.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["make", folder] => make(Path::new(folder)),
        ["serve", folder] => serve(&Arc::new(read(Path::new(folder)))),
        _ => eprintln!("usage: verify make|serve FOLDER; cargo xtask bench verify runs it"),
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
    let sha256 = trust::Crypto::sha256(&Ring, &generation.to_le_bytes()).to_vec();
    TargetPlan { path: format!("pinnace/{generation}/pinnace-x86_64"), length: 1_000_000 + generation, sha256, release }
}

type Files = HashMap<String, Vec<u8>>;

fn read(folder: &Path) -> Files {
    let names = ["1.root.json", "1.targets.json", "1.snapshot.json", "timestamp.json"];
    names.map(|name| (name.to_owned(), fs::read(folder.join(name)).unwrap())).into()
}

fn serve(files: &Arc<Files>) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for line in stdin().lines().map_while(Result::ok) {
        let (who, count) = line.split_once(' ').unwrap();
        let count: u32 = count.parse().unwrap();
        let before = cpu_seconds();
        for _ in 0..count {
            match who {
                "trust" => by_trust(files),
                _ => runtime.block_on(by_tough(files)),
            }
        }
        println!("{}", (cpu_seconds() - before) * 1e6 / f64::from(count));
    }
}

/// Metadata in memory: what is offered, and what is held.
struct Memory<'a> {
    offered: &'a Files,
    held: Files,
}

impl Repository for Memory<'_> {
    type Error = Refused;

    fn fetch(&mut self, name: &str, _: usize) -> Result<Option<Vec<u8>>, Refused> {
        Ok(self.offered.get(name).cloned())
    }

    fn load(&mut self, name: &str) -> Option<Vec<u8>> {
        self.held.get(name).cloned()
    }

    fn store(&mut self, name: &str, bytes: &[u8]) -> Result<(), Refused> {
        self.held.insert(name.to_owned(), bytes.to_vec());
        Ok(())
    }
}

fn by_trust(files: &Files) {
    let held = [(trust::ROOT.to_owned(), files.get("1.root.json").unwrap().clone())].into();
    let mut memory = Memory { offered: files, held };
    let trusted = refresh(&mut memory, &Ring, now(), Limits::default()).unwrap();
    let target = trusted.find(&mut memory, &Ring, TARGET).unwrap();
    assert_eq!(target.length, 1_000_142);
}

async fn by_tough(files: &Arc<Files>) {
    let url = Url::parse("memory:///").unwrap();
    let root = files.get("1.root.json").unwrap();
    let loader = RepositoryLoader::new(root, url.clone(), url).transport(InMemory(Arc::clone(files)));
    let repository = loader.load().await.unwrap();
    let target = repository.targets().signed.find_target(&TargetName::new(TARGET).unwrap(), false).unwrap();
    assert_eq!(target.length, 1_000_142);
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

/// Of all threads of this process so far: tough writes files on threads of their own.
#[expect(unsafe_code, reason = "the standard library has no clock of a process")]
fn cpu_seconds() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a timespec that lives through the call.
    assert_eq!(unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) }, 0);
    std::time::Duration::new(time.tv_sec.cast_unsigned(), u32::try_from(time.tv_nsec).unwrap()).as_secs_f64()
}
