//! Coming in.

use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use protocol::hex_decode;

use crate::{Ground, authority::foreign_identity, member};

const TOKEN: &str = "an-unguessable-token-of-some-length";

fn newcomer() -> Ground {
    let ground = Ground::simple();
    ground.leave();
    ground.peer.script().tokens.push((TOKEN.to_owned(), None));
    std::fs::write(ground.rig.path("token"), format!("  {TOKEN}\n")).expect("the rig's folder");
    ground
}

fn token_file(ground: &Ground) -> String {
    ground.rig.path("token").display().to_string()
}

fn enroll(ground: &Ground, arguments: &[&str]) -> tests::rig::Outcome {
    let mut all = vec!["enroll", "--host", "web-1"];
    all.extend(arguments);
    ground.rig.run(&all)
}

#[test]
fn a_token_brings_a_host_in_and_the_next_run_delivers() {
    let ground = newcomer();
    ground.run().expect_reason("identity.missing");
    let file = token_file(&ground);
    let enrolled = enroll(&ground, &["--token-file", &file]);
    assert_eq!((enrolled.status, enrolled.outcome()), (0, "enrolled"), "{enrolled:#?}");
    assert_eq!((member(&enrolled, "event"), member(&enrolled, "host")), ("enroll", "spiffe://example.org/host/web-1"));
    assert!(!enrolled.stdout.contains(TOKEN) && !enrolled.stderr.contains(TOKEN));
    let mode = std::fs::metadata(ground.identity_file()).expect("an identity").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(ground.identity().starts_with("-----BEGIN PRIVATE KEY-----\n") && !ground.next_file().exists());
    ground.run().expect_delivered();

    let again = enroll(&ground, &["--token-file", &file]);
    again.expect_reason("enroll.already-enrolled");
    assert_eq!(ground.peer.asked(), ["POST /v1/identity/enroll", "GET /v1/credentials/db"]);
}

#[test]
fn a_lost_answer_costs_nothing_because_the_key_stays() {
    let ground = newcomer();
    ground.peer.script().answers_lost = 1;
    let enrolled = enroll(&ground, &["--token-file", &token_file(&ground)]);
    assert_eq!(enrolled.status, 0, "the token was spent by this very key: {enrolled:#?}");
    assert_eq!(ground.peer.asked().len(), 2);
    ground.run().expect_delivered();
}

#[test]
fn a_command_that_lost_every_answer_is_repeated_with_the_same_key() {
    let ground = newcomer();
    ground.peer.script().answers_lost = 99;
    enroll(&ground, &["--token-file", &token_file(&ground)]).expect_reason("http.closed");
    let key = std::fs::read(ground.next_file()).expect("a key that is kept");
    ground.peer.script().answers_lost = 0;
    assert_eq!(enroll(&ground, &["--token-file", &token_file(&ground)]).status, 0);
    assert!(ground.identity().as_bytes().starts_with(&key));
}

#[test]
fn a_token_comes_from_standard_input_and_the_name_from_the_kernel() {
    let ground = newcomer();
    let node = std::fs::read_to_string("/proc/sys/kernel/hostname").expect("the kernel's name").trim().to_lowercase();
    let mut command = Command::new(ground.rig.client());
    let mut child = command.args(["enroll", "--token-file", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("pinnace starts");
    let mut stdin = child.stdin.take().expect("it is piped");
    for piece in TOKEN.as_bytes().chunks(9) {
        std::io::Write::write_all(&mut stdin, piece).expect("pinnace reads");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains(&format!("spiffe://example.org/host/{node}")), "{said}");
}

#[test]
fn a_registered_key_needs_no_token() {
    let ground = newcomer();
    let shown = enroll(&ground, &["--key"]);
    assert_eq!(shown.status, 0, "{shown:#?}");
    let key = member(&shown, "key").to_owned();
    let spki = [hex_decode("302a300506032b6570032100").expect("hexadecimal"), hex_decode(&key).expect("hexadecimal")].concat();
    let fingerprint = ring::digest::digest(&ring::digest::SHA256, &spki);
    assert_eq!(hex_decode(member(&shown, "fingerprint")).as_deref(), Some(fingerprint.as_ref()));
    assert_eq!(member(&enroll(&ground, &["--key"]), "key"), key, "the key stays");

    enroll(&ground, &[]).expect_reason("enroll.refused");
    ground.peer.script().registered.push(("web-1".to_owned(), key));
    let enrolled = enroll(&ground, &[]);
    assert_eq!(enrolled.status, 0, "{enrolled:#?}");
    ground.run().expect_delivered();
}

#[test]
fn another_authoritys_certificate_is_shown_in_the_handshake() {
    let ground = newcomer();
    let file = ground.rig.path("other.pem");
    std::fs::write(&file, foreign_identity()).expect("the rig's folder");
    let enrolled = enroll(&ground, &["--certificate", file.to_str().expect("a plain path")]);
    assert_eq!(enrolled.status, 0, "{enrolled:#?}");
    ground.run().expect_delivered();
}

#[test]
fn what_cannot_be_a_token_or_a_name_is_said_before_anything_is_sent() {
    let ground = newcomer();
    let file = ground.rig.path("token");
    for text in ["", "short", "with spaces in the middle of it", &"x".repeat(129)] {
        std::fs::write(&file, text).expect("the rig's folder");
        let refused = enroll(&ground, &["--token-file", &token_file(&ground)]);
        refused.expect_reason("enroll.token-invalid");
        assert!(text.is_empty() || !refused.stdout.contains(text), "{refused:#?}");
    }
    std::fs::write(&file, "x".repeat(5_000)).expect("the rig's folder");
    enroll(&ground, &["--token-file", &token_file(&ground)]).expect_reason("usage.invalid");
    enroll(&ground, &["--token-file", "/nowhere/token"]).expect_reason("usage.invalid");
    for name in ["Web-1", "../web", "", "a b"] {
        ground.rig.run(&["enroll", "--host", name, "--key"]).expect_reason("usage.invalid");
    }
    for arguments in [&["enroll", "--key", "--token-file", "-"][..], &["run", "--host", "web-1"], &["enroll", TOKEN]] {
        assert_eq!(ground.rig.run(arguments).status, 2, "{arguments:?}");
    }
    assert_eq!(ground.peer.asked(), [""; 0]);
    assert!(!ground.next_file().exists());
}

#[test]
fn refusals_have_their_codes_and_leave_no_identity() {
    let ground = newcomer();
    std::fs::write(ground.rig.path("token"), "another-token-than-the-good-one").expect("the rig's folder");
    enroll(&ground, &["--token-file", &token_file(&ground)]).expect_reason("enroll.token-invalid");
    enroll(&ground, &[]).expect_reason("enroll.refused");
    assert_eq!(ground.identity(), "");
}

#[test]
fn a_certificate_for_another_host_or_key_is_not_believed() {
    let ground = newcomer();
    let file = token_file(&ground);
    ground.peer.script().other_host = true;
    enroll(&ground, &["--token-file", &file]).expect_reason("credential.wrong-subject");
    ground.peer.script().other_host = false;
    ground.peer.script().other_key = true;
    enroll(&ground, &["--token-file", &file]).expect_reason("credential.wrong-key");
    assert_eq!(ground.identity(), "");
    ground.peer.script().other_key = false;
    assert_eq!(enroll(&ground, &["--token-file", &file]).status, 0);
}

#[test]
fn an_identity_that_cannot_be_used_is_replaced() {
    let ground = newcomer();
    std::fs::write(ground.identity_file(), "half of a file").expect("the state directory");
    std::fs::write(ground.next_file(), "half of a key").expect("the state directory");
    let enrolled = enroll(&ground, &["--token-file", &token_file(&ground)]);
    assert_eq!(enrolled.status, 0, "{enrolled:#?}");
    ground.run().expect_delivered();
}
