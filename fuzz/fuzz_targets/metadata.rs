//! Release metadata of strangers: every signature is taken for good, so that all that is read behind one is reached.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;
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

static ROOT: LazyLock<Root> =
    LazyLock::new(|| Root::anchor(include_bytes!("../corpus/metadata/root"), &Believing).expect("the seed is a root"));

fuzz_target!(|data: &[u8]| {
    let _ = Envelope::open(data);
    let _ = Root::anchor(data, &Believing);
    let _ = ROOT.succeed(data, &Believing);
    let _ = Timestamp::believe(data, &ROOT, &Believing);
    let _ = Snapshot::believe(data, &ROOT, &Believing);
    let _ = Targets::top(data, &ROOT, &Believing);
});
