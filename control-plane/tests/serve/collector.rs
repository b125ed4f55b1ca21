//! The OpenTelemetry Collector itself, made of its own modules: it is told by `pinnaced`, and what it has taken is read back.

use crate::{
    go,
    otlp::{attribute, export, find, measured},
    rig::{Domain, Server, eventually},
    told::{event_of, report, send_until_taken},
};
use protocol::event::Report;
use serde_json::Value;
use std::{
    fs,
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command},
};

#[test]
fn the_opentelemetry_collector_takes_logs_and_metrics_also_after_it_was_away() {
    let domain = Domain::new();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let collector = Collector::start(&domain, port);
    export(&domain, &format!("https://127.0.0.1:{port}"), "ca = \"ca/ca.crt\"");
    let server = Server::start(&domain);
    let host = domain.host("web-1");
    assert_eq!(server.curl(&host, "/v1/credentials/db", &[]).status, 200);
    let facts = vec![("os".to_string(), "rhel7".to_string()), ("kernel".to_string(), "3.10 \"el7\"\\".to_string())];
    let mut told = Report { facts, ..report('a', 1..=2) };
    (told.events[1].code, told.events[1].outcome) = ("http.closed".into(), "failed".into());
    send_until_taken(&server, &host, &told);
    eventually("both runs", || records(&domain).len() == 2);
    drop(collector);
    send_until_taken(&server, &host, &report('a', 3..=3));
    eventually("it is away", || !server.fetch(&format!("http://{}/metrics", server.admin), &[]).body.contains("pinnaced_otlp_failed_total 0\n"));
    let _collector = Collector::start(&domain, port);
    eventually("the run that was told meanwhile", || records(&domain).len() == 3);
    let records = records(&domain);
    let words = |record: &Value| {
        let names = ["host.name", "event.name", "pinnace.number", "pinnace.code", "pinnace.outcome", "pinnace.generation", "pinnace.fact.kernel"];
        names.map(|name| attribute(record, name))
    };
    assert_eq!(words(&records[0]), ["web-1", "pinnace.run", "1", "ok", "delivered", "3", "3.10 \"el7\"\\"]);
    assert_eq!(words(&records[1]), ["web-1", "pinnace.run", "2", "http.closed", "failed", "3", "3.10 \"el7\"\\"]);
    assert_eq!(words(&records[2]), ["web-1", "pinnace.run", "3", "ok", "delivered", "3", "3.10 \"el7\"\\"]);
    let severities: Vec<_> = records.iter().map(|record| (&record["severityNumber"], &record["severityText"])).collect();
    assert_eq!(severities, [(&9.into(), &"INFO".into()), (&17.into(), &"ERROR".into()), (&9.into(), &"INFO".into())]);
    let evil = "\"}]}],\"x\":[{<b>\\";
    send_until_taken(&server, &domain.host("web-2"), &Report { events: vec![event_of(evil)], ..report('a', 1..=1) });
    eventually("what a host made up", || self::records(&domain).len() == 4);
    let made_up = &self::records(&domain)[3];
    let words = ["code", "outcome", "update", "identity", "verdict", "verdict_on"].map(|name| attribute(made_up, &format!("pinnace.{name}")));
    assert_eq!(words, ["unknown", "other", evil, evil, evil, evil], "it is text, and no code or outcome of ours");
    let counted = || lines(&domain, "metrics").into_iter().rev().find(|told| find(told, "pinnaced_credentials_issued").is_some());
    eventually("the metrics", || counted().is_some());
    measured(&counted().unwrap());
}

/// All log records that it has written.
fn records(domain: &Domain) -> Vec<Value> {
    let records = |line: &Value| line["resourceLogs"][0]["scopeLogs"][0]["logRecords"].as_array().cloned().unwrap_or_default();
    lines(domain, "logs").iter().flat_map(records).collect()
}

/// What it has written of a signal: a request in each line, OTLP's JSON. The last one may not be whole yet.
fn lines(domain: &Domain, signal: &str) -> Vec<Value> {
    let text = fs::read_to_string(domain.path(&format!("collected-{signal}.json"))).unwrap_or_default();
    text.lines().map_while(|line| serde_json::from_str(line).ok()).collect()
}

/// Killed in the end.
struct Collector(Child);

impl Collector {
    fn start(domain: &Domain, port: u16) -> Self {
        let [certificate, key, logs, metrics] =
            ["server/server.crt", "server/server.key", "collected-logs.json", "collected-metrics.json"].map(|name| domain.path(name));
        let tls = format!("{{cert_file: {certificate:?}, key_file: {key:?}}}");
        let file = |path: &Path| format!("{{path: {path:?}, append: true, flush_interval: 100ms}}");
        let config = format!(
            "receivers:\n  otlp: {{protocols: {{http: {{endpoint: \"127.0.0.1:{port}\", tls: {tls}}}}}}}\n\
             exporters:\n  file/logs: {}\n  file/metrics: {}\n\
             service:\n  pipelines:\n    logs: {{receivers: [otlp], exporters: [file/logs]}}\n    metrics: {{receivers: [otlp], exporters: [file/metrics]}}\n",
            file(&logs),
            file(&metrics),
        );
        let path = domain.path("collector.yaml");
        fs::write(&path, config).unwrap();
        let collector = Self(Command::new(program()).arg("--config").arg(format!("file:{}", path.display())).spawn().unwrap());
        eventually("the collector listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        collector
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn program() -> PathBuf {
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("collector");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/serve/collector");
    let built = go::command(1, 26).args(["build", "-trimpath", "-buildvcs=false", "-o"]).arg(&program).arg(".").current_dir(source).output().unwrap();
    assert!(built.status.success(), "the Collector could not be made, so nothing was told to it: {built:?}");
    program
}
