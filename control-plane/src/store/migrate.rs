//! Earlier versions of the database file.

use super::{
    audit::{Chain, Event, Record},
    sqlite::TABLES,
};
use rusqlite::{Connection, TransactionBehavior, params};

/// Brings a file of an earlier version up to this one, whole or not at all; whether that version is known. What the log held
/// becomes the beginning of `writer`'s chain.
pub(super) fn migrate(connection: &mut Connection, version: i64, writer: &str) -> rusqlite::Result<bool> {
    match version {
        1 => from_1(connection, writer).map(|()| true),
        _ => Ok(false),
    }
}

/// Version 1 knew nothing but what was issued, unchained.
fn from_1(connection: &mut Connection, writer: &str) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch("ALTER TABLE audit RENAME TO audit_1")?;
    transaction.execute_batch(TABLES)?;
    {
        let mut old = transaction.prepare("SELECT time, host, credential, jti, expires_at FROM audit_1 ORDER BY id")?;
        let mut new = transaction.prepare("INSERT INTO audit (writer, number, body, hash) VALUES (?1, ?2, ?3, ?4)")?;
        let (mut rows, mut end) = (old.query([])?, Chain::new(writer));
        while let Some(row) = rows.next()? {
            let text = |column: usize| row.get::<_, String>(column);
            // There the host was its whole SPIFFE ID.
            let host = text(1)?;
            let event = Event::new("issued", row.get(0)?)
                .with("host", host.rsplit('/').next().unwrap_or(&host))
                .with("credential", text(2)?)
                .with("jti", text(3)?)
                .with("expires_at", row.get::<_, i64>(4)?);
            let Record { number, body, hash } = end.append(&event);
            new.execute(params![end.writer, number, body, hash])?;
        }
    }
    transaction.execute_batch("DROP TABLE audit_1")?;
    transaction.commit()
}
