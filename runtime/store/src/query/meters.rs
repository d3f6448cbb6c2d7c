//! Meters: what is measured of which resource.

use std::collections::HashMap;
use std::sync::Arc;

use sample::Kind;

use super::filter::Filter;
use super::judge::Judge;
use super::samples::within;
use super::search;
use crate::StoreError;
use crate::contract::{Order, Path, Reader, Scan, Series};

/// Series that are read at a time.
const CHUNK: usize = 2_000;

/// A meter of a resource, or of all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meter {
    /// The meter's name.
    pub name: Arc<str>,
    /// How its volumes relate.
    pub kind: Kind,
    /// Their unit.
    pub unit: Arc<str>,
    /// The resource; like all that follows, none where meters are listed once each.
    pub resource_id: Option<Arc<str>>,
    /// Whose the resource is.
    pub project_id: Option<Arc<str>>,
    /// Who made the resource.
    pub user_id: Option<Arc<str>>,
    /// The cloud that it comes from.
    pub source: Option<Arc<str>>,
}

/// The meters of a filter: of each resource, or once each where they are to be `unique`; in the order in which they were first stored.
/// Where the filter asks for more than a series tells (metadata, a time), the newest sample of the resource and meter in that time has
/// to fulfil it.
///
/// # Errors
/// [`StoreError`].
pub fn meters(
    reader: &mut dyn Reader,
    filter: &Filter,
    unique: bool,
    limit: usize,
) -> Result<Vec<Meter>, StoreError> {
    within(reader, |reader| select(reader, filter, unique, limit))
}

fn select(
    reader: &mut dyn Reader,
    filter: &Filter,
    unique: bool,
    limit: usize,
) -> Result<Vec<Meter>, StoreError> {
    type Key = (Arc<str>, Kind, Arc<str>, Option<Arc<str>>);
    let mut judge = Judge::new(filter);
    let mut places: HashMap<Key, usize> = HashMap::new();
    let mut found: Vec<Meter> = Vec::new();
    let mut after = 0;
    loop {
        let chunk = reader.series(&filter.catalogue(), after, CHUNK)?;
        let Some(last) = chunk.last() else { return Ok(found) };
        after = last.id;
        let is_last = chunk.len() < CHUNK;
        for series in chunk {
            let meter = meter(&series, unique);
            let key = (meter.name.clone(), meter.kind, meter.unit.clone(), meter.resource_id.clone());
            let place = places.get(&key).copied();
            // One that is listed already needs no look; but of a resource that has another owner now, the later series is shown.
            if (place.is_some() && unique) || !is_of(reader, filter, &mut judge, &series)? {
                continue;
            }
            match place {
                Some(place) => found[place] = meter,
                None => {
                    places.insert(key, found.len());
                    found.push(meter);
                }
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

fn meter(series: &Series, unique: bool) -> Meter {
    Meter {
        name: series.meter.clone(),
        kind: series.kind,
        unit: series.unit.clone(),
        resource_id: (!unique).then(|| series.resource_id.clone()),
        project_id: series.project_id.clone().filter(|_| !unique),
        user_id: series.user_id.clone().filter(|_| !unique),
        source: (!unique).then(|| series.source.clone()),
    }
}

/// Whether the series, or else its newest sample, fulfils the filter.
fn is_of(
    reader: &mut dyn Reader,
    filter: &Filter,
    judge: &mut Judge<'_>,
    series: &Series,
) -> Result<bool, StoreError> {
    if !judge.may_hold(series) {
        return Ok(false);
    }
    if filter.is_of_series() {
        return Ok(true);
    }
    let meter = reader.meter(&series.meter)?;
    let path = Path::Resource { resource: series.resource, meter };
    let scan = Scan { path, range: filter.range(), order: Order::NewestFirst };
    // The resource may have samples of that meter in other series, of another project for one.
    let newest = search::first_of(reader, &scan, |found| found.series == series.id)?;
    search::holds(reader, judge, newest.as_slice())
}
