//! The store's schema and its versions.
//!
//! ```text
//!  sample, sample_other ──▶ series ──▶ meter, resource     names, each once
//!                       ──▶ metadata                       resource_metadata, once by content (SHA-256 of its JSON text)
//! ```
//!
//! `sample` is partitioned by the day of the timestamp (see `partitions`). `sample_other` has the samples of the days that have no
//! partition. It is no partition of `sample`, as a default one would be: then PostgreSQL could no longer read the days one after the
//! other, as an answer of the newest hundred wants it, and making or dropping a day would have to lock out whoever reads it.
//!
//! `nephoscope_schema` has one row: how many migrations the database has seen, and its generation (see `upkeep`). A writer reads it at
//! the beginning of each transaction, under a lock that it shares with the other writers and that whoever migrates has alone. So a
//! collector of an older version fails with its next batch and acknowledges nothing, and any number of collectors may start at once.
//!
//! The indexes of samples follow the queries. `sample_by_meter` carries what statistics are made of, so that they do not look at the
//! samples themselves; `sample_by_resource` has the meter behind the timestamp, so that a cycle's samples of one resource share a page.
//! Foreign keys are not declared: checking them would cost four look-ups per sample. Names compare by their bytes, whatever the
//! database's language is.

use postgres::error::SqlState;
use postgres::{Client, GenericClient, IsolationLevel, Transaction};

use super::fault::failed;
use crate::StoreError;

/// Held by whoever stores, together with others, and alone by whoever migrates or deletes what writers remember. "Nephosco".
const WRITERS: i64 = 0x4E65_7068_6F73_636F;
/// Held by whoever makes partitions.
const PARTITIONS: i64 = WRITERS + 1;
/// Held by whoever deletes.
const UPKEEP: i64 = WRITERS + 2;

/// Each brings a store to the version that is its place in the list, counted from 1.
pub(super) const MIGRATIONS: &[&str] = &[V1, V2];

const V1: &str = "
CREATE TABLE nephoscope_schema (
    version    integer NOT NULL, -- how many migrations the database has seen
    generation bigint NOT NULL   -- counts the transactions that deleted what writers remember
);
INSERT INTO nephoscope_schema VALUES (0, 0);
CREATE TABLE meter    (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text COLLATE \"C\" NOT NULL UNIQUE);
CREATE TABLE resource (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text COLLATE \"C\" NOT NULL UNIQUE);
CREATE TABLE series (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sha256     bytea NOT NULL UNIQUE,        -- of all that follows but kept_until
    meter      integer NOT NULL,
    resource   bigint NOT NULL,
    kind       text COLLATE \"C\" NOT NULL,  -- counter_type
    unit       text COLLATE \"C\" NOT NULL,
    source     text COLLATE \"C\" NOT NULL,
    project    text COLLATE \"C\",
    account    text COLLATE \"C\",           -- user_id
    kept_until date NOT NULL                 -- samples of partitions up to this day may refer to it
);
CREATE TABLE metadata (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sha256     bytea NOT NULL UNIQUE,
    fields     text NOT NULL,                -- a JSON object
    kept_until date NOT NULL
);
CREATE TABLE sample (
    timestamp   timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    series      bigint NOT NULL,
    metadata    bigint NOT NULL,
    resource    bigint NOT NULL,
    amount      double precision NOT NULL,
    meter       integer NOT NULL,
    message_id  bytea NOT NULL,              -- 0 and a UUID's 16 bytes, time first; or 1 and any other text
    exact       text                         -- the JSON number, where the double next to it says less
) PARTITION BY RANGE (timestamp);
CREATE TABLE sample_other (LIKE sample);
CREATE UNIQUE INDEX sample_other_by_message ON sample_other (message_id);
";

/// What queries and deletion need.
const V2: &str = "
CREATE INDEX sample_by_meter          ON sample       (meter, timestamp) INCLUDE (series, amount);
CREATE INDEX sample_by_resource       ON sample       (resource, timestamp, meter);
CREATE INDEX sample_by_time           ON sample       (timestamp);
CREATE INDEX sample_other_by_meter    ON sample_other (meter, timestamp) INCLUDE (series, amount);
CREATE INDEX sample_other_by_resource ON sample_other (resource, timestamp, meter);
CREATE INDEX sample_other_by_time     ON sample_other (timestamp);
CREATE INDEX sample_other_by_series   ON sample_other (series);   -- for the sweep, which holds writers up
CREATE INDEX sample_other_by_metadata ON sample_other (metadata); -- the same
CREATE INDEX series_by_resource       ON series (resource, meter);
CREATE INDEX series_by_meter          ON series (meter, resource);
CREATE INDEX series_by_project        ON series (project, resource);
CREATE INDEX series_by_end            ON series (kept_until);
CREATE INDEX metadata_by_end          ON metadata (kept_until);
";

/// The row of `nephoscope_schema`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct State {
    pub version: i32,
    pub generation: i64,
}

impl State {
    /// As a transaction finds it; none where there is no store. A failure ends the transaction.
    pub(super) fn read(client: &mut impl GenericClient) -> Result<Option<Self>, StoreError> {
        let rows = match client.query_typed("SELECT version, generation FROM nephoscope_schema", &[]) {
            Err(error) if error.code() == Some(&SqlState::UNDEFINED_TABLE) => return Ok(None),
            other => other.map_err(failed("read the store's version"))?,
        };
        match rows.first() {
            Some(row) => Ok(Some(Self { version: row.get(0), generation: row.get(1) })),
            None => Err(StoreError::Foreign("table nephoscope_schema")),
        }
    }

    /// Fails unless this program knows the version, and reads no other.
    pub(super) fn check(self) -> Result<Self, StoreError> {
        let known = MIGRATIONS.len();
        match usize::try_from(self.version) {
            Ok(found) if found == known => Ok(self),
            Ok(found) if found < known => Err(StoreError::TooOld { found, known }),
            _ => Err(StoreError::TooNew { found: self.version.into(), known }),
        }
    }
}

/// Begins a transaction each statement of which sees what was committed before it, whatever the database's default is.
pub(super) fn begin<'c>(client: &'c mut Client, action: &'static str) -> Result<Transaction<'c>, StoreError> {
    let begun =
        client.build_transaction().isolation_level(IsolationLevel::ReadCommitted).read_only(false).start();
    begun.map_err(failed(action))
}

/// Which part of the writers' lock, to the end of the transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Writers {
    /// With other writers.
    Together,
    /// Without them.
    Alone,
}

impl Writers {
    /// Waits for the lock, as long as `lock_timeout` allows.
    pub(super) fn lock(self, transaction: &mut Transaction<'_>) -> Result<(), postgres::Error> {
        let shared = if self == Self::Together { "_shared" } else { "" };
        transaction.batch_execute(&format!("SELECT pg_advisory_xact_lock{shared}({WRITERS})"))
    }
}

/// Waits until nobody else makes partitions, to the end of the transaction.
pub(super) fn lock_partitions(transaction: &mut Transaction<'_>) -> Result<(), postgres::Error> {
    transaction.batch_execute(&format!("SELECT pg_advisory_xact_lock({PARTITIONS})"))
}

/// Whether nobody else deletes, to the end of the transaction.
pub(super) fn try_upkeep(transaction: &mut Transaction<'_>) -> Result<bool, postgres::Error> {
    let locked = transaction.query_typed_one(&format!("SELECT pg_try_advisory_xact_lock({UPKEEP})"), &[])?;
    locked.try_get(0)
}

/// Makes the store where there is none, and brings an older one to the last version of `migrations`.
///
/// # Errors
/// [`StoreError::Foreign`], [`StoreError::TooNew`], or what PostgreSQL says.
pub(super) fn migrate(client: &mut Client, migrations: &[&str]) -> Result<(), StoreError> {
    let action = "prepare the store's tables";
    let known = migrations.len();
    // Without the lock, for which all writers' transactions would have to end.
    if State::read(client)?.is_some_and(|state| usize::try_from(state.version) == Ok(known)) {
        return Ok(());
    }
    let mut transaction = begin(client, action)?;
    // Indexes of a large store take their time.
    let patient = "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '60s'";
    transaction.batch_execute(patient).map_err(failed(action))?;
    Writers::Alone.lock(&mut transaction).map_err(failed(action))?;
    let version = match is_there(&mut transaction, "nephoscope_schema")? {
        true => State::read(&mut transaction)?.map_or(0, |state| state.version),
        false => {
            let encoding =
                transaction.query_typed_one("SHOW server_encoding", &[]).map_err(failed(action))?;
            let encoding: String = encoding.get(0);
            if encoding != "UTF8" {
                // A tenant's name that the encoding has no characters for would be refused with its batch, for ever.
                let text = format!(
                    "the database's encoding is {encoding}: make one with ENCODING 'UTF8' TEMPLATE template0"
                );
                return Err(StoreError::Failed {
                    action: action.into(),
                    reason: "encoding",
                    source: text.into(),
                });
            }
            for table in ["meter", "resource", "series", "metadata", "sample", "sample_other"] {
                if is_there(&mut transaction, table)? {
                    return Err(StoreError::Foreign("database"));
                }
            }
            0
        }
    };
    let missing = usize::try_from(version).ok().and_then(|version| migrations.get(version..));
    let Some(missing) = missing else {
        return Err(StoreError::TooNew { found: version.into(), known });
    };
    for migration in missing {
        transaction.batch_execute(migration).map_err(failed(action))?;
    }
    let counted = format!("UPDATE nephoscope_schema SET version = {known}");
    transaction.batch_execute(&counted).map_err(failed(action))?;
    transaction.commit().map_err(failed(action))
}

fn is_there(transaction: &mut Transaction<'_>, table: &str) -> Result<bool, StoreError> {
    let found = transaction.query_typed_one(&format!("SELECT to_regclass('{table}') IS NOT NULL"), &[]);
    Ok(found.map_err(failed("prepare the store's tables"))?.get(0))
}
