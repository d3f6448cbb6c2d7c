//! A connection that only reads, while the writer writes.
//!
//! Texts of statements are put together from constants alone; every value is bound. The index is named (`INDEXED BY`) instead of left to
//! SQLite's planner, which knows nothing of a young store.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::path::Path as FilePath;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, OpenFlags, Row, params_from_iter};
use sample::Kind;

use super::fault::failed;
use super::migrate;
use crate::contract::{self, Catalogue, Ends, Found, Order, Path, Range, Scan, Series, Tallied, Tally};
use crate::{MessageId, StoreError, Volume};

/// How long a lock is waited for. Readers of a write-ahead log are not held up by its writer, only by its recovery.
const BUSY: Duration = Duration::from_secs(5);
/// SQLite's instructions between two looks at the clock: about a tenth of a millisecond.
const STEPS_PER_LOOK: i32 = 10_000;
/// Values of one statement; SQLite takes 32,766.
const MAX_VALUES: usize = 5_000;

const SAMPLE: &str =
    "s.message_id, s.series, s.metadata, s.timestamp, s.recorded_at, s.amount, s.exact, s.id";
const SERIES: &str =
    "SELECT s.id, s.resource, m.name, s.kind, s.unit, s.source, r.name, s.project, s.account FROM series s";
const NAMES: &str = "JOIN meter m ON m.id = s.meter JOIN resource r ON r.id = s.resource";

/// The store, to read.
#[derive(Debug)]
pub(crate) struct Reader {
    pub(crate) connection: Connection,
    opened: Instant,
    /// When reading ends, in microseconds since `opened`.
    until: Arc<AtomicU64>,
    scan: Option<Position>,
}

/// How far a scan has come.
#[derive(Debug)]
struct Position {
    scan: Scan,
    /// The timestamp and the id of the last sample that was read.
    last: Option<(i64, i64)>,
}

impl Reader {
    /// Opens a store that a collector made; it is never made or changed here. (SQLite keeps readers apart from the writer
    /// with two files beside the store, so a reader needs write permission there, if no collector runs.)
    ///
    /// # Errors
    /// [`StoreError`]: [`StoreError::Missing`] where there is none.
    pub(crate) fn open(path: &FilePath) -> Result<Self, StoreError> {
        let opened = |source| failed(&format!("open the store {}", path.display()), source);
        if let Err(error) = path.metadata()
            && error.kind() == ErrorKind::NotFound
        {
            return Err(StoreError::Missing(path.display().to_string()));
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(path, flags).map_err(opened)?;
        connection.busy_timeout(BUSY).map_err(opened)?;
        migrate::check(&connection)?;
        let (begun, until) = (Instant::now(), Arc::new(AtomicU64::new(u64::MAX)));
        let end = until.clone();
        let late = move || begun.elapsed().as_micros() > u128::from(end.load(Relaxed));
        connection.progress_handler(STEPS_PER_LOOK, Some(late)).map_err(opened)?;
        Ok(Self { connection, opened: begun, until, scan: None })
    }

    /// SQLite looks at the clock while a statement runs, but many short ones may take as long.
    fn look_at_the_clock(&self) -> Result<(), StoreError> {
        match self.opened.elapsed().as_micros() > u128::from(self.until.load(Relaxed)) {
            true => Err(StoreError::TooBroad),
            false => Ok(()),
        }
    }

    fn rows<T>(
        &self,
        text: &str,
        values: impl IntoIterator<Item = Value>,
        mut read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        self.look_at_the_clock()?;
        let all = || {
            let mut statement = self.connection.prepare_cached(text)?;
            let mut rows = statement.query(params_from_iter(values))?;
            let mut all = Vec::new();
            while let Some(row) = rows.next()? {
                all.push(read(row)?);
            }
            Ok(all)
        };
        all().map_err(|source| failed("read samples", source))
    }
}

impl contract::Reader for Reader {
    fn begin(&mut self, time: Duration) -> Result<(), StoreError> {
        self.end();
        let until = (self.opened.elapsed() + time).as_micros();
        self.until.store(u64::try_from(until).unwrap_or(u64::MAX), Relaxed);
        self.connection.execute_batch("BEGIN").map_err(|source| failed("read samples", source))
    }

    fn end(&mut self) {
        self.scan = None;
        self.until.store(u64::MAX, Relaxed);
        if !self.connection.is_autocommit() {
            // A transaction that only read has nothing to lose.
            let _ = self.connection.execute_batch("ROLLBACK");
        }
    }

    fn meter(&mut self, name: &str) -> Result<Option<i64>, StoreError> {
        let value = Value::Text(name.to_owned());
        Ok(self.rows("SELECT id FROM meter WHERE name = ?1", [value], |row| row.get(0))?.pop())
    }

    fn series(&mut self, wanted: &Catalogue, after: i64, most: usize) -> Result<Vec<Series>, StoreError> {
        let (conditions, mut values) = conditions(wanted);
        values.extend([Value::Integer(after), Value::Integer(most as i64)]);
        let text =
            format!("{SERIES} {} {NAMES} WHERE {conditions} s.id > ? ORDER BY s.id LIMIT ?", index(wanted));
        self.rows(&text, values, series)
    }

    fn series_by_id(&mut self, ids: &[i64]) -> Result<Vec<Series>, StoreError> {
        let mut all = Vec::new();
        for ids in ids.chunks(MAX_VALUES) {
            let text = format!("{SERIES} {NAMES} WHERE s.id IN ({})", places(ids.len()));
            all.extend(self.rows(&text, ids.iter().copied().map(Value::Integer), series)?);
        }
        Ok(all)
    }

    fn resources(&mut self, wanted: &Catalogue, after: i64, most: usize) -> Result<Vec<i64>, StoreError> {
        let (conditions, mut values) = conditions(wanted);
        values.extend([Value::Integer(after), Value::Integer(most as i64)]);
        let text = match values.len() {
            2 => "SELECT id FROM resource WHERE id > ? ORDER BY id LIMIT ?".to_owned(),
            _ => format!(
                "SELECT DISTINCT s.resource FROM series s {} WHERE {conditions} s.resource > ? ORDER BY s.resource LIMIT ?",
                index(wanted)
            ),
        };
        self.rows(&text, values, |row| row.get(0))
    }

    fn metadata(&mut self, ids: &[i64]) -> Result<Vec<(i64, String)>, StoreError> {
        let mut all = Vec::new();
        for ids in ids.chunks(MAX_VALUES) {
            let text = format!("SELECT id, fields FROM metadata WHERE id IN ({})", places(ids.len()));
            let values = ids.iter().copied().map(Value::Integer);
            all.extend(self.rows(&text, values, |row| Ok((row.get(0)?, row.get(1)?)))?);
        }
        Ok(all)
    }

    fn scan(&mut self, scan: &Scan) -> Result<(), StoreError> {
        self.scan = Some(Position { scan: scan.clone(), last: None });
        Ok(())
    }

    fn next(&mut self, most: usize) -> Result<Vec<Found>, StoreError> {
        let Some(Position { scan, last }) = &self.scan else { return Ok(Vec::new()) };
        let (text, values) = scan_statement(scan, *last, most);
        let mut end = None;
        let found = self.rows(&text, values, |row| {
            let found = found(row)?;
            end = Some((found.timestamp, row.get("id")?));
            Ok(found)
        })?;
        match (&mut self.scan, found.len() < most) {
            (Some(position), false) => position.last = end,
            (scan, _) => *scan = None,
        }
        Ok(found)
    }

    fn ends(&mut self, resources: &[i64], range: Range) -> Result<Vec<Ends>, StoreError> {
        let mut all = Vec::new();
        for &resource in resources {
            let end = |order| {
                let scan = Scan { path: Path::Resource { resource, meter: None }, range, order };
                let (text, values) = scan_statement(&scan, None, 1);
                Ok(self.rows(&text, values, found)?.pop())
            };
            if let (Some(first), Some(last)) = (end(Order::OldestFirst)?, end(Order::NewestFirst)?) {
                all.push(Ends { resource, first: first.timestamp, last });
            }
        }
        Ok(all)
    }

    fn tally(&mut self, tallied: &Tallied<'_>, most: usize) -> Result<Vec<Tally>, StoreError> {
        self.look_at_the_clock()?;
        let (index, condition, mut values) = path(&tallied.path);
        values.extend([from(tallied.range), until(tallied.range)].map(Value::Integer));
        let text = format!(
            "SELECT s.timestamp, s.series, s.amount FROM sample s INDEXED BY {index} \
             WHERE {condition} AND s.timestamp >= ? AND s.timestamp < ? ORDER BY s.timestamp"
        );
        let wrong = |source| failed("read samples", source);
        let mut statement = self.connection.prepare_cached(&text).map_err(wrong)?;
        let mut rows = statement.query(params_from_iter(values)).map_err(wrong)?;
        let mut tallies = Periodic::new(tallied.groups, most);
        while let Some(row) = rows.next().map_err(wrong)? {
            let read = || Ok((row.get(0)?, row.get(1)?, row.get(2)?));
            let (timestamp, series, amount): (i64, i64, f64) = read().map_err(wrong)?;
            if let Some(group) = tallied.groups.get(&series) {
                let period = tallied.periods.map_or(0, |periods| periods.number(timestamp));
                tallies.add(*group, period, timestamp, amount)?;
            }
        }
        Ok(tallies.all())
    }
}

/// Tallies of samples that come in the order of time, so that a period is over when the next one begins.
struct Periodic {
    /// Of the present period, by group.
    present: Vec<Option<Tally>>,
    touched: Vec<u32>,
    period: u64,
    over: Vec<Tally>,
    most: usize,
}

impl Periodic {
    fn new(groups: &HashMap<i64, u32>, most: usize) -> Self {
        let count = groups.values().max().map_or(0, |last| *last as usize + 1);
        Self { present: vec![None; count], touched: Vec::new(), period: 0, over: Vec::new(), most }
    }

    fn add(&mut self, group: u32, period: u64, timestamp: i64, volume: f64) -> Result<(), StoreError> {
        if period != self.period {
            self.turn();
            self.period = period;
        }
        match &mut self.present[group as usize] {
            Some(tally) => tally.add(timestamp, volume),
            empty => {
                if self.over.len() + self.touched.len() == self.most {
                    return Err(StoreError::TooMany(self.most));
                }
                *empty = Some(Tally::of(group, period, timestamp, volume));
                self.touched.push(group);
            }
        }
        Ok(())
    }

    fn turn(&mut self) {
        for group in self.touched.drain(..) {
            self.over.extend(self.present[group as usize].take());
        }
    }

    fn all(mut self) -> Vec<Tally> {
        self.turn();
        self.over
    }
}

/// The statement of a scan's next samples. Their order is the index's; only those of one timestamp are sorted among themselves.
pub(super) fn scan_statement(scan: &Scan, last: Option<(i64, i64)>, most: usize) -> (String, Vec<Value>) {
    let (index, condition, mut values) = path(&scan.path);
    let (beyond, direction) = match scan.order {
        Order::NewestFirst => ("<", "DESC"),
        Order::OldestFirst => (">", "ASC"),
    };
    // Before the first there is none that the rest has to lie beyond.
    let (time, id) = last.unwrap_or(match scan.order {
        Order::NewestFirst => (i64::MAX, i64::MAX),
        Order::OldestFirst => (i64::MIN, i64::MIN),
    });
    let (mut from, mut until) = (from(scan.range), until(scan.range));
    match scan.order {
        Order::NewestFirst => until = until.min(time.saturating_add(1)),
        Order::OldestFirst => from = from.max(time),
    }
    values.extend([from, until, time, time, id, most as i64].map(Value::Integer));
    let text = format!(
        "SELECT {SAMPLE} FROM sample s INDEXED BY {index} WHERE {condition} AND s.timestamp >= ? AND s.timestamp < ? \
         AND (s.timestamp {beyond} ? OR (s.timestamp = ? AND s.id {beyond} ?)) \
         ORDER BY s.timestamp {direction}, s.id {direction} LIMIT ?"
    );
    (text, values)
}

fn from(range: Range) -> i64 {
    range.from.unwrap_or(i64::MIN)
}

fn until(range: Range) -> i64 {
    range.until.unwrap_or(i64::MAX)
}

/// The index of a path, and which of its entries.
fn path(path: &Path) -> (&'static str, &'static str, Vec<Value>) {
    match path {
        Path::Message(MessageId::Uuid(bytes)) => {
            ("sample_by_message", "s.message_id = ?", vec![Value::Blob(bytes.to_vec())])
        }
        Path::Message(MessageId::Text(text)) => {
            ("sample_by_message", "s.message_id = ?", vec![Value::Text(text.clone())])
        }
        Path::Resource { resource, meter: None } => {
            ("sample_by_resource", "s.resource = ?", vec![Value::Integer(*resource)])
        }
        Path::Resource { resource, meter: Some(meter) } => (
            "sample_by_resource",
            "s.resource = ? AND s.meter = ?",
            vec![Value::Integer(*resource), Value::Integer(*meter)],
        ),
        Path::Meter(meter) => ("sample_by_meter", "s.meter = ?", vec![Value::Integer(*meter)]),
        Path::Time => ("sample_by_time", "TRUE", Vec::new()),
    }
}

/// The index that leaves the fewest series to read.
fn index(wanted: &Catalogue) -> &'static str {
    match wanted {
        Catalogue { resources: Some(_), .. } => "INDEXED BY series_by_resource",
        Catalogue { projects: Some(_), .. } => "INDEXED BY series_by_project",
        Catalogue { meters: Some(_), .. } => "INDEXED BY series_by_meter",
        _ => "",
    }
}

/// The conditions of the lists, each ending in AND.
fn conditions(wanted: &Catalogue) -> (String, Vec<Value>) {
    let mut text = String::new();
    let mut values = Vec::new();
    let lists = [(&wanted.resources, "resource"), (&wanted.projects, "project"), (&wanted.meters, "meter")];
    for (names, column) in lists {
        let Some(names) = names else { continue };
        let places = places(names.len());
        // One equality keeps the index's order, several do not.
        text += &match (column, names.len()) {
            ("project", 1) => "s.project = ? AND ".to_owned(),
            ("project", _) => format!("s.project IN ({places}) AND "),
            (column, 1) => format!("s.{column} = (SELECT id FROM {column} WHERE name = ?) AND "),
            (column, _) => format!("s.{column} IN (SELECT id FROM {column} WHERE name IN ({places})) AND "),
        };
        values.extend(names.iter().cloned().map(Value::Text));
    }
    (text, values)
}

fn places(count: usize) -> String {
    vec!["?"; count].join(", ")
}

fn series(row: &Row<'_>) -> rusqlite::Result<Series> {
    let kind: String = row.get(3)?;
    let kind: Kind = kind.parse().map_err(|error| unread(3, error))?;
    Ok(Series {
        id: row.get(0)?,
        resource: row.get(1)?,
        meter: row.get(2)?,
        kind,
        unit: row.get(4)?,
        source: row.get(5)?,
        resource_id: row.get(6)?,
        project_id: row.get(7)?,
        user_id: row.get(8)?,
    })
}

fn found(row: &Row<'_>) -> rusqlite::Result<Found> {
    let message_id = match row.get_ref(0)? {
        ValueRef::Text(text) => MessageId::Text(String::from_utf8_lossy(text).into_owned()),
        value => {
            let bytes = value.as_blob().ok().and_then(|bytes| bytes.try_into().ok());
            MessageId::Uuid(
                bytes.ok_or_else(|| unread(0, StoreError::Damaged("a message_id of no UUID".into())))?,
            )
        }
    };
    Ok(Found {
        message_id,
        series: row.get(1)?,
        metadata: row.get(2)?,
        timestamp: row.get(3)?,
        recorded_at: row.get(4)?,
        volume: Volume { amount: row.get(5)?, exact: row.get(6)? },
    })
}

fn unread(column: usize, error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(error))
}
