//! The ids of series and metadata, as far as a writer remembers them, and how the missing ones are found or added, many at once.
//!
//! Two collectors add the same entries in the same order, tables and keys alike, and change `kept_until` after that, by ascending ids:
//! so neither ever waits for one who waits for it.

use std::collections::{BTreeMap, HashMap};

use postgres::Transaction;
use postgres::types::Type;
use sample::wire::ReceivedMetadata;

use super::partitions::Day;
use crate::row::SeriesFields;

/// Entries of a kind that are remembered: a million series take about 100 MB. Forgetting costs a look-up, never a wrong id.
const REMEMBERED: usize = 1_000_000;
/// An entry is kept beyond the sample that needs it for so many days. Each entry in use is written anew whenever they are over, so
/// that more would keep what is of no use longer, and less would write more.
const KEPT_AHEAD: i32 = 7;

pub(super) type Hash = [u8; 32];

/// A row of `series`, as samples refer to it.
#[derive(Clone, Copy, Debug)]
pub(super) struct SeriesIds {
    pub id: i64,
    pub meter: i32,
    pub resource: i64,
}

/// Something that goes when no sample refers to it any more.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kept<T> {
    pub ids: T,
    until: Day,
}

/// What a batch refers to: each entry once, in the order of the hashes, with the last day of which a sample needs it. That is none for
/// samples without a day's table.
pub(super) type Wanted<'r, T> = BTreeMap<&'r Hash, (&'r T, Option<Day>)>;

/// What is remembered of series and metadata.
#[derive(Debug, Default)]
pub(super) struct Dictionary {
    pub series: HashMap<Hash, Kept<SeriesIds>>,
    pub metadata: HashMap<Hash, Kept<i64>>,
}

impl Dictionary {
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    /// Sees to it that all of these are there, remembered, and kept for as long as they are needed.
    pub(super) fn learn(
        &mut self,
        transaction: &mut Transaction<'_>,
        series: &Wanted<'_, SeriesFields>,
        metadata: &Wanted<'_, ReceivedMetadata>,
    ) -> Result<(), postgres::Error> {
        make_room(&mut self.series, series.len());
        make_room(&mut self.metadata, metadata.len());
        find_series(transaction, &missing(series, &self.series), &mut self.series)?;
        find_metadata(transaction, &missing(metadata, &self.metadata), &mut self.metadata)?;
        add_series(transaction, &missing(series, &self.series), &mut self.series)?;
        add_metadata(transaction, &missing(metadata, &self.metadata), &mut self.metadata)?;
        keep(transaction, "series", series, &mut self.series, |ids| ids.id)?;
        keep(transaction, "metadata", metadata, &mut self.metadata, |id| id)
    }
}

/// Forgetting everything when full is crude and rare.
fn make_room<T>(known: &mut HashMap<Hash, Kept<T>>, more: usize) {
    if known.len() + more > REMEMBERED {
        known.clear();
    }
}

type Missing<'r, T> = Vec<(&'r Hash, &'r T, Option<Day>)>;

fn missing<'r, T, V>(wanted: &Wanted<'r, T>, known: &HashMap<Hash, Kept<V>>) -> Missing<'r, T> {
    let unknown = wanted.iter().filter(|(hash, _)| !known.contains_key(**hash));
    unknown.map(|(hash, (entry, day))| (*hash, *entry, *day)).collect()
}

fn hashes<'r, T>(entries: &Missing<'r, T>) -> Vec<&'r [u8]> {
    entries.iter().map(|(hash, ..)| &hash[..]).collect()
}

/// What new entries are written with. Without a day's table, none is needed.
fn ends<T>(entries: &Missing<'_, T>) -> Vec<i32> {
    entries.iter().map(|(.., day)| day.map_or(0, |day| day.0 + KEPT_AHEAD)).collect()
}

/// Remembers those entries that the server has.
fn find<T, V>(
    transaction: &mut Transaction<'_>,
    entries: &Missing<'_, T>,
    known: &mut HashMap<Hash, Kept<V>>,
    (table, ids): (&str, &str),
    read: fn(&postgres::Row) -> Result<V, postgres::Error>,
) -> Result<(), postgres::Error> {
    if entries.is_empty() {
        return Ok(());
    }
    let find =
        format!("SELECT sha256, kept_until - DATE '1970-01-01', {ids} FROM {table} WHERE sha256 = ANY ($1)");
    for row in transaction.query_typed(&find, &[(&hashes(entries), Type::BYTEA_ARRAY)])? {
        // Every hash that is asked for has 32 bytes.
        if let Ok(hash) = row.try_get::<_, &[u8]>(0)?.try_into() {
            known.insert(hash, Kept { ids: read(&row)?, until: Day(row.try_get(1)?) });
        }
    }
    Ok(())
}

fn find_series(
    transaction: &mut Transaction<'_>,
    entries: &Missing<'_, SeriesFields>,
    known: &mut HashMap<Hash, Kept<SeriesIds>>,
) -> Result<(), postgres::Error> {
    find(transaction, entries, known, ("series", "id, meter, resource"), |row| {
        Ok(SeriesIds { id: row.try_get(2)?, meter: row.try_get(3)?, resource: row.try_get(4)? })
    })
}

fn find_metadata(
    transaction: &mut Transaction<'_>,
    entries: &Missing<'_, ReceivedMetadata>,
    known: &mut HashMap<Hash, Kept<i64>>,
) -> Result<(), postgres::Error> {
    find(transaction, entries, known, ("metadata", "id"), |row| row.try_get(2))
}

fn add_series(
    transaction: &mut Transaction<'_>,
    entries: &Missing<'_, SeriesFields>,
    known: &mut HashMap<Hash, Kept<SeriesIds>>,
) -> Result<(), postgres::Error> {
    if entries.is_empty() {
        return Ok(());
    }
    let texts =
        |of: fn(&SeriesFields) -> &str| entries.iter().map(|(_, entry, _)| of(entry)).collect::<Vec<_>>();
    let meters = texts(|entry| &entry.meter);
    let resources = texts(|entry| &entry.resource_id);
    for (table, names) in [("meter", &meters), ("resource", &resources)] {
        // Only what is missing is tried: a try that finds its name there has used an id up.
        let add = format!(
            "INSERT INTO {table} (name) SELECT DISTINCT name COLLATE \"C\" AS name FROM unnest($1) AS new (name) \
             WHERE NOT EXISTS (SELECT FROM {table} WHERE {table}.name = new.name) ORDER BY 1 ON CONFLICT DO NOTHING"
        );
        transaction.execute_typed(&add, &[(names, Type::TEXT_ARRAY)])?;
    }
    let add = "INSERT INTO series (sha256, meter, resource, kind, unit, source, project, account, kept_until) \
         SELECT new.sha256, meter.id, resource.id, new.kind, new.unit, new.source, new.project, new.account, \
         DATE '1970-01-01' + new.until \
         FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9) \
         AS new (sha256, meter, resource, kind, unit, source, project, account, until) \
         JOIN meter ON meter.name = new.meter JOIN resource ON resource.name = new.resource \
         ORDER BY new.sha256 ON CONFLICT DO NOTHING";
    let optional = |of: fn(&SeriesFields) -> Option<&str>| {
        entries.iter().map(|(_, entry, _)| of(entry)).collect::<Vec<_>>()
    };
    transaction.execute_typed(
        add,
        &[
            (&hashes(entries), Type::BYTEA_ARRAY),
            (&meters, Type::TEXT_ARRAY),
            (&resources, Type::TEXT_ARRAY),
            (&texts(|entry| entry.kind.as_str()), Type::TEXT_ARRAY),
            (&texts(|entry| &entry.unit), Type::TEXT_ARRAY),
            (&texts(|entry| &entry.source), Type::TEXT_ARRAY),
            (&optional(|entry| entry.project_id.as_deref()), Type::TEXT_ARRAY),
            (&optional(|entry| entry.user_id.as_deref()), Type::TEXT_ARRAY),
            (&ends(entries), Type::INT4_ARRAY),
        ],
    )?;
    find_series(transaction, entries, known)
}

fn add_metadata(
    transaction: &mut Transaction<'_>,
    entries: &Missing<'_, ReceivedMetadata>,
    known: &mut HashMap<Hash, Kept<i64>>,
) -> Result<(), postgres::Error> {
    if entries.is_empty() {
        return Ok(());
    }
    let add = "INSERT INTO metadata (sha256, fields, kept_until) \
         SELECT sha256, fields, DATE '1970-01-01' + until FROM unnest($1, $2, $3) AS new (sha256, fields, until) \
         ORDER BY sha256 ON CONFLICT DO NOTHING";
    let texts: Vec<&str> = entries.iter().map(|(_, metadata, _)| metadata.text()).collect();
    transaction.execute_typed(
        add,
        &[
            (&hashes(entries), Type::BYTEA_ARRAY),
            (&texts, Type::TEXT_ARRAY),
            (&ends(entries), Type::INT4_ARRAY),
        ],
    )?;
    find_metadata(transaction, entries, known)
}

/// Moves the ends of entries ahead that are needed for longer.
fn keep<T, V: Copy>(
    transaction: &mut Transaction<'_>,
    table: &str,
    wanted: &Wanted<'_, T>,
    known: &mut HashMap<Hash, Kept<V>>,
    id: fn(V) -> i64,
) -> Result<(), postgres::Error> {
    let (mut ids, mut ends) = (Vec::new(), Vec::new());
    for (hash, (_, day)) in wanted {
        if let (Some(day), Some(entry)) = (*day, known.get_mut(*hash))
            && entry.until < day
        {
            entry.until = Day(day.0 + KEPT_AHEAD);
            ids.push(id(entry.ids));
            ends.push(entry.until.0);
        }
    }
    if ids.is_empty() {
        return Ok(());
    }
    let keep = format!(
        "WITH held AS MATERIALIZED (SELECT id, until FROM {table} JOIN unnest($1, $2) AS new (id, until) USING (id) \
         ORDER BY id FOR NO KEY UPDATE OF {table}) \
         UPDATE {table} SET kept_until = greatest(kept_until, DATE '1970-01-01' + held.until) \
         FROM held WHERE {table}.id = held.id"
    );
    transaction.execute_typed(&keep, &[(&ids, Type::INT8_ARRAY), (&ends, Type::INT4_ARRAY)])?;
    Ok(())
}
