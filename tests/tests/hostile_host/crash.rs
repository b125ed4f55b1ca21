//! Death and failure at every system call of a delivery: old or new, never neither, and nothing left behind.

use tests::rig::{Rig, Site};

use crate::{SPIFFE_DIRECTORY, is_token, run_weird, temporaries, traced};

const OLD: &str = "what was there before";
/// Calls past the counted ones: two runs are not always of the same length.
const SLACK: usize = 8;

fn begin(rig: &Rig) {
    rig.forget();
    std::fs::write(rig.target(), OLD).expect("the delivery folder");
}

fn expect_old_or_new(rig: &Rig, at: &str) {
    let delivered = rig.delivered();
    assert!(delivered == OLD || is_token(&delivered), "{at}: half a credential: '{delivered}'");
}

fn expect_recovery(rig: &Rig, at: &str) {
    let next = rig.run(&[]);
    assert_eq!(next.status, 0, "{at}: the next run failed: {next:#?}");
    assert!(is_token(&rig.delivered()), "{at}: the next run says {} and the old content is there", next.outcome());
    assert_eq!(temporaries(rig), [""; 0], "{at}: left for ever");
}

#[test]
fn death_between_any_two_system_calls_leaves_old_or_new() {
    let rig = Rig::simple();
    begin(&rig);
    let (outcome, trace) = traced(&rig, &[]);
    outcome.expect_delivered();
    for number in 1..trace.calls.len() + SLACK {
        begin(&rig);
        let killed = run_weird(&rig, &["--kill-at", &number.to_string()]);
        let at = format!("killed before call {number}, {}", trace.name(number));
        assert!([0, 137].contains(&killed.status), "{at}: {killed:#?}");
        expect_old_or_new(&rig, &at);
        expect_recovery(&rig, &at);
    }
    rig.forget();
    rig.run(&[]).expect_delivered();
    assert!(!rig.path("state/.state.pinnace-new").exists(), "left for ever");
}

#[test]
fn a_disk_that_fails_at_any_call_leaves_old_or_new() {
    const DISK: &[&str] = &[
        "open",
        "openat",
        "mkdir",
        "mkdirat",
        "write",
        "writev",
        "pwrite64",
        "fsync",
        "fdatasync",
        "rename",
        "renameat",
        "renameat2",
        "link",
        "linkat",
        "unlink",
        "unlinkat",
        "symlink",
        "symlinkat",
        "fchmod",
        "fchown",
        "ftruncate",
        "flock",
        "fstat",
        "newfstatat",
        "statx",
        "close",
    ];
    let rig = Rig::simple();
    begin(&rig);
    let (outcome, trace) = traced(&rig, &[]);
    outcome.expect_delivered();
    let numbers = (1..trace.calls.len()).filter(|number| DISK.contains(&trace.name(*number)));
    for (number, errno) in numbers.flat_map(|number| [(number, libc::ENOSPC), (number, libc::EIO)]) {
        begin(&rig);
        let (failed, trace) = traced(&rig, &["--fail-at", &format!("{number}={errno}")]);
        let name = trace.name(number);
        if !DISK.contains(&name) {
            continue;
        }
        let at = format!("errno {errno} from call {number}, {name}");
        assert!(failed.reason().is_some(), "{at}: {failed:#?}");
        expect_old_or_new(&rig, &at);
        expect_recovery(&rig, &at);
    }
}

#[test]
fn death_during_a_directory_delivery_leaves_all_files_old_or_all_new() {
    let rig = Rig::new(&Site { deliveries: SPIFFE_DIRECTORY.to_owned(), ..Site::default() });
    let token = || std::fs::read_to_string(rig.path("run/svid/jwt_svid.token")).unwrap_or_default();
    let bundle = || std::fs::read_to_string(rig.path("run/svid/svid_bundle.pem")).unwrap_or_default();
    let (outcome, trace) = traced(&rig, &[]);
    outcome.expect_delivered();
    let (first, roots) = (token(), bundle());
    for number in 1..trace.calls.len() + 2 * SLACK {
        rig.forget();
        run_weird(&rig, &["--kill-at", &number.to_string()]);
        let at = format!("killed before call {number}, {}", trace.name(number));
        assert!(is_token(&token()) && bundle() == roots, "{at}: half a credential");
        let next = rig.run(&[]);
        assert_eq!(next.status, 0, "{at}: {next:#?}");
        assert!(is_token(&token()) && token() != first, "{at}");
        let left = std::fs::read_dir(rig.path("run")).expect("the delivery folder").count();
        assert!(left <= 3, "{at}: {left} entries beside the link and its two versions");
    }
}
