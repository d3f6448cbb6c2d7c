//! A connection that only reads, while the writer writes.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};

use super::error::StoreError;
use super::id::MessageId;
use super::schema;

/// How long a lock is waited for. Readers of a write-ahead log are not held up by its writer, only by its recovery.
const BUSY: Duration = Duration::from_secs(5);

/// SQLite's instructions between two looks at the clock: about a tenth of a millisecond.
const STEPS_PER_LOOK: i32 = 10_000;

/// The store, to read.
#[derive(Debug)]
pub struct Store {
    pub(crate) connection: Connection,
    opened: Instant,
    /// When reading ends, in microseconds since `opened`.
    until: Arc<AtomicU64>,
}

impl Store {
    /// Opens a store that a collector made; it is never made or changed here. (SQLite keeps readers apart from the writer
    /// with two files beside the store, so a reader needs write permission there, if no collector runs.)
    ///
    /// # Errors
    /// [`StoreError`]: [`StoreError::Missing`] where there is none.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let opened = |source| StoreError::Open { path: path.to_owned(), source };
        if let Err(error) = path.metadata()
            && error.kind() == ErrorKind::NotFound
        {
            return Err(StoreError::Missing(path.to_owned()));
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(path, flags).map_err(opened)?;
        connection.busy_timeout(BUSY).map_err(opened)?;
        schema::check(&connection)?;
        let (begun, until) = (Instant::now(), Arc::new(AtomicU64::new(u64::MAX)));
        let end = until.clone();
        let late = move || begun.elapsed().as_micros() > u128::from(end.load(Relaxed));
        connection.progress_handler(STEPS_PER_LOOK, Some(late)).map_err(opened)?;
        Ok(Self { connection, opened: begun, until })
    }

    /// From now on, statements that still run after this time end with an interruption.
    pub(crate) fn read_for(&self, time: Duration) {
        let until = (self.opened.elapsed() + time).as_micros();
        self.until.store(u64::try_from(until).unwrap_or(u64::MAX), Relaxed);
    }
}

/// The text of a stored message_id.
pub(crate) fn text_of(id: ValueRef<'_>) -> Result<String, StoreError> {
    MessageId::text(id)
        .ok_or_else(|| StoreError::Damaged("its message_id is neither a UUID nor a text".into()))
}
