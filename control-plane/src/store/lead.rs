//! Which process leads, of those on one database: whoever holds the lock, for as long as its connection lives.

use super::{Address, Error, postgres::Postgres};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(2);

/// A wish to lead; it blocks its thread.
pub(crate) struct Lead {
    address: Address,
    connection: Option<Postgres>,
    leads: bool,
}

impl Lead {
    /// Nobody leads yet.
    pub(crate) fn new(address: Address) -> Self {
        Self { address, connection: None, leads: false }
    }

    /// Whether this process leads. On a file it is alone.
    pub(crate) fn holds(&mut self) -> bool {
        let Address::Server(server) = &self.address else { return true };
        let held = match self.connection.take() {
            Some(connection) => Ok(connection),
            None => {
                self.leads = false;
                Postgres::connect(&server.config, PATIENCE)
            }
        };
        let asked = held.and_then(|connection| Ok((lead(&connection, self.leads)?, connection)));
        match asked {
            Ok((leads, connection)) => (self.leads, self.connection) = (leads, Some(connection)),
            Err(_) => self.leads = false,
        }
        self.leads
    }
}

fn lead(connection: &Postgres, leads: bool) -> Result<bool, Error> {
    if leads {
        return connection.check().map(|()| true);
    }
    let row = connection.wait(connection.client().query_one("SELECT pg_try_advisory_lock(1346981454, 3)", &[]))?;
    Ok(row.try_get(0)?)
}
