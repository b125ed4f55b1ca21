//! The quick start, command by command as its page has it, where nobody else listens and nothing outlives it.

use std::process::Command;
use tests::rig::programs;

const PAGE: &str = include_str!("../../../docs/quickstart.md");

/// Blocks of the page that are fenced as this.
fn blocks(kind: &str) -> impl Iterator<Item = &'static str> {
    let fence = format!("```{kind}\n");
    let parts: Vec<_> = PAGE.split(&*fence).skip(1).collect();
    parts.into_iter().filter_map(|rest| rest.split_once("```").map(|(block, _)| block))
}

/// Whether a line that was printed is one that the page shows; `…` there is what differs from time to time.
fn is(shown: &str, printed: &str) -> bool {
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let (shown, printed) = (words(shown), words(printed));
    let Some((start, end)) = shown.split_once('…') else { return shown == printed };
    printed.strip_prefix(start).is_some_and(|rest| rest.ends_with(end))
}

#[test]
fn every_command_of_the_quick_start_does_and_prints_what_its_page_says() {
    let folder = tempfile::tempdir().expect("a folder");
    let (script, programs) = (blocks("sh").collect::<String>(), programs());
    let path = format!("{}:{}", programs.pinnacectl.parent().expect("a folder").display(), std::env::var("PATH").unwrap_or_default());
    let mut shell = Command::new("unshare");
    shell.args(["--map-root-user", "--mount", "--pid", "--fork", "--net", "timeout", "240", "bash", "-uc"]);
    shell.arg(format!("exec 2>&1; ip link set lo up\n{script}")).current_dir(folder.path());
    shell.env("PATH", path).env("CLIENT", &programs.client).env("XDG_CONFIG_HOME", folder.path().join("config"));
    let output = shell.output().expect("unshare of util-linux runs");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let runs = || std::fs::read_to_string(folder.path().join("runs.log")).unwrap_or_default();
    assert!(output.status.success(), "{printed}\n{}\n{}", runs(), String::from_utf8_lossy(&output.stderr));

    let mut lines = printed.lines();
    for shown in blocks("text").flat_map(str::lines) {
        assert!(lines.any(|line| is(shown, line)), "after the lines before it, the page says: {shown}\n{printed}");
    }
    assert!(blocks("text").count() > 5 && blocks("sh").count() > 5);
}
