//! A received sample in the form in which stores take it.
//!
//! Made on the decoding threads, so that the one writer has nothing left to do but insert. What many samples have in common is told
//! by a SHA-256 of its content and not by a shorter or faster hash, because tenants and whoever publishes choose parts of it: nobody
//! may make one pass for another.

use std::sync::Arc;

use sample::Kind;
use sample::wire::{Received, ReceivedMetadata};
use sha2::{Digest, Sha256};

use crate::{MessageId, Volume};

/// One sample, ready to be stored.
#[derive(Clone, Debug)]
pub struct Row {
    pub(crate) message_id: MessageId,
    pub(crate) series: SeriesFields,
    pub(crate) metadata: Arc<ReceivedMetadata>,
    pub(crate) timestamp: i64,
    pub(crate) volume: Volume,
}

/// What the samples of a meter and a resource have in common.
#[derive(Clone, Debug)]
pub(crate) struct SeriesFields {
    pub sha256: [u8; 32],
    pub meter: String,
    pub kind: Kind,
    pub unit: String,
    pub source: String,
    pub resource_id: String,
    pub project_id: Option<String>,
    pub user_id: Option<String>,
}

impl SeriesFields {
    /// The hash of all other fields, each preceded by its length, so that no two series share a text.
    pub(crate) fn hashed(mut self) -> Self {
        let mut hash = Sha256::new();
        let mut add = |text: Option<&str>| {
            // No text is as long as that.
            let length = text.map_or(u32::MAX, |text| text.len() as u32);
            hash.update(length.to_le_bytes());
            hash.update(text.unwrap_or_default());
        };
        add(Some(&self.meter));
        add(Some(self.kind.as_str()));
        add(Some(&self.unit));
        add(Some(&self.source));
        add(Some(&self.resource_id));
        add(self.project_id.as_deref());
        add(self.user_id.as_deref());
        self.sha256 = hash.finalize().into();
        self
    }
}

impl From<Received> for Row {
    fn from(sample: Received) -> Self {
        let series = SeriesFields {
            sha256: [0; 32],
            meter: sample.meter,
            kind: sample.kind,
            unit: sample.unit,
            source: sample.source,
            resource_id: sample.resource_id,
            project_id: sample.project_id,
            user_id: sample.user_id,
        };
        Self {
            message_id: MessageId::new(&sample.message_id),
            series: series.hashed(),
            metadata: sample.metadata,
            timestamp: sample.timestamp.micros(),
            volume: Volume::new(&sample.volume),
        }
    }
}
