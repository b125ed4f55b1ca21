//! What a collector of OpenTelemetry is told, judged by the protocol's own definitions, and what a collector costs that is of no use.

use crate::{
    rig::{Domain, PATIENCE, Server, eventually},
    tokens::environment,
    told::{report, send_until_taken},
};
use protocol::{
    event::Report,
    phases::{Phase, Phases},
};
use serde_json::Value;
use std::{
    fs,
    io::{BufRead, BufReader},
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
};

#[test]
fn a_collector_takes_each_event_once_with_what_is_known_of_its_host_and_the_metrics() {
    let domain = Domain::new();
    let collector = Collector::start(&domain);
    export(&domain, &format!("https://127.0.0.1:{}", collector.port), "ca = \"ca/ca.crt\"");
    let server = Server::start(&domain);
    let host = domain.host("web-1");
    assert_eq!(server.curl(&host, "/v1/credentials/db", &[]).status, 200);
    let facts = vec![("kernel".to_string(), "3.10 \"el7\"\\".to_string())];
    assert_eq!(send_until_taken(&server, &host, &Report { facts, ..report('a', 1..=2) }), 2);
    assert_eq!(send_until_taken(&server, &host, &report('a', 1..=2)), 2, "told twice");
    let mut failed = report('a', 3..=3).events.remove(0);
    (failed.code, failed.outcome, failed.elapsed_ms) = ("http.closed".into(), "failed".into(), 61_000);
    failed.phases = Phases::new([(Phase::Request, 60_500)]);
    assert_eq!(send_until_taken(&server, &host, &Report { events: vec![failed], ..report('a', 1..=1) }), 3);
    let (mut records, mut metrics, mut was_put_off) = (Vec::new(), Value::Null, false);
    let end = Instant::now() + PATIENCE;
    while records.len() < 3 || metrics.is_null() {
        let line = collector.lines.recv_timeout(end.saturating_duration_since(Instant::now())).expect("the collector is told all");
        assert!(line["error"].is_null(), "the protocol's definitions refuse it: {line}");
        was_put_off |= line["put_off"] == true;
        let told = &line["told"];
        records.extend(told["resourceLogs"][0]["scopeLogs"][0]["logRecords"].as_array().into_iter().flatten().cloned());
        if told["resourceMetrics"].is_array() && find(told, "pinnaced_credentials_issued").is_some() {
            metrics = told.clone();
        }
    }
    assert!(was_put_off, "a batch that is put off comes again");
    let numbers: Vec<String> = records.iter().map(|record| attribute(record, "pinnace.number")).collect();
    assert_eq!(numbers, ["1", "2", "3"], "each once");
    let words = |record: &Value| {
        ["host.name", "pinnace.code", "pinnace.outcome", "pinnace.generation", "pinnace.fact.kernel"].map(|key| attribute(record, key))
    };
    assert_eq!(words(&records[0]), ["web-1", "ok", "delivered", "3", "3.10 \"el7\"\\"]);
    assert_eq!(words(&records[2]), ["web-1", "http.closed", "failed", "3", "3.10 \"el7\"\\"], "facts told before are known");
    assert_eq!(attribute(&records[2], "pinnace.request_ms"), "60500");
    assert!(!records[2].to_string().contains("pinnace.tls_ms"), "a phase that was not told is none");
    assert_eq!((&records[0]["severityText"], &records[2]["severityText"]), (&"INFO".into(), &"ERROR".into()));
    let at: u64 = records[2]["timeUnixNano"].as_str().unwrap().parse().unwrap();
    assert!(at / 1_000_000_000 >= u64::try_from(crate::told::now()).unwrap() - 60, "{}", records[2]);
    measured(&metrics);
    let counted = |line: &str| server.fetch(&format!("http://{}/metrics", server.admin), &[]).body.contains(line);
    eventually("one that is refused is counted", || {
        counted("pinnaced_otlp_records_dropped_total") && !counted("pinnaced_otlp_records_dropped_total 0\n")
    });
    assert!(!counted("pinnaced_otlp_failed_total 0\n"), "the request that was put off");
}

/// Nothing that a collector does or leaves undone reaches a host.
#[test]
fn a_collector_that_never_answers_costs_no_host_a_wait_and_what_does_not_fit_is_counted() {
    let domain = Domain::new();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    export(&domain, &format!("http://{}", silent.local_addr().unwrap()), "queue_events = 16");
    let server = Server::start(&domain);
    let host = domain.host("web-1");
    let started = Instant::now();
    for piece in 0..3 {
        assert_eq!(send_until_taken(&server, &host, &report('a', piece * 60 + 1..=piece * 60 + 60)), piece * 60 + 60);
        assert_eq!(server.curl(&host, "/v1/credentials/db", &[]).status, 200);
    }
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
    let metrics = server.fetch(&format!("http://{}/metrics", server.admin), &[]).body;
    let dropped: u64 = metrics.lines().find_map(|line| line.strip_prefix("pinnaced_otlp_records_dropped_total ")).unwrap().parse().unwrap();
    // What waits is in the queue or in the batch under way, which is at most as large here.
    assert!((180 - 2 * 16..=180 - 16).contains(&dropped), "{dropped}");
    assert!(metrics.contains("pinnaced_events_taken_total 180\n"), "all is on record: {metrics}");
}

#[test]
fn a_collector_that_cannot_be_meant_is_refused_at_the_start() {
    let domain = Domain::new();
    export(&domain, "https://collector.example:4318", "");
    let started = domain.pinnaced(&["serve"]);
    let said = String::from_utf8_lossy(&started.stderr).into_owned();
    assert!(!started.status.success() && said.contains("cannot use the collector") && said.contains("no CA is named"), "{said}");
}

/// What is counted is what is served to Prometheus, in the collector's terms.
pub(crate) fn measured(told: &Value) {
    let issued = find(told, "pinnaced_credentials_issued").unwrap();
    // By its name or by its number: JSON of protocol buffers has both.
    let cumulative = [Value::from("AGGREGATION_TEMPORALITY_CUMULATIVE"), Value::from(2)];
    assert!(issued["sum"]["isMonotonic"] == true && cumulative.contains(&issued["sum"]["aggregationTemporality"]), "{issued}");
    let point = &issued["sum"]["dataPoints"][0];
    assert_eq!((point["asDouble"].as_f64(), attribute(point, "credential").as_str()), (Some(1.0), "db"));
    let latency = &find(told, "pinnaced_request_seconds").unwrap()["histogram"]["dataPoints"];
    let hosts = latency.as_array().unwrap().iter().find(|point| attribute(point, "listener") == "hosts").unwrap();
    let counts: Vec<u64> = hosts["bucketCounts"].as_array().unwrap().iter().map(|count| count.as_str().unwrap().parse().unwrap()).collect();
    assert_eq!(counts.len(), hosts["explicitBounds"].as_array().unwrap().len() + 1);
    assert_eq!(counts.iter().sum::<u64>().to_string(), hosts["count"].as_str().unwrap());
    assert!(find(told, "pinnaced_server_certificate_ends").unwrap()["gauge"]["dataPoints"][0]["asDouble"].as_f64().unwrap() > 1e9);
    let resource = &told["resourceMetrics"][0]["resource"];
    assert_eq!(attribute(resource, "service.name"), "pinnaced");
}

pub(crate) fn find<'a>(told: &'a Value, name: &str) -> Option<&'a Value> {
    told["resourceMetrics"][0]["scopeMetrics"][0]["metrics"].as_array()?.iter().find(|metric| metric["name"] == name)
}

/// An attribute's value, as text.
pub(crate) fn attribute(of: &Value, key: &str) -> String {
    let known = of["attributes"].as_array().into_iter().flatten().find(|attribute| attribute["key"] == key);
    let value = known.map(|attribute| &attribute["value"]);
    value.and_then(|value| value["stringValue"].as_str().or(value["intValue"].as_str())).unwrap_or_default().to_owned()
}

pub(crate) fn export(domain: &Domain, endpoint: &str, more: &str) {
    let path = domain.path("pinnaced.toml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(path, format!("{text}\n[otlp]\nendpoint = \"{endpoint}\"\ninterval_seconds = 1\n{more}\n")).unwrap();
}

/// The real definitions behind a small server; killed in the end.
struct Collector {
    child: Child,
    port: u64,
    lines: Receiver<Value>,
}

impl Collector {
    fn start(domain: &Domain) -> Self {
        let imports = "from google.protobuf import json_format; from opentelemetry.proto.collector.logs.v1 import logs_service_pb2";
        let python: PathBuf = environment("otlp", "opentelemetry-proto>=1.25,<2", imports);
        let program = domain.path("collector.py");
        fs::write(&program, include_str!("collector.py.txt")).unwrap();
        let files = ["server/server.crt", "server/server.key"].map(|name| domain.path(name));
        let mut child = Command::new(python).arg(&program).args(files).stdout(Stdio::piped()).spawn().unwrap();
        let (say, lines) = channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let _ = say.send(serde_json::from_str(&line).unwrap_or_default());
            }
        });
        let port: Value = lines.recv_timeout(Duration::from_secs(30)).unwrap();
        Self { child, port: port["port"].as_u64().unwrap(), lines }
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
