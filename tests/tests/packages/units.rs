//! The package's units under the service managers of old and new systems, and the package under their package managers.

use super::{
    directives, drop_ins,
    guest::{Ground, Guest, STATE, TOKEN},
    journal, printed,
    systems::{self, BOOKWORM, System},
};
use std::{fs, os::unix::fs::MetadataExt, path::Path, process::Command};

/// The timer's, as the packages of these tests have it.
const FIRST_SECONDS: f32 = 20.0;
const INTERVAL_SECONDS: f32 = 10.0;
/// How late a timer may be on a busy machine.
const LATE_SECONDS: f32 = 12.0;

#[test]
fn the_timer_delivers_from_boot_on_and_dpkg_upgrades_removes_and_purges_on_old_and_new_systems() {
    let test = "the package as installed";
    if systems::may_boot(test) {
        let ground = Ground::new(&["1.4.0", "1.4.1"]);
        systems::each(test, |system, root| as_installed(&ground, system, root));
    }
}

fn as_installed(ground: &Ground, system: &System, root: &Path) {
    let guest = Guest::new(ground, system, root, "timer");
    let state = fs::metadata(guest.path(STATE)).unwrap();
    assert_eq!((state.mode() & 0o777, state.uid()), (0o700, 0), "{}", system.suite);
    guest.put("lab/newer.deb", &fs::read(ground.deb("1.4.1")).unwrap());
    guest.boot(&include_str!("timer.sh").replace("@JOURNAL@\n", &journal::asked()));

    let said = |name: &str| guest.said(&format!("lab/{name}"));
    let whole = || format!("systemd {}: {}\n{}", system.systemd, said("said"), said("journal"));
    system.check_version(&said("version"));
    directives::check(system, &said("verified"));
    assert!(said("token-first").starts_with("eyJ") && said("token-second").starts_with("eyJ"), "{}", whole());
    journal::check_done(system, &guest);
    let at = |name: &str| said(name).trim().parse::<f32>().unwrap_or_else(|_| panic!("{name}: {}", whole()));
    let (first, second) = (at("first") - at("begun"), at("second") - at("first"));
    // The script begins some time after boot does.
    assert!((FIRST_SECONDS - LATE_SECONDS..FIRST_SECONDS + LATE_SECONDS).contains(&first), "first after {first} s: {}", whole());
    assert!((INTERVAL_SECONDS / 2.0..INTERVAL_SECONDS + LATE_SECONDS).contains(&second), "then after {second} s: {}", whole());
    let has = |name: &str, lines: &[&str]| assert!(lines.iter().all(|line| said(name).lines().any(|said| said == *line)), "{name}: {}", whole());
    has("service", &["ActiveState=inactive", "Result=success", "ExecMainStatus=0"]);
    has("timer", &["ActiveState=active", "Result=success"]);

    assert!(!said("upgraded").contains("current") && !said("upgraded").contains("previous"), "{}", whole());
    assert!(said("upgraded").contains("identity.pem") && said("removed").contains("identity.pem"), "{}", whole());
    has("upgraded-timer", &["ActiveState=active", "LoadState=loaded"]);
    assert!(!said("removed-timer").contains("ActiveState=active"), "{}", whole());
    assert!(said("purged").contains("agent") && !said("purged").contains("pinnace"), "{}", whole());
    assert!(!guest.path("usr/bin/pinnace").exists() && !guest.path("usr/lib/systemd/system/pinnace.timer").exists());
}

#[test]
fn whatever_a_drop_in_takes_the_run_or_the_rescue_delivers_on_old_and_new_systems() {
    let test = "hostile drop-ins";
    if systems::may_boot(test) {
        let ground = Ground::new(&["1.4.0"]);
        let wrong: Vec<String> =
            systems::each(test, |system, root| with_drop_ins(&ground, system, root)).into_iter().flat_map(|(_, wrong)| wrong).collect();
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

fn with_drop_ins(ground: &Ground, system: &System, root: &Path) -> Vec<String> {
    let guest = Guest::new(ground, system, root, "drop-ins");
    for (at, (lines, ..)) in drop_ins::ALL.iter().enumerate() {
        guest.put(&format!("lab/cases/{at:02}"), format!("[Service]\n{lines}\n").as_bytes());
    }
    guest.boot(&(include_str!("drop-ins.sh").to_owned() + &journal::asked()));
    journal::check_failed(system, &guest, &["delivery.io", "delivery.permission", "identity.missing", "connect.unreachable"]);
    let mut rescues = String::new();
    let mut wrong = Vec::new();
    for (at, (lines, end, code)) in drop_ins::ALL.iter().enumerate() {
        let said = |name: &str| guest.said(&format!("lab/ends/{at:02}/{name}"));
        let mut must = |holds: bool, what: &str| {
            if !holds {
                wrong.push(format!("systemd {}, {lines:?}: {what}: {}", system.systemd, said("journal")));
            }
        };
        let is_rescued = rescues != said("rescue") && !said("rescue").trim().ends_with("=0");
        rescues = said("rescue");
        must(said("after") != said("before") && is_token(&said("after")), "no credential was delivered");
        let about = fs::metadata(guest.path(&format!("lab/ends/{at:02}/after"))).unwrap();
        must(about.mode() & 0o777 == 0o600 && about.uid() == 0, "the credential is not root's alone");
        must(!said("names").contains("pinnace-new"), "a temporary is left");
        must(end.allows(is_rescued, system.systemd), if is_rescued { "it was the rescue" } else { "it was not the rescue" });
        must(!is_rescued || is_named(&said("journal")), "nothing says what the run met");
        must(!is_rescued || said("journal").contains(code), "the run's code is another");
    }
    assert!(guest.said(TOKEN).starts_with("eyJ"));
    wrong
}

/// Whether this is a whole token.
fn is_token(text: &str) -> bool {
    let text = text.trim_end();
    text.starts_with("eyJ") && text.split('.').count() == 3 && text.rsplit('.').next().is_some_and(|signature| signature.len() == 86)
}

/// Whether a journal has a reason of ours, or the service manager's own word on why there was none.
fn is_named(journal: &str) -> bool {
    let ours = ["error: cannot put every credential in place: ", "\"outcome\":\"failed\""];
    let the_managers = ["Failed at step", "Failed to", "status=", "timed out", "Failed with result"];
    ours.iter().chain(&the_managers).any(|word| journal.contains(word))
}

#[test]
fn an_outage_is_not_asked_twice_and_leaves_the_credential() {
    let test = "an outage";
    if systems::may_boot(test) {
        let mut ground = Ground::new(&["1.4.0"]);
        let guest = Guest::new(&ground, &BOOKWORM, &BOOKWORM.root().unwrap(), "outage");
        guest.boot("systemctl stop pinnace.timer\n/usr/bin/pinnace run\n");
        let delivered = guest.said(TOKEN);
        assert!(is_token(&delivered), "{}", guest.said("lab/said"));
        ground.rig.stop_server();
        fs::remove_file(guest.path(STATE).join("credential-db")).unwrap();
        guest.boot(OUTAGE);
        let journal = guest.said("lab/journal");
        assert!(journal.contains("error: cannot put every credential in place: ") && journal.contains("no rescue: "), "{journal}");
        assert!(guest.said("lab/rescue").contains("Result=success") && !guest.said("lab/rescue").contains("Monotonic=0\n"), "{journal}");
        assert_eq!(guest.said(TOKEN), delivered, "{journal}");
    }
}

/// One start; the rescue is short, for it has nothing to do.
const OUTAGE: &str = "systemctl stop pinnace.timer\nsystemctl start pinnace.service\nsleep 2\njournalctl --sync\n\
journalctl -q -b -o cat --no-pager >journal\nsystemctl show -p Result,ExecMainStartTimestampMonotonic pinnace-rescue.service >rescue\n";

#[test]
fn rpm_installs_upgrades_and_erases_and_what_it_installed_delivers() {
    let test = "the rpm";
    if systems::may_boot(test) {
        let ground = Ground::new(&["1.4.0", "1.4.1"]);
        with_rpm(&ground, &BOOKWORM.root().unwrap());
    }
}

/// What the package asks of an rpm: that of RHEL 7 is 4.11.
const RPM_FEATURES: [&str; 3] =
    ["rpmlib(CompressedFileNames) <= 3.0.4-1", "rpmlib(FileDigests) <= 4.6.0-1", "rpmlib(PayloadFilesHavePrefix) <= 4.0-1"];

fn with_rpm(ground: &Ground, root: &Path) {
    let guest = Guest::bare(&BOOKWORM, root);
    // The root has no database of rpm's that would know its shell.
    let rpm = |words: &[&str], what: &Path| {
        let done = Command::new("rpm").arg("--root").arg(guest.root()).arg("--nodeps").args(words).arg(what).output().unwrap();
        assert!(done.status.success(), "{words:?}: {}", String::from_utf8_lossy(&done.stderr));
    };
    let asked = printed(Command::new("rpm").args(["-qp", "--requires"]).arg(ground.rpm("1.4.0")));
    let asked: Vec<&str> = asked.lines().filter(|line| line.starts_with("rpmlib")).collect();
    assert_eq!(asked, RPM_FEATURES);
    rpm(&["-i"], &ground.rpm("1.4.0"));
    assert_eq!(fs::read(guest.path("usr/bin/pinnace")).unwrap(), fs::read(ground.rig.client()).unwrap());
    assert_eq!(fs::metadata(guest.path(STATE)).unwrap().mode() & 0o777, 0o700);
    guest.identify(ground, "rpm");
    guest.boot("systemctl start pinnace.service\nsystemctl show -p ActiveState pinnace.timer >timer\n");
    assert!(is_token(&guest.said(TOKEN)), "{}", guest.said("lab/said"));
    assert_eq!(guest.said("lab/timer"), "ActiveState=active\n");

    std::os::unix::fs::symlink("generations/7-0/pinnace", guest.path(STATE).join("current")).unwrap();
    rpm(&["-U"], &ground.rpm("1.4.1"));
    assert!(!guest.path(STATE).join("current").is_symlink() && guest.path("usr/bin/pinnace").is_file());
    rpm(&["-e"], Path::new("pinnace"));
    assert!(!guest.path("usr/bin/pinnace").exists() && guest.path(STATE).join("identity.pem").is_file());
}
