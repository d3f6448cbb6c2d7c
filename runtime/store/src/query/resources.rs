//! Resources: what samples are of, and what is known of it.

use std::collections::HashMap;
use std::sync::Arc;

use sample::Timestamp;
use serde_json::{Map, Value};

use super::filter::Filter;
use super::judge::Judge;
use super::samples::{all_metadata, all_series, moment, within};
use super::search;
use crate::StoreError;
use crate::bounds::MAX_FOUND_METADATA;
use crate::contract::{Catalogue, Ends, Order, Path, Reader, Scan};

/// Resources that are looked at together.
const CHUNK: usize = 200;
/// Series of a resource that are looked through for its meters.
const MAX_SERIES: usize = 10_000;

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

/// The resources of a filter, in the order in which they were first stored. A resource's newest sample (of the filter's meter and time,
/// where it has some) has to fulfil the filter.
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
        let found = select(reader, filter, limit)?;
        complete(reader, found, with_meters)
    })
}

fn select(reader: &mut dyn Reader, filter: &Filter, limit: usize) -> Result<Vec<Ends>, StoreError> {
    let mut judge = Judge::new(filter);
    let mut found = Vec::new();
    let mut after = 0;
    loop {
        let chunk = reader.resources(&filter.catalogue(), after, CHUNK)?;
        let Some(last) = chunk.last() else { return Ok(found) };
        after = *last;
        let is_last = chunk.len() < CHUNK;
        let mut ends = ends(reader, filter, &chunk)?;
        ends.sort_by_key(|ends| ends.resource);
        for ends in ends {
            if search::holds(reader, &mut judge, std::slice::from_ref(&ends.last))? {
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

/// The first and the newest sample of each resource: of all meters, or of those that the filter names.
fn ends(reader: &mut dyn Reader, filter: &Filter, resources: &[i64]) -> Result<Vec<Ends>, StoreError> {
    let range = filter.range();
    let Some(names) = filter.catalogue().meters else { return reader.ends(resources, range) };
    let mut meters = Vec::new();
    for name in names {
        meters.extend(reader.meter(&name)?);
    }
    let mut all = Vec::new();
    for &resource in resources {
        let mut ends: Option<Ends> = None;
        for &meter in &meters {
            let path = Path::Resource { resource, meter: Some(meter) };
            let mut one = |order| -> Result<_, StoreError> {
                reader.scan(&Scan { path: path.clone(), range, order })?;
                Ok(reader.next(1)?.pop())
            };
            let (Some(first), Some(last)) = (one(Order::OldestFirst)?, one(Order::NewestFirst)?) else {
                continue;
            };
            let first = first.timestamp;
            ends = Some(match ends {
                Some(known) => Ends {
                    resource,
                    first: known.first.min(first),
                    last: if last.timestamp > known.last.timestamp { last } else { known.last },
                },
                None => Ends { resource, first, last },
            });
        }
        all.extend(ends);
    }
    Ok(all)
}

fn complete(
    reader: &mut dyn Reader,
    found: Vec<Ends>,
    with_meters: bool,
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
    if with_meters {
        add_meters(reader, &mut resources)?;
    }
    Ok(resources)
}

fn add_meters(reader: &mut dyn Reader, resources: &mut [Resource]) -> Result<(), StoreError> {
    for chunk in resources.chunks_mut(CHUNK) {
        let names = chunk.iter().map(|resource| resource.resource_id.to_string()).collect();
        let catalogue = Catalogue { resources: Some(names), ..Catalogue::default() };
        let mut meters: HashMap<Arc<str>, Vec<Arc<str>>> = HashMap::new();
        for series in reader.series(&catalogue, 0, MAX_SERIES * CHUNK)? {
            meters.entry(series.resource_id).or_default().push(series.meter);
        }
        for resource in chunk {
            resource.meters = meters.remove(&resource.resource_id).unwrap_or_default();
            resource.meters.sort_unstable();
            resource.meters.dedup();
        }
    }
    Ok(())
}
