//! What every store does alike, tried on each of them.

mod contract;
mod model;

use std::sync::Arc;
use std::time::Duration;

use sample::wire::{Received, ReceivedMetadata};
use sample::{Kind, Timestamp};
use serde_json::{Value, json};

use crate::{Found, Order, Path, Range, Reader, Row, Scan, Sqlite, Store};

pub(crate) use contract::{nothing_loses_its_metadata, stores_once, two_writers_store_once};
pub(crate) use model::answers_as_a_model_does;

/// Enough for whatever a test has.
const ALL: usize = 1_000_000;
/// Longer than any test takes.
const LONG: Duration = Duration::from_secs(600);
const SECOND: i64 = 1_000_000;
pub(crate) const DAY: i64 = 86_400 * SECOND;

/// Noon of the day before yesterday: hours and days around it are near now, whenever the test runs.
pub(crate) fn noon() -> i64 {
    (Timestamp::now().micros() / DAY - 2) * DAY + DAY / 2
}

/// An object as samples' metadata.
pub(crate) fn metadata(object: &Value) -> Arc<ReceivedMetadata> {
    ReceivedMetadata::new(object.as_object().unwrap())
}

/// A sample of a resource that says in its metadata of which one it is, at so many seconds from noon.
pub(crate) fn received(number: usize, resource: usize, seconds: i64) -> Received {
    let name = format!("instance-{resource}");
    Received {
        source: "openstack".into(),
        meter: "cpu".into(),
        kind: Kind::Cumulative,
        unit: "ns".into(),
        volume: number.into(),
        user_id: None,
        project_id: Some(format!("project-{}", resource % 3)),
        metadata: metadata(&json!({"of": name, "vcpus": 2})),
        resource_id: name,
        timestamp: Timestamp::from_micros(noon() + seconds * SECOND).unwrap(),
        message_id: format!("{number:08x}-c7f6-11f0-8a3c-0242ac110002"),
        monotonic_time: None,
    }
}

pub(crate) fn row(number: usize, resource: usize, seconds: i64) -> Row {
    received(number, resource, seconds).into()
}

/// Numbers that look random and are the same in each run.
pub(crate) struct Random(pub u64);

impl Random {
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }
}

/// All samples, the newest first.
pub(crate) fn all(reader: &mut dyn Reader) -> Vec<Found> {
    scanned(reader, &Scan { path: Path::Time, range: Range::default(), order: Order::NewestFirst })
}

fn scanned(reader: &mut dyn Reader, scan: &Scan) -> Vec<Found> {
    reader.scan(scan).unwrap();
    let mut all = Vec::new();
    loop {
        // Of no number that anything is a multiple of.
        let some = reader.next(73).unwrap();
        if some.is_empty() {
            return all;
        }
        all.extend(some);
    }
}

/// How many samples there are, after a look at what each refers to: it is there, and what the sample came with.
pub(crate) fn sound(store: &dyn Store) -> usize {
    let mut reader = store.reader().unwrap();
    reader.begin(LONG).unwrap();
    let samples = all(&mut *reader);
    for some in samples.chunks(1_000) {
        let series = reader.series_by_id(&some.iter().map(|found| found.series).collect::<Vec<_>>()).unwrap();
        let metadata = reader.metadata(&some.iter().map(|found| found.metadata).collect::<Vec<_>>()).unwrap();
        for found in some {
            let series = series.iter().find(|series| series.id == found.series).expect("its series");
            let (_, text) = metadata.iter().find(|(id, _)| *id == found.metadata).expect("its metadata");
            let fields: Value = serde_json::from_str(text).unwrap();
            assert_eq!(fields["of"], *series.resource_id);
        }
    }
    samples.len()
}

struct Embedded {
    _folder: tempfile::TempDir,
    store: Sqlite,
}

fn embedded() -> Embedded {
    let folder = tempfile::tempdir().unwrap();
    let store = Sqlite::new(folder.path().join("samples.db"));
    Embedded { _folder: folder, store }
}

#[test]
fn the_embedded_store_stores_once() {
    stores_once(&embedded().store);
    two_writers_store_once(&embedded().store);
}

#[test]
fn nothing_in_the_embedded_store_loses_its_metadata() {
    nothing_loses_its_metadata(&embedded().store);
}

#[test]
fn the_embedded_store_answers_as_a_model_does() {
    answers_as_a_model_does(&embedded().store);
}
