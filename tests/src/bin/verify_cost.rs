//! What one verification of a repository costs `core/trust`, with the client's own cryptography: from the stored root to the description
//! of a target. `cargo xtask bench verify` starts it, compiled for size as the client is and for speed.
//!
//!     verify-cost FOLDER TARGET    each line that comes is a number of verifications; each that goes, the microseconds of CPU one took

#[path = "../../../client/src/update/crypto.rs"]
mod crypto;

use crypto::Ring;
use std::{collections::HashMap, env, fs, io::stdin, process::ExitCode, time::SystemTime};
use trust::{Limits, ROOT, Refused, Repository, refresh};

const NAMES: [&str; 4] = ["1.root.json", "timestamp.json", "1.snapshot.json", "1.targets.json"];

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let [folder, target] = words.as_slice() else {
        eprintln!("usage: verify-cost FOLDER TARGET; cargo xtask bench verify runs it");
        return ExitCode::FAILURE;
    };
    let files: Files = NAMES.iter().filter_map(|name| Some(((*name).to_owned(), fs::read(format!("{folder}/{name}")).ok()?))).collect();
    for count in stdin().lines().map_while(Result::ok).filter_map(|line| line.parse::<u32>().ok()) {
        let before = tests::cpu_seconds();
        for _ in 0..count {
            if let Err(refused) = verify(&files, target) {
                eprintln!("verify-cost: {refused}");
                return ExitCode::FAILURE;
            }
        }
        println!("{}", (tests::cpu_seconds() - before) * 1e6 / f64::from(count));
    }
    ExitCode::SUCCESS
}

fn verify(files: &Files, target: &str) -> Result<(), Refused> {
    let root = files.get("1.root.json").cloned().unwrap_or_default();
    let mut memory = Memory { offered: files, held: [(ROOT.to_owned(), root)].into() };
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs().cast_signed());
    refresh(&mut memory, &Ring, now, Limits::default())?.find(&mut memory, &Ring, target).map(drop)
}

type Files = HashMap<String, Vec<u8>>;

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
