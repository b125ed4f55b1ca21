//! The whole story: an operator's token, a host that comes in by it, and what the operator then sees and does.

use std::path::{Path, PathBuf};

use crate::fleet::eventually;
use tests::rig::{Outcome, Rig, finish};

const REASON: [&str; 2] = ["--reason", "a test"];

/// A host with a state directory of its own.
fn host(rig: &Rig, name: &str) -> PathBuf {
    let state = rig.path(&format!("state-{name}"));
    std::fs::create_dir(&state).expect("a fresh folder");
    tests::rig::mode(&state, 0o700);
    state
}

fn run(rig: &Rig, state: &Path, arguments: &[&str]) -> Outcome {
    let mut command = std::process::Command::new(rig.client());
    finish(command.args(arguments).arg("--state-dir").arg(state))
}

fn token(rig: &Rig, hosts: &str) -> String {
    let text = rig.operated(&[&["token", "create", "--hosts", hosts, "--label", "role=web"], &REASON[..]].concat());
    let path = rig.path(&format!("token-{}", hosts.replace('*', "any")));
    std::fs::write(&path, text).expect("the rig's folder is writable");
    path.display().to_string()
}

fn operated(rig: &Rig, arguments: &[&str]) -> String {
    rig.operated(&[arguments, &REASON].concat())
}

#[test]
fn a_token_lets_a_host_in_once_and_operators_see_it_put_it_out_and_take_it_back() {
    let rig = Rig::simple();
    let token = token(&rig, "web-*");
    let state = host(&rig, "web-2");
    let enrolled = run(&rig, &state, &["enroll", "--host", "web-2", "--token-file", &token]);
    assert_eq!(enrolled.status, 0, "{enrolled:?}");
    run(&rig, &state, &[]).expect_delivered();
    assert!(rig.operated(&["hosts", "list", "--label", "role=web"]).contains("web-2"));
    assert!(rig.operated(&["token", "list"]).contains("web-2"), "spent by it");
    let again = run(&rig, &host(&rig, "web-3"), &["enroll", "--host", "web-3", "--token-file", &token]);
    assert_eq!(again.code(), "enroll.token-invalid", "{again:?}");

    assert!(operated(&rig, &["hosts", "ban", "web-2", "--dry-run"]).contains("would touch 1 host"));
    let forget = || std::fs::remove_file(state.join("credential-db")).expect("it was held");
    forget();
    run(&rig, &state, &[]).expect_delivered();
    assert!(operated(&rig, &["hosts", "ban", "web-2"]).contains("touched 1 host"));
    forget();
    assert_eq!(run(&rig, &state, &[]).code(), "identity.refused");
    assert!(rig.operated(&["hosts", "show", "web-2"]).contains("banned"));
    operated(&rig, &["hosts", "lift", "--with-label", "role=web"]);
    run(&rig, &state, &[]).expect_delivered();
    let issued = rig.operated(&["-o", "json", "audit", "issued", "web-2"]);
    assert_eq!(issued.matches("\"id\"").count(), 3, "{issued}");
    assert!(rig.operated(&["audit", "list", "--host", "web-2"]).contains("hosts-banned"));
    assert!(rig.operated(&["status"]).contains("active"));
    assert_eq!(rig.operated(&["whoami"]), "spiffe://example.org/operator/admin/admin");
}

/// SPIRE 1.14: a join token was accepted twice when it was used concurrently.
#[test]
fn of_two_who_spend_a_token_at_once_one_comes_in() {
    let rig = Rig::simple();
    for round in 0..8 {
        let token = token(&rig, "*");
        let names = [format!("a-{round}"), format!("b-{round}")];
        let states = names.each_ref().map(|name| host(&rig, name));
        let codes = std::thread::scope(|scope| {
            let enter = |at: usize| run(&rig, &states[at], &["enroll", "--host", &names[at], "--token-file", &token]).code().to_owned();
            let (one, other) = (scope.spawn(move || enter(0)), scope.spawn(move || enter(1)));
            let mut codes = [one.join().expect("it ran"), other.join().expect("it ran")];
            codes.sort();
            codes
        });
        assert_eq!(codes, ["enroll.token-invalid", "ok"], "round {round}");
    }
}

#[test]
fn a_registered_key_lets_its_host_in_without_a_token() {
    let rig = Rig::simple();
    let state = host(&rig, "db-1");
    let refused = run(&rig, &state, &["enroll", "--host", "db-1"]);
    assert_eq!(refused.code(), "enroll.refused", "{refused:?}");
    let printed = run(&rig, &state, &["enroll", "--key"]);
    let words = format!("{} {}", printed.stdout, printed.last_event);
    let key = words.split(|letter: char| !letter.is_ascii_hexdigit()).find(|word| word.len() == 64).expect("a key is printed").to_owned();
    operated(&rig, &["hosts", "register", "db-1", "--key", &key]);
    let enrolled = run(&rig, &state, &["enroll", "--host", "db-1"]);
    assert_eq!(enrolled.status, 0, "{enrolled:?}");
    run(&rig, &state, &[]).expect_delivered();
}

#[test]
fn an_exported_log_is_verified_offline_and_what_was_done_to_it_is_found() {
    let rig = Rig::simple();
    for _ in 0..5 {
        rig.forget();
        rig.run(&[]).expect_delivered();
    }
    let verify = |file: &str| {
        let output = rig.operate(&["audit", "verify", file, "--key", "domain/keys/audit.pub"]);
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    eventually("a checkpoint of all that was done", || {
        let _ = std::fs::remove_file(rig.path("whole.log"));
        let _ = rig.operated(&["audit", "export", "--out", "whole.log"]);
        verify("whole.log") == (true, String::new())
    });
    let whole = std::fs::read_to_string(rig.path("whole.log")).expect("it was written");
    let lines: Vec<&str> = whole.lines().collect();
    let broken = |name: &str, lines: &[&str], words: &str| {
        std::fs::write(rig.path(name), lines.join("\n")).expect("the rig's folder is writable");
        let (holds, because) = verify(name);
        assert!(!holds && because.contains(words), "{name}: {because}");
    };
    let at = lines.iter().rposition(|line| line.contains("issued")).expect("some were issued") - 1;
    let flipped = lines[at].replace("issued", "issuee");
    broken("flipped", &[&lines[..at], &[&flipped], &lines[at + 1..]].concat(), &format!("line {}", at + 1));
    broken("removed", &[&lines[..at], &lines[at + 1..]].concat(), "was removed");
    let last = lines.len() - 1;
    broken("cut", &[&lines[..last - 2], &lines[last..]].concat(), "was cut");
    broken("cut-with-its-checkpoint", &lines[..last - 2], "the checkpoint is missing");
    let forged = lines[last].replace("\"checkpoint\":", "\"checkpoint\":1");
    broken("forged", &[&lines[..last], &[&forged]].concat(), "the signature of the checkpoint does not hold");
}

/// The log grows while it is read, and a checkpoint is signed every second: neither may look as if somebody had cut its end.
#[test]
fn an_export_holds_while_credentials_are_issued() {
    let rig = Rig::simple();
    let done = std::sync::atomic::AtomicBool::new(false);
    let _ = rig.operated(&["whoami"]);
    std::thread::scope(|scope| {
        let traffic = scope.spawn(|| {
            let mut runs = 0;
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                rig.forget();
                rig.run(&[]).expect_delivered();
                runs += 1;
            }
            runs
        });
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for round in 0..6 {
                let file = format!("busy-{round}.log");
                let _ = rig.operated(&["audit", "export", "--out", &file]);
                let verified = rig.operated(&["-o", "json", "audit", "verify", &file, "--key", "domain/keys/audit.pub"]);
                assert!(verified.contains("\"holds\":true"), "{verified}");
            }
        }));
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(traffic.join().expect("it ran") > 20, "there was traffic");
        outcome.expect("every export holds");
    });
}

#[test]
fn a_policy_is_tried_on_cases_before_it_is_in_force() {
    let rig = Rig::simple();
    let policy = "[[credential]]\nname = \"db\"\nkind = \"jwt\"\naudience = [\"a\"]\nlabels = [\"role=web\"]\n";
    std::fs::write(rig.path("new.toml"), policy).expect("the rig's folder is writable");
    let case = |expect: &str| format!("[[test]]\nhost = \"web-9\"\nlabels = {{role = \"web\"}}\ncredential = \"db\"\nexpect = \"{expect}\"\n");
    std::fs::write(rig.path("good.toml"), case("granted")).expect("the rig's folder is writable");
    std::fs::write(rig.path("bad.toml"), case("denied")).expect("the rig's folder is writable");
    assert!(rig.operated(&["policy", "check", "new.toml"]).contains("db"));
    assert!(rig.operated(&["policy", "test", "new.toml", "--cases", "good.toml"]).contains("1 case(s) hold"));
    assert!(!rig.operate(&["policy", "test", "new.toml", "--cases", "bad.toml"]).status.success());
    rig.run(&[]).expect_delivered();
    eventually("the host is on record", || rig.operated(&["policy", "diff", "new.toml"]).contains("web-1 loses db"));
    assert!(operated(&rig, &["policy", "apply", "new.toml"]).contains("version 2 is in force"));
    eventually("the new policy", || {
        rig.forget();
        rig.run(&[]).code() == "http.forbidden"
    });
    let why = rig.operated(&["policy", "explain", "web-1", "db"]);
    let rule = "\n  the rule for every host with the label role=web does not hold: the host's labels do not meet role=web";
    assert!(why.contains("the host is active, its labels: none\n") && why.contains(rule), "{why}");
    operated(&rig, &["hosts", "label", "web-1", "--set", "role=web"]);
    rig.run(&[]).expect_delivered();
    assert!(rig.operated(&["policy", "history"]).contains("a test"));
}
