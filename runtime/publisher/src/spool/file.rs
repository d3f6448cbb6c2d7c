//! The spool's file: one SQLite database, which one process has at a time.
//!
//! ```text
//!  batch    number │ source │ samples │ era │ when it came │ record
//!  shared   era, number │ record         goes when no batch of its era is left
//!  damaged  records that could not be read, for people to look into
//! ```
//!
//! The lock is exclusive, so a second agent is refused at once and no shared memory is needed; it ends with the process, however
//! that ends. The write-ahead log makes a transaction one write at the log's end.

use std::collections::HashMap;
use std::fs::{DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{
    CachedStatement, Connection, ErrorCode, OpenFlags, OptionalExtension, TransactionBehavior, params,
};

use super::Fsync;
use super::clock::{Moment, boot};
use super::error::SpoolError;
use super::record::{self, BadRecord, Decoded, Shared};
use crate::batch::Batch;

/// "Nspl": marks a file as a spool of ours.
const APPLICATION_ID: i64 = 0x4E73_706C;
/// The version of the tables.
const VERSION: i64 = 1;
/// Batches after which the shared parts are written anew, so that those of the past can go with their last batch.
const ERA: u32 = 4_096;
/// SQLite's page cache in KiB: a transaction's pages.
const CACHE_KIB: i64 = 2 << 10;
/// The log is cut to this size after it was larger, in bytes.
const JOURNAL_LIMIT: i64 = 16 << 20;
/// A record of fifty samples fits into a page or two.
const PAGE: i64 = 8_192;
/// Pages that an empty file may keep; what is above goes back to the file system.
const KEPT_PAGES: i64 = 1_024;
/// Pages that go back at once.
const VACUUM: i64 = 2_048;
/// Shared parts that a reader remembers.
const REMEMBERED: usize = 20_000;
/// Damaged records that are kept in the file.
const KEPT_RECORDS: i64 = 1_000;

const TABLES: &str = "
CREATE TABLE batch (
    number  INTEGER PRIMARY KEY, -- in the order in which they came
    source  TEXT NOT NULL,       -- of the pipeline
    samples INTEGER NOT NULL,
    era     INTEGER NOT NULL,
    wall    INTEGER NOT NULL,    -- microseconds since 1970
    boot    INTEGER NOT NULL,    -- of which `uptime` counts
    uptime  INTEGER NOT NULL,    -- microseconds
    record  BLOB NOT NULL
) STRICT;
CREATE TABLE shared  (id INTEGER PRIMARY KEY, record BLOB NOT NULL) STRICT; -- era * 2^32 + number
CREATE TABLE damaged (number INTEGER NOT NULL, source TEXT NOT NULL, samples INTEGER NOT NULL, record BLOB NOT NULL) STRICT;
";

/// The open file.
pub(super) struct File {
    path: PathBuf,
    pub(super) connection: Connection,
    fsync: Fsync,
    boot: i64,
    era: u32,
    /// Batches of this era.
    in_era: u32,
    /// The parts of this era, by where their contents are in memory, which is theirs as long as they are here.
    known: HashMap<[usize; 5], (u32, Shared)>,
    read: HashMap<i64, Arc<Shared>>,
    /// The era whose shared parts went last.
    forgotten: u32,
}

/// A batch in the file, without its samples.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub number: u64,
    pub source: Arc<str>,
    pub samples: usize,
    /// How long it has been in the spool.
    pub age: Duration,
}

/// What the file holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Contents {
    pub batches: u64,
    pub samples: u64,
    /// The number of the last batch.
    pub last: u64,
}

impl File {
    /// Opens the file, or makes it. Damage may show later.
    pub(super) fn open(path: &Path, fsync: Fsync) -> Result<Self, SpoolError> {
        if let Some(folder) = path.parent() {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
            made.map_err(|source| SpoolError::Create { path: folder.to_owned(), source })?;
        }
        // Of its owner alone: the metadata are tenants', and what is put in here is signed when it is sent.
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
            Err(source) if source.kind() != io::ErrorKind::AlreadyExists => {
                return Err(SpoolError::Create { path: path.to_owned(), source });
            }
            _ => {}
        }
        let mut file = Self::connect(path, fsync)?;
        match file.prepare() {
            Err(error) if error.label() == "locked" => Err(SpoolError::InUse(path.to_owned())),
            Err(error) => Err(error),
            Ok(()) => Ok(file),
        }
    }

    /// Opens the file as it is.
    pub(super) fn connect(path: &Path, fsync: Fsync) -> Result<Self, SpoolError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        Ok(Self {
            path: path.to_owned(),
            connection: Connection::open_with_flags(path, flags).map_err(opening)?,
            fsync,
            boot: boot(),
            era: 0,
            in_era: 0,
            known: HashMap::new(),
            read: HashMap::new(),
            forgotten: 0,
        })
    }

    fn prepare(&mut self) -> Result<(), SpoolError> {
        let connection = &mut self.connection;
        connection.busy_timeout(Duration::ZERO).map_err(opening)?;
        let set = |connection: &Connection, name: &str, value: &str| {
            connection.pragma_update_and_check(None, name, value, |_| Ok(())).optional().map_err(opening)
        };
        set(connection, "page_size", &PAGE.to_string())?;
        set(connection, "auto_vacuum", "incremental")?;
        set(connection, "locking_mode", "exclusive")?;
        set(connection, "journal_mode", "wal")?;
        let synchronous = match self.fsync {
            Fsync::Commit => "full",
            Fsync::Checkpoint => "normal",
            Fsync::Never => "off",
        };
        set(connection, "synchronous", synchronous)?;
        set(connection, "cache_size", &format!("-{CACHE_KIB}"))?;
        set(connection, "journal_size_limit", &JOURNAL_LIMIT.to_string())?;
        let transaction =
            connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(opening)?;
        let number = |pragma: &str| {
            transaction.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0)).map_err(opening)
        };
        let tables: i64 = transaction
            .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
            .map_err(opening)?;
        if tables == 0 {
            transaction.execute_batch(TABLES).map_err(opening)?;
            transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(opening)?;
            transaction.pragma_update(None, "user_version", VERSION).map_err(opening)?;
        } else if (number("application_id")?, number("user_version")?) != (APPLICATION_ID, VERSION) {
            return Err(SpoolError::Foreign(self.path.clone()));
        }
        let last: Option<i64> =
            transaction.query_row("SELECT max(id) FROM shared", [], |row| row.get(0)).map_err(opening)?;
        transaction.commit().map_err(opening)?;
        // Shared parts of an agent before this one are known to the batches alone.
        self.era = last.map_or(0, |id| (id >> 32) as u32 + 1);
        Ok(())
    }

    /// What is in it. Reads the head of every batch.
    pub(super) fn contents(&self) -> Result<Contents, SpoolError> {
        let read = "SELECT count(*), coalesce(sum(samples), 0), coalesce(max(number), 0) FROM batch";
        let contents = self.connection.query_row(read, [], |row| {
            let number = |at| row.get::<_, i64>(at).map(i64::cast_unsigned);
            Ok(Contents { batches: number(0)?, samples: number(1)?, last: number(2)? })
        });
        contents.map_err(|source| SpoolError::Failed { action: "count the spool's batches", source })
    }

    /// Bytes of the file that hold something, its log aside.
    pub(super) fn used(&self) -> Result<u64, SpoolError> {
        let pages = self.pragma("page_count")? - self.pragma("freelist_count")?;
        Ok((pages * self.pragma("page_size")?).cast_unsigned())
    }

    fn pragma(&self, name: &str) -> Result<i64, SpoolError> {
        let value = self.connection.pragma_query_value(None, name, |row| row.get(0));
        value.map_err(|source| SpoolError::Failed { action: "measure the spool", source })
    }

    /// In one transaction: these batches are in it, those are not any more. What `fsync` promises holds when it returns.
    pub(super) fn write<'b>(
        &mut self,
        arrived: impl IntoIterator<Item = (u64, &'b Batch)>,
        settled: &[u64],
    ) -> Result<(), SpoolError> {
        if self.in_era >= ERA {
            self.begin_era();
        }
        let written = self.transact(arrived, settled);
        if written.is_err() {
            // What was added to the shared parts is not there.
            self.begin_era();
        }
        written
    }

    fn begin_era(&mut self) {
        self.era += 1;
        self.in_era = 0;
        self.known.clear();
    }

    fn transact<'b>(
        &mut self,
        arrived: impl IntoIterator<Item = (u64, &'b Batch)>,
        settled: &[u64],
    ) -> Result<(), SpoolError> {
        let failed = |source| SpoolError::Failed { action: "write to the spool", source };
        let Self { connection, known, era, in_era, boot, forgotten, .. } = self;
        let transaction =
            connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        {
            let mut delete =
                transaction.prepare_cached("DELETE FROM batch WHERE number = ?1").map_err(failed)?;
            for number in settled {
                delete.execute([number.cast_signed()]).map_err(failed)?;
            }
            let mut share = transaction
                .prepare_cached("INSERT INTO shared (id, record) VALUES (?1, ?2)")
                .map_err(failed)?;
            let mut insert = transaction
                .prepare_cached(
                    "INSERT INTO batch (number, source, samples, era, wall, boot, uptime, record) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                )
                .map_err(failed)?;
            let now = Moment::now(*boot);
            for (number, batch) in arrived {
                let record = record::encode::<SpoolError>(batch, |sample| {
                    let key = Shared::addresses(sample);
                    if let Some((number, _)) = known.get(&key) {
                        return Ok(*number);
                    }
                    let (number, shared) = (known.len() as u32, Shared::of(sample));
                    share.execute(params![id(*era, number), shared.encode()?]).map_err(failed)?;
                    known.insert(key, (number, shared));
                    Ok(number)
                })?;
                let samples = batch.samples.len() as i64;
                let row = params![
                    number.cast_signed(),
                    &*batch.source,
                    samples,
                    *era,
                    now.wall,
                    now.boot,
                    now.uptime,
                    record
                ];
                insert.execute(row).map_err(failed)?;
                *in_era += 1;
            }
            if !settled.is_empty() && *forgotten < *era {
                let oldest: Option<u32> = transaction
                    .query_row("SELECT era FROM batch ORDER BY number LIMIT 1", [], |row| row.get(0))
                    .optional()
                    .map_err(failed)?;
                let oldest = oldest.unwrap_or(*era);
                if *forgotten < oldest {
                    transaction
                        .execute("DELETE FROM shared WHERE id < ?1", [id(oldest, 0)])
                        .map_err(failed)?;
                    *forgotten = oldest;
                }
            }
        }
        transaction.commit().map_err(failed)
    }

    /// The batches after this number that are wanted, oldest first, up to so many batches and samples. A record that cannot be read, or not wholly, is
    /// set aside.
    pub(super) fn load(
        &mut self,
        after: u64,
        most: Most,
        wanted: impl Fn(u64) -> bool,
    ) -> Result<Vec<Loaded>, SpoolError> {
        let failed = |source| SpoolError::Failed { action: "read the spool", source };
        let mut found: Vec<Loaded> = Vec::new();
        let (mut count, mut weight) = (0, 0);
        {
            let Self { connection, read, boot, .. } = self;
            let mut batches =
                connection.prepare_cached(&format!("{SELECT} ORDER BY number")).map_err(failed)?;
            let mut shared = connection.prepare_cached(SELECT_SHARED).map_err(failed)?;
            let mut rows = batches.query([after.cast_signed()]).map_err(failed)?;
            while count < most.samples
                && weight < most.weight
                && found.len() < most.batches
                && let Some(row) = rows.next().map_err(failed)?
            {
                let entry = entry(row, *boot).map_err(failed)?;
                if !wanted(entry.number) {
                    continue;
                }
                count += entry.samples.max(1);
                let loaded = loaded(entry, row, &mut shared, read).map_err(failed)?;
                weight += loaded.batch.as_ref().map_or(0, |batch| batch.weight);
                found.push(loaded);
            }
        }
        for damaged in found.iter().filter(|found| found.damage.is_some()) {
            self.set_record_aside(damaged)?;
        }
        Ok(found)
    }

    /// Up to so many batches after a number, whatever is wrong with them.
    pub(super) fn read_after(&mut self, after: u64, most: usize) -> Result<Vec<Loaded>, rusqlite::Error> {
        let mut found = Vec::new();
        let mut batches = self.connection.prepare_cached(&format!("{SELECT} ORDER BY number LIMIT ?2"))?;
        let mut shared = self.connection.prepare_cached(SELECT_SHARED)?;
        let mut rows = batches.query([after.cast_signed(), most as i64])?;
        while let Some(row) = rows.next()? {
            let entry = entry(row, self.boot)?;
            found.push(loaded(entry, row, &mut shared, &mut self.read)?);
        }
        Ok(found)
    }

    /// Keeps a copy of the record; where nothing of it can be sent, it goes from where it was.
    fn set_record_aside(&mut self, damaged: &Loaded) -> Result<(), SpoolError> {
        let failed = |source| SpoolError::Failed { action: "set a damaged batch aside", source };
        let transaction = self.connection.transaction().map_err(failed)?;
        let number = damaged.entry.number.cast_signed();
        transaction
            .execute(
                "INSERT INTO damaged SELECT number, source, samples, record FROM batch WHERE number = ?1 AND (SELECT count(*) FROM damaged) < ?2",
                [number, KEPT_RECORDS],
            )
            .map_err(failed)?;
        if damaged.batch.is_none() {
            transaction.execute("DELETE FROM batch WHERE number = ?1", [number]).map_err(failed)?;
        }
        transaction.commit().map_err(failed)
    }

    /// The oldest batches.
    pub(super) fn oldest(&self, most: usize) -> Result<Vec<Entry>, SpoolError> {
        let failed = |source| SpoolError::Failed { action: "read the spool", source };
        let mut statement = self
            .connection
            .prepare_cached(
                "SELECT number, source, samples, wall, boot, uptime FROM batch ORDER BY number LIMIT ?1",
            )
            .map_err(failed)?;
        let rows = statement.query_map([most as i64], |row| entry(row, self.boot)).map_err(failed)?;
        rows.collect::<Result<_, _>>().map_err(failed)
    }

    /// Deletes what batches share. For a file without batches.
    pub(super) fn forget_parts(&mut self) -> Result<(), SpoolError> {
        let failed = |source| SpoolError::Failed { action: "empty the spool", source };
        self.begin_era();
        self.connection.execute("DELETE FROM shared WHERE id < ?1", [id(self.era, 0)]).map_err(failed)?;
        Ok(())
    }

    /// Gives pages of an empty spool back to the file system, some at a time. Says whether there are more.
    pub(super) fn shrink(&mut self) -> Result<bool, SpoolError> {
        let failed = |source| SpoolError::Failed { action: "shrink the spool", source };
        let free = self.pragma("freelist_count")?;
        if free <= KEPT_PAGES {
            return Ok(false);
        }
        self.connection
            .prepare_cached(&format!("PRAGMA incremental_vacuum({VACUUM})"))
            .and_then(|mut statement| {
                // Each step frees a page.
                let mut rows = statement.query([])?;
                while rows.next()?.is_some() {}
                Ok(())
            })
            .map_err(failed)?;
        // What does not shrink is not tried for ever.
        Ok(self.pragma("freelist_count")? < free)
    }
}

/// A batch as it stands in the file.
const SELECT: &str =
    "SELECT number, source, samples, wall, boot, uptime, era, record FROM batch WHERE number > ?1";
/// A part that batches share.
const SELECT_SHARED: &str = "SELECT record FROM shared WHERE id = ?1";

/// How much is read at once: whatever comes first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Most {
    pub batches: usize,
    pub samples: usize,
    /// In memory, of all but the last.
    pub weight: usize,
}

/// A batch that was read.
#[derive(Debug)]
pub(super) struct Loaded {
    pub entry: Entry,
    /// What can be read of it.
    pub batch: Option<Batch>,
    /// Why not all of it can.
    pub damage: Option<BadRecord>,
}

/// Reads a row of [`SELECT`].
fn loaded(
    entry: Entry,
    row: &rusqlite::Row<'_>,
    shared: &mut CachedStatement<'_>,
    read: &mut HashMap<i64, Arc<Shared>>,
) -> rusqlite::Result<Loaded> {
    let era: u32 = row.get(6)?;
    let decoded = record::decode::<Unreadable>(row.get_ref(7)?.as_blob()?, |number| {
        let id = id(era, number);
        if let Some(known) = read.get(&id) {
            return Ok(Some(known.clone()));
        }
        let bytes: Option<Vec<u8>> = match shared.query_row([id], |row| row.get(0)).optional() {
            // Its page is; the batch's own is not.
            Err(error) if is_damage(&error) => None,
            bytes => bytes?,
        };
        let Some(part) = bytes.and_then(|bytes| Shared::decode(&bytes).ok()) else { return Ok(None) };
        let part = Arc::new(part);
        if read.len() >= REMEMBERED {
            read.clear();
        }
        read.insert(id, part.clone());
        Ok(Some(part))
    });
    let (samples, damage) = match decoded {
        Ok(Decoded { samples, lost: 0 }) => (samples, None),
        Ok(Decoded { samples, .. }) => (samples, Some(BadRecord::Shared)),
        Err(Unreadable::Record(fault)) => (Vec::new(), Some(fault)),
        Err(Unreadable::File(source)) => return Err(source),
    };
    let batch = (!samples.is_empty()).then(|| Batch::new(entry.source.clone(), samples));
    Ok(Loaded { entry, batch, damage })
}

fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

/// Why a batch cannot be had: it, or the file around it.
enum Unreadable {
    Record(BadRecord),
    File(rusqlite::Error),
}

impl From<rusqlite::Error> for Unreadable {
    fn from(source: rusqlite::Error) -> Self {
        Self::File(source)
    }
}

impl From<BadRecord> for Unreadable {
    fn from(fault: BadRecord) -> Self {
        Self::Record(fault)
    }
}

fn opening(source: rusqlite::Error) -> SpoolError {
    SpoolError::Failed { action: "open the spool", source }
}

fn id(era: u32, number: u32) -> i64 {
    i64::from(era) << 32 | i64::from(number)
}

/// The head of a row: number, source, samples, wall, boot, uptime.
fn entry(row: &rusqlite::Row<'_>, boot: i64) -> rusqlite::Result<Entry> {
    let came = Moment { wall: row.get(3)?, boot: row.get(4)?, uptime: row.get(5)? };
    Ok(Entry {
        number: row.get::<_, i64>(0)?.cast_unsigned(),
        source: row.get_ref(1)?.as_str()?.into(),
        samples: usize::try_from(row.get::<_, i64>(2)?).unwrap_or(0),
        age: came.age(boot),
    })
}
