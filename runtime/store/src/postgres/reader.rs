//! A session that only reads.
//!
//! From [`Reader::begin`] to the next one all is read in one transaction that sees the store as it was at its beginning. Each of its
//! statements has what is left of the time. While it lasts no day's table can be dropped, which whoever deletes waits for, not long, and
//! tries again.
//!
//! Samples of one timestamp come in no particular order: the store does not know in which one they were stored.

use std::fmt;
use std::time::{Duration, Instant};

use postgres::types::{ToSql, Type};
use postgres::{Client, Row};
use sample::Kind;

use super::address::Address;
use super::connect::connect;
use super::fault::{failed, query_failed};
use super::scan;
use super::schema::State;
use super::tally;
use crate::{Catalogue, Ends, Found, Range, Reader, Scan, Series, StoreError, Tallied, Tally};

const BEGIN: &str = "begin to read";
const READ: &str = "read the store";

/// What a series is made of, for [`series_of`].
const SERIES: &str = "SELECT series.id, series.resource, meter.name, series.kind, series.unit, series.source, resource.name, \
     series.project, series.account FROM series JOIN meter ON meter.id = series.meter JOIN resource ON resource.id = series.resource";
/// Which series a catalogue means; what is not given is NULL, and PostgreSQL leaves that part out before it plans.
const IN_CATALOGUE: &str = "($1::text[] IS NULL OR series.meter = ANY (ARRAY(SELECT id FROM meter WHERE name = ANY ($1)))) \
     AND ($2::text[] IS NULL OR series.resource = ANY (ARRAY(SELECT id FROM resource WHERE name = ANY ($2)))) \
     AND ($3::text[] IS NULL OR series.project = ANY ($3))";

pub(super) struct PostgresReader {
    address: Address,
    client: Client,
    /// When reading ends; none outside of a transaction.
    until: Option<Instant>,
    scanning: bool,
}

impl fmt::Debug for PostgresReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresReader").field("address", &self.address).finish_non_exhaustive()
    }
}

impl PostgresReader {
    pub(super) fn open(address: &Address) -> Result<Self, StoreError> {
        let mut client = connect(address)?;
        match State::read(&mut client)? {
            Some(state) => _ = state.check()?,
            None => return Err(StoreError::Missing(address.to_string())),
        }
        Ok(Self { address: address.clone(), client, until: None, scanning: false })
    }

    /// The session, with what is left of the time for the next statement.
    pub(super) fn client(&mut self) -> Result<&mut Client, StoreError> {
        let left = self.until.map_or(Duration::ZERO, |until| until.saturating_duration_since(Instant::now()));
        // 0 would be without an end.
        let left = left.as_millis();
        if left == 0 {
            return Err(StoreError::TooBroad);
        }
        let limit = format!("SET LOCAL statement_timeout = {}", left.min(i32::MAX as u128));
        self.client.batch_execute(&limit).map_err(failed(READ))?;
        Ok(&mut self.client)
    }

    pub(super) fn query(
        &mut self,
        text: &str,
        params: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<Vec<Row>, StoreError> {
        self.client()?.query_typed(text, params).map_err(query_failed(READ))
    }

    /// Takes a failed transaction back to a savepoint.
    pub(super) fn back_to(&mut self, savepoint: &str) -> Result<(), StoreError> {
        self.client.batch_execute(&format!("ROLLBACK TO {savepoint}")).map_err(failed(READ))
    }

    fn execute(&mut self, text: &str) -> Result<(), StoreError> {
        self.client()?.batch_execute(text).map_err(query_failed(READ))
    }
}

impl Reader for PostgresReader {
    fn begin(&mut self, time: Duration) -> Result<(), StoreError> {
        self.end();
        if self.client.is_closed() {
            self.client = connect(&self.address)?;
        }
        self.until = Some(Instant::now() + time);
        // What is seen is fixed by the first statement that reads. Dropping a table goes by no transaction's view, so that one has to wait.
        let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY; LOCK TABLE ONLY sample, ONLY sample_other IN ACCESS SHARE MODE";
        self.client.batch_execute(begin).map_err(failed(BEGIN))?;
        match State::read(&mut self.client)? {
            Some(state) => _ = state.check()?,
            None => return Err(StoreError::Missing(self.address.to_string())),
        }
        Ok(())
    }

    fn end(&mut self) {
        self.scanning = false;
        if self.until.take().is_some() {
            // A broken connection shows with the next `begin`.
            let _ = self.client.batch_execute("ROLLBACK");
        }
    }

    fn meter(&mut self, name: &str) -> Result<Option<i64>, StoreError> {
        let rows = self.query("SELECT id::bigint FROM meter WHERE name = $1", &[(&name, Type::TEXT)])?;
        Ok(rows.first().map(|row| row.get(0)))
    }

    fn series(&mut self, wanted: &Catalogue, after: i64, most: usize) -> Result<Vec<Series>, StoreError> {
        let text = format!("{SERIES} WHERE {IN_CATALOGUE} AND series.id > $4 ORDER BY series.id LIMIT $5");
        let rows = self.query(&text, &catalogue(wanted, &after, &limit(most)))?;
        rows.iter().map(series_of).collect()
    }

    fn series_by_id(&mut self, ids: &[i64]) -> Result<Vec<Series>, StoreError> {
        let rows =
            self.query(&format!("{SERIES} WHERE series.id = ANY ($1)"), &[(&ids, Type::INT8_ARRAY)])?;
        rows.iter().map(series_of).collect()
    }

    fn resources(&mut self, wanted: &Catalogue, after: i64, most: usize) -> Result<Vec<i64>, StoreError> {
        let text = format!(
            "SELECT DISTINCT series.resource FROM series WHERE {IN_CATALOGUE} AND series.resource > $4 ORDER BY 1 LIMIT $5"
        );
        let rows = self.query(&text, &catalogue(wanted, &after, &limit(most)))?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    fn metadata(&mut self, ids: &[i64]) -> Result<Vec<(i64, String)>, StoreError> {
        let text = "SELECT id, fields FROM metadata WHERE id = ANY ($1)";
        let rows = self.query(text, &[(&ids, Type::INT8_ARRAY)])?;
        Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
    }

    fn scan(&mut self, scan: &Scan) -> Result<(), StoreError> {
        if std::mem::take(&mut self.scanning) {
            self.execute("CLOSE scan")?;
        }
        self.execute(&scan::declare(scan))?;
        self.scanning = true;
        Ok(())
    }

    fn next(&mut self, most: usize) -> Result<Vec<Found>, StoreError> {
        if !self.scanning || most == 0 {
            return Ok(Vec::new());
        }
        let rows = self.query(&format!("FETCH {} FROM scan", limit(most)), &[])?;
        rows.iter().map(|row| scan::found(row, 0)).collect()
    }

    fn ends(&mut self, resources: &[i64], range: Range) -> Result<Vec<Ends>, StoreError> {
        let rows = self.query(&scan::ends(range), &[(&resources, Type::INT8_ARRAY)])?;
        rows.iter().map(scan::ends_of).collect()
    }

    fn tally(&mut self, tallied: &Tallied<'_>, most: usize) -> Result<Vec<Tally>, StoreError> {
        tally::tally(self, tallied, most)
    }
}

impl Drop for PostgresReader {
    fn drop(&mut self) {
        self.end();
    }
}

/// As PostgreSQL has limits.
fn limit(most: usize) -> i64 {
    i64::try_from(most).unwrap_or(i64::MAX)
}

fn catalogue<'a>(
    wanted: &'a Catalogue,
    after: &'a i64,
    most: &'a i64,
) -> [(&'a (dyn ToSql + Sync), Type); 5] {
    [
        (&wanted.meters, Type::TEXT_ARRAY),
        (&wanted.resources, Type::TEXT_ARRAY),
        (&wanted.projects, Type::TEXT_ARRAY),
        (after, Type::INT8),
        (most, Type::INT8),
    ]
}

fn series_of(row: &Row) -> Result<Series, StoreError> {
    let text = |place: usize| row.get::<_, &str>(place).into();
    let optional = |place: usize| row.get::<_, Option<&str>>(place).map(Into::into);
    let kind: &str = row.get(3);
    Ok(Series {
        id: row.get(0),
        resource: row.get(1),
        meter: text(2),
        kind: kind.parse::<Kind>().map_err(|fault| StoreError::Damaged(fault.to_string()))?,
        unit: text(4),
        source: text(5),
        resource_id: text(6),
        project_id: optional(7),
        user_id: optional(8),
    })
}
