//! What a process is born with: descriptors, environment, arguments, limits, kernel, clock, root directory.

use std::path::PathBuf;
use std::process::Command;

use protocol::reason::Reason;
use tests::rig::{Outcome, Rig, Site, finish, programs};

use crate::wire::Wire;
use crate::{Trace, is_token, root, run_shell, run_weird, traced, weird};

const PEAK_KIB_MAX: u64 = 2048;
/// Sixty for the job of a first run. A later one reads its memory and keeps the file before; and all report: two state files that are
/// not there, one request and its answer. One call more keeps a limit on file sizes from ending a run without words.
const CALLS_MAX: usize = 68;
/// A first run, and one every six hours, also tells what its host is.
const FACTS_CALLS_MAX: usize = 9;

fn expect_delivered(rig: &Rig, outcome: &Outcome) {
    outcome.expect_delivered();
    assert!(is_token(&rig.delivered()), "'{}' is not a token", rig.delivered());
}

#[test]
fn an_ordinary_host_gets_its_credential_and_a_second_run_is_fresh_without_a_network() {
    let mut rig = Rig::simple();
    expect_delivered(&rig, &rig.run(&[]));
    let before = rig.delivered();
    rig.stop_server();
    let again = rig.run(&["run"]);
    assert_eq!((again.status, again.outcome()), (0, "fresh"), "{again:#?}");
    assert_eq!(rig.delivered(), before);
}

#[test]
fn a_failed_fetch_leaves_the_credential_untouched() {
    let mut rig = Rig::new(&Site { deadline_seconds: 1, ..Site::default() });
    rig.run(&[]).expect_delivered();
    let before = rig.delivered();
    rig.forget();
    rig.stop_server();
    rig.run(&[]).expect_reason("connect.refused");
    assert_eq!(rig.delivered(), before);
}

#[test]
fn closed_descriptors_never_become_the_socket() {
    let rig = Rig::simple();
    let wire = Wire::to(rig.hosts_port);
    rig.stamp(&Site { endpoints: vec![("localhost".into(), wire.port, vec!["127.0.0.1".into()])], ..Site::default() });
    for combination in 1..8 {
        let closed: String = (0..3).filter(|fd| combination & (1 << fd) != 0).map(|fd| format!(" {fd}>&-")).collect();
        rig.forget();
        let _ = std::fs::remove_file(rig.target());
        let file = rig.path("trace");
        let mut command = weird(&["--trace", file.to_str().expect("a plain path")], "/bin/sh");
        command.args(["-c", &format!("exec \"$1\"{closed}"), "sh"]).arg(rig.client());
        let outcome = finish(&mut command);
        assert_eq!(outcome.status, 0, "with{closed}: {outcome:#?}");
        assert!(is_token(&rig.delivered()), "with{closed}: {outcome:#?}");
        let sockets = Trace::read(&file).results("socket");
        assert!(sockets.iter().all(|fd| *fd > 2), "with{closed}: a socket became descriptor {sockets:?}");
        assert!(wire.bytes() > 0 && !wire.carried(&rig.delivered().as_bytes()[..24]), "with{closed}: the credential went out in clear");
        assert_eq!(rig.run(&[]).outcome(), "fresh", "with{closed}: the state is damaged");
    }
}

#[cfg(target_arch = "x86_64")]
#[test]
fn a_run_that_breaks_a_rule_of_its_own_ends_in_a_reason() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let rig = Rig::simple();
    let port = silent.local_addr().expect("a port").port();
    rig.stamp(&Site { endpoints: vec![("localhost".into(), port, vec!["127.0.0.1".into()])], ..Site::default() });
    run_shell(&rig, "\"$1\" & sleep 0.3; kill -ILL $!; wait $!").expect_reason("run.internal");
}

#[test]
fn standard_output_on_a_full_disk_costs_only_the_log() {
    let rig = Rig::simple();
    let outcome = run_shell(&rig, "exec \"$1\" >/dev/full 2>/dev/full");
    assert_eq!(outcome.status, 0, "{outcome:#?}");
    assert!(is_token(&rig.delivered()));
    rig.forget();
    let piped = run_shell(&rig, "{ \"$1\"; echo $? >&2; } | true");
    assert_eq!(piped.stderr.trim(), "0", "a closed pipe is no reason to fail: {piped:#?}");
}

#[test]
fn a_delivery_to_standard_output_that_cannot_be_written_is_said() {
    let rig = Rig::new(&Site { deliveries: "[[credential.delivery]]\nkind = \"stdout\"\nformat = \"raw\"\n".into(), ..Site::default() });
    for redirect in ["1>&-", "1>/dev/full"] {
        let outcome = run_shell(&rig, &format!("exec \"$1\" {redirect}"));
        assert_eq!(outcome.reason().map(|reason| reason.code()), Some("delivery.stdout"), "with {redirect}: {outcome:#?}");
    }
    let outcome = rig.run(&[]);
    assert!(outcome.stdout.lines().any(is_token), "{outcome:#?}");
}

#[test]
fn an_environment_full_of_junk_changes_nothing() {
    let rig = Rig::simple();
    let long = "x".repeat(120_000);
    let junk = [
        ("LD_PRELOAD", "/nonexistent.so"),
        ("LD_LIBRARY_PATH", "/nonexistent"),
        ("SSL_CERT_FILE", "/dev/null"),
        ("SSL_CERT_DIR", "/nonexistent"),
        ("HTTP_PROXY", "http://127.0.0.1:1"),
        ("HTTPS_PROXY", "http://127.0.0.1:1"),
        ("https_proxy", "http://127.0.0.1:1"),
        ("ALL_PROXY", "socks5://127.0.0.1:1"),
        ("NO_PROXY", "*"),
        ("RES_OPTIONS", "timeout:0 attempts:0 ndots:15"),
        ("LOCALDOMAIN", "invalid"),
        ("HOSTALIASES", "/dev/null"),
        ("PYTHONPATH", "/nonexistent"),
        ("HOME", "/nonexistent"),
        ("TMPDIR", "/nonexistent"),
        ("PATH", ""),
        ("TZ", ":/dev/zero"),
        ("LC_ALL", "xx_XX.UTF-9"),
        ("RUST_LOG", "trace"),
        ("RUST_BACKTRACE", "full"),
        ("RUST_MIN_STACK", "1"),
        ("SSLKEYLOGFILE", "/nonexistent/keys"),
        ("LONG", long.as_str()),
    ];
    let mut command = Command::new(rig.client());
    command.env_clear().envs(junk);
    expect_delivered(&rig, &finish(&mut command));
    rig.forget();
    expect_delivered(&rig, &finish(Command::new(rig.client()).env_clear()));
}

#[test]
fn a_kernel_without_any_call_newer_than_linux_3_10_is_enough() {
    let rig = Rig::simple();
    expect_delivered(&rig, &run_weird(&rig, &["--kernel", "3.10"]));
}

#[test]
fn sixty_four_files_and_128_mib_of_address_space_are_enough() {
    let rig = Rig::simple();
    expect_delivered(&rig, &run_weird(&rig, &["--nofile", "64", "--address-space", "134217728"]));
}

#[test]
fn too_few_descriptors_end_in_a_reason() {
    let rig = Rig::simple();
    for files in ["3", "4"] {
        rig.forget();
        let outcome = run_weird(&rig, &["--nofile", files]);
        assert_eq!(outcome.reason(), Some(Reason::OutOfDescriptors), "with {files} files: {outcome:#?}");
    }
}

#[test]
fn clocks_of_1970_2001_and_2037_get_a_credential() {
    let rig = Rig::simple();
    for clock in ["10", "1000000000", "2114380800"] {
        rig.forget();
        let outcome = run_weird(&rig, &["--clock", clock]);
        assert_eq!((outcome.status, outcome.outcome()), (0, "delivered"), "at {clock}: {outcome:#?}");
        assert!(is_token(&rig.delivered()));
    }
}

#[test]
fn a_clock_that_steps_back_between_runs_is_no_error() {
    let rig = Rig::simple();
    run_weird(&rig, &["--clock", "2114380800"]).expect_delivered();
    expect_delivered(&rig, &rig.run(&[]));
}

#[test]
fn no_arguments_at_all_is_a_run() {
    let rig = Rig::simple();
    expect_delivered(&rig, &run_weird(&rig, &["--argc-zero"]));
}

#[test]
fn a_working_directory_that_is_gone_does_not_matter() {
    let rig = Rig::simple();
    std::fs::create_dir(rig.path("gone")).expect("the rig's folder");
    let script = format!("cd {0} && rmdir {0} && exec \"$1\"", rig.path("gone").display());
    expect_delivered(&rig, &run_shell(&rig, &script));
}

#[test]
fn an_unstamped_binary_refuses_to_run() {
    finish(&mut Command::new(&programs().client)).expect_reason("site.unstamped");
}

#[test]
fn an_empty_root_directory_with_only_the_binary_and_its_state_is_enough() {
    if !root("an empty chroot") {
        return;
    }
    let rig = Rig::simple();
    let jail = jail(&rig);
    let mut command = Command::new("chroot");
    command.arg(&jail).arg("/pinnace");
    finish(&mut command).expect_delivered();
    let target = jail.join(rig.target().strip_prefix("/").expect("an absolute path"));
    assert!(is_token(&std::fs::read_to_string(target).unwrap_or_default()));
}

#[test]
fn an_empty_root_directory_on_an_old_kernel_has_no_randomness_and_says_so() {
    if !root("an empty chroot") {
        return;
    }
    let rig = Rig::simple();
    let mut command = weird(&["--kernel", "3.10"], "chroot");
    command.arg(jail(&rig)).arg("/pinnace");
    finish(&mut command).expect_reason("host.no-entropy");
}

#[test]
fn a_program_is_fed_where_there_is_no_dev_null() {
    if !root("an empty chroot") {
        return;
    }
    let deliveries = "[[credential.delivery]]\nkind = \"exec\"\nargv = [\"/pinnace\", \"--version\"]\nformat = \"raw\"\n";
    let rig = Rig::new(&Site { deliveries: deliveries.into(), ..Site::default() });
    finish(Command::new("chroot").arg(jail(&rig)).arg("/pinnace")).expect_delivered();
}

/// A folder with nothing in it but the client as `pinnace`, its state with an identity, and a folder to deliver into.
fn jail(rig: &Rig) -> PathBuf {
    let jail = rig.path("jail");
    let inside = |name: &str| jail.join(rig.path(name).strip_prefix("/").expect("an absolute path"));
    for name in ["state", "run"] {
        std::fs::create_dir_all(inside(name)).expect("the rig's folder");
    }
    std::fs::copy(rig.path("state/identity.pem"), inside("state/identity.pem")).expect("the identity");
    std::fs::copy(rig.client(), jail.join("pinnace")).expect("the client");
    jail
}

#[test]
fn a_read_only_root_with_a_writable_place_to_deliver_is_enough() {
    if !root("a read-only root") {
        return;
    }
    let rig = Rig::simple();
    let script = "d=\"$(dirname \"$(dirname \"$1\")\")\"; mount --make-rprivate / && \
        for w in state run; do mount --bind \"$d/$w\" \"$d/$w\" || exit 99; done; \
        mount --bind \"$d/bin\" \"$d/bin\"; mount -o remount,bind,ro \"$d/bin\"; mount -o remount,bind,ro / && exec \"$1\"";
    let mut command = Command::new("unshare");
    command.args(["-m", "/bin/sh", "-c", script, "sh"]).arg(rig.client());
    expect_delivered(&rig, &finish(&mut command));
}

#[test]
fn a_run_is_one_thread_few_system_calls_and_little_memory() {
    let rig = Rig::simple();
    let (outcome, trace) = traced(&rig, &[]);
    expect_delivered(&rig, &outcome);
    let list = trace.calls.join("\n");
    for name in ["clone", "clone3", "fork", "vfork"] {
        assert!(trace.results(name).is_empty(), "a run has one thread and no children:\n{list}");
    }
    assert!((1..=PEAK_KIB_MAX).contains(&trace.peak_kib), "{} KiB", trace.peak_kib);
    assert!(trace.calls.len() <= CALLS_MAX + FACTS_CALLS_MAX, "{} system calls:\n{list}", trace.calls.len());
    rig.forget();
    let (outcome, trace) = traced(&rig, &[]);
    expect_delivered(&rig, &outcome);
    let list = trace.calls.join("\n");
    println!("{} system calls, {} KiB at most:\n{list}", trace.calls.len(), trace.peak_kib);
    assert!(trace.calls.len() <= CALLS_MAX, "{} system calls:\n{list}", trace.calls.len());
}
