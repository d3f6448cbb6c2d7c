//! One reading of a meter for a resource, ready to be published.

use std::sync::Arc;

use uuid::Uuid;

use crate::{Kind, Metadata, Timestamp, Volume};

/// A sample with everything that Ceilometer's sample dict carries but the signature, which is made on encoding.
///
/// Texts that many samples share are behind [`Arc`], for a cycle makes thousands of samples.
#[derive(Clone, Debug)]
pub struct Sample {
    /// `source`: the operator's name for this cloud; Ceilometer's default is `openstack`.
    pub source: Arc<str>,
    /// `counter_name`.
    pub meter: Arc<str>,
    /// `counter_type`.
    pub kind: Kind,
    /// `counter_unit`.
    pub unit: Arc<str>,
    /// `counter_volume`.
    pub volume: Volume,
    /// `user_id`, as in nova's metadata; null on the wire where there is none.
    pub user_id: Option<Arc<str>>,
    /// `project_id`, as in nova's metadata; null on the wire where there is none.
    pub project_id: Option<Arc<str>>,
    /// `user_name`, where known.
    pub user_name: Option<Arc<str>>,
    /// `project_name`, where known.
    pub project_name: Option<Arc<str>>,
    /// `resource_id`: the instance's UUID, or a disk or vnic of it.
    pub resource_id: Arc<str>,
    /// `timestamp`: when the poll began.
    pub timestamp: Timestamp,
    /// `resource_metadata`: what is known of the instance, shared by all its samples.
    pub metadata: Arc<Metadata>,
    /// What this sample adds to `resource_metadata`, or puts in place of the instance's; nested objects stand alone (no deep merge). The
    /// samples of a disk or a vnic share it.
    pub extra: Option<Arc<Metadata>>,
    /// `message_id`: unique to this sample; the collector stores it once.
    pub message_id: Uuid,
    /// `monotonic_time`: seconds of the host's monotonic clock when the snapshot was taken.
    pub monotonic_time: Option<f64>,
}
