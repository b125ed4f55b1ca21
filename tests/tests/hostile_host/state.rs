//! Locks of the dead, state that rotted, identities that are not there.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tests::rig::{Rig, Site};

use crate::is_token;

/// What rot makes of a file.
type Damage = fn(&[u8]) -> Vec<u8>;

/// A rig whose delivery takes until its deadline, and a sign that it has begun.
fn slow() -> Rig {
    let deliveries =
        "[[credential.delivery]]\nkind = \"exec\"\nargv = [\"/bin/sh\", \"-c\", \"touch {dir}/begun; exec sleep 20\"]\nformat = \"raw\"\n";
    Rig::new(&Site { deliveries: deliveries.into(), deadline_seconds: 25, ..Site::default() })
}

#[test]
fn a_second_run_beside_a_first_says_so_and_a_killed_one_holds_no_lock() {
    let rig = slow();
    let mut first = Command::new(rig.client()).stdout(Stdio::null()).spawn().expect("the client starts");
    let begun = Instant::now();
    while !rig.path("begun").exists() && begun.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(5));
    }
    let second = rig.run(&[]);
    first.kill().expect("a child");
    first.wait().expect("a child");
    second.expect_reason("run.already-running");
    rig.stamp(&Site::default());
    // The killed run's delivery program is still asleep; it must not have inherited the lock.
    rig.run(&[]).expect_delivered();
}

#[test]
fn damaged_state_is_set_aside_and_rebuilt() {
    let rig = Rig::simple();
    rig.run(&[]).expect_delivered();
    let files: Vec<PathBuf> = files(&rig.path("state")).into_iter().filter(|file| is_state(file)).collect();
    assert!(!files.is_empty(), "a run leaves state");
    let whole: Vec<Vec<u8>> = files.iter().map(|file| std::fs::read(file).expect("a state file")).collect();
    let damages: [Damage; 5] = [
        |_| Vec::new(),
        |bytes| bytes[..bytes.len() / 2].to_vec(),
        |_| b"not state at all".to_vec(),
        |bytes| bytes.iter().rev().copied().collect(),
        |bytes| [bytes, b"x".repeat(1 << 20).as_slice()].concat(),
    ];
    for (number, damage) in damages.iter().enumerate() {
        for (file, bytes) in files.iter().zip(&whole) {
            std::fs::write(file, damage(bytes)).expect("a state file");
        }
        let outcome = rig.run(&[]);
        assert_eq!(outcome.status, 0, "damage {number}: {outcome:#?}");
        assert!(is_token(&rig.delivered()));
        assert_eq!(rig.run(&[]).outcome(), "fresh", "damage {number}: not rebuilt");
    }
    let count = self::files(&rig.path("state")).len();
    assert!(count < 4 * files.len() + 8, "what is set aside is bounded: {count} files");
}

#[test]
fn state_files_that_are_directories_are_no_end() {
    let rig = Rig::simple();
    std::fs::create_dir_all(rig.path("state/credential-db")).expect("the state folder");
    let outcome = rig.run(&[]);
    assert!(outcome.reason().is_some(), "{outcome:#?}");
}

#[test]
fn an_identity_of_ecdsa_p_256_is_as_good() {
    let rig = Rig::simple();
    let script = "set -e; cd \"$1\"; echo 'subjectAltName=URI:spiffe://example.org/host/p256' > ext; echo 'extendedKeyUsage=clientAuth' >> ext
        openssl ecparam -name prime256v1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt -out key.pem
        openssl req -new -key key.pem -subj /CN=p256 -out csr.pem
        openssl x509 -req -in csr.pem -CA domain/ca/ca.crt -CAkey domain/ca/ca.key -days 2 -extfile ext -out crt.pem
        cat key.pem crt.pem > state/identity.pem";
    let made = Command::new("/bin/sh").args(["-c", script, "sh"]).arg(rig.path("")).output().expect("a shell");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    rig.run(&[]).expect_delivered();
}

#[test]
fn identities_that_are_not_usable_are_said() {
    let rig = Rig::simple();
    let identity = rig.path("state/identity.pem");
    let whole = std::fs::read(&identity).expect("an identity");
    for (bytes, code) in [(b"junk".as_slice(), "identity.invalid"), (b"", "identity.invalid"), (&whole[..whole.len() / 2], "identity.invalid")] {
        std::fs::write(&identity, bytes).expect("the state folder");
        rig.run(&[]).expect_reason(code);
    }
    std::fs::remove_file(&identity).expect("the state folder");
    rig.run(&[]).expect_reason("identity.missing");
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder").flatten().map(|entry| entry.path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

fn is_state(file: &Path) -> bool {
    std::fs::read(file).is_ok_and(|bytes| bytes.starts_with(b"pinnace-state "))
}
