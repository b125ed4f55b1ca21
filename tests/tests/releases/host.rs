//! A release from its engineers to a host, through a real control plane; whatever happens to it, the credential comes.

use super::ground::Ground;
use std::{fs, process::Command};
use tests::rig::{check, finish};

#[test]
fn a_release_is_taken_runs_from_then_on_and_is_left_again() {
    let ground = Ground::new();
    ground.runs_until("current");
    ground.generation(1);
    ground.runs_until("generation 1 is in place");
    assert_eq!(ground.run(), "current", "the next run is generation 1, and says so");
    ground.generation(2);
    ground.runs_until("generation 2 is in place");
    let status = ground.status();
    assert_eq!((&status["current"]["generation"], &status["previous"]["generation"]), (&2.into(), &1.into()));
    assert_eq!(ground.rig.run(&["update", "rollback"]).status, 0);
    assert_eq!(ground.status()["current"]["generation"], 1);
    ground.runs_until("failed: update.denied");
    assert_eq!(ground.rig.run(&["update", "pin"]).status, 0);
    assert_eq!(ground.run(), "pinned");
    assert_eq!(ground.rig.run(&["update", "unpin"]).status, 0);
    ground.generation(3);
    ground.runs_until("generation 3 is in place");
}

#[test]
fn a_release_that_cannot_start_leaves_the_run_to_the_packages_own_copy() {
    let ground = Ground::new();
    ground.generation(1);
    ground.runs_until("generation 1 is in place");
    let current = fs::read_link(ground.rig.path("state/current")).unwrap();
    let program = ground.rig.path("state").join(current).join("pinnace");
    fs::write(&program, b"not a program at all").unwrap();
    ground.runs_until("generation 1 is in place");
    assert_eq!(ground.run(), "current", "it was fetched anew");
    fs::remove_file(&program).unwrap();
    ground.runs_until("generation 1 is in place");
}

/// A full disk, and a clock that stepped back years: the credential comes, and the release once it can.
#[test]
fn a_disk_that_takes_no_release_and_a_clock_that_stepped_back_cost_no_credential() {
    let ground = Ground::new();
    let full = ground.rig.path("state/generations");
    fs::create_dir(&full).unwrap();
    check(Command::new("mount").args(["-t", "tmpfs", "-o", "size=64k,mode=0700", "none"]).arg(&full));
    ground.generation(1);
    ground.runs_until("failed: update.unstaged");
    check(Command::new("umount").arg(&full));
    let mut earlier = Command::new(env!("CARGO_BIN_EXE_weird-host"));
    let years_back = finish(earlier.args(["--clock-offset", "-315360000", "--"]).arg(ground.rig.client()));
    years_back.expect_delivered();
    assert_eq!(years_back.last_event["update"], "generation 1 is in place");
    assert_eq!(ground.run(), "current");
}

/// Arbitrary package, and a mirror that lies; half a download is gone on with.
#[test]
fn bytes_that_were_not_signed_are_thrown_away_and_cost_no_credential() {
    let ground = Ground::new();
    ground.generation(1);
    let file = ground.published(1);
    let good = fs::read(&file).unwrap();
    let mut bad = good.clone();
    bad[500_000] ^= 1;
    fs::write(&file, &bad).unwrap();
    ground.runs_until("failed: update.wrong-file");
    assert!(ground.status()["current"].is_null());
    fs::write(&file, &good[..300_000]).unwrap();
    let half = ground.run();
    assert!(half.starts_with("failed: http."), "{half}");
    assert_eq!(fs::metadata(find(&ground, "partial")).unwrap().len(), 300_000);
    fs::write(&file, &good).unwrap();
    ground.runs_until("generation 1 is in place");
    fs::remove_file(&file).unwrap();
    ground.generation(2);
    fs::remove_file(ground.published(2)).unwrap();
    ground.runs_until("failed: update.missing");
}

/// Wrong key, a page in place of metadata, metadata of another moment: each with its own reason, none at the cost of a credential.
#[test]
fn metadata_that_was_not_signed_is_refused_and_costs_no_credential() {
    let ground = Ground::new();
    ground.runs_until("current");
    ground.generation(1);
    ground.runs_until("generation 1 is in place");
    ground.generation(2);
    let metadata = ground.rig.path("domain/releases/metadata/3.targets.json");
    let good = fs::read_to_string(&metadata).unwrap();
    for (served, reason) in [
        (good.replace("\"generation\":2", "\"generation\":3"), "update.unsigned"),
        ("<html>Please log in</html>".to_owned(), "update.not-metadata"),
        ("{\"signatures\":[],\"signed\":7".to_owned(), "update.not-metadata"),
        (good.clone() + &" ".repeat(2_000_000), "update.too-large"),
        (fs::read_to_string(ground.rig.path("domain/releases/metadata/2.targets.json")).unwrap(), "update.mixed"),
    ] {
        // Replaced faster than the control plane looks, so that it is served.
        let word = format!("failed: {reason}");
        let seen = (0..40).any(|_| {
            fs::write(&metadata, &good).unwrap();
            std::thread::sleep(std::time::Duration::from_millis(1_200));
            fs::write(&metadata, &served).unwrap();
            ground.run() == word
        });
        assert!(seen, "{word}");
    }
    fs::write(&metadata, &good).unwrap();
    ground.runs_until("generation 2 is in place");
}

/// The museum: every kind of key is replaced while the host sleeps, twice for the root, and the threshold changes.
#[test]
fn a_host_that_slept_through_every_rotation_comes_to_the_newest_release() {
    let ground = Ground::new();
    ground.generation(1);
    ground.runs_until("generation 1 is in place");
    // Root keys a and b are replaced by c and d, and then the threshold falls to one.
    ["root-c", "root-d", "targets-b"].iter().for_each(|name| ground.key(name));
    ground.release(&["rotate-root", "--root-key", "root-c.pub", "--root-key", "root-d.pub"]);
    let early = ground.tried(&["release", "publish", "--dir", "releases"]);
    assert!(!early.status.success(), "nobody has signed");
    ground.sign(&["root-a", "root-b"]);
    assert!(!ground.tried(&["release", "publish", "--dir", "releases"]).status.success(), "the new keys have not signed");
    ground.sign(&["root-c", "root-d"]);
    ground.publish();
    ground.release(&["rotate-root", "--root-threshold", "1"]);
    ground.sign(&["root-c", "root-d"]);
    ground.publish();
    // The online key was stolen.
    let online = ground.online_key();
    ground.release(&["rotate-root", "--online-key", &online]);
    ground.sign(&["root-d"]);
    ground.publish();
    // The release key was stolen.
    ground.release(&["rotate-root", "--targets-key", "targets-b.pub"]);
    ground.sign(&["root-c", "targets-b"]);
    ground.publish();
    fs::copy(ground.rig.path("targets-b"), ground.rig.path("targets-a")).unwrap();
    ground.generation(2);
    ground.runs_until("generation 2 is in place");
    let root: serde_json::Value = serde_json::from_slice(&fs::read(ground.rig.path("state/release-root.json")).unwrap()).unwrap();
    assert_eq!(root["signed"]["version"], 5);
    // A host that never heard of anything but root 1 follows as well.
    for name in ["release-root.json", "release-timestamp.json", "release-snapshot.json", "release-targets.json", "current"] {
        fs::remove_file(ground.rig.path("state").join(name)).unwrap();
    }
    ground.runs_until("generation 2 is in place");
}

/// A flipped byte is refused; openssl, which cosign's format is made for, agrees with both.
#[test]
fn the_bundle_beside_a_release_holds_for_openssl_and_for_pinnacectl() {
    let ground = Ground::new();
    ground.generation(1);
    let file = ground.published(1);
    let bundle = file.with_added_extension("sigstore.json");
    let verify = |path: &std::path::Path| {
        let (path, bundle) = (path.to_str().unwrap(), bundle.to_str().unwrap());
        ground.tried(&["release", "verify-blob", path, "--key", "targets-a.pub", "--bundle", bundle]).status.success()
    };
    assert!(verify(&file));
    let text: serde_json::Value = serde_json::from_slice(&fs::read(&bundle).unwrap()).unwrap();
    fs::write(ground.rig.path("sig.b64"), text["messageSignature"]["signature"].as_str().unwrap()).unwrap();
    let openssl = |file: &std::path::Path| {
        let script = "base64 -d sig.b64 > sig && openssl dgst -sha256 -verify targets-a.pub -signature sig \"$1\"";
        Command::new("sh").args(["-c", script, "sh"]).arg(file).current_dir(ground.rig.path(".")).output().unwrap().status.success()
    };
    assert!(openssl(&file));
    let flipped = ground.rig.path("flipped");
    let mut bytes = fs::read(&file).unwrap();
    bytes[1_000] ^= 1;
    fs::write(&flipped, bytes).unwrap();
    assert!(!verify(&flipped) && !openssl(&flipped));
}

fn find(ground: &Ground, name: &str) -> std::path::PathBuf {
    let folders = fs::read_dir(ground.rig.path("state/generations")).unwrap().flatten();
    folders.map(|folder| folder.path().join(name)).find(|path| path.exists()).expect("it was begun")
}
