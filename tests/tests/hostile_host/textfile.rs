//! What a node_exporter on the host reads, judged by promtool; and that nothing about it changes a run.

use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use tests::rig::Rig;

/// A host whose textfile is asked for, in a folder that is there or not.
fn asked(folder: &str) -> (Rig, PathBuf) {
    let rig = Rig::simple();
    let path = rig.path(folder).join("pinnace.prom");
    std::fs::write(rig.path("host.toml"), format!("textfile = \"{}\"\n", path.display())).expect("the rig's folder is writable");
    (rig, path)
}

#[test]
fn a_node_exporter_reads_how_the_last_run_ended() {
    let (mut rig, path) = asked("collector");
    std::fs::create_dir(rig.path("collector")).expect("the rig's folder is writable");
    rig.run(&[]).expect_delivered();
    let first = std::fs::read_to_string(&path).expect("the textfile");
    let inode = std::fs::metadata(&path).expect("the textfile").ino();
    judged(&first);
    let (run, success) = (value(&first, "pinnace_last_run_timestamp_seconds"), value(&first, "pinnace_last_success_timestamp_seconds"));
    assert!(run == success && run > 1_600_000_000, "{first}");
    assert!(value(&first, "pinnace_credential_expiry_timestamp_seconds{credential=\"db\"}") > run, "{first}");
    assert_eq!((value(&first, "pinnace_last_code{code=\"ok\"}"), value(&first, "pinnace_generation")), (1, 0));
    rig.forget();
    rig.stop_server();
    rig.run(&[]).expect_reason("connect.refused");
    let second = std::fs::read_to_string(&path).expect("the textfile");
    judged(&second);
    assert_eq!(value(&second, "pinnace_last_code{code=\"connect.refused\"}"), 1);
    assert_eq!(value(&second, "pinnace_last_success_timestamp_seconds"), success);
    let about = std::fs::metadata(&path).expect("the textfile");
    assert!(about.ino() != inode && about.mode() & 0o777 == 0o644, "a new file takes its place, whole: {about:?}");
    assert_eq!(std::fs::read_dir(rig.path("collector")).expect("the folder").count(), 1, "nothing is left beside it");
}

#[test]
fn a_textfile_that_cannot_be_written_is_a_warning_and_changes_nothing() {
    let (rig, path) = asked("nowhere");
    let outcome = rig.run(&[]);
    outcome.expect_delivered();
    assert!(outcome.stdout.contains("\"event\":\"warning\"") && outcome.stdout.contains("pinnace.prom"), "{outcome:#?}");
    std::fs::create_dir_all(&path).expect("a folder in the file's place");
    std::fs::write(path.join("full"), "x").expect("a file in it");
    rig.forget();
    rig.run(&[]).expect_delivered();
    assert_eq!(std::fs::read_dir(rig.path("nowhere")).expect("the folder").count(), 1, "nothing is left beside it");
}

#[test]
fn a_pipe_in_the_textfiles_place_holds_no_run() {
    let (rig, path) = asked("collector");
    std::fs::create_dir(rig.path("collector")).expect("the rig's folder is writable");
    assert!(Command::new("mkfifo").arg(&path).status().expect("mkfifo").success());
    rig.run(&[]).expect_delivered();
    assert!(std::fs::metadata(&path).expect("the textfile").is_file(), "it is replaced, never opened");
}

/// A series' number.
fn value(text: &str, series: &str) -> i64 {
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("no {series} in {text}"))
}

/// Debian's promtool accepts it: the one on the path, or the one that `cargo xtask test` unpacks.
fn judged(text: &str) {
    let unpacked = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/tools/debian/usr/bin/promtool");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places = std::env::split_paths(&path).map(|folder| folder.join("promtool")).chain([unpacked]);
    let Some(promtool) = places.find(|place| place.is_file()) else {
        eprintln!("NOT CHECKED: there is no promtool; cargo xtask test fetches it");
        assert!(std::env::var_os("CI").is_none(), "promtool is needed");
        return;
    };
    let mut child = Command::new(promtool).args(["check", "metrics"]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("promtool runs");
    child.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("promtool reads");
    let judged = child.wait_with_output().expect("promtool ends");
    assert!(judged.status.success() && judged.stderr.is_empty(), "{text}: {judged:?}");
}
