//! Samples of a filter along the indexes, and no further than the limit.
//!
//! The path is the index that leaves the fewest samples to read: a message_id's; those of some resources, one after the other, where the
//! filter names them, or names projects that have so few; a meter's; or all in the order of time.

use std::cmp::Reverse;

use super::filter::Filter;
use super::judge::Judge;
use crate::contract::{Found, Order, Path, Range, Reader, Scan};
use crate::{MessageId, StoreError};

/// Resources or meters that are read one after the other. With more of them, reading all in the order of time finds some soon.
const FEW: usize = 100;
/// Samples that are fetched at a time.
const CHUNK: usize = 2_000;
/// The same where the first one is likely to be it.
const FIRST_CHUNK: usize = 8;

/// The paths on which all samples of the filter lie.
pub(super) fn paths(reader: &mut dyn Reader, filter: &Filter) -> Result<Vec<Path>, StoreError> {
    if let Some(ids) = filter.message_ids() {
        return Ok(ids.iter().map(|id| Path::Message(MessageId::new(id))).collect());
    }
    let catalogue = filter.catalogue();
    let mut meters = Vec::new();
    let named = catalogue.meters.as_ref().filter(|names| names.len() <= FEW);
    for name in named.into_iter().flatten() {
        meters.extend(reader.meter(name)?);
    }
    if named.is_some() && meters.is_empty() {
        return Ok(Vec::new());
    }
    if catalogue.resources.is_some() || catalogue.projects.is_some() {
        let resources = reader.resources(&catalogue, 0, FEW + 1)?;
        if resources.len() <= FEW {
            let meter = <[i64; 1]>::try_from(meters.as_slice()).ok().map(|[meter]| meter);
            return Ok(resources.into_iter().map(|resource| Path::Resource { resource, meter }).collect());
        }
    }
    match named {
        Some(_) => Ok(meters.into_iter().map(Path::Meter).collect()),
        None => Ok(vec![Path::Time]),
    }
}

/// The first `limit` samples of the filter in this order, over all its paths.
pub(super) fn first(
    reader: &mut dyn Reader,
    filter: &Filter,
    order: Order,
    limit: usize,
) -> Result<Vec<Found>, StoreError> {
    let mut judge = Judge::new(filter);
    let mut range = filter.range();
    let mut best: Vec<Found> = Vec::new();
    for path in paths(reader, filter)? {
        let mut found = Vec::new();
        let mut keep = |_: &mut dyn Reader, some| {
            found.extend(some);
            Ok::<_, StoreError>(found.len() < limit)
        };
        each(reader, &mut judge, Scan { path, range, order }, limit, &mut keep)?;
        best.append(&mut found);
        let key = |found: &Found| (found.timestamp, found.recorded_at);
        match order {
            Order::NewestFirst => best.sort_by_key(|found| Reverse(key(found))),
            Order::OldestFirst => best.sort_by_key(key),
        }
        best.truncate(limit);
        // What the next path has beyond the last of these is of no use.
        if let Some(last) = best.last().filter(|_| best.len() == limit) {
            match order {
                Order::NewestFirst => range.from = range.from.max(Some(last.timestamp)),
                Order::OldestFirst => {
                    range.until = Some(range.until.unwrap_or(i64::MAX).min(last.timestamp + 1))
                }
            }
        }
    }
    Ok(best)
}

/// All samples of the filter, some at a time, in no order over its paths.
pub(super) fn all(reader: &mut dyn Reader, filter: &Filter, visit: &mut Visit<'_>) -> Result<(), StoreError> {
    let mut judge = Judge::new(filter);
    for path in paths(reader, filter)? {
        let scan = Scan { path, range: filter.range(), order: Order::NewestFirst };
        each(reader, &mut judge, scan, CHUNK, visit)?;
    }
    Ok(())
}

/// All samples of the filter within a range, some at a time: along each of the paths, the oldest first.
pub(crate) fn each_of<E: From<StoreError>>(
    reader: &mut dyn Reader,
    filter: &Filter,
    range: Range,
    visit: &mut Visit<'_, E>,
) -> Result<(), E> {
    let mut judge = Judge::new(filter);
    let asked = filter.range();
    let range = Range {
        from: range.from.max(asked.from),
        until: [range.until, asked.until].into_iter().flatten().min(),
    };
    for path in paths(reader, filter)? {
        let scan = Scan { path, range, order: Order::OldestFirst };
        each(reader, &mut judge, scan, CHUNK, visit)?;
    }
    Ok(())
}

/// Takes some samples, may ask the reader about them, and says whether it wants more.
pub(crate) type Visit<'v, E = StoreError> = dyn FnMut(&mut dyn Reader, Vec<Found>) -> Result<bool, E> + 'v;

/// Samples of a scan that fulfil the filter. `wanted` is how many are likely to be enough.
pub(super) fn each<E: From<StoreError>>(
    reader: &mut dyn Reader,
    judge: &mut Judge<'_>,
    scan: Scan,
    wanted: usize,
    visit: &mut Visit<'_, E>,
) -> Result<(), E> {
    if scan.range.from.zip(scan.range.until).is_some_and(|(from, until)| from >= until) {
        return Ok(());
    }
    reader.scan(&scan)?;
    let mut chunk = wanted.clamp(1, CHUNK);
    loop {
        let mut found = reader.next(chunk)?;
        let last = found.len() < chunk;
        judge.learn(reader, &found)?;
        found.retain(|found| judge.holds(found));
        if !visit(reader, found)? || last {
            return Ok(());
        }
        chunk = CHUNK;
    }
}

/// The first sample of a scan that is wanted.
pub(super) fn first_of(
    reader: &mut dyn Reader,
    scan: &Scan,
    wanted: impl Fn(&Found) -> bool,
) -> Result<Option<Found>, StoreError> {
    if scan.range.from.zip(scan.range.until).is_some_and(|(from, until)| from >= until) {
        return Ok(None);
    }
    reader.scan(scan)?;
    let mut chunk = FIRST_CHUNK;
    loop {
        let found = reader.next(chunk)?;
        let last = found.len() < chunk;
        if let Some(found) = found.into_iter().find(&wanted) {
            return Ok(Some(found));
        }
        if last {
            return Ok(None);
        }
        chunk = CHUNK;
    }
}

/// Whether there is a sample and the first one fulfils the filter.
pub(super) fn holds(
    reader: &mut dyn Reader,
    judge: &mut Judge<'_>,
    found: &[Found],
) -> Result<bool, StoreError> {
    judge.learn(reader, found)?;
    Ok(found.first().is_some_and(|found| judge.holds(found)))
}
