//! Ceilometer's JSON, field by field.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sample::Timestamp;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::{Map, Number, Value};

use crate::fault::Fault;
use crate::flatten::flatten;
use crate::links::Base;
use crate::parameters::Asked;

/// The most bytes of an answer. Names repeat in flattened metadata, so an answer may be far larger than what was read for it.
pub(crate) const MAX_ANSWER: usize = 128 << 20;

/// A list of these as JSON text.
pub(crate) fn list<T: Serialize>(items: impl Iterator<Item = T>) -> Result<Vec<u8>, Fault> {
    list_within(items, MAX_ANSWER)
}

/// The same of no more than so many bytes.
pub(crate) fn list_within<T: Serialize>(
    items: impl Iterator<Item = T>,
    most: usize,
) -> Result<Vec<u8>, Fault> {
    let mut out = vec![b'['];
    for (index, item) in items.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write(&item, &mut out)?;
        if out.len() > most {
            return Err(Fault::bad(format!(
                "The answer has more than {} MiB: lower the limit, or narrow the query",
                most >> 20
            )));
        }
    }
    out.push(b']');
    Ok(out)
}

/// One of these as JSON text.
pub(crate) fn one<T: Serialize>(item: &T) -> Result<Vec<u8>, Fault> {
    let mut out = Vec::new();
    write(item, &mut out)?;
    Ok(out)
}

fn write<T: Serialize>(item: &T, out: &mut Vec<u8>) -> Result<(), Fault> {
    serde_json::to_writer(out, item).map_err(|error| {
        tracing::error!(%error, "api: an answer has no form in JSON");
        Fault::inside()
    })
}

fn text<S: Serializer>(item: &impl std::fmt::Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(item)
}

/// `Sample`.
#[derive(Serialize)]
pub(crate) struct Sample<'a> {
    id: &'a str,
    meter: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    unit: &'a str,
    volume: &'a Number,
    user_id: Option<&'a str>,
    project_id: Option<&'a str>,
    resource_id: &'a str,
    source: &'a str,
    #[serde(serialize_with = "text")]
    timestamp: Timestamp,
    #[serde(serialize_with = "text")]
    recorded_at: Timestamp,
    metadata: Map<String, Value>,
}

impl<'a> From<&'a store::StoredSample> for Sample<'a> {
    fn from(sample: &'a store::StoredSample) -> Self {
        Self {
            id: &sample.message_id,
            meter: &sample.meter,
            kind: sample.kind.as_str(),
            unit: &sample.unit,
            volume: &sample.volume,
            user_id: sample.user_id.as_deref(),
            project_id: sample.project_id.as_deref(),
            resource_id: &sample.resource_id,
            source: &sample.source,
            timestamp: sample.timestamp,
            recorded_at: sample.recorded_at,
            metadata: flatten(&sample.metadata),
        }
    }
}

/// `OldSample`, a meter's. One that was just created has not been recorded.
#[derive(Serialize)]
pub(crate) struct OldSample<'a> {
    source: &'a str,
    counter_name: &'a str,
    counter_type: &'static str,
    counter_unit: &'a str,
    counter_volume: &'a Number,
    user_id: Option<&'a str>,
    project_id: Option<&'a str>,
    resource_id: &'a str,
    #[serde(serialize_with = "text")]
    timestamp: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    recorded_at: Option<String>,
    resource_metadata: Map<String, Value>,
    message_id: &'a str,
}

impl<'a> From<&'a store::StoredSample> for OldSample<'a> {
    fn from(sample: &'a store::StoredSample) -> Self {
        Self {
            source: &sample.source,
            counter_name: &sample.meter,
            counter_type: sample.kind.as_str(),
            counter_unit: &sample.unit,
            counter_volume: &sample.volume,
            user_id: sample.user_id.as_deref(),
            project_id: sample.project_id.as_deref(),
            resource_id: &sample.resource_id,
            timestamp: sample.timestamp,
            recorded_at: Some(sample.recorded_at.to_string()),
            resource_metadata: flatten(&sample.metadata),
            message_id: &sample.message_id,
        }
    }
}

impl<'a> From<&'a sample::wire::Received> for OldSample<'a> {
    fn from(sample: &'a sample::wire::Received) -> Self {
        Self {
            source: &sample.source,
            counter_name: &sample.meter,
            counter_type: sample.kind.as_str(),
            counter_unit: &sample.unit,
            counter_volume: &sample.volume,
            user_id: sample.user_id.as_deref(),
            project_id: sample.project_id.as_deref(),
            resource_id: &sample.resource_id,
            timestamp: sample.timestamp,
            recorded_at: None,
            resource_metadata: flatten(&sample.metadata.fields()),
            message_id: &sample.message_id,
        }
    }
}

/// `Meter`.
#[derive(Serialize)]
pub(crate) struct Meter<'a> {
    name: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    unit: &'a str,
    resource_id: Option<&'a str>,
    project_id: Option<&'a str>,
    user_id: Option<&'a str>,
    source: Option<&'a str>,
    meter_id: String,
}

impl<'a> From<&'a store::Meter> for Meter<'a> {
    fn from(meter: &'a store::Meter) -> Self {
        // What Python makes of a resource that is not told.
        let resource = meter.resource_id.as_deref().unwrap_or("None");
        Self {
            name: &meter.name,
            kind: meter.kind.as_str(),
            unit: &meter.unit,
            resource_id: meter.resource_id.as_deref(),
            project_id: meter.project_id.as_deref(),
            user_id: meter.user_id.as_deref(),
            source: meter.source.as_deref(),
            meter_id: STANDARD.encode(format!("{resource}+{}", meter.name)),
        }
    }
}

/// `Link`.
#[derive(Serialize)]
struct Link<'a> {
    href: String,
    rel: &'a str,
}

/// `Resource`.
#[derive(Serialize)]
pub(crate) struct Resource<'a> {
    resource_id: &'a str,
    project_id: Option<&'a str>,
    user_id: Option<&'a str>,
    #[serde(serialize_with = "text")]
    first_sample_timestamp: Timestamp,
    #[serde(serialize_with = "text")]
    last_sample_timestamp: Timestamp,
    metadata: Map<String, Value>,
    links: Vec<Link<'a>>,
    source: &'a str,
}

impl<'a> Resource<'a> {
    /// With a link to itself and to each of its meters that is told.
    pub(crate) fn new(resource: &'a store::Resource, base: &Base) -> Self {
        let id: &str = &resource.resource_id;
        let itself = Link { href: base.resource(id), rel: "self" };
        let meters =
            resource.meters.iter().map(|meter: &Arc<str>| Link { href: base.meter(meter, id), rel: meter });
        Self {
            resource_id: id,
            project_id: resource.project_id.as_deref(),
            user_id: resource.user_id.as_deref(),
            first_sample_timestamp: resource.first,
            last_sample_timestamp: resource.last,
            metadata: flatten(&resource.metadata),
            links: std::iter::once(itself).chain(meters).collect(),
            source: &resource.source,
        }
    }
}

/// `Statistics`. Where aggregates were chosen, there are these alone, as in Ceilometer: each in `aggregate`, and the usual ones under
/// their own names as well. The duration is what of it lies within the time that is asked for; null where a `search_offset` found samples
/// outside of that alone.
pub(crate) struct Statistics<'a>(pub &'a store::Statistics, pub Asked);

impl Serialize for Statistics<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let it = self.0;
        let chosen: Vec<(String, f64)> =
            it.aggregates.iter().map(|(aggregate, value)| (aggregate.to_string(), *value)).collect();
        let is_told = |name: &str| chosen.is_empty() || chosen.iter().any(|(other, _)| other == name);
        let mut map = serializer.serialize_map(None)?;
        let groups: Option<Map<String, Value>> = (!it.group.is_empty()).then(|| {
            let field = |value: &Option<Arc<str>>| value.as_deref().map_or(Value::Null, Value::from);
            it.group.iter().map(|(by, value)| (by.as_str().to_owned(), field(value))).collect()
        });
        map.serialize_entry("groupby", &groups)?;
        map.serialize_entry("unit", &it.unit)?;
        for (name, value) in [("min", it.min), ("max", it.max), ("avg", it.avg), ("sum", it.sum)] {
            if is_told(name) {
                map.serialize_entry(name, &value)?;
            }
        }
        if is_told("count") {
            map.serialize_entry("count", &it.count)?;
        }
        if !chosen.is_empty() {
            let values: Map<String, Value> =
                chosen.iter().map(|(name, value)| (name.clone(), Value::from(*value))).collect();
            map.serialize_entry("aggregate", &values)?;
        }
        let span = self.1.within(it.duration_start, it.duration_end);
        let seconds = span.map(|(first, last)| (last.micros() - first.micros()) as f64 / 1e6);
        map.serialize_entry("duration", &seconds)?;
        map.serialize_entry("duration_start", &span.map(|(first, _)| first.to_string()))?;
        map.serialize_entry("duration_end", &span.map(|(_, last)| last.to_string()))?;
        map.serialize_entry("period", &it.period)?;
        map.serialize_entry("period_start", &it.period_start.to_string())?;
        map.serialize_entry("period_end", &it.period_end.to_string())?;
        map.end()
    }
}
