//! Tables that keep each text once, and what the writer remembers of them.

use std::collections::HashMap;
use std::hash::Hash;

use rusqlite::{CachedStatement, Connection, Params, Result};

/// Entries of one dictionary that are remembered. Resources are the many: 100,000 of them take about 20 MB.
const REMEMBERED: usize = 100_000;

/// The ids of what a table holds, as far as they are remembered. Forgetting costs a look-up, never a wrong id.
#[derive(Debug)]
pub(super) struct Ids<K, V = i64>(HashMap<K, V>);

impl<K, V> Default for Ids<K, V> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Eq + Hash, V: Copy> Ids<K, V> {
    pub(super) fn get<Q: ?Sized + Eq + Hash>(&self, key: &Q) -> Option<V>
    where
        K: std::borrow::Borrow<Q>,
    {
        self.0.get(key).copied()
    }

    /// Forgetting everything when full is crude and rare.
    pub(super) fn remember(&mut self, key: K, id: V) -> V {
        if self.0.len() >= REMEMBERED {
            self.0.clear();
        }
        self.0.insert(key, id);
        id
    }

    pub(super) fn forget(&mut self) {
        self.0.clear();
    }
}

/// An entry that goes when no sample refers to it any more.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kept {
    pub id: i64,
    /// Samples up to this id may refer to it.
    pub until: i64,
}

/// The statements that find an entry of a table or add it.
pub(super) struct Table<'c> {
    find: CachedStatement<'c>,
    add: CachedStatement<'c>,
}

impl<'c> Table<'c> {
    pub(super) fn new(connection: &'c Connection, find: &str, add: &str) -> Result<Self> {
        Ok(Self { find: connection.prepare_cached(find)?, add: connection.prepare_cached(add)? })
    }

    /// The id of the entry that `key` finds; where there is none, of the one that `entry` adds.
    pub(super) fn id(&mut self, key: impl Params, entry: impl Params) -> Result<i64> {
        let mut found = self.find.query(key)?;
        match found.next()? {
            Some(row) => row.get(0),
            None => {
                drop(found);
                self.add.insert(entry)
            }
        }
    }
}

/// The statements that find an entry that may be deleted, add it, and keep it longer.
pub(super) struct KeptTable<'c> {
    find: CachedStatement<'c>,
    add: CachedStatement<'c>,
    keep: CachedStatement<'c>,
    ends: Ends,
}

/// How long entries are kept, in ids of samples.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ends {
    /// What an entry is kept for at least: no sample of this transaction has a larger id.
    pub least: i64,
    /// What it is kept for when it has to be written in any case.
    pub written: i64,
}

impl<'c> KeptTable<'c> {
    pub(super) fn new(
        connection: &'c Connection,
        find: &str,
        add: &str,
        keep: &str,
        ends: Ends,
    ) -> Result<Self> {
        let prepare = |text| connection.prepare_cached(text);
        Ok(Self { find: prepare(find)?, add: prepare(add)?, keep: prepare(keep)?, ends })
    }

    /// The end that an entry is added with.
    pub(super) fn end(&self) -> i64 {
        self.ends.written
    }

    /// The entry that `key` finds; where there is none, the one that `entry` adds, which ends at [`Self::end`].
    pub(super) fn entry(&mut self, key: impl Params, entry: impl Params) -> Result<Kept> {
        let mut found = self.find.query(key)?;
        match found.next()? {
            Some(row) => Ok(Kept { id: row.get(0)?, until: row.get(1)? }),
            None => {
                drop(found);
                Ok(Kept { id: self.add.insert(entry)?, until: self.ends.written })
            }
        }
    }

    /// Whether samples of this transaction may refer to the entry as it is.
    pub(super) fn holds(&self, entry: Kept) -> bool {
        entry.until >= self.ends.least
    }

    /// The entry, kept for this transaction's samples.
    pub(super) fn keep(&mut self, entry: Kept) -> Result<Kept> {
        if self.holds(entry) {
            return Ok(entry);
        }
        let kept = Kept { until: self.ends.written, ..entry };
        self.keep.execute([kept.id, kept.until])?;
        Ok(kept)
    }
}
