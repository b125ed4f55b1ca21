//! One host in the fleet's picture: what it says of itself and what operators see are the same words.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use tests::rig::{Rig, Site};

pub(crate) fn asked(rig: &Rig, arguments: &[&str]) -> Value {
    serde_json::from_str(&rig.operated(&[&["-o", "json", "fleet"], arguments].concat())).expect("JSON")
}

pub(crate) fn state(rig: &Rig) -> String {
    asked(rig, &["host", "web-1"])["host"]["state"].as_str().unwrap_or_default().to_owned()
}

pub(crate) fn eventually(what: &str, holds: impl Fn() -> bool) {
    let until = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < until, "{what}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn the_host_and_the_fleets_picture_say_the_same_words() {
    let rig = Rig::simple();
    let status = || rig.run(&["status", "--json"]).last_event;
    assert_eq!(status()["state"], "missing", "before the first run");
    let first = rig.run(&["status"]).stdout;
    assert!(first.contains("\nlast run never, last success never\ncredential db: none is held, to be fetched by the next run\n"), "{first}");
    rig.run(&[]).expect_delivered();
    eventually("it is in the picture", || state(&rig) == "healthy");
    assert_eq!((&status()["state"], &status()["generation"]), (&"healthy".into(), &0.into()));
    assert!(rig.run(&["status"]).stdout.contains("\nhealthy, generation 0\n"), "{:?}", rig.run(&["status"]));
    let held = rig.run(&["status"]).stdout;
    assert!(held.contains("credential db: ends in ") && held.contains(" min, next fetch in "), "{held}");

    std::fs::remove_dir_all(rig.path("run")).expect("it is there");
    rig.forget();
    rig.run(&[]).expect_reason("delivery.directory-missing");
    eventually("it fails in the picture too", || state(&rig) == "failing");
    assert_eq!((&status()["state"], &status()["last_code"]), (&"failing".into(), &"delivery.directory-missing".into()));
    let doctor = rig.run(&["doctor"]).stdout;
    let status = rig.run(&["status"]).stdout;
    assert!(status.contains(" s ago (delivery.directory-missing), last success 20"), "{status}");
    assert!(doctor.contains("this host's clock: says 20") && doctor.contains("Z; 0 s off when last measured"), "{doctor}");
    assert!(doctor.contains("failing, generation 0") && doctor.contains("last run: delivery.directory-missing"), "{doctor}");

    let host = rig.operated(&["fleet", "host", "web-1"]);
    for word in [
        "failing",
        "delivery.directory-missing",
        "create it, or start the agent that does",
        "granted           db, by the rule for every host\n",
        "credential ends   db",
    ] {
        assert!(host.contains(word), "{word}: {host}");
    }
    let told = rig.operated(&["fleet", "status"]);
    assert!(told.contains("1 hosts; 1 of 1 heard of lately fail (100.0 %)"), "{told}");
    assert!(told.contains("pinnacectl fleet hosts state=failing") && told.contains("the first host fails at"), "{told}");
    assert!(told.contains("\ngenerations: 0 on 1\nclocks off by: none 1\n"), "{told}");
    let weird = rig.operated(&["hosts", "weird"]);
    assert!(weird.contains("\nweb-1  0.0   os="), "{weird}");
    let unasked = rig.operate(&["rollout", "explain"]);
    assert!(String::from_utf8_lossy(&unasked.stderr).contains("because: there was no rollout yet"), "{unasked:?}");
    let paused = rig.operate(&["rollout", "pause", "--reason", "a test"]);
    assert!(String::from_utf8_lossy(&paused.stderr).starts_with("pinnacectl: error: the rollout was not paused\n"), "{paused:?}");
    let csv = rig.operated(&["-o", "csv", "fleet", "hosts", "code=delivery.*", "state=failing"]);
    assert!(csv.starts_with("name,state,code,") && csv.contains("\r\nweb-1,failing,delivery.directory-missing,0,"), "{csv}");
    let drawn = rig.operated(&["fleet", "watch", "--times", "2", "--every", "1s"]);
    assert_eq!(drawn.matches("hosts; 1 of 1").count(), 2, "{drawn}");
    assert!(!drawn.contains('\u{1b}'), "no terminal is cleared where there is none");
    assert_eq!(asked(&rig, &["why"])["cases"], 1);
    assert!(rig.operated(&["fleet", "series", "--since", "1h", "--step", "30m"]).contains("50.0 %"));

    let wrong = rig.operate(&["fleet", "hosts", "stat=failing"]);
    let words = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert!(!wrong.status.success() && words.contains("because: \"stat\" is no key\n  stat=failing\n  ^\n"), "{words}");
    assert!(words.starts_with("pinnacectl: error: cannot list hosts\n"), "{words}");
    assert!(words.contains("hint: did you mean state?") && words.contains("code=filter.invalid"), "{words}");
    let wrong = rig.operate(&["fleet", "status", "generation<a"]);
    let words = String::from_utf8_lossy(&wrong.stderr).into_owned();
    let shown = "pinnacectl: error: cannot show how the fleet is\npinnacectl: because: \"a\" is no generation\n  generation<a\n             ^\n";
    assert!(!wrong.status.success() && words.starts_with(shown) && words.ends_with("code=filter.invalid\n"), "{words}");
    assert!(!rig.operate(&["-o", "csv", "whoami"]).status.success());
}

#[test]
fn a_reader_of_the_command_line_that_has_seen_enough_is_no_failure() {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut command = Command::new(&tests::rig::programs().pinnacectl);
    let output = command.args(["completions", "bash"]).stdout(writer).output().expect("pinnacectl runs");
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(141), ""));
}

#[test]
fn a_bundle_is_a_tar_archive_and_holds_no_secret() {
    // The mistake that redaction is for: a key in what the operator wrote into the site.
    let rig = Rig::simple();
    rig.run(&[]).expect_delivered();
    let key = std::fs::read_to_string(rig.path("state/identity.pem")).expect("an identity");
    let line = key.lines().find(|line| !line.starts_with("-----")).expect("a key").to_owned();
    let deliveries =
        format!("{}[[credential.delivery]]\nkind = \"exec\"\nargv = [\"/bin/true\", \"{line}\"]\nformat = \"raw\"\n", tests::rig::RAW_FILE);
    rig.stamp(&Site { deliveries, ..Site::default() });
    let file = rig.path("bundle.tar").display().to_string();
    let made = rig.run(&["bundle", &file]);
    assert!(made.status == 0 && made.stdout.contains("without keys and credentials"), "{made:?}");
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&file).expect("it is there").permissions());
    assert_eq!(mode & 0o777, 0o600);

    let names = Command::new("tar").args(["-tf", &file]).output().expect("tar runs");
    let names = String::from_utf8_lossy(&names.stdout).into_owned();
    for name in ["version", "site", "status", "doctor", "facts", "memory", "update"] {
        assert!(names.contains(&format!("pinnace/{name}.json")), "{names}");
    }
    let text = |name: &str| {
        let output = Command::new("tar").args(["-xOf", &file, name]).output().expect("tar runs");
        String::from_utf8(output.stdout).expect("text")
    };
    let status: Value = serde_json::from_str(&text("pinnace/status.json")).expect("JSON");
    assert_eq!(status["state"], "healthy");
    assert!(text("pinnace/files.txt").contains("identity.pem") && text("pinnace/site.json").contains("[redacted]"));

    let bytes = String::from_utf8_lossy(&std::fs::read(&file).expect("it is there")).into_owned();
    let token = rig.delivered();
    assert!(token.len() > 100);
    let held = std::fs::read_to_string(rig.path("state/credential-db")).expect("it is held");
    assert!(held.contains(&token), "what is looked for is what there is");
    let secrets = key.lines().filter(|line| !line.starts_with("-----")).chain(token.trim().split('.'));
    for secret in secrets.filter(|secret| secret.len() >= 6) {
        assert!(!bytes.contains(secret), "{secret}");
    }
    assert_ne!(rig.run(&["bundle", &file]).status, 0, "nothing is overwritten");
}
