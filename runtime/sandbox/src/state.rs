//! What a guest remembers between polls: a few bytes for each instance, under a quota.
//!
//! A poll works on the stored entries and its own pending writes; they are kept only if the poll succeeds, so that a
//! trap half-way through leaves the last good state. Entries belong to the guest's name, not to the module: they survive a swap.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Keys and values of one instance.
pub(crate) type Entries = BTreeMap<String, Vec<u8>>;

/// The memory of one guest, by instance UUID.
#[derive(Debug, Default)]
pub struct State {
    by_instance: Mutex<HashMap<String, Entries>>,
}

impl State {
    /// Drops what belongs to instances that are gone.
    pub fn retain(&self, instances: &HashSet<&str>) {
        self.lock().retain(|uuid, _| instances.contains(uuid.as_str()));
    }

    /// Bytes that are held, keys and values.
    pub fn bytes(&self) -> usize {
        self.lock().values().map(size).sum()
    }

    pub(crate) fn of(&self, uuid: &str) -> Entries {
        self.lock().get(uuid).cloned().unwrap_or_default()
    }

    pub(crate) fn keep(&self, uuid: &str, entries: Entries) {
        let mut all = self.lock();
        if entries.is_empty() {
            all.remove(uuid);
        } else {
            all.insert(uuid.to_owned(), entries);
        }
    }

    // A thread that panicked while it held the lock left whole entries: each operation is one insert or remove.
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Entries>> {
        self.by_instance.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) fn size(entries: &Entries) -> usize {
    entries.iter().map(|(key, value)| key.len() + value.len()).sum()
}

/// Sets a key unless that passes the quota; an empty value removes the key.
pub(crate) fn set(entries: &mut Entries, key: String, value: Vec<u8>, quota: usize) -> bool {
    if value.is_empty() {
        entries.remove(&key);
        return true;
    }
    let before = entries.get(&key).map_or(0, |old| key.len() + old.len());
    if size(entries) - before + key.len() + value.len() > quota {
        return false;
    }
    entries.insert(key, value);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_beyond_the_quota_changes_nothing() {
        let mut entries = Entries::new();
        assert!(set(&mut entries, "a".into(), vec![1; 9], 10));
        assert!(!set(&mut entries, "b".into(), vec![1], 10));
        assert!(!set(&mut entries, "a".into(), vec![1; 10], 10));
        assert_eq!(entries, Entries::from([("a".into(), vec![1; 9])]));
        assert!(set(&mut entries, "a".into(), vec![2; 8], 10), "the old value makes room for the new");
        assert!(set(&mut entries, "a".into(), vec![], 10));
        assert!(entries.is_empty());
    }

    #[test]
    fn state_of_instances_that_are_gone_is_dropped() {
        let state = State::default();
        state.keep("one", Entries::from([("k".into(), vec![1, 2])]));
        state.keep("two", Entries::from([("k".into(), vec![3])]));
        state.retain(&HashSet::from(["two"]));
        assert_eq!(state.bytes(), 2);
        assert!(state.of("one").is_empty());
    }
}
