//! Events of hosts as log records.

use super::{Record, number, scope, text};
use serde_json::{Value, json};
use service::telemetry::{code_word, outcome_word};
use std::time::Duration;

/// `INFO` and `ERROR` of the data model.
const INFO: i64 = 9;
const ERROR: i64 = 17;

/// An `ExportLogsServiceRequest`.
pub(super) fn request(records: &[Record], resource: &Value, observed: &str) -> Value {
    let records: Vec<Value> = records.iter().map(|record| log_record(record, observed)).collect();
    json!({"resourceLogs": [{"resource": resource, "scopeLogs": [{"scope": scope(), "logRecords": records}]}]})
}

fn log_record(Record { at, host, facts, event }: &Record, observed: &str) -> Value {
    let (code, outcome) = (code_word(&event.code), outcome_word(&event.outcome));
    let mut attributes = vec![
        text("event.name", "pinnace.run"),
        text("host.name", host),
        text("pinnace.code", code),
        text("pinnace.outcome", outcome),
        number("pinnace.generation", event.generation),
        number("pinnace.number", event.number),
        number("pinnace.elapsed_ms", event.elapsed_ms),
        number("pinnace.attempts", event.attempts),
    ];
    let words = [("update", &event.update), ("identity", &event.identity), ("verdict", &event.verdict), ("verdict_on", &event.verdict_on)];
    attributes.extend(words.into_iter().filter(|(_, word)| !word.is_empty()).map(|(key, word)| text(&format!("pinnace.{key}"), word)));
    attributes.extend(event.phases.iter().map(|(phase, time)| number(&format!("pinnace.{}_ms", phase.name()), time)));
    attributes.extend(facts.iter().map(|(name, value)| text(&format!("pinnace.fact.{name}"), value)));
    let (severity, word) = if outcome == "failed" { (ERROR, "ERROR") } else { (INFO, "INFO") };
    json!({
        "timeUnixNano": super::nanoseconds(Duration::from_secs(at.unsigned_abs())),
        "observedTimeUnixNano": observed,
        "severityNumber": severity,
        "severityText": word,
        "body": {"stringValue": format!("{host}: {outcome} ({code})")},
        "attributes": attributes,
    })
}
