//! A store of its own for a test, and samples to try it with.

use std::path::PathBuf;
use std::sync::Arc;

use sample::wire::{Received, ReceivedMetadata};
use sample::{Kind, Timestamp};
use serde_json::json;
use store::{SampleQuery, Sqlite, Store, StoredSample, Writer};
use tempfile::TempDir;

pub(super) struct Fixture {
    _folder: TempDir,
    pub path: PathBuf,
    pub writer: Box<dyn Writer>,
}

impl Fixture {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("samples.db");
        let writer = Sqlite::new(&path).writer().unwrap();
        Self { _folder: folder, path, writer }
    }

    /// With so many samples of `cpu`, a second apart, of five resources.
    pub(super) fn with(count: usize) -> Self {
        let mut fixture = Self::new();
        let rows: Vec<_> = (0..count).map(|number| received(number).into()).collect();
        fixture.writer.append(&rows).unwrap();
        fixture
    }

    pub(super) fn store(&self) -> Arc<dyn Store> {
        Arc::new(Sqlite::new(&self.path))
    }

    /// The newest samples.
    pub(super) fn newest(&self) -> Vec<StoredSample> {
        let query = SampleQuery::parse(None, None, None).unwrap();
        store::samples(&mut *self.store().reader().unwrap(), &query).unwrap()
    }
}

pub(super) fn received(number: usize) -> Received {
    Received {
        source: "openstack".into(),
        meter: "cpu".into(),
        kind: Kind::Cumulative,
        unit: "ns".into(),
        volume: number.into(),
        user_id: Some("u1".into()),
        project_id: Some("p1".into()),
        resource_id: format!("instance-{}", number % 5),
        timestamp: Timestamp::from_micros(1_767_225_600_000_000 + number as i64 * 1_000_000).unwrap(),
        metadata: ReceivedMetadata::new(
            json!({"display_name": format!("web-{}", number % 5)}).as_object().unwrap(),
        ),
        message_id: format!("{number:08x}-c7f6-11f0-8a3c-0242ac110002"),
        monotonic_time: None,
    }
}
