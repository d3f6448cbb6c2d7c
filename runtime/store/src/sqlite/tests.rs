//! The store's behaviour, and samples to try it with.

use std::path::PathBuf;
use std::time::Duration;

use sample::wire::Received;
use sample::{Kind, Timestamp};
use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::contract::{Appended, Order, Range, Reader as _, Scan, Writer as _};
use crate::query::{SampleQuery, StoredSample, samples};
use crate::{Row, StoreError};

/// A store of its own.
pub(crate) struct Fixture {
    _folder: TempDir,
    pub path: PathBuf,
    pub writer: Writer,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("samples.db");
        let writer = Writer::open(&path).unwrap();
        Self { _folder: folder, path, writer }
    }

    /// With so many samples of `cpu`, a second apart, of five resources.
    pub(crate) fn with(count: usize) -> Self {
        let mut fixture = Self::new();
        let rows: Vec<_> = (0..count).map(|number| received(number).into()).collect();
        fixture.writer.append(&rows).unwrap();
        fixture
    }

    pub(crate) fn reader(&self) -> Reader {
        Reader::open(&self.path).unwrap()
    }

    pub(crate) fn ask(
        &self,
        meter: Option<&str>,
        query: Option<&str>,
        limit: Option<usize>,
    ) -> Vec<StoredSample> {
        samples(&mut self.reader(), &SampleQuery::parse(meter, query, limit).unwrap()).unwrap()
    }

    fn count(&self, table: &str) -> i64 {
        let text = format!("SELECT count(*) FROM {table}");
        self.reader().connection.query_row(&text, [], |row| row.get(0)).unwrap()
    }
}

pub(crate) fn received(number: usize) -> Received {
    let metadata = json!({"display_name": format!("web-{}", number % 5), "vcpus": number % 5, "flavor": {"name": "m1.tiny"}});
    Received {
        source: "openstack".into(),
        meter: "cpu".into(),
        kind: Kind::Cumulative,
        unit: "ns".into(),
        volume: number.into(),
        user_id: Some("u1".into()),
        project_id: (number % 5 != 4).then(|| "p1".into()),
        resource_id: format!("instance-{}", number % 5),
        timestamp: Timestamp::from_micros(1_767_225_600_000_000 + number as i64 * 1_000_000).unwrap(),
        metadata: crate::tests::metadata(&metadata),
        message_id: format!("{number:08x}-c7f6-11f0-8a3c-0242ac110002"),
        monotonic_time: None,
    }
}

#[test]
fn a_message_id_is_stored_once_however_often_it_comes() {
    let mut fixture = Fixture::new();
    let rows: Vec<Row> = [0, 1, 1, 2].map(|number| received(number).into()).into();
    assert_eq!(fixture.writer.append(&rows).unwrap(), Appended { stored: 3, duplicates: 1 });
    assert_eq!(fixture.writer.append(&rows).unwrap(), Appended { stored: 0, duplicates: 4 });
    let mut again = Writer::open(&fixture.path).unwrap();
    assert_eq!(again.append(&rows).unwrap(), Appended { stored: 0, duplicates: 4 });
    // The first one counts, whatever a later one says, and a later one leaves nothing behind.
    let mut other = received(1);
    other.volume = 77.into();
    other.metadata = crate::tests::metadata(&json!({"new": 1}));
    again.append(&[other.into()]).unwrap();
    assert_eq!(fixture.ask(None, Some("volume=77"), None), []);
    assert_eq!(fixture.count("metadata"), 3);
}

#[test]
fn equal_metadata_is_stored_once() {
    let fixture = Fixture::with(1_000);
    assert_eq!(fixture.count("sample"), 1_000);
    assert_eq!(fixture.count("metadata"), 5);
    assert_eq!(fixture.count("resource"), 5);
    assert_eq!(fixture.count("series"), 5);
    assert_eq!(fixture.count("meter"), 1);
}

#[test]
fn volumes_come_back_to_the_digit_and_compare_exactly() {
    let mut fixture = Fixture::new();
    let volumes = [
        "18446744073709551615",
        "18446744073709551614",
        "36893488147419103232",
        "2048.0",
        "-0.5",
        "1e300",
        "0",
    ];
    let rows: Vec<Row> = volumes
        .iter()
        .enumerate()
        .map(|(number, volume)| Received { volume: volume.parse().unwrap(), ..received(number) }.into())
        .collect();
    fixture.writer.append(&rows).unwrap();
    let mut texts: Vec<_> =
        fixture.ask(None, None, None).iter().map(|sample| sample.volume.to_string()).collect();
    texts.reverse();
    assert_eq!(texts[..5], volumes[..5]);
    for (query, expected) in [
        ("volume=18446744073709551615", 1),
        ("volume>18446744073709551614", 3),
        ("volume>=18446744073709551614;volume<36893488147419103232", 2),
        ("volume=2048", 1),
        ("volume<0", 1),
        ("counter_volume=integer::0", 1),
    ] {
        assert_eq!(fixture.ask(None, Some(query), None).len(), expected, "{query}");
    }
}

#[test]
fn samples_come_newest_first_and_then_by_arrival() {
    let mut fixture = Fixture::with(10);
    let twin = |number: usize, resource: &str, meter: &str| {
        let mut sample = Received { meter: meter.into(), resource_id: resource.into(), ..received(5) };
        sample.message_id = format!("twin-{number}");
        Row::from(sample)
    };
    // Of one moment and one resource, in the order of arrival b, a, c: neither the meters' order nor the other way round.
    fixture
        .writer
        .append(&[twin(1, "r", "b"), twin(2, "r", "a"), twin(3, "r", "c"), twin(4, "r", "a")])
        .unwrap();
    let ids = |meter, query, limit| -> Vec<String> {
        fixture.ask(meter, query, limit).into_iter().map(|sample| sample.message_id).collect()
    };
    assert_eq!(ids(None, Some("resource_id=r"), None), ["twin-4", "twin-3", "twin-2", "twin-1"]);
    assert_eq!(ids(Some("a"), Some("resource_id=r"), None), ["twin-4", "twin-2"]);
    let all = fixture.ask(None, None, None);
    assert!(all.windows(2).all(|pair| pair[0].timestamp >= pair[1].timestamp));
    assert_eq!(ids(None, None, Some(3)).len(), 3);
    assert_eq!(ids(None, None, Some(1)), ["00000009-c7f6-11f0-8a3c-0242ac110002"]);
}

#[test]
fn queries_find_what_they_say() {
    let fixture = Fixture::with(50);
    for (meter, query, expected) in [
        (None, None, 50),
        (Some("cpu"), None, 50),
        (Some("memory"), None, 0),
        (Some("cpu"), Some("resource_id=instance-3"), 10),
        (Some("cpu"), Some("resource_id=instance-9"), 0),
        (None, Some("resource!=instance-3"), 40),
        (None, Some("resource_id>=instance-3"), 20),
        (None, Some("resource_id=instance-3;project_id=p1"), 10),
        (None, Some("project=p1"), 40),
        (None, Some("project!=p2"), 40),
        (None, Some("user=u1;source=openstack"), 50),
        (None, Some("source=elsewhere"), 0),
        (None, Some("timestamp>2026-01-01T00:00:48"), 1),
        (None, Some("timestamp>=2026-01-01T00:00:48;timestamp<=2026-01-01T00:00:48"), 1),
        (None, Some("timestamp!=2026-01-01T00:00:48"), 49),
        (Some("cpu"), Some("metadata.display_name=web-2"), 10),
        (None, Some("metadata.vcpus>2;metadata.flavor.name=m1.tiny"), 20),
        (None, Some("resource_id=instance-3;metadata.vcpus!=3"), 0),
        (None, Some("message_id=00000007-c7f6-11f0-8a3c-0242ac110002"), 1),
        (None, Some("message_id=00000007-C7F6-11f0-8a3c-0242ac110002"), 0),
        (None, Some("resource_id=x' OR 1=1 --"), 0),
        (Some("%"), None, 0),
    ] {
        assert_eq!(fixture.ask(meter, query, None).len(), expected, "{meter:?} {query:?}");
    }
}

#[test]
fn a_sample_comes_back_as_it_came() {
    let mut fixture = Fixture::new();
    let mut sent = received(4);
    sent.resource_id = "naïve-\u{1b}[31m'\";--\u{1f409}".into();
    sent.unit = String::new();
    fixture.writer.append(&[sent.clone().into()]).unwrap();
    let got = fixture.ask(None, None, None).remove(0);
    assert_eq!(*got.resource_id, *sent.resource_id);
    assert_eq!((&*got.meter, got.kind, &*got.unit, &*got.source), ("cpu", Kind::Cumulative, "", "openstack"));
    assert_eq!((got.project_id, got.user_id.as_deref()), (None, Some("u1")));
    assert_eq!((got.timestamp, got.volume), (sent.timestamp, sent.volume));
    assert_eq!((&*got.metadata, got.message_id), (&sent.metadata.fields(), sent.message_id));
    assert!(Timestamp::now().micros() - got.recorded_at.micros() < 60_000_000);
}

#[test]
fn a_query_that_finds_nothing_in_much_ends_in_time() {
    let fixture = Fixture::with(20_000);
    let mut reader = fixture.reader();
    let query = SampleQuery::parse(None, Some("metadata.absent=x"), None).unwrap();
    let scan = Scan { path: contract::Path::Time, range: Range::default(), order: Order::NewestFirst };
    reader.begin(Duration::ZERO).unwrap();
    reader.scan(&scan).unwrap();
    assert!(matches!(reader.next(20_000), Err(StoreError::TooBroad)));
    // A statement that is under way when the time is over ends, too.
    reader.begin(Duration::from_micros(300)).unwrap();
    reader.scan(&scan).unwrap();
    assert!(matches!(reader.next(20_000), Err(StoreError::TooBroad)));
    // And one query's end is not the next one's.
    assert_eq!(samples(&mut reader, &query).unwrap(), []);
}

#[test]
fn readers_see_whole_batches_while_the_writer_writes() {
    let mut fixture = Fixture::with(10);
    let mut reader = fixture.reader();
    let query = SampleQuery::parse(None, None, None).unwrap();
    assert_eq!(samples(&mut reader, &query).unwrap().len(), 10);
    fixture.writer.append(&[received(10).into(), received(11).into()]).unwrap();
    assert_eq!(samples(&mut reader, &query).unwrap().len(), 12);
    assert!(reader.connection.execute("DELETE FROM sample", []).is_err(), "a reader wrote");
}

#[test]
fn commits_are_synced_and_the_file_is_not_everybodys() {
    use std::os::unix::fs::PermissionsExt;
    let fixture = Fixture::with(1);
    let pragma = |name: &str| fixture.writer.pragma(name);
    assert_eq!(pragma("journal_mode"), "wal");
    assert_eq!(pragma("synchronous"), "2", "FULL");
    assert_eq!(fixture.path.metadata().unwrap().permissions().mode() & 0o007, 0);
}

#[test]
fn a_store_that_is_missing_foreign_or_newer_is_refused_untouched() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("samples.db");
    let error = Reader::open(&path).unwrap_err();
    assert!(error.to_string().contains("nephoscope collect"), "{error}");
    assert!(!path.exists(), "reading made a store");

    let foreign = folder.path().join("foreign.db");
    rusqlite::Connection::open(&foreign).unwrap().execute_batch("CREATE TABLE meter (x)").unwrap();
    let before = std::fs::read(&foreign).unwrap();
    assert!(matches!(Writer::open(&foreign), Err(StoreError::Foreign(_))));
    assert!(matches!(Reader::open(&foreign), Err(StoreError::Foreign(_))));
    assert_eq!(std::fs::read(&foreign).unwrap(), before);

    let garbage = folder.path().join("garbage.db");
    std::fs::write(&garbage, "this is no database, whatever its name says".repeat(100)).unwrap();
    assert_eq!(Writer::open(&garbage).unwrap_err().label(), "damaged");
    assert_eq!(Reader::open(&garbage).unwrap_err().label(), "damaged");

    let newer = Fixture::new();
    rusqlite::Connection::open(&newer.path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    assert!(matches!(Reader::open(&newer.path), Err(StoreError::TooNew { found: 99, .. })));
    assert!(matches!(Writer::open(&newer.path), Err(StoreError::TooNew { found: 99, .. })));

    let older = Fixture::new();
    rusqlite::Connection::open(&older.path).unwrap().pragma_update(None, "user_version", 0).unwrap();
    assert!(matches!(Reader::open(&older.path), Err(StoreError::TooOld { found: 0, .. })));
}

#[test]
fn a_batch_that_fails_leaves_nothing_and_can_be_tried_again() {
    let fixture = Fixture::with(1);
    let rows: Vec<Row> = (0..20_000).map(|number| received(number).into()).collect();
    // A page limit stands in for a full disk: SQLite reports both as SQLITE_FULL.
    let mut writer = Writer::open(&fixture.path).unwrap();
    writer.limit_pages(60);
    let error = writer.append(&rows).unwrap_err();
    assert_eq!(error.label(), "disk-full", "{error:?}");
    assert!(writer.append(&rows).is_err(), "a failed writer knows ids that were rolled back");
    assert_eq!(fixture.count("sample"), 1);
    assert_eq!(fixture.count("resource"), 1);
    let mut writer = Writer::open(&fixture.path).unwrap();
    assert_eq!(writer.append(&rows).unwrap(), Appended { stored: 19_999, duplicates: 1 });
}

#[test]
fn two_writers_at_once_store_what_both_have_once() {
    const BATCHES: usize = 40;
    let fixture = Fixture::new();
    let work = |first: usize| {
        let path = fixture.path.clone();
        move || {
            let mut writer = Writer::open(&path).unwrap();
            let mut appended = (0, 0);
            for batch in 0..BATCHES {
                let start = first + batch * 50;
                let rows: Vec<_> = (start..start + 100).map(|number| received(number).into()).collect();
                // The lock is waited for, and got.
                let done = writer.append(&rows).unwrap();
                appended = (appended.0 + done.stored, appended.1 + done.duplicates);
            }
            appended
        }
    };
    let threads = [0, 25].map(|first| std::thread::spawn(work(first)));
    let done = threads.map(|thread| thread.join().unwrap());
    let (stored, duplicates) = (done[0].0 + done[1].0, done[0].1 + done[1].1);
    let different = (BATCHES - 1) * 50 + 100 + 25;
    assert_eq!(stored, different);
    assert_eq!(duplicates, 2 * BATCHES * 100 - different);
    assert_eq!(fixture.count("sample"), i64::try_from(different).unwrap());
}
