//! Places and agents to deliver to that are not as they should be.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use protocol::reason::Reason;
use tests::rig::{RAW_FILE, Rig, Site, finish, mode};

use crate::{SPIFFE_DIRECTORY, is_token, root, temporaries};

fn rig(deliveries: &str) -> Rig {
    Rig::new(&Site { deliveries: deliveries.to_owned(), deadline_seconds: 3, ..Site::default() })
}

#[test]
fn a_symlink_planted_at_the_target_never_reaches_its_victim() {
    let rig = Rig::simple();
    let victim = rig.path("victim");
    std::fs::write(&victim, "precious").expect("the rig's folder");
    for planted in ["run/db.token", "run/.db.token.pinnace-new", "run/.db.token.pinnace-previous"] {
        rig.forget();
        let _ = std::fs::remove_file(rig.path(planted));
        symlink(&victim, rig.path(planted)).expect("the delivery folder");
        rig.run(&[]).expect_delivered();
        assert_eq!(std::fs::read_to_string(&victim).expect("the victim"), "precious", "through {planted}");
        assert!(std::fs::symlink_metadata(rig.target()).expect("a delivery").is_file(), "{planted}");
        assert!(is_token(&rig.delivered()));
        assert_eq!(temporaries(&rig), [""; 0]);
    }
}

#[test]
fn a_symlinked_directory_is_refused() {
    let rig = rig(&RAW_FILE.replace("/run/", "/link/deep/"));
    std::fs::create_dir(rig.path("run/deep")).expect("the delivery folder");
    symlink(rig.path("run"), rig.path("link")).expect("the rig's folder");
    rig.run(&[]).expect_reason("delivery.symlink");
    assert_eq!(std::fs::read_dir(rig.path("run/deep")).expect("the folder").count(), 0);
}

#[test]
fn a_missing_directory_is_said() {
    rig(&RAW_FILE.replace("/run/", "/nowhere/")).run(&[]).expect_reason("delivery.directory-missing");
}

#[test]
fn a_directory_at_the_target_is_neither_replaced_nor_entered() {
    let rig = Rig::simple();
    std::fs::create_dir(rig.target()).expect("the delivery folder");
    let outcome = rig.run(&[]);
    assert!(outcome.reason().is_some_and(|reason| reason.code().starts_with("delivery.")), "{outcome:#?}");
    assert_eq!(std::fs::read_dir(rig.target()).expect("still a directory").count(), 0);
    assert_eq!(temporaries(&rig), [""; 0]);
}

/// spiffe-helper #422: the mode was set at creation only, and readers saw half.
#[test]
fn mode_and_owner_are_as_the_site_says_whatever_was_there() {
    let numbers = root("giving a file to another owner");
    let owner = if numbers { "owner = \"1234:4321\"\n" } else { "" };
    let rig = rig(&format!("{RAW_FILE}mode = \"0640\"\n{owner}"));
    std::fs::write(rig.target(), "old").expect("the delivery folder");
    mode(&rig.target(), 0o777);
    rig.run(&[]).expect_delivered();
    let about = std::fs::metadata(rig.target()).expect("a delivery");
    assert_eq!(about.mode() & 0o7777, 0o640);
    if numbers {
        assert_eq!((about.uid(), about.gid()), (1234, 4321));
    }
}

#[test]
fn without_a_mode_nobody_else_can_read_it() {
    let rig = Rig::simple();
    rig.run(&[]).expect_delivered();
    assert_eq!(std::fs::metadata(rig.target()).expect("a delivery").mode() & 0o077, 0);
}

#[test]
fn an_unknown_owner_is_said() {
    rig(&format!("{RAW_FILE}owner = \"no-such-user:no-such-group\"\n")).run(&[]).expect_reason("delivery.owner-unknown");
}

/// An agent that reads one delivery, answers, and hands on what it read.
fn agent(path: &Path, answer: &'static [u8]) -> Receiver<String> {
    let listener = UnixListener::bind(path).expect("a socket in the rig's folder");
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let Ok((stream, _)) = listener.accept() else { return };
        let mut reader = BufReader::new(stream);
        let mut header = String::new();
        let _ = reader.read_line(&mut header);
        let length = header.trim_end().rsplit(' ').next().and_then(|length| length.parse().ok()).unwrap_or(0);
        let mut body = String::new();
        let _ = reader.by_ref().take(length).read_to_string(&mut body);
        let _ = reader.get_mut().write_all(answer);
        let _ = sender.send(header + &body);
    });
    receiver
}

fn socket(more: &str) -> Rig {
    rig(&format!("[[credential.delivery]]\nkind = \"socket\"\npath = \"{{dir}}/run/agent.sock\"\nformat = \"raw\"\n{more}"))
}

#[test]
fn an_agent_on_a_socket_gets_the_credential_and_acknowledges() {
    let rig = socket("");
    let heard = agent(&rig.path("run/agent.sock"), b"OK\n");
    rig.run(&[]).expect_delivered();
    let heard = heard.recv_timeout(Duration::from_secs(5)).expect("a delivery");
    let (header, body) = heard.split_once('\n').expect("a header line");
    assert_eq!(header, format!("PINNACE/1 db raw {}", body.len()));
    assert!(is_token(body));
}

#[test]
fn an_agent_that_was_started_again_is_told_what_is_held_without_a_network() {
    let mut rig = socket("");
    let first = agent(&rig.path("run/agent.sock"), b"OK\n");
    rig.run(&[]).expect_delivered();
    let before = first.recv_timeout(Duration::from_secs(5)).expect("a delivery");
    rig.stop_server();
    std::fs::remove_file(rig.path("run/agent.sock")).expect("the rig's folder");
    let second = agent(&rig.path("run/agent.sock"), b"OK\n");
    let outcome = rig.run(&[]);
    assert_eq!((outcome.status, outcome.outcome()), (0, "fresh"), "{outcome:#?}");
    assert_eq!(second.recv_timeout(Duration::from_secs(5)).expect("a second delivery"), before);
}

#[test]
fn an_agent_of_another_user_gets_nothing() {
    let rig = socket("peer_uid = 54321\n");
    let heard = agent(&rig.path("run/agent.sock"), b"OK\n");
    rig.run(&[]).expect_reason("delivery.socket-peer");
    assert_eq!(heard.recv_timeout(Duration::from_secs(5)).as_deref(), Ok(""));
}

#[test]
fn an_agent_that_is_away_refuses_or_is_silent_is_said() {
    let rig = socket("");
    rig.run(&[]).expect_reason("delivery.socket-absent");
    let path = rig.path("run/agent.sock");
    for answer in [b"NO\n".as_slice(), b""] {
        let _ = std::fs::remove_file(&path);
        let _heard = agent(&path, answer);
        rig.run(&[]).expect_reason("delivery.not-acknowledged");
    }
    let _ = std::fs::remove_file(&path);
    let _silent = UnixListener::bind(&path).expect("a socket in the rig's folder");
    let outcome = rig.run(&[]);
    outcome.expect_reason("delivery.not-acknowledged");
    assert!(outcome.elapsed < Duration::from_secs(5), "{outcome:#?}");
}

fn exec(argv: &[&str]) -> Rig {
    rig(&format!("[[credential.delivery]]\nkind = \"exec\"\nargv = {argv:?}\nformat = \"raw\"\n"))
}

#[test]
fn a_program_gets_the_credential_on_its_standard_input() {
    let rig = exec(&["/bin/sh", "-c", "cat >{dir}/run/db.token"]);
    rig.run(&[]).expect_delivered();
    assert!(is_token(&rig.delivered()));
}

#[test]
fn a_program_that_hangs_fails_or_is_absent_is_said() {
    let hanging = exec(&["/bin/sleep", "86399"]);
    let outcome = hanging.run(&[]);
    outcome.expect_reason("delivery.exec-timeout");
    assert!(outcome.elapsed < Duration::from_secs(5), "{outcome:#?}");
    exec(&["/bin/false"]).run(&[]).expect_reason("delivery.exec-failed");
    exec(&["/nonexistent/program"]).run(&[]).expect_reason("delivery.exec-failed");
}

#[test]
fn a_program_inherits_no_descriptor_and_no_environment() {
    let rig = exec(&["/bin/sh", "-c", "cat >{dir}/run/db.token; ls -l /proc/$$/fd >{dir}/fds; env >{dir}/env"]);
    let mut command = std::process::Command::new(rig.client());
    finish(command.env("SECRET_OF_THE_CALLER", "1")).expect_delivered();
    let descriptors = std::fs::read_to_string(rig.path("fds")).expect("the program ran");
    assert!(!descriptors.contains("socket:") && !descriptors.contains("/state"), "{descriptors}");
    let environment = std::fs::read_to_string(rig.path("env")).expect("the program ran");
    assert!(!environment.contains("SECRET_OF_THE_CALLER"), "{environment}");
}

#[test]
fn an_agent_whose_queue_is_full_does_not_hold_a_run_past_its_deadline() {
    let rig = socket("");
    let path = rig.path("run/agent.sock");
    let _listener = UnixListener::bind(&path).expect("a socket in the rig's folder");
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        while let Ok(stream) = UnixStream::connect(&path) {
            let _ = sender.send(stream);
        }
    });
    let mut queued = Vec::new();
    while let Ok(stream) = receiver.recv_timeout(Duration::from_millis(200)) {
        queued.push(stream);
    }
    let outcome = rig.run(&[]);
    assert!(outcome.reason().is_some_and(|reason| reason != Reason::Ok), "{outcome:#?}");
    assert!(outcome.elapsed < Duration::from_secs(6), "{outcome:#?}");
    assert_eq!(outcome.reason().map(Reason::code), Some(outcome.code()), "the log does not say how it ended: {outcome:#?}");
}

#[test]
fn a_directory_delivery_has_the_owner_that_the_site_says() {
    if !root("giving a file to another owner") {
        return;
    }
    let rig = rig(&format!("{SPIFFE_DIRECTORY}owner = \"1234:4321\"\n"));
    rig.run(&[]).expect_delivered();
    let about = std::fs::metadata(rig.path("run/svid/jwt_svid.token")).expect("a delivery");
    assert_eq!((about.uid(), about.gid(), about.mode() & 0o077), (1234, 4321, 0));
}

/// What doctor says of the delivery, and that nothing it did is left.
fn examined(rig: &Rig, code: &str) {
    let before = everything(rig);
    let outcome = rig.run(&["doctor", "--json"]);
    assert_eq!(outcome.reason().map(Reason::code), Some(code), "{outcome:#?}");
    assert_eq!(everything(rig), before);
}

fn everything(rig: &Rig) -> Vec<(String, u64)> {
    let entries = std::fs::read_dir(rig.path("run")).expect("the delivery folder").flatten();
    let mut all: Vec<_> =
        entries.map(|entry| (entry.file_name().to_string_lossy().into_owned(), entry.metadata().map_or(0, |about| about.ino()))).collect();
    all.sort();
    all
}

#[test]
fn doctor_tries_the_delivery_out_and_leaves_nothing_behind() {
    let plain = Rig::simple();
    plain.run(&[]).expect_delivered();
    examined(&plain, "ok");
    let owned = rig(&format!("{RAW_FILE}owner = \"nobody-of-this-name\"\n"));
    examined(&owned, "delivery.owner-unknown");
    let program = |path: &str| rig(&format!("[[credential.delivery]]\nkind = \"exec\"\nargv = [\"{path}\"]\nformat = \"raw\"\n"));
    examined(&program("/bin/cat"), "ok");
    examined(&program("/no/such/program"), "delivery.exec-failed");
    examined(&program("/etc/passwd"), "delivery.exec-failed");
    let socket = socket("");
    examined(&socket, "delivery.socket-absent");
    let listener = UnixListener::bind(socket.path("run/agent.sock")).expect("the rig's folder");
    examined(&socket, "ok");
    let (mut agent, _) = listener.accept().expect("doctor has come");
    let mut said = String::new();
    let _ = agent.read_to_string(&mut said);
    assert_eq!(said, "", "an agent is told nothing");
}
