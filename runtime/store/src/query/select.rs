//! Runs a query over a store.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, Row, params_from_iter};
use sample::{Kind, Timestamp};
use serde_json::{Map, Number, Value};

use super::{Clause, DEADLINE, MAX_FOUND_METADATA, Operator, SampleQuery, compare};
use crate::decimal::Decimal;
use crate::store::{Store, StoreError, text_of};

/// Metadata that a query remembers, with what its clauses made of them.
const REMEMBERED: usize = 100_000;

/// A sample as the store has it.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredSample {
    /// The instance's UUID, or a disk or vnic of it.
    pub resource_id: Arc<str>,
    /// The meter's name.
    pub meter: Arc<str>,
    /// How its volumes relate.
    pub kind: Kind,
    /// The volume, to the digit as it was received.
    pub volume: Number,
    /// The meter's unit.
    pub unit: Arc<str>,
    /// When it was measured.
    pub timestamp: Timestamp,
    /// Whose the resource is.
    pub project_id: Option<Arc<str>>,
    /// Who made the resource.
    pub user_id: Option<Arc<str>>,
    /// The cloud that it comes from.
    pub source: Arc<str>,
    /// What is known of the resource.
    pub metadata: Arc<Map<String, Value>>,
    /// Unique to the sample.
    pub message_id: String,
    /// When it was stored.
    pub recorded_at: Timestamp,
}

/// The samples of a query: newest timestamp first, and of equal ones the last stored first.
///
/// # Errors
/// [`StoreError`]: [`StoreError::TooBroad`] where the query found too little in too much, [`StoreError::TooMuch`] where what it
/// found has more than [`MAX_FOUND_METADATA`].
pub fn samples(store: &Store, query: &SampleQuery) -> Result<Vec<StoredSample>, StoreError> {
    samples_within(store, query, DEADLINE)
}

pub(crate) fn samples_within(
    store: &Store,
    query: &SampleQuery,
    deadline: Duration,
) -> Result<Vec<StoredSample>, StoreError> {
    store.read_for(deadline);
    // Of one moment, for names are looked up beside the rows; dropping it ends it.
    let moment = store.connection.unchecked_transaction().map_err(failed)?;
    select(&moment, query, MAX_FOUND_METADATA)
}

fn failed(source: rusqlite::Error) -> StoreError {
    match source.sqlite_error_code() {
        Some(ErrorCode::OperationInterrupted) => StoreError::TooBroad,
        _ => StoreError::Failed { action: "read samples", source },
    }
}

fn select(
    connection: &Connection,
    query: &SampleQuery,
    budget: usize,
) -> Result<Vec<StoredSample>, StoreError> {
    let statement = query.statement();
    let mut lookup = Lookup::new(connection);
    let mut prepared = connection.prepare_cached(&statement.text).map_err(failed)?;
    let mut rows = prepared.query(params_from_iter(statement.values)).map_err(failed)?;
    let mut found = Vec::new();
    let mut left = budget;
    while found.len() < query.limit {
        let Some(row) = rows.next().map_err(failed)? else { break };
        if let Some(bytes) = lookup.fulfils(row, &query.clauses)? {
            left = left.checked_sub(bytes).ok_or(StoreError::TooMuch)?;
            found.push(lookup.sample(row)?);
        }
    }
    Ok(found)
}

/// Names and metadata that rows refer to, each read once.
struct Lookup<'c> {
    connection: &'c Connection,
    names: HashMap<(&'static str, i64), Arc<str>>,
    forms: HashMap<i64, (Kind, Arc<str>, Arc<str>)>,
    metadata: HashMap<i64, Metadata>,
}

struct Metadata {
    /// None once the clauses exclude it: only its verdict is needed again.
    fields: Option<Arc<Map<String, Value>>>,
    /// Of its text.
    bytes: usize,
}

impl<'c> Lookup<'c> {
    fn new(connection: &'c Connection) -> Self {
        Self { connection, names: HashMap::new(), forms: HashMap::new(), metadata: HashMap::new() }
    }

    /// Asks the clauses that the statement left open; where all hold, the bytes of the sample's metadata.
    fn fulfils(&mut self, row: &Row<'_>, clauses: &[Clause]) -> Result<Option<usize>, StoreError> {
        for clause in clauses {
            if let Clause::Volume { operator, value } = clause
                && !volume_fulfils(row, *operator, value)?
            {
                return Ok(None);
            }
        }
        let id: i64 = row.get("metadata").map_err(failed)?;
        if let Some(known) = self.metadata.get(&id) {
            return Ok(known.fields.is_some().then_some(known.bytes));
        }
        let text: String = self.read("SELECT fields FROM metadata WHERE id = ?1", id, |row| row.get(0))?;
        let fields: Map<String, Value> =
            serde_json::from_str(&text).map_err(|error| damaged("metadata", &error))?;
        let fulfilled = clauses.iter().all(|clause| match clause {
            Clause::Metadata { path, operator, value } => compare::metadata(&fields, path, *operator, value),
            _ => true,
        });
        if self.metadata.len() >= REMEMBERED {
            self.metadata.clear();
        }
        let bytes = text.len();
        self.metadata.insert(id, Metadata { fields: fulfilled.then(|| Arc::new(fields)), bytes });
        Ok(fulfilled.then_some(bytes))
    }

    /// The sample of a row that fulfils all clauses.
    fn sample(&mut self, row: &Row<'_>) -> Result<StoredSample, StoreError> {
        let form = row.get("form").map_err(failed)?;
        let (kind, unit, source) = self.form(form)?;
        let metadata: i64 = row.get("metadata").map_err(failed)?;
        let volume: String = row.get("volume").map_err(failed)?;
        Ok(StoredSample {
            resource_id: self
                .name("SELECT name FROM resource WHERE id = ?1", row, "resource")?
                .ok_or_else(nameless)?,
            meter: self.name("SELECT name FROM meter WHERE id = ?1", row, "meter")?.ok_or_else(nameless)?,
            kind,
            volume: volume.parse().map_err(|error| damaged("volume", &error))?,
            unit,
            timestamp: moment(row, "timestamp")?,
            project_id: self.name("SELECT name FROM project WHERE id = ?1", row, "project")?,
            user_id: self.name("SELECT name FROM account WHERE id = ?1", row, "account")?,
            source,
            metadata: self.metadata.get(&metadata).and_then(|known| known.fields.clone()).unwrap_or_default(),
            message_id: text_of(row.get_ref("message_id").map_err(failed)?)?,
            recorded_at: moment(row, "recorded_at")?,
        })
    }

    fn name(
        &mut self,
        text: &'static str,
        row: &Row<'_>,
        column: &str,
    ) -> Result<Option<Arc<str>>, StoreError> {
        let Some(id) = row.get::<_, Option<i64>>(column).map_err(failed)? else { return Ok(None) };
        if let Some(name) = self.names.get(&(text, id)) {
            return Ok(Some(name.clone()));
        }
        let name: Arc<str> = self.read(text, id, |row| row.get(0))?;
        self.names.insert((text, id), name.clone());
        Ok(Some(name))
    }

    fn form(&mut self, id: i64) -> Result<(Kind, Arc<str>, Arc<str>), StoreError> {
        if let Some(form) = self.forms.get(&id) {
            return Ok(form.clone());
        }
        let (kind, unit, source): (String, Arc<str>, Arc<str>) =
            self.read("SELECT kind, unit, source FROM form WHERE id = ?1", id, |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })?;
        let kind: Kind = kind.parse().map_err(|error| damaged("type", &error))?;
        self.forms.insert(id, (kind, unit.clone(), source.clone()));
        Ok((kind, unit, source))
    }

    fn read<T>(
        &self,
        text: &str,
        id: i64,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let mut statement = self.connection.prepare_cached(text).map_err(failed)?;
        statement.query_row([id], read).map_err(failed)
    }
}

fn volume_fulfils(row: &Row<'_>, operator: Operator, value: &Decimal) -> Result<bool, StoreError> {
    let volume = row.get_ref("volume").map_err(failed)?;
    let volume = volume.as_str().ok().and_then(Decimal::parse);
    Ok(volume.is_some_and(|volume| operator.holds(volume.cmp(value))))
}

fn moment(row: &Row<'_>, column: &str) -> Result<Timestamp, StoreError> {
    let micros = row.get(column).map_err(failed)?;
    Timestamp::from_micros(micros).ok_or_else(|| damaged("time", &micros))
}

fn damaged(what: &str, fault: &dyn std::fmt::Display) -> StoreError {
    StoreError::Damaged(format!("its {what}: {fault}"))
}

fn nameless() -> StoreError {
    StoreError::Damaged("it has no meter or no resource".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::Fixture;

    #[test]
    fn metadata_is_counted_for_each_sample_that_has_it() {
        let fixture = Fixture::with(10);
        let store = fixture.reader();
        let ask = |query, limit, budget| {
            let query = SampleQuery::parse(None, query, Some(limit)).unwrap();
            select(&store.connection, &query, budget).map(|found| found.len())
        };
        let text = "SELECT sum(length(fields)) FROM metadata";
        let once: i64 = store.connection.query_row(text, [], |row| row.get(0)).unwrap();
        let once = once as usize;
        // Ten samples of five resources: each metadata is shown twice.
        assert_eq!(ask(None, 10, 2 * once).unwrap(), 10);
        assert!(matches!(ask(None, 10, 2 * once - 1), Err(StoreError::TooMuch)));
        assert_eq!(ask(None, 5, once).unwrap(), 5, "what lies beyond the limit does not count");
        assert_eq!(ask(Some("metadata.display_name=web-1"), 10, once).unwrap(), 2, "nor what is excluded");
    }
}
