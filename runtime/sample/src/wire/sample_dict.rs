//! A sample dict as it came, not looked into yet.

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess};
use serde_json::{Map, Value};

use super::shape::{Shape, items};
use super::text::CopyTo;
use crate::metadata::OUTER;

/// Bytes of metadata to begin with: most instances' double it once or twice.
const LEAST: usize = 512;

/// A sample dict as it came: JSON, and no more is known of it. Its metadata is text still: it is most of the sample, and many samples
/// have the same.
#[derive(Clone, Debug)]
pub struct SampleDict(pub(super) Form);

#[derive(Clone, Debug)]
pub(super) enum Form {
    /// An object.
    Fields {
        /// All others. The metadata is among them where it is no object.
        fields: Map<String, Value>,
        /// The text of an object.
        metadata: Option<String>,
    },
    /// No object.
    Other(Value),
}

impl SampleDict {
    /// As a JSON value, the metadata after all other fields.
    pub fn into_value(self) -> Value {
        match self.0 {
            Form::Other(value) => value,
            Form::Fields { mut fields, metadata } => {
                if let Some(metadata) = metadata {
                    let read =
                        serde_json::from_str(&metadata).map_or_else(|_| metadata.into(), Value::Object);
                    fields.insert(OUTER.to_owned(), read);
                }
                Value::Object(fields)
            }
        }
    }
}

impl From<Value> for SampleDict {
    fn from(value: Value) -> Self {
        let Value::Object(mut fields) = value else { return Self(Form::Other(value)) };
        let metadata = match fields.get(OUTER) {
            // A map of JSON values always has a text.
            Some(Value::Object(metadata)) => serde_json::to_string(metadata).ok(),
            _ => None,
        };
        if metadata.is_some() {
            fields.swap_remove(OUTER);
        }
        Self(Form::Fields { fields, metadata })
    }
}

impl<'de> Deserialize<'de> for SampleDict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::read(deserializer)
    }
}

impl Shape for SampleDict {
    fn object<'de, A: MapAccess<'de>>(first: Option<String>, mut rest: A) -> Result<Self, A::Error> {
        let (mut fields, mut metadata) = (Map::new(), None);
        let mut next = first;
        while let Some(key) = next {
            // Of a key that comes twice, the last one counts, as in Python.
            if key == OUTER {
                let mut text = Vec::with_capacity(LEAST);
                rest.next_value_seed(CopyTo(&mut text))?;
                // A message may have thousands of samples with hardly any.
                if text.len() < LEAST / 2 {
                    text.shrink_to_fit();
                }
                let text = String::from_utf8(text).map_err(Error::custom)?;
                fields.swap_remove(OUTER);
                metadata = None;
                if text.starts_with('{') {
                    metadata = Some(text);
                } else {
                    let value = serde_json::from_str(&text).map_err(Error::custom)?;
                    fields.insert(key, value);
                }
            } else {
                fields.insert(key, rest.next_value()?);
            }
            next = rest.next_key()?;
        }
        Ok(Self(Form::Fields { fields, metadata }))
    }

    fn list<'de, A: SeqAccess<'de>>(list: A) -> Result<Self, A::Error> {
        Ok(Self::other(Value::Array(items(list)?)))
    }

    fn other(value: Value) -> Self {
        Self(Form::Other(value))
    }
}
