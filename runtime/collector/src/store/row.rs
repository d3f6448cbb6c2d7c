//! A received sample in the form in which the store takes it.
//!
//! Made on the decoding threads, so that the one writer has nothing left to do but insert.

use sample::Kind;
use sample::wire::Received;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::id::MessageId;

/// One sample, ready to be inserted.
#[derive(Clone, Debug)]
pub struct Row {
    pub(super) message_id: MessageId,
    pub(super) meter: String,
    pub(super) resource_id: String,
    pub(super) project_id: Option<String>,
    pub(super) user_id: Option<String>,
    pub(super) form: Form,
    pub(super) metadata: Fields,
    pub(super) timestamp: i64,
    pub(super) volume: String,
    pub(super) amount: f64,
}

/// What nearly all samples of a meter have in common.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Form {
    pub kind: Kind,
    pub unit: String,
    pub source: String,
}

/// `resource_metadata` as JSON text, and its SHA-256, by which equal ones are stored once. It is not a shorter or faster hash
/// because tenants choose parts of the text: nobody may make one text pass for another.
#[derive(Clone, Debug)]
pub(super) struct Fields {
    pub hash: [u8; 32],
    pub text: String,
}

/// Bytes of an instance's metadata, as a rule: one allocation instead of five.
const USUAL: usize = 1536;

impl Fields {
    fn new(fields: &Map<String, Value>) -> Self {
        let mut text = Vec::with_capacity(USUAL);
        // A map of JSON values always has a text, and it is UTF-8.
        let _ = serde_json::to_writer(&mut text, fields);
        Self { hash: Sha256::digest(&text).into(), text: String::from_utf8(text).unwrap_or_default() }
    }
}

impl From<Received> for Row {
    fn from(sample: Received) -> Self {
        let volume = sample.volume.as_str().to_owned();
        Self {
            message_id: MessageId::new(&sample.message_id),
            meter: sample.meter,
            resource_id: sample.resource_id,
            project_id: sample.project_id,
            user_id: sample.user_id,
            form: Form { kind: sample.kind, unit: sample.unit, source: sample.source },
            metadata: Fields::new(&sample.metadata),
            timestamp: sample.timestamp.micros(),
            // Finite in whatever was received; NaN would be NULL to SQLite.
            amount: volume.parse().unwrap_or(f64::MAX),
            volume,
        }
    }
}
