//! Building samples.

use crate::{Sample, Value, Volume};

impl Sample {
    /// A sample of a declared meter for the polled instance: a `u64` is a count, an `i64` signed, an `f64` real.
    pub fn new(meter: &str, volume: impl Into<Volume>) -> Self {
        Self { meter: meter.into(), volume: volume.into(), resource_id: None, metadata: Vec::new() }
    }

    /// For a part of the instance: a disk (`<uuid>-vda`) or a vnic.
    pub fn of(mut self, resource_id: impl Into<String>) -> Self {
        self.resource_id = Some(resource_id.into());
        self
    }

    /// Adds a key to the resource metadata; a dotted key becomes a nested object.
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.metadata.push((key.into(), value.into()));
        self
    }

    /// Adds keys that several samples share.
    pub fn with_all(mut self, metadata: &[(String, Value)]) -> Self {
        self.metadata.extend_from_slice(metadata);
        self
    }
}

macro_rules! from {
    ($($kind:ty, $target:ident::$case:ident;)*) => {
        $(impl From<$kind> for $target {
            fn from(value: $kind) -> Self {
                Self::$case(value)
            }
        })*
    };
}

from! {
    u64, Volume::Count;
    i64, Volume::Signed;
    f64, Volume::Real;
    String, Value::Text;
    i64, Value::Integer;
    f64, Value::Real;
    bool, Value::Flag;
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<&String> for Value {
    fn from(text: &String) -> Self {
        Self::Text(text.clone())
    }
}

/// What is none is null.
impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}
