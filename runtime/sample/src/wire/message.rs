//! A message's object, enveloped or not, read in one pass: the few fields that tell what it is, and its sample dicts.

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess};
use serde_json::Value;

use super::sample_dict::SampleDict;
use super::shape::{Shape, items};
use crate::bounds::MAX_SAMPLES;

/// What stands where a message should be; none: no object.
pub(super) struct Root(pub Option<Message>);

/// The fields of a message, of the envelope and of what is in it. Of a field that comes twice, the last one counts, as in Python.
#[derive(Default)]
pub(super) struct Message {
    /// `oslo.version`
    pub envelope: Option<Value>,
    /// `oslo.message`
    pub inner: Option<Value>,
    /// `event_type`
    pub event_type: Option<Value>,
    /// `method`
    pub method: Option<Value>,
    /// `version`
    pub version: Option<Value>,
    /// `namespace`
    pub namespace: Option<Value>,
    /// `payload`
    pub payload: Option<Payload>,
    /// `args`
    pub arguments: Option<Payload>,
}

/// What samples may be in.
pub(super) enum Payload {
    /// An object, with what it has of these.
    Object { samples: Option<Samples>, data: Option<Samples> },
    /// A bare list.
    List(Samples),
    /// Neither.
    Other,
}

/// What stands where samples should be.
pub(super) enum Samples {
    /// A list.
    List(Vec<SampleDict>),
    /// A list of so many, more than [`MAX_SAMPLES`]; they were not kept.
    TooMany(usize),
    /// No list.
    None,
}

impl<'de> Deserialize<'de> for Root {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::read(deserializer)
    }
}

impl<'de> Deserialize<'de> for Payload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::read(deserializer)
    }
}

impl<'de> Deserialize<'de> for Samples {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::read(deserializer)
    }
}

impl Shape for Root {
    fn object<'de, A: MapAccess<'de>>(first: Option<String>, mut rest: A) -> Result<Self, A::Error> {
        let mut message = Message::default();
        let mut next = first;
        while let Some(key) = next {
            match key.as_str() {
                "oslo.version" => message.envelope = Some(rest.next_value()?),
                "oslo.message" => message.inner = Some(rest.next_value()?),
                "event_type" => message.event_type = Some(rest.next_value()?),
                "method" => message.method = Some(rest.next_value()?),
                "version" => message.version = Some(rest.next_value()?),
                "namespace" => message.namespace = Some(rest.next_value()?),
                "payload" => message.payload = Some(rest.next_value()?),
                "args" => message.arguments = Some(rest.next_value()?),
                // Read all the same, so that a body is JSON to the last of its fields.
                _ => drop(rest.next_value::<Value>()?),
            }
            next = rest.next_key()?;
        }
        Ok(Self(Some(message)))
    }

    fn list<'de, A: SeqAccess<'de>>(list: A) -> Result<Self, A::Error> {
        items(list).map(|_| Self(None))
    }

    fn other(_: Value) -> Self {
        Self(None)
    }
}

impl Shape for Payload {
    fn object<'de, A: MapAccess<'de>>(first: Option<String>, mut rest: A) -> Result<Self, A::Error> {
        let (mut samples, mut data) = (None, None);
        let mut next = first;
        while let Some(key) = next {
            match key.as_str() {
                "samples" => samples = Some(rest.next_value()?),
                "data" => data = Some(rest.next_value()?),
                _ => drop(rest.next_value::<Value>()?),
            }
            next = rest.next_key()?;
        }
        Ok(Self::Object { samples, data })
    }

    fn list<'de, A: SeqAccess<'de>>(list: A) -> Result<Self, A::Error> {
        Samples::list(list).map(Self::List)
    }

    fn other(_: Value) -> Self {
        Self::Other
    }
}

impl Shape for Samples {
    fn object<'de, A: MapAccess<'de>>(first: Option<String>, mut rest: A) -> Result<Self, A::Error> {
        if first.is_some() {
            rest.next_value::<Value>()?;
        }
        while rest.next_entry::<String, Value>()?.is_some() {}
        Ok(Self::None)
    }

    fn list<'de, A: SeqAccess<'de>>(mut list: A) -> Result<Self, A::Error> {
        let mut samples = Vec::new();
        while samples.len() < MAX_SAMPLES {
            match list.next_element()? {
                Some(sample) => samples.push(sample),
                None => return Ok(Self::List(samples)),
            }
        }
        let mut more = 0;
        while list.next_element::<Value>()?.is_some() {
            more += 1;
        }
        Ok(if more == 0 { Self::List(samples) } else { Self::TooMany(samples.len() + more) })
    }

    fn other(_: Value) -> Self {
        Self::None
    }
}
