//! An instance's resource metadata, rendered once for its many samples.

use serde_json::{Map, Value};

/// `resource_metadata` of an instance: a JSON object, with the forms in which every sample of the instance repeats it
/// (JSON text, text to sign) kept beside it.
#[derive(Debug)]
pub struct Metadata {
    fields: Map<String, Value>,
}

impl Metadata {
    /// Takes the object as it is to stand on the wire.
    pub fn new(fields: Map<String, Value>) -> Self {
        Self { fields }
    }

    /// The object.
    pub fn fields(&self) -> &Map<String, Value> {
        &self.fields
    }
}
