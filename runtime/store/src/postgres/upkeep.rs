//! Deletion: of samples, and of series and metadata that no sample refers to any more. One collector deletes at a time; where another
//! one is at it, there is nothing to do.
//!
//! # Samples
//! go with their day's table where all of it is old, which takes no time and gives the disk back what it took. Of the day that is
//! too old in part they are deleted one by one; PostgreSQL uses their place again but gives nothing back. So where space is what
//! is wanted, whole days go, the oldest first and never the last one; and before any of them `sample_other`, for its samples are of times
//! that no right clock showed.
//!
//! # What refers to nothing any more
//! is found without a look at the days' samples. Each entry of `series` and `metadata` has a `kept_until`, and this always holds:
//!
//! > No sample of a day's table that refers to an entry is of a later day than the entry's `kept_until`.
//!
//! The writer sees to it before it inserts: an entry that ends before a sample's day is written anew, with an end some days ahead so
//! that this is rare. An entry that ends before the oldest day that has a table is therefore referred to by no day's sample. The few
//! samples of `sample_other`, of whatever times, are asked for what they refer to.
//!
//! # Other writers
//! remember ids of entries and which days have tables. Whoever deletes any of that has the writers' lock alone, and counts up the store's
//! `generation`. A writer reads it first in each of its transactions, once it has its part of the lock, and forgets what it knew if it is
//! another one. So an id in a sample is always that of an entry that exists.

use postgres::Transaction;
use postgres::error::SqlState;
use postgres::types::Type;

use super::fault::failed;
use super::moment::Moment;
use super::partitions::{self, Day};
use super::schema::{State, Writers, begin, try_upkeep};
use super::writer::PostgresWriter;
use crate::{StoreError, Swept};

/// How long deletion waits for locks. It is in no hurry, and samples and queries wait behind it.
const PATIENCE: &str = "SET LOCAL lock_timeout = '1s'";
/// A table with more rows than this is not counted before it is dropped: what PostgreSQL takes it to have is right to a few percent.
const COUNTED: i64 = 1_000_000;

const DELETE: &str = "delete samples";
const SWEEP: &str = "delete metadata that no sample has";

impl PostgresWriter {
    pub(super) fn usable(&self) -> Result<(), StoreError> {
        match self.failed {
            true => Err(StoreError::Damaged("the writer was used again after it had failed".into())),
            false => Ok(()),
        }
    }

    pub(super) fn find_times(&mut self) -> Result<Option<(i64, i64)>, StoreError> {
        self.usable()?;
        let end = |table: &str, order: &str| {
            format!("(SELECT timestamp FROM {table} ORDER BY timestamp {order} LIMIT 1)")
        };
        let text = format!(
            "SELECT least({}, {}), greatest({}, {})",
            end("sample", "ASC"),
            end("sample_other", "ASC"),
            end("sample", "DESC"),
            end("sample_other", "DESC"),
        );
        let row = self.client.query_typed_one(&text, &[]).map_err(failed("read how old the samples are"))?;
        let micros = |place| row.get::<_, Option<Moment>>(place).map(Moment::micros);
        Ok(micros(0).zip(micros(1)))
    }

    pub(super) fn find_bytes(&mut self) -> Result<u64, StoreError> {
        self.usable()?;
        // A table that is dropped at this moment has no size.
        let text = "SELECT coalesce(sum(pg_total_relation_size(oid)), 0)::bigint FROM ( \
             SELECT inhrelid AS oid FROM pg_inherits WHERE inhparent = 'sample'::regclass UNION ALL \
             SELECT unnest(ARRAY['sample_other', 'series', 'metadata', 'resource', 'meter']::regclass[])) AS ours";
        let row = self.client.query_typed_one(text, &[]).map_err(failed("read the store's size"))?;
        Ok(u64::try_from(row.get::<_, i64>(0)).unwrap_or(0))
    }

    /// Whole days as long as they are old, then single samples.
    pub(super) fn delete_before(&mut self, before: i64, most: usize) -> Result<usize, StoreError> {
        let mut deleted = 0;
        while deleted < most {
            let dropped = self.upkeep(DELETE, |transaction| match partitions::list(transaction)?.first() {
                Some(oldest) if oldest.end() <= before => drop_day(transaction, *oldest).map(Some),
                _ => Ok(None),
            });
            match dropped {
                Ok(Some(dropped)) => deleted += dropped,
                Ok(None) => break,
                // What went, went; the next call meets the error again.
                Err(_) if deleted > 0 && !self.failed => return Ok(deleted),
                Err(error) => return Err(error),
            }
        }
        if deleted >= most {
            return Ok(deleted);
        }
        let singly = self.upkeep(DELETE, |transaction| {
            let oldest = partitions::list(transaction)?.first().copied().filter(|day| day.start() < before);
            let mut deleted = delete_from(transaction, "sample_other", before, most - deleted)?;
            if let Some(day) = oldest {
                deleted += delete_from(transaction, &day.table(), before, most.saturating_sub(deleted))?;
            }
            Ok(Some(deleted))
        })?;
        Ok(deleted + singly.unwrap_or(0))
    }

    pub(super) fn delete_for_space(&mut self) -> Result<usize, StoreError> {
        loop {
            let deleted = self.upkeep(DELETE, |transaction| {
                let days = partitions::list(transaction)?;
                if any(transaction, "sample_other")? {
                    Writers::Alone.lock(transaction)?;
                    let rows = rows_of(transaction, "sample_other")?;
                    transaction.batch_execute("TRUNCATE sample_other")?;
                    return Ok(Some(rows));
                }
                match days.first() {
                    Some(oldest) if days.len() > 1 => drop_day(transaction, *oldest).map(Some),
                    _ => Ok(None),
                }
            })?;
            match deleted {
                // The table of a day whose samples had gone already.
                Some(0) => {}
                other => return Ok(other.unwrap_or(0)),
            }
        }
    }

    pub(super) fn delete_unused(&mut self, most: usize) -> Result<Swept, StoreError> {
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let swept = self.upkeep(SWEEP, |transaction| {
            Writers::Alone.lock(transaction)?;
            let oldest = partitions::list(transaction)?.first().copied();
            // Without a day's table, no end is too far.
            let end = oldest.map_or("DATE 'infinity'".into(), |day| format!("DATE '1970-01-01' + {}", day.0));
            let delete = |table, returning| {
                format!(
                    "DELETE FROM {table} WHERE id IN (SELECT id FROM {table} WHERE kept_until < {end} \
                     AND NOT EXISTS (SELECT FROM sample_other WHERE sample_other.{table} = {table}.id) \
                     ORDER BY kept_until LIMIT $1) RETURNING {returning}"
                )
            };
            let metadata = transaction.query_typed(&delete("metadata", "id"), &[(&most, Type::INT8)])?;
            let series = transaction.query_typed(&delete("series", "resource, meter"), &[(&most, Type::INT8)])?;
            let swept = Swept { metadata: metadata.len(), series: series.len() };
            let resources: Vec<i64> = series.iter().map(|row| row.get(0)).collect();
            let meters: Vec<i32> = series.iter().map(|row| row.get(1)).collect();
            let delete = |table| {
                format!(
                    "DELETE FROM {table} WHERE id = ANY ($1) AND NOT EXISTS (SELECT FROM series WHERE series.{table} = {table}.id)"
                )
            };
            transaction.execute_typed(&delete("resource"), &[(&resources, Type::INT8_ARRAY)])?;
            transaction.execute_typed(&delete("meter"), &[(&meters, Type::INT4_ARRAY)])?;
            if swept != Swept::default() {
                count_up(transaction)?;
            }
            Ok(Some(swept))
        });
        match swept {
            // The writers are busy; there is another time.
            Err(StoreError::Failed { reason: "locked", .. }) if !self.failed => Ok(Swept::default()),
            other => Ok(other?.unwrap_or_default()),
        }
    }

    /// One transaction, unless another collector deletes. Where locks are another's, nothing has failed: the writer is as good as before.
    fn upkeep<T>(
        &mut self,
        action: &'static str,
        work: impl FnOnce(&mut Transaction<'_>) -> Result<Option<T>, postgres::Error>,
    ) -> Result<Option<T>, StoreError> {
        self.usable()?;
        self.failed = true;
        let mut transaction = begin(&mut self.client, action)?;
        let begun = transaction.batch_execute(PATIENCE).and_then(|()| try_upkeep(&mut transaction));
        let state = match begun.map_err(failed(action))? {
            true => State::read(&mut transaction)?,
            false => None,
        };
        let Some(state) = state else {
            transaction.rollback().map_err(failed(action))?;
            self.failed = false;
            return Ok(None);
        };
        state.check()?;
        match work(&mut transaction) {
            Ok(done) => {
                transaction.commit().map_err(failed(action))?;
                self.failed = false;
                Ok(done)
            }
            Err(error) => {
                let waited = error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE);
                self.failed = transaction.rollback().is_err() || !waited;
                Err(failed(action)(error))
            }
        }
    }
}

fn count_up(transaction: &mut Transaction<'_>) -> Result<(), postgres::Error> {
    transaction.batch_execute("UPDATE nephoscope_schema SET generation = generation + 1")
}

/// How many samples went with it.
fn drop_day(transaction: &mut Transaction<'_>, day: Day) -> Result<usize, postgres::Error> {
    let table = day.table();
    // Nothing is added to so old a day, or to the oldest of several, but in rare cases; and counting may take long.
    let rows = rows_of(transaction, &table)?;
    Writers::Alone.lock(transaction)?;
    transaction.batch_execute(&format!("DROP TABLE {table}"))?;
    count_up(transaction)?;
    Ok(rows)
}

fn any(transaction: &mut Transaction<'_>, table: &str) -> Result<bool, postgres::Error> {
    transaction.query_typed_one(&format!("SELECT EXISTS (SELECT FROM {table})"), &[])?.try_get(0)
}

/// How many rows a table has.
fn rows_of(transaction: &mut Transaction<'_>, table: &str) -> Result<usize, postgres::Error> {
    let text = format!("SELECT reltuples::bigint FROM pg_class WHERE oid = '{table}'::regclass");
    let mut rows: i64 = transaction.query_typed_one(&text, &[])?.try_get(0)?;
    if rows < COUNTED {
        rows = transaction.query_typed_one(&format!("SELECT count(*) FROM {table}"), &[])?.try_get(0)?;
    }
    Ok(usize::try_from(rows).unwrap_or(0))
}

/// Deletes the oldest samples of a table, at most so many and none of this time or later.
fn delete_from(
    transaction: &mut Transaction<'_>,
    table: &str,
    before: i64,
    most: usize,
) -> Result<usize, postgres::Error> {
    let text = format!(
        "DELETE FROM {table} WHERE ctid = ANY (ARRAY(SELECT ctid FROM {table} WHERE timestamp < {} ORDER BY timestamp LIMIT $1))",
        Moment::new(before).literal()
    );
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    Ok(usize::try_from(transaction.execute_typed(&text, &[(&most, Type::INT8)])?).unwrap_or(usize::MAX))
}
