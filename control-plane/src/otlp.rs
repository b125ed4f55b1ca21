//! What hosts tell, and the metrics, for a collector of OpenTelemetry: OTLP over HTTP with JSON bodies, specification 1.
//!
//! It is told what is on record already, from a bounded queue that nobody waits for: a collector that is away costs what does not fit
//! into the queue meanwhile, which is counted, and nothing else.

mod logs;
mod metrics;

use crate::{api::ControlPlane, failure::Failure, way::Way};
use hyper::StatusCode;
use protocol::event::Event;
use serde::Deserialize;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// However many the settings want.
const QUEUE_MAX: usize = 1_000_000;
/// Records in one request.
const BATCH_MAX: usize = 512;
/// For one request, from connecting to the end of its answer.
const PATIENCE: Duration = Duration::from_secs(10);
const ANSWER_BYTES_MAX: usize = 65_536;

/// `[otlp]` in `pinnaced.toml`.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// `http(s)://HOST[:PORT]/PREFIX`; `/v1/logs` and `/v1/metrics` are below it.
    endpoint: String,
    /// The CA certificates, PEM, that an https collector is known by.
    ca: Option<PathBuf>,
    /// Between two times that it is told something.
    #[serde(default = "interval_seconds")]
    interval_seconds: u64,
    /// Events that may wait.
    #[serde(default = "queue_events")]
    queue_events: usize,
}

fn queue_events() -> usize {
    8_192
}

fn interval_seconds() -> u64 {
    10
}

impl Settings {
    /// With its paths inside a folder.
    pub(crate) fn inside(self, dir: &Path) -> Self {
        Self { ca: self.ca.map(|path| dir.join(path)), ..self }
    }
}

/// An event of a host.
pub(crate) struct Record {
    /// When the run ended, by the control plane's clock.
    pub(crate) at: i64,
    /// The host.
    pub(crate) host: String,
    /// What is known of it.
    pub(crate) facts: Arc<BTreeMap<String, String>>,
    /// What it told.
    pub(crate) event: Event,
}

/// The way to a collector.
pub(crate) struct Otlp {
    way: Way,
    interval: Duration,
    queue: Sender<Record>,
    waiting: Mutex<Option<Receiver<Record>>>,
    resource: Value,
    started: String,
}

/// Why a request was not taken.
enum NotTaken {
    /// The same may be taken later.
    Later(String),
    /// It never will be.
    Never(String),
}

impl Otlp {
    /// To the collector that the settings name, from the process of this name.
    pub(crate) fn new(settings: &Settings, name: &str) -> Result<Self, Failure> {
        let way = Way::new("collector", &settings.endpoint, settings.ca.as_deref())?;
        let (queue, waiting) = channel(settings.queue_events.clamp(1, QUEUE_MAX));
        let attributes = [("service.name", "pinnaced"), ("service.instance.id", name), ("service.version", env!("CARGO_PKG_VERSION"))];
        let resource = json!({"attributes": attributes.map(|(key, value)| text(key, value))});
        let interval = Duration::from_secs(settings.interval_seconds.max(1));
        Ok(Self { way, interval, queue, waiting: Mutex::new(Some(waiting)), resource, started: nanoseconds(since_1970()) })
    }

    /// Puts a record where the next request finds it; whether there is room.
    pub(crate) fn offer(&self, record: Record) -> bool {
        self.queue.try_send(record).is_ok()
    }

    /// How many records were refused of those that were taken.
    async fn bring(&self, path: &str, body: &Value) -> Result<u64, NotTaken> {
        let answer = tokio::time::timeout(PATIENCE, self.way.bring(path, body.to_string(), ANSWER_BYTES_MAX)).await;
        match answer.map_err(|_| NotTaken::Later("it did not answer in time".into()))?.map_err(NotTaken::Later)? {
            (StatusCode::OK, answer) => Ok(refused(&answer)),
            // As the specification has it: these four mean later, all others never.
            (
                status @ (StatusCode::TOO_MANY_REQUESTS | StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT),
                _,
            ) => Err(NotTaken::Later(format!("it answers with status {status}"))),
            (status, _) => Err(NotTaken::Never(format!("it answers with status {status}"))),
        }
    }
}

/// Tells the collector at each interval, for as long as the process serves.
pub(crate) async fn keep(plane: Arc<ControlPlane>) {
    let Some(otlp) = plane.otlp.clone() else { return };
    let Some(mut waiting) = otlp.waiting.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
    let (mut unsent, mut said) = (Vec::new(), String::new());
    loop {
        tokio::time::sleep(otlp.interval).await;
        let metrics = tell_metrics(&plane, &otlp).await;
        let logs = tell_logs(&plane, &otlp, &mut waiting, &mut unsent).await;
        let trouble = metrics.and(logs).err().unwrap_or_default();
        if trouble != said {
            match trouble.as_str() {
                "" => tracing::info!(event = "otlp-mended"),
                because => tracing::warn!(event = "otlp-away", because, hint = "see [otlp]; what hosts tell is on record all the same"),
            }
            said = trouble;
        }
    }
}

/// The counts as they are: what is not taken is in the next ones.
async fn tell_metrics(plane: &ControlPlane, otlp: &Otlp) -> Result<(), String> {
    let served = tokio::task::block_in_place(|| plane.measured());
    let body = metrics::request(&served, &otlp.resource, [&otlp.started, &nanoseconds(since_1970())]);
    match otlp.bring("/v1/metrics", &body).await {
        Ok(_) => {
            plane.metrics.otlp_sent("metrics", 1);
            Ok(())
        }
        Err(NotTaken::Later(because) | NotTaken::Never(because)) => {
            plane.metrics.otlp_failed();
            Err(because)
        }
    }
}

/// All that waits, in batches; one that may be taken later stays in `unsent`.
async fn tell_logs(plane: &ControlPlane, otlp: &Otlp, waiting: &mut Receiver<Record>, unsent: &mut Vec<Record>) -> Result<(), String> {
    loop {
        while let Some(record) = (unsent.len() < BATCH_MAX).then(|| waiting.try_recv().ok()).flatten() {
            unsent.push(record);
        }
        if unsent.is_empty() {
            return Ok(());
        }
        let told = otlp.bring("/v1/logs", &logs::request(unsent, &otlp.resource, &nanoseconds(since_1970()))).await;
        let (refused, trouble) = match told {
            Ok(refused) => (refused.min(unsent.len() as u64), None),
            Err(NotTaken::Never(because)) => (unsent.len() as u64, Some(because)),
            Err(NotTaken::Later(because)) => {
                plane.metrics.otlp_failed();
                return Err(because);
            }
        };
        plane.metrics.otlp_dropped(refused);
        plane.metrics.otlp_sent("logs", unsent.len() - usize::try_from(refused).unwrap_or(0));
        unsent.clear();
        if let Some(because) = trouble {
            return Err(because);
        }
    }
}

/// What a collector says that it will not have of what it has taken.
fn refused(answer: &[u8]) -> u64 {
    let answer: Value = serde_json::from_slice(answer).unwrap_or_default();
    let Some(refused) = answer.pointer("/partialSuccess/rejectedLogRecords") else { return 0 };
    refused.as_u64().or_else(|| refused.as_str()?.parse().ok()).unwrap_or(0)
}

fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// As JSON has 64 bits: a text.
fn nanoseconds(since_1970: Duration) -> String {
    since_1970.as_nanos().to_string()
}

/// An attribute.
fn text(key: &str, value: &str) -> Value {
    json!({"key": key, "value": {"stringValue": value}})
}

/// An attribute that is a number.
fn number(key: &str, value: i64) -> Value {
    json!({"key": key, "value": {"intValue": value.to_string()}})
}

/// Who says it within the process.
fn scope() -> Value {
    json!({"name": "pinnace", "version": env!("CARGO_PKG_VERSION")})
}
