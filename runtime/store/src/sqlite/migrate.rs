//! Brings files to the present version.
//!
//! `user_version` counts the migrations that a file has seen; opening for writing runs those that it lacks, in one
//! transaction. `application_id` keeps us from taking another program's database for ours.

use rusqlite::{Connection, Row, Transaction, TransactionBehavior, params};
use sample::Kind;

use super::fault;
use super::schema::{APPLICATION_ID, V1, V2, V3, V3_MOVED};
use crate::StoreError;
use crate::row::SeriesFields;

/// Each brings a store to the version that is its place in the list, counted from 1.
const MIGRATIONS: [fn(&Transaction<'_>) -> rusqlite::Result<()>; 3] =
    [|new| new.execute_batch(V1), |new| new.execute_batch(V2), series_of_names];

fn failed(source: rusqlite::Error) -> StoreError {
    fault::failed("prepare the store's tables", source)
}

/// Brings a file that is open for writing to the present version.
///
/// # Errors
/// [`StoreError::Foreign`], [`StoreError::TooNew`], or what SQLite says.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
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
    if version > 0 {
        tracing::info!(
            from = version,
            to = MIGRATIONS.len(),
            "migrating the store: a minute or two for ten million samples"
        );
    }
    for migration in &MIGRATIONS[version..] {
        migration(&transaction).map_err(failed)?;
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
    let failed = |source| fault::failed("read the store's version", source);
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).map_err(failed);
    if pragma("application_id")? != APPLICATION_ID {
        return Err(StoreError::Foreign("SQLite database"));
    }
    let found = pragma("user_version")?;
    match usize::try_from(found) {
        Ok(found) if found <= MIGRATIONS.len() => Ok(found),
        _ => Err(StoreError::TooNew { found, known: MIGRATIONS.len() }),
    }
}

/// From names in each sample to series (version 3).
fn series_of_names(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    transaction.execute_batch(V3)?;
    transaction.execute_batch(
        "CREATE TEMP TABLE combination AS
         SELECT DISTINCT meter, resource, project, account, form, NULL AS series FROM sample_of_names;
         CREATE INDEX temp.combination_by_all ON combination (resource, meter, form);",
    )?;
    let last: i64 =
        transaction.query_row("SELECT coalesce(max(id), 0) FROM sample_of_names", [], |row| row.get(0))?;
    {
        let mut combinations = transaction.prepare(
            "SELECT c.rowid, c.meter, c.resource, m.name, f.kind, f.unit, f.source, r.name, p.name, a.name
             FROM combination c JOIN meter m ON m.id = c.meter JOIN resource r ON r.id = c.resource
             JOIN form f ON f.id = c.form LEFT JOIN project p ON p.id = c.project LEFT JOIN account a ON a.id = c.account",
        )?;
        let mut insert = transaction.prepare(
            "INSERT INTO series (sha256, meter, resource, kind, unit, source, project, account, kept_until)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?;
        let mut note = transaction.prepare("UPDATE combination SET series = ?2 WHERE rowid = ?1")?;
        let mut rows = combinations.query([])?;
        while let Some(row) = rows.next()? {
            let series = combination(row)?;
            let (rowid, meter, resource): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
            let SeriesFields { sha256, kind, unit, source, project_id, user_id, .. } = &series;
            let id = insert.insert(params![
                sha256,
                meter,
                resource,
                kind.as_str(),
                unit,
                source,
                project_id,
                user_id,
                last
            ])?;
            note.execute([rowid, id])?;
        }
    }
    transaction.execute_batch(
        "INSERT INTO sample
         SELECT s.id, s.message_id, c.series, s.meter, s.resource, s.metadata, s.timestamp, s.recorded_at, s.amount,
                CASE WHEN abs(s.amount) < 9007199254740992 AND CAST(CAST(s.amount AS INTEGER) AS TEXT) = s.volume
                     THEN NULL ELSE s.volume END
         FROM sample_of_names s JOIN combination c
              ON c.resource = s.resource AND c.meter = s.meter AND c.form = s.form
                 AND c.project IS s.project AND c.account IS s.account
         ORDER BY s.id;
         DROP TABLE combination;",
    )?;
    transaction.execute_batch(V3_MOVED)
}

fn combination(row: &Row<'_>) -> rusqlite::Result<SeriesFields> {
    let kind: String = row.get(4)?;
    let unread =
        |error| rusqlite::Error::FromSqlConversionFailure(4, rusqlite::types::Type::Text, Box::new(error));
    let kind: Kind = kind.parse().map_err(unread)?;
    let series = SeriesFields {
        sha256: [0; 32],
        meter: row.get(3)?,
        kind,
        unit: row.get(5)?,
        source: row.get(6)?,
        resource_id: row.get(7)?,
        project_id: row.get(8)?,
        user_id: row.get(9)?,
    };
    Ok(series.hashed())
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
