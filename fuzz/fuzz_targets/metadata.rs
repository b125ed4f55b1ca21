//! Release metadata of strangers: every signature is taken for good, so that all that is read behind one is reached.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trust::{Crypto, Envelope, Key, Root, Snapshot, Targets, Timestamp};

struct Believing;

impl Crypto for Believing {
    fn sha256(&self, bytes: &[u8]) -> [u8; 32] {
        [bytes.len() as u8; 32]
    }

    fn sha512(&self, bytes: &[u8]) -> [u8; 64] {
        [bytes.len() as u8; 64]
    }

    fn verify(&self, _: &Key, _: &[u8], _: &[u8]) -> bool {
        true
    }
}

const ROOT: &[u8] = include_bytes!("../corpus/metadata/root");

fuzz_target!(|data: &[u8]| {
    let _ = Envelope::open(data);
    let root = Root::anchor(ROOT, &Believing).expect("the seed is a root");
    let _ = Root::anchor(data, &Believing);
    let _ = root.succeed(data, &Believing);
    let _ = Timestamp::believe(data, &root, &Believing);
    let _ = Snapshot::believe(data, &root, &Believing);
    let _ = Targets::top(data, &root, &Believing);
});
