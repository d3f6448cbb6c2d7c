//! Tables that keep each text once, and what the writer remembers of them.

use std::collections::HashMap;
use std::hash::Hash;

use rusqlite::{CachedStatement, Connection, Params, Result};

/// Entries of one dictionary that are remembered. Resources are the many: 100,000 of them take about 20 MB.
const REMEMBERED: usize = 100_000;

/// The ids of what a table holds, as far as they are remembered. Forgetting costs a look-up, never a wrong id.
#[derive(Debug)]
pub(super) struct Ids<K>(HashMap<K, i64>);

impl<K> Default for Ids<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Eq + Hash> Ids<K> {
    pub(super) fn get<Q: ?Sized + Eq + Hash>(&self, key: &Q) -> Option<i64>
    where
        K: std::borrow::Borrow<Q>,
    {
        self.0.get(key).copied()
    }

    /// Forgetting everything when full is crude and rare.
    pub(super) fn remember(&mut self, key: K, id: i64) -> i64 {
        if self.0.len() >= REMEMBERED {
            self.0.clear();
        }
        self.0.insert(key, id);
        id
    }
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
