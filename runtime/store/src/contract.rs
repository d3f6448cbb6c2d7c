//! What a store is to the collector, to queries and to the command line.
//!
//! A [`Store`] says where samples are and opens connections to them: [`Writer`]s, which take batches and delete what is old, and
//! [`Reader`]s, which find. Readers know nothing of Ceilometer's queries: they give what the indexes of every store can give
//! quickly, and [`query`](crate::query) makes answers of it, the same ones for every store.
//!
//! # The model
//! ```text
//!  sample ──▶ series     meter, type, unit, source, resource_id, project_id, user_id: once for each combination
//!         ──▶ metadata   resource_metadata, once by content
//! ```
//! A sample itself is a message_id, a volume and two times. Ids of series, meters, resources and metadata are the store's own.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use sample::Kind;

use crate::{MessageId, Row, StoreError, Volume};

/// Where samples are. Its `Display` is for logs: a path, or an address without credentials.
pub trait Store: fmt::Debug + fmt::Display + Send + Sync {
    /// A connection that stores samples; makes the store where there is none, and migrates an older one.
    ///
    /// # Errors
    /// [`StoreError`]; what [may pass](StoreError::may_pass) can be tried again.
    fn writer(&self) -> Result<Box<dyn Writer>, StoreError>;

    /// A connection that only reads. It makes and migrates nothing.
    ///
    /// # Errors
    /// [`StoreError`]: [`StoreError::Missing`] and [`StoreError::TooOld`] among others.
    fn reader(&self) -> Result<Box<dyn Reader>, StoreError>;
}

/// A connection that stores samples and deletes them. After an error it may be of no use: see [`Writer::is_usable`].
pub trait Writer: fmt::Debug + Send {
    /// Stores a batch. When this returns, all of it is on the disk and can be read; or, after an error, nothing of it.
    /// A sample whose message_id is there already, or twice in the batch, is left out and counted.
    ///
    /// # Errors
    /// [`StoreError`]: nothing of the batch is stored.
    fn append(&mut self, rows: &[Row]) -> Result<Appended, StoreError>;

    /// The timestamps of the oldest and the newest sample, in microseconds since 1970; none where there is no sample.
    ///
    /// # Errors
    /// [`StoreError`].
    fn times(&mut self) -> Result<Option<(i64, i64)>, StoreError>;

    /// Bytes that samples, metadata and indexes take. What deletion left free does not count.
    ///
    /// # Errors
    /// [`StoreError`].
    fn bytes(&mut self) -> Result<u64, StoreError>;

    /// Deletes some of the oldest samples: none of the time `before` or later where one is given, and about `most` of them, or a
    /// whole partition where that is less work. Says how many went; none means that no more are left to delete.
    ///
    /// # Errors
    /// [`StoreError`]: nothing was deleted.
    fn delete_oldest(&mut self, before: Option<i64>, most: usize) -> Result<usize, StoreError>;

    /// Deletes metadata and series that no sample refers to, of each at most so many.
    ///
    /// # Errors
    /// As [`Writer::delete_oldest`].
    fn sweep(&mut self, most: usize) -> Result<Swept, StoreError>;

    /// Whether it can be used, or has failed and must be opened anew.
    fn is_usable(&self) -> bool;
}

/// What became of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Appended {
    /// Samples that are in the store now and were not before.
    pub stored: usize,
    /// Samples that the store had already, or the batch twice.
    pub duplicates: usize,
}

/// What a transaction deleted of what no sample refers to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Entries of resource metadata.
    pub metadata: usize,
    /// Series.
    pub series: usize,
}

/// A connection that reads.
///
/// Every method but [`begin`](Reader::begin) fails with [`StoreError::TooBroad`] once the time that `begin` gave is over, and with
/// other [`StoreError`]s; after an error the next `begin` starts anew.
pub trait Reader: fmt::Debug + Send {
    /// From here to the next `begin`, or to [`end`](Reader::end), everything is read as the store is now, and for no longer than `time`.
    ///
    /// # Errors
    /// [`StoreError`].
    fn begin(&mut self, time: Duration) -> Result<(), StoreError>;

    /// Nothing more is read for now: what the moment held in the store is given back. Never fails; a broken connection shows later.
    fn end(&mut self);

    /// The ids of a meter's name; none where no sample has it.
    ///
    /// # Errors
    /// [`StoreError`].
    fn meter(&mut self, name: &str) -> Result<Option<i64>, StoreError>;

    /// Series of the catalogue with ids above `after`, in the order of their ids, at most `most`.
    ///
    /// # Errors
    /// [`StoreError`].
    fn series(&mut self, wanted: &Catalogue, after: i64, most: usize) -> Result<Vec<Series>, StoreError>;

    /// Series by their ids, in any order; ids that are nobody's are left out.
    ///
    /// # Errors
    /// [`StoreError`].
    fn series_by_id(&mut self, ids: &[i64]) -> Result<Vec<Series>, StoreError>;

    /// Ids, above `after` and ascending, of the resources that have such series, at most `most`.
    ///
    /// # Errors
    /// [`StoreError`].
    fn resources(&mut self, wanted: &Catalogue, after: i64, most: usize) -> Result<Vec<i64>, StoreError>;

    /// Metadata as JSON text by their ids, in any order; ids that are nobody's are left out.
    ///
    /// # Errors
    /// [`StoreError`].
    fn metadata(&mut self, ids: &[i64]) -> Result<Vec<(i64, String)>, StoreError>;

    /// Starts to read samples; a scan before it ends.
    ///
    /// # Errors
    /// [`StoreError`].
    fn scan(&mut self, scan: &Scan) -> Result<(), StoreError>;

    /// The next samples of the scan, in its order, at most `most`; none when there are no more. Other methods may be called between.
    ///
    /// # Errors
    /// [`StoreError`].
    fn next(&mut self, most: usize) -> Result<Vec<Found>, StoreError>;

    /// For each of the resources that has samples in the range: the time of the first, and the newest sample, in any order.
    ///
    /// # Errors
    /// [`StoreError`].
    fn ends(&mut self, resources: &[i64], range: Range) -> Result<Vec<Ends>, StoreError>;

    /// Tallies of volumes, by group and period, in any order; [`StoreError::TooMany`] where they are more than `most`.
    ///
    /// # Errors
    /// [`StoreError`].
    fn tally(&mut self, tallied: &Tallied<'_>, most: usize) -> Result<Vec<Tally>, StoreError>;
}

/// Which series: those that are in each of the lists that are given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalogue {
    /// Names of meters.
    pub meters: Option<Vec<String>>,
    /// Ids of resources, as samples have them.
    pub resources: Option<Vec<String>>,
    /// Ids of projects, as samples have them.
    pub projects: Option<Vec<String>>,
}

/// What the samples of a meter and a resource have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Series {
    /// The store's id of the series.
    pub id: i64,
    /// The store's id of the resource.
    pub resource: i64,
    /// The meter's name.
    pub meter: Arc<str>,
    /// How volumes relate.
    pub kind: Kind,
    /// Their unit.
    pub unit: Arc<str>,
    /// The cloud that they come from.
    pub source: Arc<str>,
    /// The instance's UUID, or a disk or vnic of it.
    pub resource_id: Arc<str>,
    /// Whose the resource is.
    pub project_id: Option<Arc<str>>,
    /// Who made the resource.
    pub user_id: Option<Arc<str>>,
}

/// Times of samples, in microseconds since 1970, UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Range {
    /// None before this.
    pub from: Option<i64>,
    /// None of this time or later.
    pub until: Option<i64>,
}

/// The samples that an index gives, one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Path {
    /// The sample of a message_id.
    Message(MessageId),
    /// A resource's samples, of all meters or of one, by the store's ids.
    Resource {
        /// The resource.
        resource: i64,
        /// The meter.
        meter: Option<i64>,
    },
    /// A meter's samples, by the store's id.
    Meter(i64),
    /// All samples.
    Time,
}

/// By timestamp. Samples of one timestamp come in the order in which they were stored, or in the opposite one, as far as the store
/// knows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// The newest first.
    #[default]
    NewestFirst,
    /// The oldest first.
    OldestFirst,
}

/// Which samples to read, in which order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scan {
    /// Along which index.
    pub path: Path,
    /// Of which time.
    pub range: Range,
    /// In which order.
    pub order: Order,
}

/// A sample that was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// Unique to the sample.
    pub message_id: MessageId,
    /// The store's id of its series.
    pub series: i64,
    /// The store's id of its metadata.
    pub metadata: i64,
    /// When it was measured, in microseconds since 1970, UTC.
    pub timestamp: i64,
    /// When it was stored, the same.
    pub recorded_at: i64,
    /// What was measured.
    pub volume: Volume,
}

/// A resource's samples of a range, from end to end.
#[derive(Clone, Debug, PartialEq)]
pub struct Ends {
    /// The store's id of the resource.
    pub resource: i64,
    /// The timestamp of the first sample.
    pub first: i64,
    /// The newest sample.
    pub last: Found,
}

/// What to tally. The path is a meter's, or a resource's with a meter.
#[derive(Clone, Debug)]
pub struct Tallied<'a> {
    /// Along which index.
    pub path: Path,
    /// Of which time.
    pub range: Range,
    /// Groups by series; samples of other series do not count.
    pub groups: &'a HashMap<i64, u32>,
    /// Without it, there is one period.
    pub periods: Option<Periods>,
}

/// Periods of equal length, the first of which begins at `origin`. No sample of the range is earlier than that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Periods {
    /// Where period 0 begins, in microseconds since 1970.
    pub origin: i64,
    /// Microseconds of a period; above 0.
    pub length: i64,
}

impl Periods {
    /// The number of the period that a time lies in.
    pub fn number(self, timestamp: i64) -> u64 {
        u64::try_from(timestamp.saturating_sub(self.origin) / self.length.max(1)).unwrap_or(0)
    }
}

/// A tally of the volumes of a group in a period, as doubles.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tally {
    /// The group.
    pub group: u32,
    /// The number of the period, from 0.
    pub period: u64,
    /// Samples; at least one.
    pub count: u64,
    /// The least volume.
    pub min: f64,
    /// The largest volume.
    pub max: f64,
    /// All volumes together.
    pub sum: f64,
    /// The sum of the squared distances from their mean.
    pub squares: f64,
    /// The oldest timestamp, in microseconds since 1970.
    pub first: i64,
    /// The newest timestamp, the same.
    pub last: i64,
}

impl Tally {
    /// Of one volume.
    pub fn of(group: u32, period: u64, timestamp: i64, volume: f64) -> Self {
        Self {
            group,
            period,
            count: 1,
            min: volume,
            max: volume,
            sum: volume,
            squares: 0.0,
            first: timestamp,
            last: timestamp,
        }
    }

    /// Adds one volume (Welford's way, which does not cancel where volumes are large and near each other).
    pub fn add(&mut self, timestamp: i64, volume: f64) {
        let before = self.sum / self.count as f64;
        self.count += 1;
        self.sum += volume;
        self.squares += (volume - before) * (volume - self.sum / self.count as f64);
        self.min = self.min.min(volume);
        self.max = self.max.max(volume);
        self.first = self.first.min(timestamp);
        self.last = self.last.max(timestamp);
    }

    /// Adds another tally, whatever its group and period.
    pub fn merge(&mut self, other: &Self) {
        let (mine, its) = (self.count as f64, other.count as f64);
        let distance = other.sum / its - self.sum / mine;
        self.squares += other.squares + distance * distance * mine * its / (mine + its);
        self.count += other.count;
        self.sum += other.sum;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
    }
}

impl Series {
    /// Whether it is in every list of the catalogue that is given.
    pub fn is_in(&self, catalogue: &Catalogue) -> bool {
        let among = |list: &Option<Vec<String>>, name: Option<&str>| {
            list.as_ref().is_none_or(|list| name.is_some_and(|name| list.iter().any(|entry| entry == name)))
        };
        among(&catalogue.meters, Some(&self.meter))
            && among(&catalogue.resources, Some(&self.resource_id))
            && among(&catalogue.projects, self.project_id.as_deref())
    }
}
