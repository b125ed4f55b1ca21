//! What this process knows of the store's objects: a copy in memory that every request is answered from.
//!
//! Changes reach it in two ways: those made here at once, those made elsewhere by asking the store what is newer.

use crate::store::{Kind, Object};
use service::{host::Host, token::Token};
use std::{
    collections::HashMap,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
};

/// The copy.
#[derive(Default)]
pub(crate) struct Registry {
    hosts: Table<Host>,
    tokens: Table<Token>,
    others: Table<String>,
    followed: AtomicI64,
    changes: AtomicU64,
}

/// An object and the revision it was read at.
#[derive(Clone, Debug)]
pub(crate) struct Known<T> {
    /// For a change that is made on it.
    pub(crate) revision: i64,
    /// What it says.
    pub(crate) value: Arc<T>,
}

struct Table<T>(RwLock<HashMap<String, Known<T>>>);

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self(RwLock::default())
    }
}

impl<T> Table<T> {
    fn find(&self, name: &str) -> Option<Known<T>> {
        let table = self.0.read().unwrap_or_else(PoisonError::into_inner);
        table.get(name).map(|known| Known { revision: known.revision, value: Arc::clone(&known.value) })
    }

    /// Takes an object in, unless a newer one is known.
    fn put(&self, name: String, revision: i64, value: Option<T>) {
        let mut table = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if table.get(&name).is_some_and(|known| known.revision >= revision) {
            return;
        }
        match value {
            Some(value) => table.insert(name, Known { revision, value: Arc::new(value) }),
            None => table.remove(&name),
        };
    }

    fn all(&self) -> Vec<(String, Known<T>)> {
        let table = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let entry = |(name, known): (&String, &Known<T>)| (name.clone(), Known { revision: known.revision, value: Arc::clone(&known.value) });
        let mut all: Vec<_> = table.iter().map(entry).collect();
        all.sort_by(|(one, _), (other, _)| one.cmp(other));
        all
    }
}

impl Registry {
    /// Everything up to this revision has been taken in.
    pub(crate) fn followed(&self) -> i64 {
        self.followed.load(Ordering::Acquire)
    }

    /// Grows whenever something was taken in.
    pub(crate) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// Takes in all that the store has after [`Registry::followed`].
    pub(crate) fn follow(&self, objects: Vec<Object>) {
        let newest = objects.iter().map(|object| object.revision).max().unwrap_or(0);
        self.absorb(objects);
        self.followed.fetch_max(newest, Ordering::AcqRel);
    }

    /// A host on record.
    pub(crate) fn host(&self, name: &str) -> Option<Known<Host>> {
        self.hosts.find(name)
    }

    /// All hosts on record, by name.
    pub(crate) fn hosts(&self) -> Vec<(String, Known<Host>)> {
        self.hosts.all()
    }

    /// A token, by the name it is kept under.
    pub(crate) fn token(&self, name: &str) -> Option<Known<Token>> {
        self.tokens.find(name)
    }

    /// All tokens.
    pub(crate) fn tokens(&self) -> Vec<(String, Known<Token>)> {
        self.tokens.all()
    }

    /// The text of an object of any other kind.
    pub(crate) fn other(&self, kind: Kind, name: &str) -> Option<Known<String>> {
        self.others.find(&other_name(kind, name))
    }

    /// The texts of all objects of another kind, by name.
    pub(crate) fn others(&self, kind: Kind) -> Vec<(String, Known<String>)> {
        let prefix = other_name(kind, "");
        let ours = |(name, known): (String, Known<String>)| name.strip_prefix(&prefix).map(|name| (name.to_string(), known));
        self.others.all().into_iter().filter_map(ours).collect()
    }

    /// Takes single objects in, such as those changed here.
    pub(crate) fn absorb(&self, objects: Vec<Object>) {
        if !objects.is_empty() {
            self.changes.fetch_add(1, Ordering::AcqRel);
        }
        for Object { kind, name, revision, body } in objects {
            match kind {
                Kind::Host => self.hosts.put_json(name, revision, body.as_deref()),
                Kind::Token => self.tokens.put_json(name, revision, body.as_deref()),
                Kind::Policy | Kind::Key | Kind::Setting | Kind::Rollout => self.others.put(other_name(kind, &name), revision, body),
            }
        }
    }
}

impl<T: serde::de::DeserializeOwned> Table<T> {
    /// What cannot be read leaves the object as it was known.
    fn put_json(&self, name: String, revision: i64, body: Option<&str>) {
        match body.map(serde_json::from_str).transpose() {
            Ok(value) => self.put(name, revision, value),
            Err(error) => tracing::error!(event = "object-unreadable", name, because = %error, hint = "a newer pinnaced wrote it; update this one"),
        }
    }
}

fn other_name(kind: Kind, name: &str) -> String {
    format!("{}/{name}", kind.name())
}
