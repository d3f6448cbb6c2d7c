//! `resource_metadata` of received samples: understood once, for all samples that have the same.
//!
//! An instance's metadata is most of each of its samples, and the same in all of them for as long as nothing happens to the instance. So
//! what follows from it is remembered by its text: what it amounts to, what is signed of it, how it is stored.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::bounds::Measure;
use crate::metadata::OUTER;
use crate::signature::flatten_fields;

/// Bytes of an instance's metadata, as a rule: one allocation instead of five.
const USUAL: usize = 1536;
/// What is remembered, in bytes: some ten thousand instances'.
const REMEMBERED: usize = 32 << 20;
/// What an entry takes beside its texts.
const ENTRY: usize = 256;

/// `resource_metadata` of a received sample, as it is stored.
#[derive(Debug)]
pub struct ReceivedMetadata {
    text: Box<str>,
    sha256: [u8; 32],
}

impl ReceivedMetadata {
    /// Of these fields.
    pub fn new(fields: &Map<String, Value>) -> Arc<Self> {
        let mut text = Vec::with_capacity(USUAL);
        // A map of JSON values always has a text, and it is UTF-8.
        let _ = serde_json::to_writer(&mut text, fields);
        let sha256 = Sha256::digest(&text).into();
        Arc::new(Self { text: String::from_utf8(text).unwrap_or_default().into(), sha256 })
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

/// What follows from a metadata's text.
#[derive(Debug)]
pub(super) struct Understood {
    pub metadata: Arc<ReceivedMetadata>,
    pub measure: Measure,
    /// What is signed of it; nothing where nothing is verified.
    pub signed: Box<[u8]>,
}

/// What metadata amounts to as a part of its sample.
pub(super) fn measure(fields: &Map<String, Value>) -> Measure {
    Measure::of(fields, OUTER.len() + 1)
}

/// What is signed of metadata that is within bounds.
pub(super) fn signed(fields: &Map<String, Value>) -> Vec<u8> {
    let mut text = Vec::with_capacity(USUAL);
    flatten_fields(&mut OUTER.into(), fields, &mut text);
    text
}

/// What has been understood, by its text.
#[derive(Debug)]
pub(super) struct Cache {
    known: HashMap<Box<str>, Understood>,
    bytes: usize,
    most: usize,
}

impl Default for Cache {
    fn default() -> Self {
        Self::of(REMEMBERED)
    }
}

impl Cache {
    /// Of so many bytes at most.
    pub(super) fn of(most: usize) -> Self {
        Self { known: HashMap::new(), bytes: 0, most }
    }

    pub(super) fn get(&self, text: &str) -> Option<&Understood> {
        self.known.get(text)
    }

    /// Remembers what a text means. Only of a sample whose signature was right: others choose their texts to be of no use.
    pub(super) fn remember(&mut self, text: String, understood: Understood) {
        let bytes = text.len() + understood.metadata.text.len() + understood.signed.len() + ENTRY;
        // Forgetting everything when full is crude and costs one reading of each.
        if self.bytes + bytes > self.most {
            self.known.clear();
            self.bytes = 0;
        }
        self.bytes += bytes;
        self.known.insert(text.into(), understood);
    }

    #[cfg(test)]
    pub(super) fn entries(&self) -> usize {
        self.known.len()
    }
}
