//! Reading the audit log.

use super::{Record, schema};
use crate::failure::Failure;
use std::{io, path::Path};

/// Calls `each` with every record, oldest first.
pub(crate) fn each_record(path: &Path, mut each: impl FnMut(i64, &Record) -> io::Result<()>) -> Result<(), Failure> {
    let connection = schema::open(path)?;
    let mut read = || -> rusqlite::Result<io::Result<()>> {
        let mut statement = connection.prepare("SELECT id, time, host, credential, jti, expires_at FROM audit ORDER BY id")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let record = Record { time: row.get(1)?, host: row.get(2)?, credential: row.get(3)?, jti: row.get(4)?, expires_at: row.get(5)? };
            if let Err(error) = each(row.get(0)?, &record) {
                return Ok(Err(error));
            }
        }
        Ok(Ok(()))
    };
    read()
        .map_err(|error| schema::failed(path, &error))?
        .map_err(|error| Failure::new("cannot print the audit records", error, "check standard output"))
}
