//! Samples of a query.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;

use sample::{Kind, Timestamp};
use serde_json::{Map, Number, Value};

use super::complex::orders;
use super::judge::fields;
use super::{Filter, QueryError, TextField, TimeField, search};
use crate::StoreError;
use crate::bounds::{DEADLINE, DEFAULT_LIMIT, MAX_FOUND_METADATA, MAX_LIMIT};
use crate::contract::{Found, Order, Reader, Series};
use crate::decimal::Decimal;

/// Metadata or series that are read at a time.
const CHUNK: usize = 500;

/// Which samples to find; newest first unless it says otherwise.
#[derive(Clone, Debug, PartialEq)]
pub struct SampleQuery {
    filter: Filter,
    order: Vec<(OrderBy, Direction)>,
    limit: usize,
}

/// What samples are ordered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OrderBy {
    Text(TextField),
    Time(TimeField),
    Volume,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Ascending,
    Descending,
}

/// The limit, if it is between 1 and [`MAX_LIMIT`].
///
/// # Errors
/// [`QueryError::Limit`].
pub fn check_limit(limit: usize) -> Result<usize, QueryError> {
    (1..=MAX_LIMIT).contains(&limit).then_some(limit).ok_or(QueryError::Limit(limit))
}

impl SampleQuery {
    /// The newest samples of a filter, at most `limit`.
    ///
    /// # Errors
    /// [`QueryError::Limit`], [`QueryError::TooManyClauses`].
    pub fn new(filter: Filter, limit: usize) -> Result<Self, QueryError> {
        Ok(Self { filter: filter.checked()?, order: Vec::new(), limit: check_limit(limit)? })
    }

    /// The same in the order of a `query-samples`: `[{"volume": "desc"}, {"timestamp": "asc"}]`.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn ordered(mut self, orderby: &str) -> Result<Self, QueryError> {
        self.order = orders(orderby)?;
        Ok(self)
    }

    /// The query of `sample list -m METER -q QUERY -l LIMIT`.
    ///
    /// # Errors
    /// [`QueryError`] names the clause and says what would be right.
    pub fn parse(meter: Option<&str>, query: Option<&str>, limit: Option<usize>) -> Result<Self, QueryError> {
        let limit = check_limit(limit.unwrap_or(DEFAULT_LIMIT))?;
        let meter = meter.map(Filter::meter).unwrap_or_default();
        let query = query.map(Filter::parse).transpose()?.unwrap_or_default();
        Self::new(meter.and(query), limit)
    }
}

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

/// The samples of a query: in its order; without one, newest timestamp first, and of equal ones the last stored first.
///
/// # Errors
/// [`StoreError`]: [`StoreError::TooBroad`] where the query found too little in too much, [`StoreError::TooMuch`] where what it
/// found has more than [`MAX_FOUND_METADATA`].
pub fn samples(reader: &mut dyn Reader, query: &SampleQuery) -> Result<Vec<StoredSample>, StoreError> {
    within(reader, |reader| {
        let found = match query.order.as_slice() {
            [] | [(OrderBy::Time(TimeField::Timestamp), Direction::Descending)] => {
                search::first(reader, &query.filter, Order::NewestFirst, query.limit)?
            }
            [(OrderBy::Time(TimeField::Timestamp), Direction::Ascending)] => {
                search::first(reader, &query.filter, Order::OldestFirst, query.limit)?
            }
            order => ordered(reader, query, order)?,
        };
        complete(reader, found, MAX_FOUND_METADATA)
    })
}

/// The sample of a message_id, if it is among those of the scope.
///
/// # Errors
/// [`StoreError`].
pub fn sample(reader: &mut dyn Reader, id: &str, scope: &Filter) -> Result<Option<StoredSample>, StoreError> {
    let filter = Filter::message(id).and(scope.clone());
    within(reader, |reader| {
        let found = search::first(reader, &filter, Order::NewestFirst, 1)?;
        Ok(complete(reader, found, MAX_FOUND_METADATA)?.pop())
    })
}

/// Reads as of one moment, for no longer than [`DEADLINE`].
pub(super) fn within<T>(
    reader: &mut dyn Reader,
    read: impl FnOnce(&mut dyn Reader) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    reader.begin(DEADLINE)?;
    let result = read(reader);
    reader.end();
    result
}

/// The first samples in another order than that of time: all of the filter are read, and not many more kept than the limit.
fn ordered(
    reader: &mut dyn Reader,
    query: &SampleQuery,
    order: &[(OrderBy, Direction)],
) -> Result<Vec<Found>, StoreError> {
    let by_text = order.iter().any(|(by, _)| matches!(by, OrderBy::Text(_)));
    let mut best: Vec<Found> = Vec::new();
    let cut = |reader: &mut dyn Reader, best: &mut Vec<Found>| -> Result<(), StoreError> {
        let series = match by_text {
            true => all_series(reader, best.iter().map(|found| found.series))?,
            false => HashMap::new(),
        };
        best.sort_by(|one, other| compare(order, one, other, &series));
        best.truncate(query.limit);
        Ok(())
    };
    search::all(reader, &query.filter, &mut |reader, found| {
        best.extend(found);
        if best.len() > 2 * query.limit + CHUNK {
            cut(reader, &mut best)?;
        }
        Ok(true)
    })?;
    cut(reader, &mut best)?;
    Ok(best)
}

fn compare(
    order: &[(OrderBy, Direction)],
    one: &Found,
    other: &Found,
    series: &HashMap<i64, Series>,
) -> Ordering {
    let volume = |found: &Found| Decimal::parse(&found.volume.text());
    let of = |found: &Found, field| series.get(&found.series).and_then(|series| text(series, field));
    order
        .iter()
        .map(|(by, direction)| {
            let ordering = match by {
                OrderBy::Time(TimeField::Timestamp) => one.timestamp.cmp(&other.timestamp),
                OrderBy::Time(TimeField::RecordedAt) => one.recorded_at.cmp(&other.recorded_at),
                OrderBy::Volume => volume(one).cmp(&volume(other)),
                OrderBy::Text(TextField::MessageId) => one.message_id.text().cmp(&other.message_id.text()),
                OrderBy::Text(field) => of(one, *field).cmp(&of(other, *field)),
            };
            match direction {
                Direction::Ascending => ordering,
                Direction::Descending => ordering.reverse(),
            }
        })
        .find(|ordering| ordering.is_ne())
        .unwrap_or(Ordering::Equal)
}

/// The samples with what they refer to. Their metadata may have so many bytes together.
pub(super) fn complete(
    reader: &mut dyn Reader,
    found: Vec<Found>,
    budget: usize,
) -> Result<Vec<StoredSample>, StoreError> {
    let series = all_series(reader, found.iter().map(|found| found.series))?;
    let metadata = all_metadata(reader, found.iter().map(|found| found.metadata), budget)?;
    found
        .into_iter()
        .map(|found| {
            let lost = |what: &str| StoreError::Damaged(format!("it has no {what}"));
            let series = series.get(&found.series).ok_or_else(|| lost("series"))?;
            let volume = found.volume.text();
            Ok(StoredSample {
                resource_id: series.resource_id.clone(),
                meter: series.meter.clone(),
                kind: series.kind,
                volume: volume.parse().map_err(|error| damaged("volume", &error))?,
                unit: series.unit.clone(),
                timestamp: moment(found.timestamp)?,
                project_id: series.project_id.clone(),
                user_id: series.user_id.clone(),
                source: series.source.clone(),
                metadata: metadata.get(&found.metadata).ok_or_else(|| lost("metadata"))?.clone(),
                message_id: found.message_id.text(),
                recorded_at: moment(found.recorded_at)?,
            })
        })
        .collect()
}

/// Series by their ids.
pub(super) fn all_series(
    reader: &mut dyn Reader,
    ids: impl Iterator<Item = i64>,
) -> Result<HashMap<i64, Series>, StoreError> {
    let mut ids: Vec<i64> = ids.collect();
    ids.sort_unstable();
    ids.dedup();
    let mut all = HashMap::new();
    for chunk in ids.chunks(CHUNK) {
        all.extend(reader.series_by_id(chunk)?.into_iter().map(|series| (series.id, series)));
    }
    Ok(all)
}

/// Metadata by their ids; each counts as often as its id comes.
pub(super) fn all_metadata(
    reader: &mut dyn Reader,
    ids: impl Iterator<Item = i64>,
    budget: usize,
) -> Result<HashMap<i64, Arc<Map<String, Value>>>, StoreError> {
    let mut uses: HashMap<i64, usize> = HashMap::new();
    for id in ids {
        *uses.entry(id).or_default() += 1;
    }
    let mut left = budget;
    let mut all = HashMap::new();
    let ids: Vec<i64> = uses.keys().copied().collect();
    for chunk in ids.chunks(CHUNK) {
        for (id, text) in reader.metadata(chunk)? {
            let uses = uses.get(&id).copied().unwrap_or(1);
            left = left.checked_sub(text.len() * uses).ok_or(StoreError::TooMuch)?;
            all.insert(id, Arc::new(fields(&text)?));
        }
    }
    Ok(all)
}

pub(super) fn text(series: &Series, field: TextField) -> Option<&str> {
    match field {
        TextField::ResourceId => Some(&series.resource_id),
        TextField::ProjectId => series.project_id.as_deref(),
        TextField::UserId => series.user_id.as_deref(),
        TextField::Meter => Some(&series.meter),
        TextField::Kind => Some(series.kind.as_str()),
        TextField::Unit => Some(&series.unit),
        TextField::Source => Some(&series.source),
        TextField::MessageId => None,
    }
}

pub(super) fn moment(micros: i64) -> Result<Timestamp, StoreError> {
    Timestamp::from_micros(micros).ok_or_else(|| damaged("time", &micros))
}

fn damaged(what: &str, fault: &dyn std::fmt::Display) -> StoreError {
    StoreError::Damaged(format!("its {what}: {fault}"))
}
