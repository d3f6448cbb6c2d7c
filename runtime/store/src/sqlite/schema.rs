//! The store's schema and its versions.
//!
//! ```text
//!  sample ──▶ meter, resource, project, account    names, each once
//!         ──▶ form                                 counter_type, counter_unit and source, each combination once
//!         ──▶ metadata                             resource_metadata, once by content (SHA-256 of its JSON text)
//! ```
//!
//! `user_version` counts the migrations that a file has seen; opening for writing runs those that it lacks, in one
//! transaction. `application_id` keeps us from taking another program's database for ours.
//!
//! The indexes follow the queries: each ends in the timestamp, so that the newest samples of a meter, a resource or a project
//! are read from its end and no further than the limit. `sample_by_resource` and `sample_by_project` carry the meter behind
//! the timestamp instead of before it: a cycle's samples of one resource then share a page, where the other order would write
//! a page per sample; a query with a meter skips the others' entries within the index.
//!
//! Foreign keys are not declared: checking them would cost six look-ups per sample. What keeps a sample's names and metadata from
//! being deleted before it is told in `upkeep`'s head: the columns `kept_until` and the table `upkeep` are for that.

use rusqlite::{Connection, TransactionBehavior};

use super::error::StoreError;

/// "Neph": marks a file as a store of ours.
const APPLICATION_ID: i64 = 0x4E65_7068;

/// Each brings a store to the version that is its place in the list, counted from 1.
const MIGRATIONS: &[&str] = &[V1, V2];

const V1: &str = "
CREATE TABLE meter    (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE resource (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE project  (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE account  (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE form (
    id     INTEGER PRIMARY KEY,
    kind   TEXT NOT NULL,
    unit   TEXT NOT NULL,
    source TEXT NOT NULL,
    UNIQUE (kind, unit, source)
) STRICT;
CREATE TABLE metadata (
    id     INTEGER PRIMARY KEY,
    hash   BLOB NOT NULL UNIQUE,
    fields TEXT NOT NULL
) STRICT;
CREATE TABLE sample (
    id          INTEGER PRIMARY KEY, -- in the order of insertion
    message_id  ANY NOT NULL,        -- a UUID as 16 bytes, time first; any other text as it is
    meter       INTEGER NOT NULL,
    resource    INTEGER NOT NULL,
    project     INTEGER,
    account     INTEGER,             -- user_id
    form        INTEGER NOT NULL,
    metadata    INTEGER NOT NULL,
    timestamp   INTEGER NOT NULL,    -- microseconds since 1970, UTC
    recorded_at INTEGER NOT NULL,    -- the same
    volume      TEXT NOT NULL,       -- the JSON number, to the digit
    amount      REAL NOT NULL        -- the double next to it
) STRICT;
CREATE UNIQUE INDEX sample_by_message ON sample (message_id);
CREATE INDEX sample_by_resource ON sample (resource, timestamp, meter);
CREATE INDEX sample_by_project  ON sample (project, timestamp, meter);
CREATE INDEX sample_by_meter    ON sample (meter, timestamp);
CREATE INDEX sample_by_time     ON sample (timestamp);
";

/// What deletion needs. Nothing of it rewrites a table, so that a large store is migrated in the time of one reading of its metadata.
///
/// `hash` gets another name because a collector of the version before may have the file open: it would go on without keeping
/// what its samples refer to. So its next transaction fails, and so does opening the store anew, as too new; it acknowledges nothing.
const V2: &str = "
ALTER TABLE metadata RENAME COLUMN hash TO sha256;
ALTER TABLE metadata ADD COLUMN kept_until INTEGER NOT NULL DEFAULT 0; -- samples up to this id may refer to it
ALTER TABLE resource ADD COLUMN kept_until INTEGER NOT NULL DEFAULT 0; -- the same
CREATE INDEX metadata_by_end ON metadata (kept_until);
CREATE INDEX resource_by_end ON resource (kept_until);
CREATE TABLE upkeep (
    id         INTEGER PRIMARY KEY CHECK (id = 1), -- there is one row
    generation INTEGER NOT NULL,                   -- counts the transactions that deleted metadata or resources
    kept_until INTEGER NOT NULL                    -- what a 0 in the columns of that name stands for
) STRICT;
INSERT INTO upkeep (id, generation, kept_until) SELECT 1, 0, coalesce(max(id), 0) FROM sample;
";

/// Brings a file that is open for writing to the present version.
///
/// # Errors
/// [`StoreError::Foreign`], [`StoreError::TooNew`], or what SQLite says.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let failed = |source| StoreError::Failed { action: "prepare the store's tables", source };
    // Without the lock for writing, which another collector may hold for a while.
    if is_present(connection).map_err(failed)? {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    let tables: i64 =
        transaction.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(failed)?;
    let version = match tables {
        0 => 0,
        _ => version(&transaction)?,
    };
    for migration in &MIGRATIONS[version..] {
        transaction.execute_batch(migration).map_err(failed)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(failed)?;
    transaction.pragma_update(None, "user_version", MIGRATIONS.len() as i64).map_err(failed)?;
    transaction.commit().map_err(failed)
}

/// Whether a file that is open for reading can be read: it is ours and of the present version.
///
/// # Errors
/// [`StoreError::Foreign`], [`StoreError::TooNew`], [`StoreError::TooOld`], or what SQLite says.
pub(super) fn check(connection: &Connection) -> Result<(), StoreError> {
    match version(connection)? {
        found if found < MIGRATIONS.len() => Err(StoreError::TooOld { found, known: MIGRATIONS.len() }),
        _ => Ok(()),
    }
}

fn is_present(connection: &Connection) -> rusqlite::Result<bool> {
    let is = |name, wanted: i64| {
        connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).map(|found| found == wanted)
    };
    Ok(is("application_id", APPLICATION_ID)? && is("user_version", MIGRATIONS.len() as i64)?)
}

fn version(connection: &Connection) -> Result<usize, StoreError> {
    let failed = |source| StoreError::Failed { action: "read the store's version", source };
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).map_err(failed);
    if pragma("application_id")? != APPLICATION_ID {
        return Err(StoreError::Foreign);
    }
    let found = pragma("user_version")?;
    match usize::try_from(found) {
        Ok(found) if found <= MIGRATIONS.len() => Ok(found),
        _ => Err(StoreError::TooNew { found, known: MIGRATIONS.len() }),
    }
}

/// A store as the first version made it.
#[cfg(test)]
pub(super) fn first_version(path: &std::path::Path) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection.execute_batch(V1).unwrap();
    connection.pragma_update(None, "application_id", APPLICATION_ID).unwrap();
    connection.pragma_update(None, "user_version", 1).unwrap();
    connection.pragma_update(None, "journal_mode", "wal").unwrap();
    connection
}
