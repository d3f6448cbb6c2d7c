//! The one writer of the store, of this process.
//!
//! A batch is one transaction: all of it is on the disk when [`Writer::append`] returns, or nothing is. A `message_id` that the
//! store has already is skipped and counted, so that a redelivered message changes nothing.
//!
//! Ids of meters, resources and metadata are remembered between batches. What a failed transaction added is forgotten with the
//! writer: after an error it must be opened anew, which the borrow of [`Writer::append`] cannot enforce, so a failed writer
//! refuses.
//!
//! Other processes may write to the same file, another collector for one. Each transaction takes the lock for writing before it reads
//! anything, and waits for it; ids that somebody has deleted since are not remembered beyond that (see `upkeep`).

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior, params};
use sample::Timestamp;

use super::dictionary::{Ends, Ids, Kept, KeptTable, Table};
use super::error::StoreError;
use super::row::{Form, Row};
use super::schema;

/// How long another program's lock is waited for before it is an error (which is then tried again, with back-off).
pub(super) const BUSY: Duration = Duration::from_secs(5);
/// SQLite's page cache in KiB: the pages that the samples of one polling cycle touch, for some ten thousand resources.
const CACHE_KIB: i64 = 64 << 10;
/// Pages in the log at which they are moved into the file: at 4 KiB, 32 MiB. SQLite's default of 1,000 is a single
/// transaction here, and each page would be moved again and again.
const CHECKPOINT_PAGES: i64 = 8_000;
/// The log is cut to this size after it was larger, in bytes.
const JOURNAL_LIMIT: i64 = 256 << 20;
/// Metadata and resources are kept beyond the last sample that refers to them for this part of all samples, at least for so many. Each
/// entry in use is written anew whenever its time is over, so that more would keep what is of no use longer, and less would write more.
const KEPT_AHEAD_PART: i64 = 4;
/// See [`KEPT_AHEAD_PART`].
const KEPT_AHEAD_LEAST: i64 = 10_000;
/// Owner and group may read: metadata are the tenants'.
const MODE: u32 = 0o640;

/// What became of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Appended {
    /// Samples that are in the store now and were not before.
    pub stored: usize,
    /// Samples whose `message_id` the store had already, or the batch twice.
    pub duplicates: usize,
}

/// The connection that writes.
#[derive(Debug)]
pub struct Writer {
    pub(super) connection: Connection,
    meters: Ids<String>,
    resources: Ids<String, Kept>,
    projects: Ids<String>,
    accounts: Ids<String>,
    forms: Ids<Form>,
    metadata: Ids<[u8; 32], Kept>,
    /// The store's generation when those were read; none before the first transaction.
    generation: Option<i64>,
    pub(super) failed: bool,
}

impl Writer {
    /// Opens the store for writing; makes it where it does not exist, migrates it where it is older.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let create = OpenOptions::new().write(true).create_new(true).mode(MODE).open(path);
        match create {
            Err(source) if source.kind() != ErrorKind::AlreadyExists => {
                return Err(StoreError::Create { path: path.to_owned(), source });
            }
            _ => {}
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let opened = |source| StoreError::Open { path: path.to_owned(), source };
        let mut connection = Connection::open_with_flags(path, flags).map_err(opened)?;
        connection.busy_timeout(BUSY).map_err(opened)?;
        // First of all: nothing of another program's database may change, not even its journal mode.
        schema::migrate(&mut connection)?;
        let set = |name, value: &str| connection.pragma_update(None, name, value).map_err(opened);
        set("journal_mode", "wal")?;
        set("synchronous", "full")?;
        set("cache_size", &format!("-{CACHE_KIB}"))?;
        set("wal_autocheckpoint", &CHECKPOINT_PAGES.to_string())?;
        set("journal_size_limit", &JOURNAL_LIMIT.to_string())?;
        Ok(Self {
            connection,
            meters: Ids::default(),
            resources: Ids::default(),
            projects: Ids::default(),
            accounts: Ids::default(),
            forms: Ids::default(),
            metadata: Ids::default(),
            generation: None,
            failed: false,
        })
    }

    /// Stores a batch, in its order. It is on the disk when this returns.
    ///
    /// # Errors
    /// [`StoreError`]: nothing of the batch is stored, and this writer is of no use any more.
    pub fn append(&mut self, rows: &[Row]) -> Result<Appended, StoreError> {
        if std::mem::replace(&mut self.failed, true) {
            return Err(StoreError::Damaged("the writer was used again after it had failed".into()));
        }
        let appended =
            self.transact(rows).map_err(|source| StoreError::Failed { action: "store samples", source })?;
        self.failed = false;
        Ok(appended)
    }

    fn transact(&mut self, rows: &[Row]) -> rusqlite::Result<Appended> {
        let Self { connection, meters, resources, projects, accounts, forms, metadata, generation, .. } =
            self;
        let transaction = Transaction::new(connection, TransactionBehavior::Immediate)?;
        let present = Present::read(&transaction)?;
        // Somebody deleted entries, so that an id may be nobody's by now, or another's.
        if generation.replace(present.generation) != Some(present.generation) {
            resources.forget();
            metadata.forget();
        }
        let ends = present.ends(rows.len());
        let mut appended = Appended::default();
        {
            let name = |table: &str| {
                Table::new(
                    &transaction,
                    &format!("SELECT id FROM {table} WHERE name = ?1"),
                    &format!("INSERT INTO {table} (name) VALUES (?1)"),
                )
            };
            let mut meter_table = name("meter")?;
            let mut resource_table = KeptTable::new(
                &transaction,
                "SELECT id, kept_until FROM resource WHERE name = ?1",
                "INSERT INTO resource (name, kept_until) VALUES (?1, ?2)",
                "UPDATE resource SET kept_until = max(kept_until, ?2) WHERE id = ?1",
                ends,
            )?;
            let mut project_table = name("project")?;
            let mut account_table = name("account")?;
            let mut form_table = Table::new(
                &transaction,
                "SELECT id FROM form WHERE kind = ?1 AND unit = ?2 AND source = ?3",
                "INSERT INTO form (kind, unit, source) VALUES (?1, ?2, ?3)",
            )?;
            let mut metadata_table = KeptTable::new(
                &transaction,
                "SELECT id, kept_until FROM metadata WHERE sha256 = ?1",
                "INSERT INTO metadata (sha256, fields, kept_until) VALUES (?1, ?2, ?3)",
                "UPDATE metadata SET kept_until = max(kept_until, ?2) WHERE id = ?1",
                ends,
            )?;
            let mut insert = transaction.prepare_cached(
                "INSERT INTO sample (message_id, meter, resource, project, account, form, metadata, timestamp, recorded_at, \
                 volume, amount) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) ON CONFLICT (message_id) DO NOTHING",
            )?;
            let mut known = transaction.prepare_cached("SELECT 1 FROM sample WHERE message_id = ?1")?;
            let recorded_at = Timestamp::now().micros();
            for row in rows {
                let optional = |name: &Option<String>, ids: &mut Ids<String>, table: &mut Table<'_>| {
                    name.as_ref().map(|name| named(name, ids, table)).transpose()
                };
                let hash = row.metadata.hash;
                let fields = match metadata.get(&hash) {
                    Some(entry) if metadata_table.holds(entry) => entry,
                    Some(entry) => metadata.remember(hash, metadata_table.keep(entry)?),
                    // A duplicate's metadata would stay in the store without a sample.
                    None if known.exists([&row.message_id])? => {
                        appended.duplicates += 1;
                        continue;
                    }
                    None => {
                        let end = metadata_table.end();
                        let added = params![&hash[..], row.metadata.text, end];
                        let entry = metadata_table.entry([&hash[..]], added)?;
                        metadata.remember(hash, metadata_table.keep(entry)?)
                    }
                };
                let resource = match resources.get(&row.resource_id) {
                    Some(entry) if resource_table.holds(entry) => entry,
                    Some(entry) => resources.remember(row.resource_id.clone(), resource_table.keep(entry)?),
                    None => {
                        let end = resource_table.end();
                        let entry =
                            resource_table.entry([&row.resource_id], params![row.resource_id, end])?;
                        resources.remember(row.resource_id.clone(), resource_table.keep(entry)?)
                    }
                };
                let form = match forms.get(&row.form) {
                    Some(id) => id,
                    None => {
                        let Form { kind, unit, source } = &row.form;
                        let entry = params![kind.as_str(), unit, source];
                        forms.remember(row.form.clone(), form_table.id(entry, entry)?)
                    }
                };
                let inserted = insert.execute(params![
                    row.message_id,
                    named(&row.meter, meters, &mut meter_table)?,
                    resource.id,
                    optional(&row.project_id, projects, &mut project_table)?,
                    optional(&row.user_id, accounts, &mut account_table)?,
                    form,
                    fields.id,
                    row.timestamp,
                    recorded_at,
                    row.volume,
                    row.amount,
                ])?;
                appended.stored += inserted;
                appended.duplicates += 1 - inserted;
            }
        }
        transaction.commit()?;
        Ok(appended)
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

    /// How long metadata and resources are kept that this many new samples refer to. SQLite counts a new sample's id on from the last one.
    fn ends(&self, samples: usize) -> Ends {
        let least = self.last.saturating_add(i64::try_from(samples).unwrap_or(i64::MAX));
        let ahead = ((self.last - self.first) / KEPT_AHEAD_PART).max(KEPT_AHEAD_LEAST);
        Ends { least, written: least.saturating_add(ahead) }
    }
}

fn named(name: &String, ids: &mut Ids<String>, table: &mut Table<'_>) -> rusqlite::Result<i64> {
    match ids.get(name) {
        Some(id) => Ok(id),
        None => Ok(ids.remember(name.clone(), table.id([name], [name])?)),
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
