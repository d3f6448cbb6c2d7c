//! Resources: what samples are of, and what is known of it.
//!
//! A resource may have samples of several projects: whoever may create samples may name any resource. Whatever is told of it, its first
//! time, its metadata, its meters, is of those series alone that the filter lets through, a token's projects among it.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use sample::Timestamp;
use serde_json::{Map, Value};

use super::filter::Filter;
use super::judge::Judge;
use super::samples::{all_metadata, all_series, moment, within};
use super::search;
use crate::StoreError;
use crate::bounds::MAX_FOUND_METADATA;
use crate::contract::{Catalogue, Ends, Order, Path, Reader, Scan, Series};

/// Resources that are looked at together.
const CHUNK: usize = 200;
/// Series that are read at a time.
const SERIES: usize = 5_000;

/// A resource as its newest sample has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Resource {
    /// The instance's UUID, or a disk or vnic of it.
    pub resource_id: Arc<str>,
    /// Whose it is.
    pub project_id: Option<Arc<str>>,
    /// Who made it.
    pub user_id: Option<Arc<str>>,
    /// The cloud that it comes from.
    pub source: Arc<str>,
    /// When its first sample was measured.
    pub first: Timestamp,
    /// When its newest sample was.
    pub last: Timestamp,
    /// What is known of it.
    pub metadata: Arc<Map<String, Value>>,
    /// The names of its meters, if they were asked for.
    pub meters: Vec<Arc<str>>,
}

/// The resources of a filter, in the order in which they were first stored. Of the samples that the filter's time, meter, project and
/// whatever else a series tells let through, the resource's newest has to fulfil all of the filter.
///
/// # Errors
/// [`StoreError`].
pub fn resources(
    reader: &mut dyn Reader,
    filter: &Filter,
    limit: usize,
    with_meters: bool,
) -> Result<Vec<Resource>, StoreError> {
    within(reader, |reader| {
        let mut judge = Judge::new(filter);
        let found = select(reader, filter, &mut judge, limit)?;
        complete(reader, found, with_meters.then_some(&judge))
    })
}

fn select(
    reader: &mut dyn Reader,
    filter: &Filter,
    judge: &mut Judge<'_>,
    limit: usize,
) -> Result<Vec<Ends>, StoreError> {
    let mut found = Vec::new();
    let mut after = 0;
    loop {
        let chunk = reader.resources(&filter.catalogue(), after, CHUNK)?;
        let Some(last) = chunk.last() else { return Ok(found) };
        after = *last;
        let is_last = chunk.len() < CHUNK;
        let mut ends = ends(reader, filter, judge, &chunk)?;
        ends.sort_by_key(|ends| ends.resource);
        for ends in ends {
            if search::holds(reader, judge, std::slice::from_ref(&ends.last))? {
                found.push(ends);
            }
            if found.len() == limit {
                return Ok(found);
            }
        }
        if is_last {
            return Ok(found);
        }
    }
}

/// The first and the newest sample of each resource, of the series that the filter lets through.
fn ends(
    reader: &mut dyn Reader,
    filter: &Filter,
    judge: &Judge<'_>,
    resources: &[i64],
) -> Result<Vec<Ends>, StoreError> {
    let range = filter.range();
    let of_all = reader.ends(resources, range)?;
    if !judge.tells_series_apart() {
        return Ok(of_all);
    }
    let series = all_series(reader, of_all.iter().map(|ends| ends.last.series))?;
    let names = series.values().map(|series| series.resource_id.to_string()).collect();
    let mut allowed: HashMap<i64, Allowed> = HashMap::new();
    each_series(reader, names, &mut |series| {
        let of = allowed.entry(series.resource).or_default();
        match judge.may_hold(&series) {
            true => _ = of.series.insert(series.id),
            false => of.and_others = true,
        }
    })?;
    let meter = match filter.catalogue().meters.as_deref() {
        Some([name]) => reader.meter(name)?,
        _ => None,
    };
    let mut found = Vec::new();
    for ends in of_all {
        let Some(allowed) = allowed.get(&ends.resource).filter(|allowed| !allowed.series.is_empty()) else {
            continue;
        };
        if !allowed.and_others {
            found.push(ends);
            continue;
        }
        let mut end = |order| {
            let scan = Scan { path: Path::Resource { resource: ends.resource, meter }, range, order };
            search::first_of(reader, &scan, |found| allowed.series.contains(&found.series))
        };
        if let (Some(first), Some(last)) = (end(Order::OldestFirst)?, end(Order::NewestFirst)?) {
            found.push(Ends { resource: ends.resource, first: first.timestamp, last });
        }
    }
    Ok(found)
}

/// A resource's series that the filter lets through, and whether there are others.
#[derive(Default)]
struct Allowed {
    series: HashSet<i64>,
    and_others: bool,
}

/// All series of resources.
fn each_series(
    reader: &mut dyn Reader,
    resources: Vec<String>,
    visit: &mut dyn FnMut(Series),
) -> Result<(), StoreError> {
    let catalogue = Catalogue { resources: Some(resources), ..Catalogue::default() };
    let mut after = 0;
    loop {
        let chunk = reader.series(&catalogue, after, SERIES)?;
        let is_last = chunk.len() < SERIES;
        for series in chunk {
            after = series.id;
            visit(series);
        }
        if is_last {
            return Ok(());
        }
    }
}

fn complete(
    reader: &mut dyn Reader,
    found: Vec<Ends>,
    with_meters: Option<&Judge<'_>>,
) -> Result<Vec<Resource>, StoreError> {
    let series = all_series(reader, found.iter().map(|ends| ends.last.series))?;
    let metadata = all_metadata(reader, found.iter().map(|ends| ends.last.metadata), MAX_FOUND_METADATA)?;
    let mut resources = Vec::new();
    for ends in found {
        let lost = |what: &str| StoreError::Damaged(format!("it has no {what}"));
        let series = series.get(&ends.last.series).ok_or_else(|| lost("series"))?;
        resources.push(Resource {
            resource_id: series.resource_id.clone(),
            project_id: series.project_id.clone(),
            user_id: series.user_id.clone(),
            source: series.source.clone(),
            first: moment(ends.first)?,
            last: moment(ends.last.timestamp)?,
            metadata: metadata.get(&ends.last.metadata).ok_or_else(|| lost("metadata"))?.clone(),
            meters: Vec::new(),
        });
    }
    if let Some(judge) = with_meters {
        add_meters(reader, judge, &mut resources)?;
    }
    Ok(resources)
}

fn add_meters(
    reader: &mut dyn Reader,
    judge: &Judge<'_>,
    resources: &mut [Resource],
) -> Result<(), StoreError> {
    for chunk in resources.chunks_mut(CHUNK) {
        let names = chunk.iter().map(|resource| resource.resource_id.to_string()).collect();
        let mut meters: HashMap<Arc<str>, BTreeSet<Arc<str>>> = HashMap::new();
        each_series(reader, names, &mut |series| {
            if judge.may_hold(&series) {
                meters.entry(series.resource_id).or_default().insert(series.meter);
            }
        })?;
        for resource in chunk {
            resource.meters = meters.remove(&resource.resource_id).unwrap_or_default().into_iter().collect();
        }
    }
    Ok(())
}
