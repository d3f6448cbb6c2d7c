//! The one writer of the store, of this process.
//!
//! A batch is one transaction: all of it is on the disk when it has been stored, or nothing is. A `message_id` that the
//! store has already is skipped and counted, so that a redelivered message changes nothing.
//!
//! Ids of series and metadata are remembered between batches. What a failed transaction added is forgotten with the writer: after an
//! error it must be opened anew, so a failed writer refuses.
//!
//! Other processes may write to the same file, another collector for one. Each transaction takes the lock for writing before it reads
//! anything, and waits for it; ids that somebody has deleted since are not remembered beyond that (see `upkeep`).

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, OpenFlags, ToSql, Transaction, TransactionBehavior, params};
use sample::Timestamp;

use super::dictionary::{Ends, Ids, Kept, KeptSeries, MetadataTable, SeriesTable};
use super::fault::failed;
use super::migrate::migrate;
use crate::contract::Appended;
use crate::{MessageId, Row, StoreError};

/// How long another program's lock is waited for before it is an error (which is then tried again, with back-off).
pub(super) const BUSY: Duration = Duration::from_secs(5);
/// SQLite's page cache in KiB: the pages that the samples of one polling cycle touch, for some ten thousand resources.
const CACHE_KIB: i64 = 64 << 10;
/// Pages in the log at which they are moved into the file: at 4 KiB, 32 MiB. SQLite's default of 1,000 is a single
/// transaction here, and each page would be moved again and again.
const CHECKPOINT_PAGES: i64 = 8_000;
/// The log is cut to this size after it was larger, in bytes.
const JOURNAL_LIMIT: i64 = 256 << 20;
/// Metadata and series are kept beyond the last sample that refers to them for this part of all samples, at least for so many. Each
/// entry in use is written anew whenever its time is over, so that more would keep what is of no use longer, and less would write more.
const KEPT_AHEAD_PART: i64 = 4;
/// See [`KEPT_AHEAD_PART`].
const KEPT_AHEAD_LEAST: i64 = 10_000;
/// Owner and group may read: metadata are the tenants'.
const MODE: u32 = 0o640;

/// The connection that writes.
#[derive(Debug)]
pub(crate) struct Writer {
    pub(super) connection: Connection,
    series: Ids<KeptSeries>,
    metadata: Ids<Kept>,
    /// The store's generation when those were read; none before the first transaction.
    generation: Option<i64>,
    pub(super) failed: bool,
}

impl Writer {
    /// Opens the store for writing; makes it where it does not exist, migrates it where it is older.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) fn open(path: &Path) -> Result<Self, StoreError> {
        let create = OpenOptions::new().write(true).create_new(true).mode(MODE).open(path);
        match create {
            Err(source) if source.kind() != ErrorKind::AlreadyExists => {
                return Err(StoreError::Create { path: path.to_owned(), source });
            }
            _ => {}
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let opened = |source| failed(&format!("open the store {}", path.display()), source);
        let mut connection = Connection::open_with_flags(path, flags).map_err(opened)?;
        connection.busy_timeout(BUSY).map_err(opened)?;
        // First of all: nothing of another program's database may change, not even its journal mode.
        migrate(&mut connection)?;
        let set = |name, value: &str| connection.pragma_update(None, name, value).map_err(opened);
        set("journal_mode", "wal")?;
        set("synchronous", "full")?;
        set("cache_size", &format!("-{CACHE_KIB}"))?;
        set("wal_autocheckpoint", &CHECKPOINT_PAGES.to_string())?;
        set("journal_size_limit", &JOURNAL_LIMIT.to_string())?;
        Ok(Self {
            connection,
            series: Ids::default(),
            metadata: Ids::default(),
            generation: None,
            failed: false,
        })
    }

    pub(super) fn store(&mut self, rows: &[Row]) -> Result<Appended, StoreError> {
        if std::mem::replace(&mut self.failed, true) {
            return Err(StoreError::Damaged("the writer was used again after it had failed".into()));
        }
        let appended = self.transact(rows).map_err(|source| failed("store samples", source))?;
        self.failed = false;
        Ok(appended)
    }

    fn transact(&mut self, rows: &[Row]) -> rusqlite::Result<Appended> {
        let Self { connection, series, metadata, generation, .. } = self;
        let transaction = Transaction::new(connection, TransactionBehavior::Immediate)?;
        let present = Present::read(&transaction)?;
        // Somebody deleted entries, so that an id may be nobody's by now, or another's.
        if generation.replace(present.generation) != Some(present.generation) {
            series.forget();
            metadata.forget();
        }
        let ends = present.ends(rows.len());
        let mut appended = Appended::default();
        {
            let mut series_table = SeriesTable::new(&transaction, ends)?;
            let mut metadata_table = MetadataTable::new(&transaction, ends)?;
            let mut insert = transaction.prepare_cached(
                "INSERT INTO sample (message_id, series, meter, resource, metadata, timestamp, recorded_at, amount, exact) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT (message_id) DO NOTHING",
            )?;
            let mut known = transaction.prepare_cached("SELECT 1 FROM sample WHERE message_id = ?1")?;
            let recorded_at = Timestamp::now().micros();
            for row in rows {
                let remembered = (series.get(&row.series.sha256), metadata.get(row.metadata.sha256()));
                // What a duplicate refers to would stay in the store without a sample.
                if matches!(remembered, (None, _) | (_, None)) && known.exists([&row.message_id])? {
                    appended.duplicates += 1;
                    continue;
                }
                let its_series = match remembered.0 {
                    Some(entry) if ends.hold(entry.kept) => entry,
                    Some(entry) => series.remember(row.series.sha256, series_table.kept(entry)?),
                    None => series.remember(row.series.sha256, series_table.entry(&row.series)?),
                };
                let its_metadata = match remembered.1 {
                    Some(entry) if ends.hold(entry) => entry,
                    Some(entry) => metadata.remember(*row.metadata.sha256(), metadata_table.kept(entry)?),
                    None => metadata.remember(*row.metadata.sha256(), metadata_table.entry(&row.metadata)?),
                };
                let inserted = insert.execute(params![
                    row.message_id,
                    its_series.kept.id,
                    its_series.meter,
                    its_series.resource,
                    its_metadata.id,
                    row.timestamp,
                    recorded_at,
                    row.volume.amount,
                    row.volume.exact,
                ])?;
                appended.stored += inserted;
                appended.duplicates += 1 - inserted;
            }
        }
        transaction.commit()?;
        Ok(appended)
    }
}

impl ToSql for MessageId {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Uuid(bytes) => ToSqlOutput::Borrowed(ValueRef::Blob(bytes)),
            Self::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
        })
    }
}

/// The store as a transaction finds it.
struct Present {
    generation: i64,
    /// The ids of the first and the last sample; both 0 where there is none.
    first: i64,
    last: i64,
}

impl Present {
    fn read(transaction: &Transaction<'_>) -> rusqlite::Result<Self> {
        // Two subqueries, each answered by a look at one end; min and max in one query would read the whole table.
        let mut read = transaction.prepare_cached(
            "SELECT generation, (SELECT coalesce(min(id), 0) FROM sample), (SELECT coalesce(max(id), 0) FROM sample) \
             FROM upkeep",
        )?;
        read.query_row([], |row| Ok(Self { generation: row.get(0)?, first: row.get(1)?, last: row.get(2)? }))
    }

    /// How long metadata and series are kept that this many new samples refer to. SQLite counts a new sample's id on from the last one.
    fn ends(&self, samples: usize) -> Ends {
        let least = self.last.saturating_add(i64::try_from(samples).unwrap_or(i64::MAX));
        let ahead = ((self.last - self.first) / KEPT_AHEAD_PART).max(KEPT_AHEAD_LEAST);
        Ends { least, written: least.saturating_add(ahead) }
    }
}

#[cfg(test)]
impl Writer {
    pub(super) fn pragma(&self, name: &str) -> String {
        let value = |row: &rusqlite::Row<'_>| row.get::<_, rusqlite::types::Value>(0);
        match self.connection.pragma_query_value(None, name, value).unwrap() {
            rusqlite::types::Value::Text(text) => text,
            rusqlite::types::Value::Integer(number) => number.to_string(),
            other => panic!("{name}: {other:?}"),
        }
    }

    pub(super) fn limit_pages(&self, pages: i64) {
        self.connection.pragma_update(None, "max_page_count", pages).unwrap();
    }
}
