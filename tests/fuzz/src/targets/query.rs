//! A query, as whoever has a token may send it: a simple one, a complex one, an order. Whatever passes is asked of a store that has the
//! samples of two projects, and what is found is of the token's own.

use std::cell::RefCell;

use sample::wire::{Received, ReceivedMetadata};
use sample::{Kind, Timestamp};
use serde_json::json;
use store::query::Condition;
use store::{Filter, Reader, Row, SampleQuery, Sqlite, StatisticsQuery, Store};

/// The project that the token sees, and the one that it does not.
const PROJECTS: [&str; 2] = ["own", "other"];
/// 2026-01-01T00:00:00
const BEGIN: i64 = 1_767_225_600_000_000;

thread_local! {
    static READER: RefCell<Box<dyn Reader>> = RefCell::new(reader());
}

fn reader() -> Box<dyn Reader> {
    let folder = tempfile::tempdir().expect("a folder").keep();
    let store = Sqlite::new(folder.join("samples.db"));
    let rows: Vec<Row> = (0..40).map(row).collect();
    store.writer().and_then(|mut writer| writer.append(&rows)).expect("samples are stored");
    let reader = store.reader().expect("a store of its own");
    // It is open, which is enough.
    let _ = std::fs::remove_dir_all(folder);
    reader
}

/// Both projects have samples of one resource, and some have no user.
fn row(number: i64) -> Row {
    Row::from(Received {
        source: "openstack".into(),
        meter: if number % 3 == 0 { "memory".into() } else { "cpu".into() },
        kind: Kind::Gauge,
        unit: "MiB".into(),
        volume: number.into(),
        user_id: (number % 4 != 0).then(|| "u".into()),
        project_id: Some(PROJECTS[number as usize % 2].into()),
        resource_id: if number % 5 == 0 { "shared".into() } else { format!("r{}", number % 4) },
        timestamp: Timestamp::from_micros(BEGIN + number / 4 * 60_000_000).expect("a time"),
        metadata: ReceivedMetadata::new(
            json!({"display_name": PROJECTS[number as usize % 2], "vcpus": number % 3})
                .as_object()
                .expect("an object"),
        ),
        message_id: format!("m{number}"),
        monotonic_time: None,
    })
}

pub(crate) fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (text, order) = text.split_once('\n').unwrap_or((text, ""));
    // What one command line parses is what another sends in parts.
    if let Ok(conditions) = Condition::parse(text) {
        assert_eq!(Filter::conditions(conditions), Filter::parse(text));
    }
    let Ok(filter) = Filter::complex(text).or_else(|_| Filter::parse(text)) else { return };
    let scoped = filter.and(Filter::projects(&[PROJECTS[0].to_owned()]));
    let Ok(query) = SampleQuery::new(scoped.clone(), 100) else { return };
    let query = query.clone().ordered(order).unwrap_or(query);
    READER.with_borrow_mut(|reader| {
        let reader = &mut **reader;
        let found = store::samples(reader, &query).expect("a query that passes can be asked");
        for sample in &found {
            assert_eq!(sample.project_id.as_deref(), Some(PROJECTS[0]));
        }
        for resource in store::resources(reader, &scoped, 100, true).expect("the same") {
            assert_eq!(
                (resource.project_id.as_deref(), &resource.metadata["display_name"]),
                (Some(PROJECTS[0]), &json!(PROJECTS[0]))
            );
        }
        for meter in store::meters(reader, &scoped, false, 100).expect("the same") {
            assert_eq!(meter.project_id.as_deref(), Some(PROJECTS[0]));
        }
        let statistics = StatisticsQuery::new("cpu", scoped.clone()).expect("as the query");
        let counted: u64 =
            store::statistics(reader, &statistics).expect("the same").iter().map(|one| one.count).sum();
        assert_eq!(counted, found.iter().filter(|sample| &*sample.meter == "cpu").count() as u64);
    });
}
