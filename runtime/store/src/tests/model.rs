//! Every way to read, against a list of all samples.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{ALL, DAY, LONG, Random, SECOND, noon, received, scanned};
use crate::{
    Catalogue, Order, Path, Periods, Range, Reader, Row, Scan, Series, Store, StoreError, Tallied, Tally,
};

const SAMPLES: usize = 900;
const METERS: [&str; 3] = ["cpu", "memory.usage", "disk.read.bytes"];
const RESOURCES: usize = 7;

/// Stores random samples, of some days and some of no sensible time, and asks for them in random ways.
pub(crate) fn answers_as_a_model_does(store: &dyn Store) {
    let mut random = Random(42);
    let rows = samples(&mut random);
    let mut writer = store.writer().unwrap();
    for batch in rows.chunks(130) {
        writer.append(batch).unwrap();
    }
    let mut reader = store.reader().unwrap();
    reader.begin(LONG).unwrap();
    let series = catalogue(&mut *reader, &rows, &mut random);
    for _ in 0..60 {
        scans(&mut *reader, &rows, &series, &mut random);
        ends(&mut *reader, &rows, &series, &mut random);
        tallies(&mut *reader, &rows, &series, &mut random);
    }
    sums_beyond_all_numbers(store, &series);
}

fn samples(random: &mut Random) -> Vec<Row> {
    let sample = |number| {
        let mut sample =
            received(number, random.below(RESOURCES), random.below(4 * 86_400) as i64 - 2 * 86_400);
        if random.below(60) == 0 {
            let years = [-30, 3, 900][random.below(3)];
            let off = sample.timestamp.micros() + years * 365 * DAY;
            sample.timestamp = sample::Timestamp::from_micros(off).unwrap();
        }
        sample.meter = METERS[random.below(METERS.len())].into();
        sample.project_id = (random.below(5) > 0).then(|| format!("project-{}", random.below(2)));
        let volumes = ["18446744073709551615", "0.5", "2048.0", "-3", "1e-7", "17"];
        sample.volume = volumes[random.below(volumes.len())].parse().unwrap();
        sample.into()
    };
    (0..SAMPLES).map(sample).collect()
}

/// The series by their hashes.
fn catalogue(reader: &mut dyn Reader, rows: &[Row], random: &mut Random) -> HashMap<[u8; 32], Series> {
    let hash = |series: &Series| {
        crate::row::SeriesFields {
            sha256: [0; 32],
            meter: series.meter.to_string(),
            kind: series.kind,
            unit: series.unit.to_string(),
            source: series.source.to_string(),
            resource_id: series.resource_id.to_string(),
            project_id: series.project_id.as_deref().map(Into::into),
            user_id: series.user_id.as_deref().map(Into::into),
        }
        .hashed()
        .sha256
    };
    let every = reader.series(&Catalogue::default(), 0, ALL).unwrap();
    assert!(every.is_sorted_by(|one, next| one.id < next.id));
    let ids: Vec<i64> = every.iter().map(|series| series.id).chain([i64::MAX]).collect();
    let mut again = reader.series_by_id(&ids).unwrap();
    again.sort_by_key(|series| series.id);
    assert_eq!(again, every);
    for _ in 0..40 {
        let mut list = |names: &[&str]| {
            let mut some: Vec<String> = names.iter().map(|&name| name.into()).collect();
            some.retain(|_| random.below(2) == 0);
            some.push("nobody".into());
            (random.below(2) == 0).then_some(some)
        };
        let wanted = Catalogue {
            meters: list(&METERS),
            resources: list(&["instance-0", "instance-3", "instance-5"]),
            projects: list(&["project-0", "project-1"]),
        };
        let expected: Vec<_> = every.iter().filter(|series| series.is_in(&wanted)).cloned().collect();
        let mut paged = Vec::new();
        while let some @ [.., last] =
            &*reader.series(&wanted, paged.last().map_or(0, |s: &Series| s.id), 5).unwrap()
        {
            assert!(last.id > 0);
            paged.extend_from_slice(some);
        }
        assert_eq!(paged, expected);
        let resources: BTreeSet<i64> = expected.iter().map(|series| series.resource).collect();
        let mut paged = Vec::new();
        loop {
            let some = reader.resources(&wanted, paged.last().copied().unwrap_or(0), 2).unwrap();
            if some.is_empty() {
                break;
            }
            paged.extend(some);
        }
        assert_eq!(paged, resources.into_iter().collect::<Vec<_>>());
    }
    assert_eq!(reader.meter("nobody").unwrap(), None);
    let found: HashMap<_, _> = every.into_iter().map(|series| (hash(&series), series)).collect();
    let stored: BTreeSet<_> = rows.iter().map(|row| row.series.sha256).collect();
    assert_eq!(found.keys().copied().collect::<BTreeSet<_>>(), stored);
    found
}

fn range(random: &mut Random) -> Range {
    let mut time = || {
        let at = match random.below(6) {
            0 => i64::MAX,
            1 => i64::MIN,
            _ => noon() + (random.below(5 * 86_400) as i64 - 2 * 86_400) * SECOND,
        };
        (random.below(3) > 0).then_some(at)
    };
    Range { from: time(), until: time() }
}

fn is_in(range: Range, timestamp: i64) -> bool {
    range.from.is_none_or(|from| timestamp >= from) && range.until.is_none_or(|until| timestamp < until)
}

fn path(
    reader: &mut dyn Reader,
    rows: &[Row],
    series: &HashMap<[u8; 32], Series>,
    random: &mut Random,
) -> (Path, impl Fn(&Row) -> bool + use<>) {
    let row = &rows[random.below(rows.len())];
    let (name, resource_id) = (row.series.meter.clone(), row.series.resource_id.clone());
    let resource = series[&row.series.sha256].resource;
    let meter = reader.meter(&name).unwrap().unwrap();
    let (kind, id) = (random.below(5), row.message_id.clone());
    let path = match kind {
        0 => Path::Message(id.clone()),
        1 => Path::Resource { resource, meter: None },
        2 => Path::Resource { resource, meter: Some(meter) },
        3 => Path::Meter(meter),
        _ => Path::Time,
    };
    let has = move |row: &Row| match kind {
        0 => row.message_id == id,
        1 => row.series.resource_id == resource_id,
        2 => row.series.resource_id == resource_id && row.series.meter == name,
        3 => row.series.meter == name,
        _ => true,
    };
    (path, has)
}

fn scans(reader: &mut dyn Reader, rows: &[Row], series: &HashMap<[u8; 32], Series>, random: &mut Random) {
    let (path, has) = path(reader, rows, series, random);
    let order = [Order::NewestFirst, Order::OldestFirst][random.below(2)];
    let scan = Scan { path, range: range(random), order };
    let found = scanned(reader, &scan);
    assert!(found.is_sorted_by(|one, next| match order {
        Order::NewestFirst => one.timestamp >= next.timestamp,
        Order::OldestFirst => one.timestamp <= next.timestamp,
    }));
    let mut got = BTreeMap::new();
    for found in &found {
        let what = (found.timestamp, found.volume.text(), found.series);
        assert!(found.recorded_at > noon());
        assert_eq!(got.insert(found.message_id.text(), what), None);
    }
    let expected = rows.iter().filter(|row| is_in(scan.range, row.timestamp) && has(row)).map(|row| {
        let what = (row.timestamp, row.volume.text(), series[&row.series.sha256].id);
        (row.message_id.text(), what)
    });
    assert_eq!(got, expected.collect(), "{scan:?}");
    // A scan that was not read to its end is no trouble to the next one.
    reader.scan(&scan).unwrap();
    assert_eq!(reader.next(1).unwrap().len(), found.len().min(1));
}

fn ends(reader: &mut dyn Reader, rows: &[Row], series: &HashMap<[u8; 32], Series>, random: &mut Random) {
    let range = range(random);
    let resources: BTreeSet<i64> =
        series.values().map(|series| series.resource).filter(|_| random.below(2) == 0).collect();
    let mut expected: BTreeMap<i64, (i64, i64)> = BTreeMap::new();
    for row in rows.iter().filter(|row| is_in(range, row.timestamp)) {
        let resource = series[&row.series.sha256].resource;
        if resources.contains(&resource) {
            let ends = expected.entry(resource).or_insert((row.timestamp, row.timestamp));
            *ends = (ends.0.min(row.timestamp), ends.1.max(row.timestamp));
        }
    }
    let asked: Vec<i64> = resources.into_iter().chain([i64::MAX]).collect();
    let got = reader.ends(&asked, range).unwrap();
    for ends in &got {
        let last = rows.iter().find(|row| row.message_id == ends.last.message_id).unwrap();
        assert_eq!((last.timestamp, &last.volume), (ends.last.timestamp, &ends.last.volume));
        assert_eq!(series[&last.series.sha256].resource, ends.resource);
    }
    let got = got.into_iter().map(|ends| (ends.resource, (ends.first, ends.last.timestamp)));
    assert_eq!(got.collect::<BTreeMap<_, _>>(), expected);
}

fn tallies(reader: &mut dyn Reader, rows: &[Row], series: &HashMap<[u8; 32], Series>, random: &mut Random) {
    let (path, has) = path(reader, rows, series, random);
    if !matches!(path, Path::Meter(_) | Path::Resource { meter: Some(_), .. }) {
        return;
    }
    // No sample of the range is before the first period.
    let origin = noon() - 3 * DAY + random.below(DAY as usize / 2) as i64;
    let periods = (random.below(3) > 0)
        .then(|| Periods { origin, length: (1 + random.below(100_000) as i64) * SECOND });
    let mut range = range(random);
    if periods.is_some() {
        range.from = Some(range.from.unwrap_or(origin).max(origin));
    }
    let groups: HashMap<i64, u32> = series
        .values()
        .filter(|_| random.below(4) > 0)
        .map(|series| (series.id, series.resource as u32 % 3))
        .collect();
    let mut expected: BTreeMap<(u32, u64), Tally> = BTreeMap::new();
    for row in rows.iter().filter(|row| is_in(range, row.timestamp) && has(row)) {
        let Some(&group) = groups.get(&series[&row.series.sha256].id) else { continue };
        let period = periods.map_or(0, |periods| periods.number(row.timestamp));
        let (time, amount) = (row.timestamp, row.volume.amount);
        expected
            .entry((group, period))
            .and_modify(|tally| tally.add(time, amount))
            .or_insert(Tally::of(group, period, time, amount));
    }
    let tallied = Tallied { path, range, groups: &groups, periods };
    let got = reader.tally(&tallied, expected.len()).unwrap();
    assert_eq!(got.len(), expected.len());
    for tally in got {
        let wanted = &expected[&(tally.group, tally.period)];
        let near = |one: f64, other: f64| (one - other).abs() <= 1e-9 * one.abs().max(other.abs());
        assert!(near(tally.sum, wanted.sum) && near(tally.squares, wanted.squares), "{tally:?} {wanted:?}");
        assert_eq!(Tally { sum: 0.0, squares: 0.0, ..tally }, Tally { sum: 0.0, squares: 0.0, ..*wanted });
    }
    if expected.len() > 1 {
        assert!(matches!(reader.tally(&tallied, expected.len() - 1), Err(StoreError::TooMany(_))));
    }
}

/// Volumes whose sum is beyond all doubles leave a meter its statistics, and the next question its answer.
fn sums_beyond_all_numbers(store: &dyn Store, series: &HashMap<[u8; 32], Series>) {
    let sample = |number: usize| {
        let mut sample = received(5_000 + number, 100, number as i64);
        sample.meter = "forged".into();
        sample.volume = "1.7e308".parse().unwrap();
        sample
    };
    store.writer().unwrap().append(&[sample(0).into(), sample(1).into()]).unwrap();
    let mut reader = store.reader().unwrap();
    reader.begin(LONG).unwrap();
    let wanted = Catalogue { meters: Some(vec!["forged".into()]), ..Catalogue::default() };
    let forged = reader.series(&wanted, 0, ALL).unwrap();
    let groups = HashMap::from([(forged[0].id, 0)]);
    let path = Path::Meter(reader.meter("forged").unwrap().unwrap());
    let tallied = Tallied { path, range: Range::default(), groups: &groups, periods: None };
    let got = reader.tally(&tallied, 1).unwrap().remove(0);
    assert_eq!((got.count, got.min, got.max, got.sum), (2, 1.7e308, 1.7e308, f64::INFINITY));
    assert_eq!(reader.series(&Catalogue::default(), 0, ALL).unwrap().len(), series.len() + 1);
}
