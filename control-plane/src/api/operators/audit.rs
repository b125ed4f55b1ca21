//! The audit log.

use super::{
    Answer, Desk,
    model::{AskAudit, AskIssued, AuditPiece, AuditPlace, AuditRecords, Checkpoints, ExportAudit, IssuedLine, IssuedView},
    refuse,
};
use crate::{
    api::now,
    store::{Error, Reader},
};
use hyper::StatusCode;
use serde_json::Value;
use service::policy::LIFETIME_SECONDS_MAX;

const FOUND_MAX: usize = 1000;
const PIECE: usize = 1000;

/// Records, newest first.
pub(super) async fn find(desk: Desk, asked: AskAudit) -> Answer<AuditRecords> {
    let limit = asked.limit.min(FOUND_MAX);
    let fits = move |record: &Value| {
        let is = |name: &str, wanted: &Option<String>| wanted.as_deref().is_none_or(|wanted| names(record, name, wanted));
        let host = asked.host.as_deref().is_none_or(|host| names(record, "host", host) || mentions(record, host));
        host && is("event", &asked.event) && is("credential", &asked.credential)
    };
    let records = read(&desk, move |store| {
        let mut records = Vec::new();
        store.newest_records(asked.since, |line| {
            if let Ok(record) = serde_json::from_str(line)
                && fits(&record)
            {
                records.push(record);
            }
            records.len() < limit
        })?;
        Ok(records)
    })
    .await?;
    Ok(AuditRecords { version: 1, records })
}

fn names(record: &Value, member: &str, wanted: &str) -> bool {
    record.get(member).and_then(Value::as_str) == Some(wanted)
}

/// Whether an operator's change touched the host.
fn mentions(record: &Value, host: &str) -> bool {
    record.get("hosts").and_then(Value::as_str).is_some_and(|hosts| hosts.split(' ').any(|name| name == host))
}

/// What a host was issued that has not ended.
pub(super) async fn issued(desk: Desk, asked: AskIssued) -> Answer<IssuedView> {
    let now = now();
    let host = asked.host.clone();
    let credentials = read(&desk, move |store| {
        let mut credentials = Vec::new();
        store.newest_records(now - LIFETIME_SECONDS_MAX, |line| {
            credentials.extend(serde_json::from_str(line).ok().and_then(|record| held(&record, &host, now)));
            credentials.len() < FOUND_MAX
        })?;
        Ok(credentials)
    })
    .await?;
    Ok(IssuedView { version: 1, host: asked.host, credentials })
}

fn held(record: &Value, host: &str, now: i64) -> Option<IssuedLine> {
    let text = |name: &str| record.get(name).and_then(Value::as_str).unwrap_or_default().to_string();
    let seconds = |name: &str| record.get(name).and_then(Value::as_i64);
    let expires_at = seconds("expires_at").filter(|ends| *ends > now)?;
    (names(record, "event", "issued") && names(record, "host", host)).then(|| IssuedLine {
        credential: text("credential"),
        kind: text("kind"),
        issued_at: seconds("time").unwrap_or_default(),
        expires_at,
        id: text("jti"),
    })
}

/// The log, piece by piece.
pub(super) async fn export(desk: Desk, asked: ExportAudit) -> Answer<AuditPiece> {
    let limit = asked.limit.clamp(1, PIECE);
    let (lines, last) = read(&desk, move |store| store.records_after(&asked.writer, asked.number, limit)).await?;
    Ok(AuditPiece { version: 1, lines, next: last.map(|(writer, number)| AuditPlace { writer, number }) })
}

/// Where it ends.
pub(super) async fn checkpoints(desk: Desk) -> Answer<Checkpoints> {
    Ok(Checkpoints { version: 1, lines: read(&desk, |store| store.checkpoints()).await? })
}

/// Reads the store where it holds nobody up.
async fn read<T: Send + 'static>(desk: &Desk, read: impl FnOnce(&Reader) -> Result<T, Error> + Send + 'static) -> Answer<T> {
    let address = desk.plane.store.clone();
    let reading = tokio::task::spawn_blocking(move || Reader::open(&address).and_then(|store| read(&store).map_err(|error| address.failed(&error))));
    match reading.await {
        Ok(Ok(found)) => Ok(found),
        Ok(Err(failure)) => Err(refuse(StatusCode::SERVICE_UNAVAILABLE, "store.unavailable", failure.because(), "try again")),
        Err(error) => Err(refuse(StatusCode::SERVICE_UNAVAILABLE, "store.unavailable", &error.to_string(), "try again")),
    }
}
