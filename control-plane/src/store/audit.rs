//! The audit log: a chain of records, each holding its place and sealed together with all before it.
//!
//! Every process that writes has a chain of its own, under its name. A record is a line of JSON whose first members are the
//! writer and its number; its hash is the SHA-256 of the hash before and the record's bytes, so that nobody can change, remove or
//! insert one without all that follow. A checkpoint signs number and hash of the newest record, so that nobody can cut the end.

use aws_lc_rs::digest::{Context, SHA256};
use protocol::{
    audit::Hash,
    json::{Value, object},
};

/// What happened, before it has its place in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    members: Vec<(String, Value)>,
}

impl Event {
    /// That `what` happened at `time`.
    pub(crate) fn new(what: &str, time: i64) -> Self {
        Self { members: vec![("time".into(), time.into()), ("event".into(), what.into())] }
    }

    /// From its members.
    pub(super) fn of(members: Vec<(String, Value)>) -> Self {
        Self { members }
    }

    /// With one member more.
    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.members.push((name.into(), value.into()));
        self
    }
}

/// A record with its place and seal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// Its number in the writer's chain, from 1.
    pub(crate) number: i64,
    /// The line of JSON.
    pub(crate) body: String,
    /// What seals it.
    pub(crate) hash: Hash,
}

impl Record {
    /// As it is exported: the line with its hash as the last member.
    pub(crate) fn exported(&self) -> String {
        protocol::audit::exported(&self.body, &self.hash)
    }
}

/// The end of a writer's chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chain {
    /// The writer's name.
    pub(crate) writer: String,
    /// The newest record's number; 0 before the first.
    pub(crate) number: i64,
    /// The newest record's hash; zeros before the first.
    pub(crate) hash: Hash,
}

impl Chain {
    /// Before its first record.
    pub(crate) fn new(writer: &str) -> Self {
        Self { writer: writer.into(), number: 0, hash: [0; 32] }
    }

    /// Gives an event its place at the end.
    pub(crate) fn append(&mut self, event: &Event) -> Record {
        let number = self.number + 1;
        let mut body = object([("writer", self.writer.as_str().into()), ("number", number.into())]);
        if let Value::Object(members) = &mut body {
            members.extend(event.members.iter().cloned());
        }
        let body = body.to_string();
        let hash = seal(&self.hash, &body);
        (self.number, self.hash) = (number, hash);
        Record { number, body, hash }
    }
}

/// What seals a record that follows the record with the hash `before`.
pub(crate) fn seal(before: &Hash, body: &str) -> Hash {
    let mut context = Context::new(&SHA256);
    context.update(before);
    context.update(body.as_bytes());
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}
