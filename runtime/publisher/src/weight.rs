//! About how much memory a waiting sample takes, so that a queue can be bounded by it.

use sample::Sample;
use serde_json::{Map, Value};

/// A sample without keys of its own: the struct, its id, and its share of what others have too.
const SAMPLE: usize = 512;
/// An entry of an object beside its key's text and its value's: key, value, hash and index, with the room that maps keep.
const ENTRY: usize = 160;
/// An item of a list.
const ITEM: usize = 64;

/// Bytes of these samples, about. Metadata of the instance is shared by its samples and not counted.
pub(crate) fn weight(samples: &[Sample]) -> usize {
    samples.iter().map(|sample| SAMPLE + object(&sample.extra)).sum()
}

// As deep as `sample::check` lets a sample be.
fn object(fields: &Map<String, Value>) -> usize {
    fields.iter().map(|(key, value)| ENTRY + key.len() + heap(value)).sum()
}

fn heap(value: &Value) -> usize {
    match value {
        Value::Object(fields) => object(fields),
        Value::Array(items) => items.iter().map(|item| ITEM + heap(item)).sum(),
        Value::String(text) => text.len(),
        Value::Number(number) => number.as_str().len(),
        Value::Null | Value::Bool(_) => 0,
    }
}
