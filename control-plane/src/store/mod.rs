//! The audit log in SQLite: what was issued to whom, when, until when.

mod read;
mod schema;
mod writer;

pub(crate) use read::each_record;
pub(crate) use schema::create;
pub(crate) use writer::{Audit, NotRecorded};

/// One issued credential, as the audit log keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// When it was issued, seconds since 1970.
    pub(crate) time: i64,
    /// The host's SPIFFE ID.
    pub(crate) host: String,
    /// The credential's name.
    pub(crate) credential: String,
    /// The token's `jti`, or the same kind of random name for a secret.
    pub(crate) jti: String,
    /// When it ends, seconds since 1970.
    pub(crate) expires_at: i64,
}

impl Record {
    /// One line for a person or a program.
    pub(crate) fn to_json(&self, id: i64) -> String {
        protocol::json::object([
            ("id", id.into()),
            ("time", self.time.into()),
            ("host", self.host.as_str().into()),
            ("credential", self.credential.as_str().into()),
            ("jti", self.jti.as_str().into()),
            ("expires_at", self.expires_at.into()),
        ])
        .to_string()
    }
}
