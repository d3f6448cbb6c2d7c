//! `resource_metadata` of received samples: understood once, for all samples that have the same.
//!
//! An instance's metadata is most of each of its samples, and the same in all of them for as long as nothing happens to the instance. So
//! what follows from it is remembered by its text: what it amounts to, what is signed of it, how it is stored.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::value::RawValue;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::bounds::Measure;
use crate::metadata::OUTER;
use crate::signature::flatten_fields;

/// Bytes of an instance's metadata, as a rule: one allocation instead of five.
const USUAL: usize = 1536;
/// What is remembered, in bytes of texts: some ten thousand instances'.
const REMEMBERED: usize = 32 << 20;
/// What an entry takes beside its texts.
const ENTRY: usize = 256;

/// `resource_metadata` of a received sample.
#[derive(Debug)]
pub struct ReceivedMetadata {
    text: String,
    sha256: [u8; 32],
    pub(super) measure: Measure,
    pub(super) signed: Vec<u8>,
}

impl ReceivedMetadata {
    /// Of these fields.
    pub fn new(fields: &Map<String, Value>) -> Arc<Self> {
        let measure = Measure::of(fields, OUTER.len() + 1);
        let (mut signed, mut text) = (Vec::new(), Vec::new());
        // What is too large to be signed is refused, and costs no more than being measured.
        if !measure.is_refused() {
            signed.reserve(USUAL);
            flatten_fields(&mut OUTER.into(), fields, &mut signed);
            text.reserve(USUAL);
            // A map of JSON values always has a text, and it is UTF-8.
            let _ = serde_json::to_writer(&mut text, fields);
        }
        let sha256 = Sha256::digest(&text).into();
        Arc::new(Self { text: String::from_utf8(text).unwrap_or_default(), sha256, measure, signed })
    }

    /// As JSON, in the order in which it came, without spaces.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Of the text.
    pub fn sha256(&self) -> &[u8; 32] {
        &self.sha256
    }

    /// The fields, read from the text.
    pub fn fields(&self) -> Map<String, Value> {
        serde_json::from_str(&self.text).unwrap_or_default()
    }
}

/// What has been understood, by the text in which it came. One for each thread that reads samples.
#[derive(Debug, Default)]
pub struct MetadataCache {
    known: HashMap<Box<str>, Arc<ReceivedMetadata>>,
    bytes: usize,
}

impl MetadataCache {
    pub(super) fn get(&self, text: &str) -> Option<Arc<ReceivedMetadata>> {
        self.known.get(text).cloned()
    }

    /// Remembers what a text means. Only of a sample whose signature was right: others choose their texts to be of no use.
    pub(super) fn remember(&mut self, text: Box<RawValue>, metadata: Arc<ReceivedMetadata>) {
        let bytes = text.get().len() + metadata.text.len() + metadata.signed.len() + ENTRY;
        // Forgetting everything when full is crude and costs one reading of each.
        if self.bytes + bytes > REMEMBERED {
            self.known.clear();
            self.bytes = 0;
        }
        self.bytes += bytes;
        self.known.insert(text.into(), metadata);
    }

    #[cfg(test)]
    pub(super) fn entries(&self) -> usize {
        self.known.len()
    }
}
