//! What a guest remembers between polls: a few bytes for each instance, under a quota.
//!
//! A poll works on the stored entries and its own pending writes; they are kept only if the poll succeeds, so that a
//! trap half-way through leaves the last good state. Each source that polls a guest has a [`State`] of its own, for deltas are
//! deltas between the polls of one source; it is not the module's, so it survives a swap.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use inspector::{Instance, Power, Snapshot};

/// What an entry costs beside its key and value: a map of small entries takes many times their bytes.
const ENTRY_BYTES: usize = 128;

/// Keys and values of one instance.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Entries {
    values: BTreeMap<String, Vec<u8>>,
    bytes: usize,
}

impl Entries {
    pub(crate) fn get(&self, key: &str) -> Option<&Vec<u8>> {
        self.values.get(key)
    }

    /// Sets a key unless that passes the quota; an empty value removes the key.
    pub(crate) fn set(&mut self, key: String, value: Vec<u8>, quota: usize) -> bool {
        let before = self.values.get(&key).map_or(0, |old| cost(&key, old));
        if value.is_empty() {
            self.values.remove(&key);
            self.bytes -= before;
            return true;
        }
        let after = self.bytes - before + cost(&key, &value);
        if after > quota {
            return false;
        }
        self.bytes = after;
        self.values.insert(key, value);
        true
    }
}

/// Whether the process whose counters are remembered may still run. An unknown state is no proof that it does not.
const fn is_on(power: Power) -> bool {
    !matches!(power, Power::ShutOff | Power::Crashed)
}

fn cost(key: &str, value: &[u8]) -> usize {
    ENTRY_BYTES + key.len() + value.len()
}

/// What a guest remembers in one source, by instance UUID.
#[derive(Debug, Default)]
pub struct State {
    by_instance: Mutex<HashMap<String, Entries>>,
}

impl State {
    /// Drops what belongs to instances that this snapshot shows to be gone, shut off or crashed: what is remembered is counters of a
    /// process that is no more, and those of the next one may have passed them when it is polled.
    ///
    /// Of an instance that was left out only its power is known, and that is enough.
    pub fn follow(&self, snapshot: &Snapshot) {
        let read =
            snapshot.instances.iter().map(|instance| (instance.identity.uuid.as_str(), instance.power));
        let left_out = snapshot.left_out.iter().map(|left_out| (left_out.uuid.as_str(), left_out.power));
        let on: HashSet<&str> =
            read.chain(left_out).filter(|(_, power)| is_on(*power)).map(|(uuid, _)| uuid).collect();
        self.lock().retain(|uuid, _| on.contains(uuid.as_str()));
    }

    /// The same for one instance that is polled by itself.
    pub fn follow_one(&self, instance: &Instance) {
        if !is_on(instance.power) {
            self.lock().remove(&instance.identity.uuid);
        }
    }

    /// Bytes that are held: keys, values, and 128 for each entry.
    pub fn bytes(&self) -> usize {
        self.lock().values().map(|entries| entries.bytes).sum()
    }

    pub(crate) fn of(&self, uuid: &str) -> Entries {
        self.lock().get(uuid).cloned().unwrap_or_default()
    }

    pub(crate) fn keep(&self, uuid: &str, entries: Entries) {
        let mut all = self.lock();
        if entries.values.is_empty() {
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

#[cfg(test)]
mod tests {
    use inspector::{Groups, LeftOut};

    use super::*;

    #[test]
    fn a_set_beyond_the_quota_changes_nothing() {
        let quota = ENTRY_BYTES + 10;
        let mut entries = Entries::default();
        assert!(entries.set("a".into(), vec![1; 9], quota));
        assert!(!entries.set("b".into(), vec![1], quota));
        assert!(!entries.set("a".into(), vec![1; 10], quota));
        assert_eq!(entries.get("a"), Some(&vec![1; 9]));
        assert!(entries.set("a".into(), vec![2; 8], quota), "the old value makes room for the new");
        assert!(entries.set("a".into(), vec![], quota));
        assert_eq!(entries, Entries::default());
    }

    #[test]
    fn many_small_entries_are_not_cheap() {
        let mut entries = Entries::default();
        let fit = (0..10_000).take_while(|n| entries.set(n.to_string(), vec![0], 64 * 1024)).count();
        assert!(fit < 64 * 1024 / ENTRY_BYTES, "{fit}");
    }

    #[test]
    fn state_of_instances_that_are_gone_or_off_is_dropped() {
        let left_out = |uuid: &str, power| LeftOut {
            uuid: uuid.into(),
            name: uuid.into(),
            power,
            why: "its XML was refused".into(),
        };
        let snapshot = Snapshot {
            host: "compute-1".into(),
            connection: "test:///default".into(),
            taken_at: 0,
            groups: Groups::new(),
            instances: Vec::new(),
            left_out: vec![
                left_out("paused", Power::Paused),
                left_out("unknown", Power::NoState),
                left_out("off", Power::ShutOff),
                left_out("crashed", Power::Crashed),
            ],
        };
        let state = State::default();
        for uuid in ["gone", "paused", "unknown", "off", "crashed"] {
            let mut entries = Entries::default();
            assert!(entries.set("k".into(), vec![1, 2], 1_000));
            state.keep(uuid, entries);
        }
        state.follow(&snapshot);
        let kept = |uuid: &&str| state.of(uuid).get("k").is_some();
        let left: Vec<_> = ["gone", "paused", "unknown", "off", "crashed"].into_iter().filter(kept).collect();
        assert_eq!(left, ["paused", "unknown"]);
        assert_eq!(state.bytes(), 2 * (ENTRY_BYTES + 3));
    }
}
