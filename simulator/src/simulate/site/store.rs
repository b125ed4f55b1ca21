//! The objects of rollouts as a store keeps them: all changes of a commit or none, and none on old ground.

use service::{drive::Change, rollout::Object};
use std::{collections::BTreeMap, sync::Arc};

/// An object was changed by somebody else in the meantime, or is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Conflict;

/// All objects, by name.
#[derive(Default)]
pub(super) struct Store {
    objects: BTreeMap<String, Object>,
    revision: i64,
}

impl Store {
    pub(super) fn object(&self, name: &str) -> Option<Object> {
        self.objects.get(name).cloned()
    }

    /// The names and revisions of all.
    pub(super) fn on_record(&self) -> Vec<(String, i64)> {
        self.objects.iter().map(|(name, object)| (name.clone(), object.revision)).collect()
    }

    /// The objects whose names begin so, in the order of their names.
    pub(super) fn beginning<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a Object> {
        self.objects.range(prefix.to_owned()..).take_while(move |(name, _)| name.starts_with(prefix)).map(|(_, object)| object)
    }

    pub(super) fn commit(&mut self, changes: Vec<Change>) -> Result<(), Conflict> {
        let revision = |name: &str| self.objects.get(name).map_or(0, |object| object.revision);
        if changes.iter().any(|change| revision(&change.name) != change.on) {
            return Err(Conflict);
        }
        self.revision += 1;
        for Change { name, body, .. } in changes {
            match body {
                Some(body) => self.objects.insert(name, Object { revision: self.revision, body: Arc::new(body) }),
                None => self.objects.remove(&name),
            };
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_who_change_an_object_on_the_same_ground_one_is_refused_with_all_that_it_wanted() {
        let mut store = Store::default();
        let change = |name: &str, on: i64, body: Option<&str>| Change { name: name.into(), on, body: body.map(Into::into) };
        assert_eq!(store.commit(vec![change("head", 0, Some("a")), change("plan", 0, Some("p"))]), Ok(()));
        assert_eq!(store.commit(vec![change("head", 1, Some("b"))]), Ok(()));
        assert_eq!(store.commit(vec![change("new", 0, Some("n")), change("head", 1, Some("c"))]), Err(Conflict));
        assert_eq!(store.on_record(), [("head".to_owned(), 2), ("plan".to_owned(), 1)]);
        assert_eq!(store.commit(vec![change("plan", 1, None), change("plan/1", 0, Some("q"))]), Ok(()));
        assert_eq!(store.beginning("plan").map(|object| object.body.as_str()).collect::<Vec<_>>(), ["q"]);
    }
}
