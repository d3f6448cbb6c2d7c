//! Statistics of a meter: least, largest, mean, sum and count of its volumes, by period and group.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::sync::Arc;

use sample::Timestamp;

use super::filter::Filter;
use super::judge::{Judge, fields, unknown, with_room};
use super::samples::{moment, within};
use super::{QueryError, Quoted, search};
use crate::StoreError;
use crate::bounds::{MAX_STATISTICS, MAX_TALLIED_SERIES, MAX_TALLIES};
use crate::contract::{Order, Path, Periods, Range, Reader, Series, Tallied, Tally};

/// Series that are read at a time.
const CHUNK: usize = 5_000;
const SECOND: i64 = 1_000_000;
/// The longest period, in seconds: more than a century.
const MAX_PERIOD: u64 = 1 << 32;
/// The key of the metadata that statistics can be grouped by.
const INSTANCE_TYPE: &str = "instance_type";

/// What statistics are asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct StatisticsQuery {
    meter: String,
    filter: Filter,
    periods: Option<i64>,
    group_by: Vec<GroupBy>,
    aggregates: Vec<Aggregate>,
}

/// What samples are put together by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GroupBy {
    /// `user_id`
    UserId,
    /// `resource_id`
    ResourceId,
    /// `project_id`
    ProjectId,
    /// `source`
    Source,
    /// `resource_metadata.instance_type`: the flavor's name. Samples without one are in no group.
    InstanceType,
}

impl GroupBy {
    const ALL: [(&'static str, Self); 5] = [
        ("user_id", Self::UserId),
        ("resource_id", Self::ResourceId),
        ("project_id", Self::ProjectId),
        ("source", Self::Source),
        ("resource_metadata.instance_type", Self::InstanceType),
    ];

    /// Reads its name.
    ///
    /// # Errors
    /// [`QueryError::GroupBy`].
    pub fn parse(name: &str) -> Result<Self, QueryError> {
        let found = Self::ALL.into_iter().find(|(known, _)| *known == name);
        found.map(|(_, group)| group).ok_or_else(|| QueryError::GroupBy(Quoted::new(name)))
    }

    /// Its name.
    pub fn as_str(self) -> &'static str {
        Self::ALL.into_iter().find(|(_, group)| *group == self).map_or("", |(name, _)| name)
    }

    fn of(self, series: &Series) -> Option<Arc<str>> {
        match self {
            Self::UserId => series.user_id.clone(),
            Self::ResourceId => Some(series.resource_id.clone()),
            Self::ProjectId => series.project_id.clone(),
            Self::Source => Some(series.source.clone()),
            Self::InstanceType => None,
        }
    }
}

/// A function over the volumes of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Aggregate {
    /// The largest.
    Max,
    /// The least.
    Min,
    /// Their sum.
    Sum,
    /// Their mean.
    Avg,
    /// How many there are.
    Count,
    /// Their standard deviation, as of a whole population.
    Stddev,
    /// How many different values the samples have in this field.
    Cardinality(GroupBy),
}

impl Aggregate {
    const PLAIN: [(&'static str, Self); 6] = [
        ("max", Self::Max),
        ("min", Self::Min),
        ("sum", Self::Sum),
        ("avg", Self::Avg),
        ("count", Self::Count),
        ("stddev", Self::Stddev),
    ];

    /// Reads a function's name and its parameter, which `cardinality` alone has.
    ///
    /// # Errors
    /// [`QueryError::Aggregate`].
    pub fn parse(function: &str, parameter: Option<&str>) -> Result<Self, QueryError> {
        let unknown = || {
            let parameter = parameter.map(|parameter| format!("/{parameter}")).unwrap_or_default();
            QueryError::Aggregate(Quoted::new(&format!("{function}{parameter}")))
        };
        if function == "cardinality" {
            let group = parameter.and_then(|name| GroupBy::parse(name).ok());
            return group
                .filter(|group| *group != GroupBy::InstanceType)
                .map(Self::Cardinality)
                .ok_or_else(unknown);
        }
        let found = Self::PLAIN.into_iter().find(|(name, _)| *name == function);
        found.filter(|_| parameter.is_none()).map(|(_, aggregate)| aggregate).ok_or_else(unknown)
    }
}

impl fmt::Display for Aggregate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cardinality(group) => write!(f, "cardinality/{}", group.as_str()),
            plain => {
                let found = Self::PLAIN.iter().find(|(_, aggregate)| aggregate == plain);
                f.write_str(found.map_or("", |(name, _)| name))
            }
        }
    }
}

impl StatisticsQuery {
    /// Statistics of a meter's samples, over all of them together.
    ///
    /// # Errors
    /// [`QueryError::TooManyClauses`].
    pub fn new(meter: &str, filter: Filter) -> Result<Self, QueryError> {
        Ok(Self {
            meter: meter.to_owned(),
            filter: Filter::meter(meter).and(filter).checked()?,
            periods: None,
            group_by: Vec::new(),
            aggregates: Vec::new(),
        })
    }

    /// For periods of so many seconds each, from the filter's first time on, or from the first sample's.
    ///
    /// # Errors
    /// [`QueryError::Period`].
    pub fn period(mut self, seconds: u64) -> Result<Self, QueryError> {
        if !(1..=MAX_PERIOD).contains(&seconds) {
            return Err(QueryError::Period(seconds));
        }
        self.periods = Some(seconds as i64 * SECOND);
        Ok(self)
    }

    /// For each combination of these fields.
    #[must_use]
    pub fn group_by(mut self, groups: impl IntoIterator<Item = GroupBy>) -> Self {
        for group in groups {
            if !self.group_by.contains(&group) {
                self.group_by.push(group);
            }
        }
        self
    }

    /// With these functions.
    #[must_use]
    pub fn aggregates(mut self, aggregates: impl IntoIterator<Item = Aggregate>) -> Self {
        for aggregate in aggregates {
            if !self.aggregates.contains(&aggregate) {
                self.aggregates.push(aggregate);
            }
        }
        self
    }

    /// The fields whose values are told apart: those of groups, and those that are counted.
    fn told_apart(&self) -> Vec<GroupBy> {
        let counted = self.aggregates.iter().filter_map(|aggregate| match aggregate {
            Aggregate::Cardinality(group) => Some(*group),
            _ => None,
        });
        let mut fields = self.group_by.clone();
        for field in counted {
            if !fields.contains(&field) {
                fields.push(field);
            }
        }
        fields
    }
}

/// Statistics of a group in a period.
#[derive(Clone, Debug, PartialEq)]
pub struct Statistics {
    /// The fields of the group.
    pub group: Vec<(GroupBy, Option<Arc<str>>)>,
    /// The unit of the volumes; samples of other units are apart.
    pub unit: Arc<str>,
    /// How many samples there are.
    pub count: u64,
    /// The least volume.
    pub min: f64,
    /// The largest volume.
    pub max: f64,
    /// Their mean.
    pub avg: f64,
    /// Their sum.
    pub sum: f64,
    /// The functions that were asked for.
    pub aggregates: Vec<(Aggregate, f64)>,
    /// Seconds between the oldest and the newest sample.
    pub duration: f64,
    /// The oldest sample's time.
    pub duration_start: Timestamp,
    /// The newest sample's time.
    pub duration_end: Timestamp,
    /// The period's length in seconds; 0 without periods.
    pub period: u64,
    /// Where the period begins; without periods, [`Statistics::duration_start`].
    pub period_start: Timestamp,
    /// Where the period ends; without periods, [`Statistics::duration_end`].
    pub period_end: Timestamp,
}

/// Statistics of a meter, by period and then by group, groups in the order in which their series were first stored; only of those that
/// have samples.
///
/// # Errors
/// [`StoreError`]: [`StoreError::TooMany`] where there are more than [`MAX_STATISTICS`].
pub fn statistics(reader: &mut dyn Reader, query: &StatisticsQuery) -> Result<Vec<Statistics>, StoreError> {
    within(reader, |reader| compute(reader, query))
}

/// A group before its cardinalities are counted: the unit, and the values of all fields that are told apart.
type Key = (Arc<str>, Vec<Option<Arc<str>>>);

fn compute(reader: &mut dyn Reader, query: &StatisticsQuery) -> Result<Vec<Statistics>, StoreError> {
    let told_apart = query.told_apart();
    let mut keys = Keys::default();
    let series = series(reader, query)?;
    let range = query.filter.range();
    let by_metadata = told_apart.contains(&GroupBy::InstanceType);
    let simple = query.filter.is_of_series_and_range() && !by_metadata;
    // Groups are numbered, and answered, in an order that the next answer has as well.
    let mut in_order: Vec<&Series> = series.values().collect();
    in_order.sort_unstable_by_key(|series| series.id);
    let groups: HashMap<i64, u32> = in_order
        .into_iter()
        .map(|series| {
            let values = told_apart.iter().map(|field| field.of(series)).collect();
            (series.id, keys.number((series.unit.clone(), values)))
        })
        .collect();
    if groups.is_empty() {
        return Ok(Vec::new());
    }
    let paths = search::paths(reader, &query.filter)?;
    let mut periods = None;
    if let Some(length) = query.periods {
        let origin = match range.from {
            Some(from) => from,
            None => match first_time(reader, query)? {
                Some(first) => first,
                None => return Ok(Vec::new()),
            },
        };
        periods = Some(Periods { origin, length });
    }
    let tallies = match simple {
        true => {
            // Without cardinalities each tally is a group of the answer.
            let most = if told_apart.len() > query.group_by.len() { MAX_TALLIES } else { MAX_STATISTICS };
            tally_by_index(reader, &paths, range, &groups, periods, most)?
        }
        false => tally_by_sample(reader, query, &series, &told_apart, &mut keys, periods)?,
    };
    answer(query, &told_apart, &keys, tallies, periods)
}

/// The meter's series that may have samples of the filter.
fn series(reader: &mut dyn Reader, query: &StatisticsQuery) -> Result<HashMap<i64, Series>, StoreError> {
    let judge = Judge::new(&query.filter);
    let mut all = HashMap::new();
    let mut after = 0;
    loop {
        let chunk = reader.series(&query.filter.catalogue(), after, CHUNK)?;
        let Some(last) = chunk.last() else { return Ok(all) };
        after = last.id;
        let is_last = chunk.len() < CHUNK;
        all.extend(
            chunk.into_iter().filter(|series| judge.may_hold(series)).map(|series| (series.id, series)),
        );
        if all.len() > MAX_TALLIED_SERIES {
            return Err(StoreError::TooBroad);
        }
        if is_last {
            return Ok(all);
        }
    }
}

fn first_time(reader: &mut dyn Reader, query: &StatisticsQuery) -> Result<Option<i64>, StoreError> {
    let first = search::first(reader, &query.filter, Order::OldestFirst, 1)?;
    Ok(first.first().map(|found| found.timestamp))
}

fn tally_by_index(
    reader: &mut dyn Reader,
    paths: &[Path],
    range: Range,
    groups: &HashMap<i64, u32>,
    periods: Option<Periods>,
    most: usize,
) -> Result<Tallies, StoreError> {
    let mut all = Tallies::default();
    for path in paths {
        let tallied = Tallied { path: path.clone(), range, groups, periods };
        for tally in reader.tally(&tallied, most)? {
            all.add(tally)?;
        }
    }
    Ok(all)
}

/// Where more has to be known of each sample than its series and time.
fn tally_by_sample(
    reader: &mut dyn Reader,
    query: &StatisticsQuery,
    series: &HashMap<i64, Series>,
    told_apart: &[GroupBy],
    keys: &mut Keys,
    periods: Option<Periods>,
) -> Result<Tallies, StoreError> {
    let mut all = Tallies::default();
    let mut types: HashMap<i64, Option<Arc<str>>> = HashMap::new();
    let by_metadata = told_apart.contains(&GroupBy::InstanceType);
    search::all(reader, &query.filter, &mut |reader, found| {
        if by_metadata {
            let wanted = unknown(with_room(&mut types), found.iter().map(|found| found.metadata));
            for (id, text) in reader.metadata(&wanted)? {
                let fields = fields(&text)?;
                types.insert(id, fields.get(INSTANCE_TYPE).and_then(|value| value.as_str()).map(Into::into));
            }
        }
        for found in found {
            let Some(series) = series.get(&found.series) else { continue };
            let instance_type = types.get(&found.metadata).cloned().flatten();
            if by_metadata && instance_type.is_none() {
                continue;
            }
            let values = told_apart.iter().map(|field| match field {
                GroupBy::InstanceType => instance_type.clone(),
                field => field.of(series),
            });
            let group = keys.number((series.unit.clone(), values.collect()));
            let period = periods.map_or(0, |periods| periods.number(found.timestamp));
            all.add(Tally::of(group, period, found.timestamp, found.volume.amount))?;
        }
        Ok(true)
    })?;
    Ok(all)
}

/// Numbers of groups.
#[derive(Default)]
struct Keys {
    numbers: HashMap<Key, u32>,
    keys: Vec<Key>,
}

impl Keys {
    fn number(&mut self, key: Key) -> u32 {
        if let Some(number) = self.numbers.get(&key) {
            return *number;
        }
        let number = self.keys.len() as u32;
        self.numbers.insert(key.clone(), number);
        self.keys.push(key);
        number
    }
}

/// Tallies by period and group.
#[derive(Default)]
struct Tallies(HashMap<(u64, u32), Tally>);

impl Tallies {
    fn add(&mut self, tally: Tally) -> Result<(), StoreError> {
        let full = self.0.len() == MAX_TALLIES;
        match self.0.entry((tally.period, tally.group)) {
            Entry::Occupied(mut known) => known.get_mut().merge(&tally),
            Entry::Vacant(_) if full => return Err(StoreError::TooMany(MAX_STATISTICS)),
            Entry::Vacant(place) => _ = place.insert(tally),
        }
        Ok(())
    }
}

fn answer(
    query: &StatisticsQuery,
    told_apart: &[GroupBy],
    keys: &Keys,
    tallies: Tallies,
    periods: Option<Periods>,
) -> Result<Vec<Statistics>, StoreError> {
    // Groups that differ in nothing but what is counted are one, in the order of its parts.
    let mut parts: Vec<Tally> = tallies.0.into_values().collect();
    parts.sort_unstable_by_key(|tally| (tally.period, tally.group));
    let mut together: HashMap<(u64, Key), usize> = HashMap::new();
    let mut groups: Vec<(Key, Vec<Tally>)> = Vec::new();
    for part in parts {
        let Some((unit, values)) = keys.keys.get(part.group as usize) else { continue };
        let key = (unit.clone(), values[..query.group_by.len()].to_vec());
        let place = *together.entry((part.period, key.clone())).or_insert_with(|| {
            groups.push((key, Vec::new()));
            groups.len() - 1
        });
        if groups.len() > MAX_STATISTICS {
            return Err(StoreError::TooMany(MAX_STATISTICS));
        }
        groups[place].1.push(part);
    }
    groups
        .into_iter()
        .map(|((unit, values), parts)| {
            let (first, rest) =
                parts.split_first().ok_or_else(|| StoreError::Damaged("nothing was tallied".into()))?;
            let mut total = *first;
            rest.iter().for_each(|part| total.merge(part));
            let function = |aggregate: &Aggregate| match aggregate {
                Aggregate::Max => total.max,
                Aggregate::Min => total.min,
                Aggregate::Sum => total.sum,
                Aggregate::Avg => total.sum / total.count as f64,
                Aggregate::Count => total.count as f64,
                Aggregate::Stddev => (total.squares / total.count as f64).max(0.0).sqrt(),
                Aggregate::Cardinality(group) => {
                    let place = told_apart.iter().position(|field| field == group).unwrap_or_default();
                    let mut values: Vec<_> = parts
                        .iter()
                        .filter_map(|part| keys.keys.get(part.group as usize)?.1[place].clone())
                        .collect();
                    values.sort_unstable();
                    values.dedup();
                    values.len() as f64
                }
            };
            let (period_start, period_end) = match periods {
                Some(Periods { origin, length }) => {
                    let start = origin.saturating_add((total.period as i64).saturating_mul(length));
                    (start, start.saturating_add(length))
                }
                None => (total.first, total.last),
            };
            Ok(Statistics {
                group: query.group_by.iter().copied().zip(values).collect(),
                unit,
                count: total.count,
                min: total.min,
                max: total.max,
                avg: total.sum / total.count as f64,
                sum: total.sum,
                aggregates: query
                    .aggregates
                    .iter()
                    .map(|aggregate| (*aggregate, function(aggregate)))
                    .collect(),
                duration: (total.last - total.first) as f64 / SECOND as f64,
                duration_start: moment(total.first)?,
                duration_end: moment(total.last)?,
                period: periods.map_or(0, |periods| (periods.length / SECOND) as u64),
                period_start: moment(period_start)?,
                // The last period may end where times of four digits' years do.
                period_end: moment(period_end).or_else(|_| moment(total.last))?,
            })
        })
        .collect()
}
