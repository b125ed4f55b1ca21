//! The audit log.

use super::{
    Answer, Desk,
    model::{AskAudit, AuditPiece, AuditPlace, AuditRecords, ExportAudit},
    refuse,
};
use crate::store::{Error, Reader};
use hyper::StatusCode;
use serde_json::Value;

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

/// The log, piece by piece.
pub(super) async fn export(desk: Desk, asked: ExportAudit) -> Answer<AuditPiece> {
    let (mut lines, last) = read(&desk, move |store| store.records_after(&asked.writer, asked.number, PIECE)).await?;
    let next = last.map(|(writer, number)| AuditPlace { writer, number });
    if next.is_none() {
        lines.extend(read(&desk, |store| store.checkpoints()).await?);
    }
    Ok(AuditPiece { version: 1, lines, next })
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
