//! What Prometheus is given: `/metrics` as promtool judges it, and that every name which alerts and dashboard ask for is served.

use crate::{
    fleet::{Fleet, start},
    keyed::Key,
    rig::{Domain, Server},
    rollouts::ground,
};
use serde_json::Value;
use std::{
    collections::BTreeSet,
    fs,
    io::Write,
    path::PathBuf,
    process::{Command, Output, Stdio},
};

/// All that a control plane counts while it issues, refuses, hears of hosts and drives a rollout.
#[test]
fn promtool_accepts_the_metrics_and_every_name_that_is_asked_for_is_served() {
    let Some(promtool) = promtool() else { return };
    let domain = Domain::new();
    ground(&domain, 1, 1, 5..=6);
    let server = Server::start(&domain);
    let fleet = Fleet::new(&domain, &server, 12, 0);
    let host = domain.host("web-1");
    assert_eq!(server.curl(&host, "/v1/credentials/db", &[]).status, 200);
    assert_eq!(server.curl(&host, "/v1/credentials/closed", &[]).status, 403);
    Key::new().renewed(&server, &host, "web-1");
    let plain =
        Command::new("curl").args(["-s", "-k", "-m", "4", &format!("https://{}/", server.hosts)]).args(["--tls-max", "1.1"]).output().unwrap();
    assert!(!plain.status.success(), "a handshake that fails: {plain:?}");
    start(&server, &domain, 6);
    let metrics = || server.fetch(&format!("http://{}/metrics", server.admin), &[]);
    let mut missing = BTreeSet::new();
    let asked = asked();
    assert!(asked.len() > 20, "{asked:?}");
    fleet.run_until(
        &server,
        |_| false,
        |_| {
            let served = names(&metrics().body);
            missing = asked.difference(&served).cloned().collect();
            (missing.is_empty() || served.contains("pinnaced_rollout_evidence")).then_some(())
        },
    );
    assert!(missing.is_empty(), "nobody serves {missing:?}");
    let reply = metrics();
    assert!(reply.head.contains("content-type: text/plain; version=0.0.4"), "{}", reply.head);
    for line in [
        "pinnaced_requests_refused_total{listener=\"hosts\",code=\"policy.denied\"} 1\n",
        "pinnaced_rollout_state{state=\"advancing\"} ",
        "pinnaced_hosts{state=\"healthy\"} ",
        "pinnaced_release_metadata_ends{role=\"targets\"} 4000000000\n",
    ] {
        assert!(reply.body.contains(line), "{line}: {}", reply.body);
    }
    let page = fs::read_to_string(monitoring("../../docs/monitoring.md")).unwrap();
    for name in reply.body.lines().filter_map(|line| line.strip_prefix("# TYPE pinnaced_")?.split(' ').next()) {
        assert!(page.contains(&format!("`{name}")), "docs/monitoring.md says nothing of {name}");
    }
    judged(Command::new(promtool).args(["check", "metrics"]), &reply.body);
}

#[test]
fn promtool_accepts_the_alerts_and_each_fires_for_what_it_is_about() {
    let Some(promtool) = promtool() else { return };
    let alerts = fs::read_to_string(monitoring("alerts.yml")).unwrap();
    let tested = fs::read_to_string(monitoring("alerts.test.yml")).unwrap();
    for name in alerts.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")) {
        assert!(tested.lines().any(|line| line.trim() == format!("alertname: {name}")), "no test has {name} fire");
    }
    judged(Command::new(&promtool).args(["check", "rules", "--lint-fatal"]).arg(monitoring("alerts.yml")), "");
    judged(Command::new(&promtool).args(["test", "rules"]).arg(monitoring("alerts.test.yml")), "");
}

#[test]
fn every_panel_of_the_dashboard_has_a_name_of_its_own_and_a_place() {
    let dashboard: Value = serde_json::from_str(&fs::read_to_string(monitoring("grafana.json")).unwrap()).unwrap();
    assert!(dashboard["schemaVersion"].as_i64().unwrap() >= 36 && !dashboard["title"].as_str().unwrap().is_empty());
    let panels = dashboard["panels"].as_array().unwrap();
    let all = |of: &dyn Fn(&Value) -> Vec<String>| panels.iter().flat_map(of).collect::<Vec<_>>();
    let cells = |panel: &Value| {
        let [x, y, w, h] = ["x", "y", "w", "h"].map(|name| panel["gridPos"][name].as_u64().unwrap());
        assert!(x + w <= 24, "{panel}");
        (x..x + w).flat_map(|x| (y..y + h).map(move |y| format!("{x} {y}"))).collect()
    };
    for unique in [all(&|panel| vec![panel["id"].to_string()]), all(&|panel| vec![panel["title"].to_string()]), all(&cells)] {
        assert_eq!(unique.iter().collect::<BTreeSet<_>>().len(), unique.len(), "{unique:?}");
    }
    for panel in panels {
        assert!(!panel["targets"].as_array().unwrap().is_empty() && panel["datasource"]["uid"] == "${datasource}", "{panel}");
    }
}

/// The names of series that alerts and dashboard ask for.
fn asked() -> BTreeSet<String> {
    let files = ["alerts.yml", "grafana.json"].map(|name| fs::read_to_string(monitoring(name)).unwrap());
    let words = files.iter().flat_map(|text| text.split(|character: char| !character.is_ascii_alphanumeric() && character != '_'));
    words.filter(|word| word.starts_with("pinnaced_")).map(ToOwned::to_owned).collect()
}

/// The names of series that are served.
fn names(metrics: &str) -> BTreeSet<String> {
    let series = metrics.lines().filter(|line| !line.starts_with('#'));
    series.filter_map(|line| line.split(['{', ' ']).next()).map(ToOwned::to_owned).collect()
}

fn monitoring(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../packaging/monitoring").join(name)
}

fn judged(command: &mut Command, input: &str) {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    let said = [stdout, stderr].map(|said| String::from_utf8_lossy(&said).into_owned()).concat();
    // It ends well where it only has something to say about names.
    assert!(status.success() && !said.contains("should") && !said.contains("error"), "{command:?}: {said}");
}

/// Debian's promtool: on the path, or where `cargo xtask test` unpacks it.
fn promtool() -> Option<PathBuf> {
    let unpacked = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/tools/debian/usr/bin/promtool");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places = std::env::split_paths(&path).map(|folder| folder.join("promtool")).chain([unpacked]);
    let found = places.find(|place| place.is_file());
    if found.is_none() {
        eprintln!("NOT CHECKED: there is no promtool; cargo xtask test fetches it");
        assert!(std::env::var_os("CI").is_none(), "promtool is needed");
    }
    found
}
