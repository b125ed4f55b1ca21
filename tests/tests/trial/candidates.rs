//! Every way for a candidate to go wrong: no run is without its credential, and the verdict is right.

use super::ground::{Ground, RUNS};
use std::{fs, time::Instant};
use tests::rig::{Rig, Site};

/// Runs until the trial has ended or there were enough; gives the runs.
fn runs(ground: &Ground) -> i64 {
    for run in 1..=RUNS {
        ground.run();
        if ground.trial().is_none() {
            return run;
        }
    }
    RUNS
}

fn expect_unfit(how: &str) {
    let ground = Ground::new(how);
    let runs = runs(&ground);
    assert!(ground.trial().is_none() && ground.is_denied() && ground.current().is_none(), "{how}: after {runs} runs {:?}", ground.trial());
    // Six runs in the mean; the coin, and so the candidate's bytes, may make it many more.
    assert!(runs < RUNS, "{how}: {runs} runs");
    assert!(!ground.rig.path("state/trial-run").exists(), "{how}: left behind");
    assert!(is_quiet(&ground), "{how}: something of it still runs");
}

/// Whether nothing that the candidate started is left.
fn is_quiet(ground: &Ground) -> bool {
    let mark = format!("generations/7-{}", ground.release);
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let commands = processes.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    !commands.map(|command| String::from_utf8_lossy(&command).into_owned()).any(|command| command.contains(&mark))
}

#[test]
fn a_candidate_that_fails_at_once_is_unfit() {
    ["crash-at-start", "unknown-instruction", "do-nothing", "eat-memory"].iter().for_each(|how| expect_unfit(how));
}

#[test]
fn a_candidate_that_stages_what_is_no_credential_is_unfit() {
    ["write-rubbish", "empty-credential", "wrong-subject"].iter().for_each(|how| expect_unfit(how));
}

#[test]
fn a_candidate_that_hangs_is_unfit_and_costs_time_only() {
    expect_unfit("hang");
}

#[test]
fn a_candidate_that_spins_is_unfit_and_costs_time_only() {
    expect_unfit("spin");
}

#[test]
fn of_a_candidate_that_forks_a_storm_nothing_is_left() {
    let ground = Ground::new("fork-a-storm");
    let first = (1..).find(|run| ground.goes_first(*run)).unwrap();
    (1..=first).for_each(|_| drop(ground.run()));
    assert!(ground.number("bad") >= 1, "{:?}", ground.trial());
    let left = fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    assert_eq!(left.filter(|command| command == b"sleep\x003600\0").count(), 0, "children of the storm are left");
}

/// It takes the host's own state with it, and not its copy alone: the identity is put back, the run and the next ones deliver.
#[test]
fn a_candidate_that_corrupts_the_hosts_state_costs_no_credential() {
    let ground = Ground::new("corrupt-state");
    let identity = fs::read(ground.rig.path("state/identity.pem")).unwrap();
    for _ in 0..12 {
        ground.run();
        assert_eq!(fs::read(ground.rig.path("state/identity.pem")).unwrap(), identity);
        assert_eq!(ground.current(), None);
    }
}

/// State and credentials on a small disk of their own.
struct Disk<'a>(&'a Ground);

impl<'a> Disk<'a> {
    fn under(ground: &'a Ground) -> Self {
        let script = "mkdir \"$1/disk\" && mount -t tmpfs -o size=16m,mode=0700 none \"$1/disk\" && cd \"$1\" && cp -a state run disk && \
            mount --bind disk/state state && mount --bind disk/run run";
        tests::rig::check(std::process::Command::new("sh").args(["-c", script, "sh"]).arg(ground.rig.path(".")));
        Self(ground)
    }
}

impl Drop for Disk<'_> {
    fn drop(&mut self) {
        for name in ["run", "state", "disk"] {
            let _ = std::process::Command::new("umount").arg("-l").arg(self.0.rig.path(name)).status();
        }
    }
}

/// What it has left is gone before the generation in charge has its turn, and before anything is handed over.
#[test]
fn a_candidate_that_fills_the_disk_is_unfit_and_takes_no_room_from_others() {
    let ground = Ground::new("fill-the-disk");
    let disk = Disk::under(&ground);
    let runs = runs(&ground);
    assert!(ground.trial().is_none() && ground.is_denied(), "after {runs} runs {:?}", ground.trial());
    drop(disk);
    let ground = Ground::new("do-it-and-fill-the-disk");
    let _disk = Disk::under(&ground);
    while ground.number("clean") < 3 {
        ground.run();
        assert!(ground.number("run") < RUNS, "{:?}", ground.trial());
    }
}

/// Its run dies with whoever watches it; the one after goes without it, and so does the rescue.
#[test]
fn a_candidate_that_ends_who_watches_costs_no_more_than_the_run_it_ended() {
    for after in [&["rescue"][..], &[]] {
        let ground = Ground::new("end-who-watches");
        let mut died = 0;
        for run in 1.. {
            assert!(run < 20 * RUNS, "{:?}", ground.trial());
            ground.rig.forget();
            let _ = fs::remove_file(ground.rig.target());
            if ground.rig.run(&[]).status != 0 {
                died += 1;
                assert_eq!(ground.rig.run(after).status, 0, "{after:?} after death {died}");
            }
            assert!(ground.rig.delivered().starts_with("ey"), "{after:?} after death {died}: no credential");
            if ground.trial().is_none() {
                break;
            }
        }
        assert!(died >= 3 && ground.is_denied(), "{died} deaths");
        assert!(!ground.rig.path("state/trial-run").exists(), "left behind");
    }
}

#[test]
fn a_candidate_that_fails_on_every_fifth_run_never_goes_live_unseen() {
    let ground = Ground::new("crash-on-every-fifth-run");
    let (mut bad, mut clean) = (0, 0);
    for _ in 0..40 {
        ground.run();
        (bad, clean) = (bad.max(ground.number("bad")), clean.max(ground.number("clean")));
    }
    assert!(bad >= 1 && clean >= 8, "{bad} bad pairs, {clean} clean runs");
}

#[test]
fn a_candidate_that_is_slow_but_right_passes() {
    let ground = Ground::new("slow");
    let started = Instant::now();
    while ground.number("clean") < 2 {
        ground.run();
        assert!(started.elapsed().as_secs() < 60, "{:?}", ground.trial());
    }
    assert_eq!(ground.number("bad"), 0);
}

#[test]
fn a_candidate_fails_where_the_kernel_is_old_and_passes_elsewhere() {
    let ground = Ground::new("crash-on-old-kernels");
    while ground.number("clean") < 1 {
        ground.run();
        assert!(ground.number("run") < 20);
    }
    assert_eq!(ground.number("bad"), 0);
    let mut ended = false;
    for _ in 0..20 {
        let mut old = std::process::Command::new("setarch");
        old.args(["x86_64", "--uname-2.6"]).arg(ground.rig.client());
        ground.run_with(&mut old);
        ended |= ground.trial().is_none();
    }
    assert!(ended && ground.is_denied());
}

/// A good one goes on being tried until it has rehearsed its update, which takes a control plane with releases.
#[test]
fn a_good_candidate_is_clean_and_nothing_is_bad() {
    let ground = Ground::new("good");
    for run in 1..=20 {
        ground.run();
        assert_eq!(ground.number("run"), run);
    }
    let first = (1..=20).filter(|run| ground.goes_first(*run)).count();
    assert_eq!((ground.number("clean"), ground.number("bad"), ground.number("good")), (i64::try_from(first).unwrap(), 0, 0));
}

/// What is in charge believes a CA that is not the control plane's; what is on trial believes the right one.
#[test]
fn a_current_that_fails_is_relieved_by_its_candidate_in_every_run() {
    let ground = Ground::new("good");
    fs::copy(Rig::unserved().path("domain/ca/ca.crt"), ground.rig.path("domain/ca/other.crt")).unwrap();
    ground.rig.stamp(&Site { deadline_seconds: 2, roots: vec!["ca/other.crt".into()], ..Site::default() });
    for run in 1..=RUNS {
        ground.run();
        if ground.number("good") >= 3 {
            break;
        }
        assert!(run < RUNS, "{:?}", ground.trial());
    }
    assert_eq!(ground.number("bad"), 0, "{:?}", ground.trial());
}

/// What no release could do here is no fault of this one.
#[test]
fn a_host_that_starts_no_program_from_its_state_blames_nobody() {
    let ground = Ground::new("good");
    let generations = ground.rig.path("state/generations");
    let program = generations.join(format!("7-{}/pinnace", ground.release));
    let bytes = fs::read(&program).unwrap();
    let mount = |options: &str| tests::rig::check(std::process::Command::new("mount").args(["-t", "tmpfs", "-o", options, "none"]).arg(&generations));
    mount("noexec,mode=0700");
    fs::create_dir_all(program.parent().unwrap()).unwrap();
    fs::write(&program, bytes).unwrap();
    fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    (0..10).for_each(|_| drop(ground.run()));
    let seen = (ground.number("clean"), ground.number("bad"), ground.number("good"));
    tests::rig::check(std::process::Command::new("umount").arg(&generations));
    assert_eq!(seen, (0, 0, 0));
}
