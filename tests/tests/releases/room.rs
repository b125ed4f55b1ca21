//! A host whose state directory has little room or none, and one whose clock steps back: the credential comes with every run, and the
//! release once it can.

use super::liar::Lied;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tests::rig::check;

/// Room for the identity, the state and the release, and no more than that.
const DISK_KIB: u64 = 160;
const RELEASE_BYTES: usize = 50_000;

/// A small file system over a folder, taken off in the end.
struct Disk(PathBuf);

impl Disk {
    /// With what was in the folder.
    fn over(folder: &Path) -> Self {
        let beside = folder.with_added_extension("before");
        check(Command::new("cp").arg("-a").arg(folder).arg(&beside));
        check(Command::new("mount").args(["-t", "tmpfs", "-o", &format!("size={DISK_KIB}k,mode=0700"), "none"]).arg(folder));
        let disk = Self(folder.into());
        check(Command::new("cp").arg("-a").arg(beside.join(".")).arg(folder));
        fs::remove_dir_all(beside).unwrap();
        disk
    }

    /// Leaves so many KiB free at most.
    fn fill(&self, free_kib: u64) {
        let script = "cd \"$1\" && free=$(($(stat -f -c '%a * %S / 1024' .) - $2)); [ $free -le 0 ] || head -c ${free}k /dev/zero > filler";
        check(Command::new("sh").args(["-c", script, "sh"]).arg(&self.0).arg(free_kib.to_string()));
    }

    fn empty(&self) {
        let _ = fs::remove_file(self.0.join("filler"));
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn a_state_disk_of_any_fullness_costs_no_credential_and_the_release_comes_once_there_is_room() {
    let mut lied = Lied::new();
    let path = lied.repository.release(1, &[7; RELEASE_BYTES]);
    lied.serve(&path);
    let state = lied.ground.rig.path("state");
    let disk = Disk::over(&state);
    let (mut failed, mut taken) = (0, 0);
    for free_kib in (0..=96).step_by(4) {
        for name in ["current", "release-timestamp.json", "release-snapshot.json", "release-targets.json"] {
            let _ = fs::remove_file(state.join(name));
        }
        let _ = fs::remove_dir_all(state.join("generations"));
        disk.fill(free_kib);
        let outcome = lied.run();
        match outcome.last_event["update"].as_str().unwrap_or_default() {
            "failed: update.unstaged" | "failed: state.unwritable" => failed += 1,
            word => {
                assert!(!word.starts_with("failed") && lied.current().is_some(), "{free_kib} KiB free: {outcome:#?}");
                taken += 1;
            }
        }
        disk.empty();
        lied.expect_taken();
        assert!(lied.current().is_some(), "{free_kib} KiB free, and then room");
    }
    assert!(failed > 5 && taken > 1, "{failed} failed, {taken} were taken");
}

#[test]
fn a_clock_that_steps_back_costs_neither_credential_nor_release() {
    let mut lied = Lied::new();
    let path = lied.repository.release(1, b"the first");
    lied.serve(&path);
    lied.expect_taken();
    let path = lied.repository.release(2, b"the second");
    lied.serve(&path);
    let mut earlier = Command::new(env!("CARGO_BIN_EXE_weird-host"));
    let outcome = lied.run_of(earlier.args(["--clock-offset", "-7200", "--"]).arg(lied.ground.rig.client()));
    assert_eq!(outcome.last_event["update"], "generation 2 is in place", "{outcome:#?}");
}
