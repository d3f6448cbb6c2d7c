//! What samples refer to: series and metadata, each once by the SHA-256 of its content, and what the writer remembers of them.

use std::collections::HashMap;

use rusqlite::{CachedStatement, Connection, OptionalExtension, Result, params};
use sample::wire::ReceivedMetadata;

use crate::row::SeriesFields;

/// Entries of one kind that are remembered: some 50 MB of them. Forgetting costs a look-up, never a wrong id.
const REMEMBERED: usize = 500_000;

/// The ids of entries, as far as they are remembered.
#[derive(Debug)]
pub(super) struct Ids<V>(HashMap<[u8; 32], V>);

impl<V> Default for Ids<V> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<V: Copy> Ids<V> {
    pub(super) fn get(&self, sha256: &[u8; 32]) -> Option<V> {
        self.0.get(sha256).copied()
    }

    /// Forgetting everything when full is crude and rare.
    pub(super) fn remember(&mut self, sha256: [u8; 32], entry: V) -> V {
        if self.0.len() >= REMEMBERED {
            self.0.clear();
        }
        self.0.insert(sha256, entry);
        entry
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

/// A series, with the ids that are in each of its samples as well.
#[derive(Clone, Copy, Debug)]
pub(super) struct KeptSeries {
    pub kept: Kept,
    pub meter: i64,
    pub resource: i64,
}

/// How long entries are kept, in ids of samples.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ends {
    /// What an entry is kept for at least: no sample of this transaction has a larger id.
    pub least: i64,
    /// What it is kept for when it has to be written in any case.
    pub written: i64,
}

impl Ends {
    /// Whether samples of this transaction may refer to the entry as it is.
    pub(super) fn hold(self, kept: Kept) -> bool {
        kept.until >= self.least
    }
}

/// The statements that find series, add them, and keep them longer.
pub(super) struct SeriesTable<'c> {
    find: CachedStatement<'c>,
    add: CachedStatement<'c>,
    keep: CachedStatement<'c>,
    meters: Names<'c>,
    resources: Names<'c>,
    ends: Ends,
}

impl<'c> SeriesTable<'c> {
    pub(super) fn new(connection: &'c Connection, ends: Ends) -> Result<Self> {
        let prepare = |text| connection.prepare_cached(text);
        Ok(Self {
            find: prepare("SELECT id, kept_until, meter, resource FROM series WHERE sha256 = ?1")?,
            add: prepare(
                "INSERT INTO series (sha256, meter, resource, kind, unit, source, project, account, kept_until) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            )?,
            keep: prepare("UPDATE series SET kept_until = max(kept_until, ?2) WHERE id = ?1")?,
            meters: Names::new(connection, "meter")?,
            resources: Names::new(connection, "resource")?,
            ends,
        })
    }

    /// The series, kept for this transaction's samples.
    pub(super) fn entry(&mut self, series: &SeriesFields) -> Result<KeptSeries> {
        let read = |row: &rusqlite::Row<'_>| {
            let kept = Kept { id: row.get(0)?, until: row.get(1)? };
            Ok(KeptSeries { kept, meter: row.get(2)?, resource: row.get(3)? })
        };
        if let Some(found) = self.find.query_row([&series.sha256[..]], read).optional()? {
            return self.kept(found);
        }
        let SeriesFields { sha256, meter, kind, unit, source, resource_id, project_id, user_id } = series;
        let (meter, resource) = (self.meters.id(meter)?, self.resources.id(resource_id)?);
        let until = self.ends.written;
        let id = self.add.insert(params![
            &sha256[..],
            meter,
            resource,
            kind.as_str(),
            unit,
            source,
            project_id,
            user_id,
            until
        ])?;
        Ok(KeptSeries { kept: Kept { id, until }, meter, resource })
    }

    /// One that is known, kept for this transaction's samples.
    pub(super) fn kept(&mut self, series: KeptSeries) -> Result<KeptSeries> {
        Ok(KeptSeries { kept: keep(&mut self.keep, self.ends, series.kept)?, ..series })
    }
}

/// The statements that find metadata, add them, and keep them longer.
pub(super) struct MetadataTable<'c> {
    find: CachedStatement<'c>,
    add: CachedStatement<'c>,
    keep: CachedStatement<'c>,
    ends: Ends,
}

impl<'c> MetadataTable<'c> {
    pub(super) fn new(connection: &'c Connection, ends: Ends) -> Result<Self> {
        let prepare = |text| connection.prepare_cached(text);
        Ok(Self {
            find: prepare("SELECT id, kept_until FROM metadata WHERE sha256 = ?1")?,
            add: prepare("INSERT INTO metadata (sha256, fields, kept_until) VALUES (?1, ?2, ?3)")?,
            keep: prepare("UPDATE metadata SET kept_until = max(kept_until, ?2) WHERE id = ?1")?,
            ends,
        })
    }

    /// The metadata, kept for this transaction's samples.
    pub(super) fn entry(&mut self, metadata: &ReceivedMetadata) -> Result<Kept> {
        let read = |row: &rusqlite::Row<'_>| Ok(Kept { id: row.get(0)?, until: row.get(1)? });
        if let Some(found) = self.find.query_row([&metadata.sha256()[..]], read).optional()? {
            return self.kept(found);
        }
        let until = self.ends.written;
        let id = self.add.insert(params![&metadata.sha256()[..], metadata.text(), until])?;
        Ok(Kept { id, until })
    }

    /// One that is known, kept for this transaction's samples.
    pub(super) fn kept(&mut self, kept: Kept) -> Result<Kept> {
        keep(&mut self.keep, self.ends, kept)
    }
}

fn keep(statement: &mut CachedStatement<'_>, ends: Ends, kept: Kept) -> Result<Kept> {
    if ends.hold(kept) {
        return Ok(kept);
    }
    let kept = Kept { until: ends.written, ..kept };
    statement.execute([kept.id, kept.until])?;
    Ok(kept)
}

/// Names, each once.
struct Names<'c> {
    find: CachedStatement<'c>,
    add: CachedStatement<'c>,
}

impl<'c> Names<'c> {
    fn new(connection: &'c Connection, table: &str) -> Result<Self> {
        Ok(Self {
            find: connection.prepare_cached(&format!("SELECT id FROM {table} WHERE name = ?1"))?,
            add: connection.prepare_cached(&format!("INSERT INTO {table} (name) VALUES (?1)"))?,
        })
    }

    fn id(&mut self, name: &str) -> Result<i64> {
        match self.find.query_row([name], |row| row.get(0)).optional()? {
            Some(id) => Ok(id),
            None => self.add.insert([name]),
        }
    }
}
