//! Real full disks.

use std::process::Command;

use protocol::reason::Reason;
use tests::rig::{Rig, Site, finish};

use crate::{is_token, root};

/// In a mount namespace of its own: `$2` on a tmpfs of 64 KiB with `$3` of it taken and `$4` inodes; `$1` runs; what is there
/// afterwards is copied out to `$5`.
const SCRIPT: &str = "mount --make-rprivate / && mkdir \"$5\" && cp -a \"$2/.\" \"$5/before\" && \
    mount -t tmpfs -o size=64k,nr_inodes=\"$4\",mode=700 none \"$2\" || exit 99; cp -a \"$5/before/.\" \"$2\" 2>/dev/null; \
    head -c \"$3\" /dev/zero >\"$2/filler\" 2>/dev/null; \"$1\"; status=$?; rm -f \"$2/filler\"; cp -a \"$2/.\" \"$5/after\"; exit $status";

/// Sweeps over how full the folder is; `look` gets what happened and the folder as it was afterwards.
fn sweep(rig: &Rig, folder: &str, look: impl Fn(&tests::rig::Outcome, &std::path::Path, &str)) {
    for (taken, inodes) in (0..=16).map(|pages| (pages * 4096, 30)).chain((2..10).map(|inodes| (0, inodes))) {
        let out = rig.path(&format!("out-{folder}-{taken}-{inodes}"));
        let mut command = Command::new("unshare");
        command.args(["-m", "/bin/sh", "-c", SCRIPT, "sh"]).arg(rig.client()).arg(rig.path(folder));
        command.arg(taken.to_string()).arg(inodes.to_string()).arg(&out);
        let outcome = finish(&mut command);
        look(&outcome, &out, &format!("{taken} bytes taken, {inodes} inodes"));
    }
}

/// The AWS credential helper truncated in place and ignored the error of its flush.
#[test]
fn a_full_delivery_disk_keeps_the_old_credential() {
    if !root("a full tmpfs") {
        return;
    }
    let rig = Rig::simple();
    std::fs::write(rig.target(), "old").expect("the delivery folder");
    sweep(&rig, "run", |outcome, out, at| {
        rig.forget();
        let before = std::fs::read_to_string(out.join("before/db.token")).unwrap_or_default();
        let after = std::fs::read_to_string(out.join("after/db.token")).unwrap_or_default();
        assert_eq!(before, "old");
        match outcome.reason() {
            Some(Reason::Ok) => assert!(is_token(&after), "{at}: '{after}', {outcome:#?}"),
            Some(Reason::DeliveryDiskFull) => {
                assert!(after == "old" || after.is_empty() && at.ends_with(" 2 inodes"), "{at}: '{after}', {outcome:#?}");
            }
            _ => panic!("{at}: {outcome:#?}"),
        }
        assert!(!out.join("after/.db.token.pinnace-new").exists(), "{at}: left behind");
    });
}

/// acme.sh #7247, caddy #4897: a full disk emptied the configuration.
#[test]
fn a_full_state_disk_never_costs_the_credential_that_is_there() {
    if !root("a full tmpfs") {
        return;
    }
    let rig = Rig::new(&Site::default());
    sweep(&rig, "state", |outcome, out, at| {
        let identity_fits = std::fs::metadata(out.join("after/identity.pem")).is_ok_and(|about| about.len() > 100);
        match outcome.reason() {
            Some(Reason::Ok) => assert!(is_token(&rig.delivered()), "{at}: {outcome:#?}"),
            Some(Reason::StateUnwritable) => {}
            Some(_) if !identity_fits => {}
            _ => panic!("{at}: {outcome:#?}"),
        }
        let _ = std::fs::remove_file(rig.target());
    });
}
