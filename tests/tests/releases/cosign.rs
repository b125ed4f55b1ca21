//! cosign itself, from a later Debian than this machine's: it takes our bundles, and we take its.

use super::ground::Ground;
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// Fetches and unpacks the package with an apt of its own, once.
const FETCH: &str = "set -e; cd \"$1\"; [ -x x/usr/bin/cosign ] && exit 0
mkdir -p lists/partial cache/archives/partial
echo 'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian trixie main' > sources.list
options='-o Dir::Etc::sourcelist='$PWD'/sources.list -o Dir::Etc::sourceparts=/dev/null -o Dir::State::lists='$PWD'/lists -o Dir::Cache='$PWD'/cache'
apt-get $options -qq update
apt-get $options -qq download cosign
dpkg-deb -x cosign_*.deb x";
/// There is no transparency log in this: the key is what is trusted.
const NO_LOG: &str = "{\"mediaType\":\"application/vnd.dev.sigstore.trustedroot+json;version=0.1\"}";

fn cosign() -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("cosign");
    fs::create_dir_all(&folder).unwrap();
    let fetched = Command::new("sh").args(["-c", FETCH, "sh"]).arg(&folder).output().unwrap();
    assert!(fetched.status.success(), "cosign could not be had, so nothing was held against it: {fetched:?}");
    folder.join("x/usr/bin/cosign")
}

#[test]
fn cosign_takes_our_bundle_and_we_take_cosigns_and_a_flipped_byte_neither() {
    let (ground, cosign) = (Ground::new(), cosign());
    ground.generation(1);
    let file = ground.published(1);
    let folder = ground.rig.path(".");
    let run = |arguments: &[&str], file: &Path| -> Output {
        Command::new(&cosign).args(arguments).arg(file).env("COSIGN_PASSWORD", "x").env("HOME", &folder).current_dir(&folder).output().unwrap()
    };
    fs::write(ground.rig.path("no-log.json"), NO_LOG).unwrap();
    let flipped = ground.rig.path("flipped");
    let mut bytes = fs::read(&file).unwrap();
    bytes[1_000] ^= 1;
    fs::write(&flipped, bytes).unwrap();

    let ours = file.with_added_extension("sigstore.json");
    let flags = ["--insecure-ignore-tlog=true", "--new-bundle-format", "--trusted-root", "no-log.json"];
    let verify = |file: &Path| run(&[&["verify-blob", "--key", "targets-a.pub", "--bundle", ours.to_str().unwrap()][..], &flags].concat(), file);
    let verified = verify(&file);
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
    assert!(!verify(&flipped).status.success());

    let made = Command::new(&cosign).arg("generate-key-pair").env("COSIGN_PASSWORD", "x").current_dir(&folder).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let sign = ["sign-blob", "--yes", "--key", "cosign.key", "--tlog-upload=false", "--new-bundle-format", "--bundle", "theirs.json"];
    let signed = run(&sign, &file);
    assert!(signed.status.success(), "{}", String::from_utf8_lossy(&signed.stderr));
    let taken = |file: &Path| {
        let words = ["release", "verify-blob", file.to_str().unwrap(), "--key", "cosign.pub", "--bundle", "theirs.json"];
        ground.tried(&words).status.success()
    };
    assert!(taken(&file) && !taken(&flipped));
}
