//! From the API's JSON to what the store's own functions give.

use std::sync::Arc;

use sample::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Number, Value};
use store::query::{Aggregate, GroupBy};

use super::ClientError;

/// All of a list, or the first thing that is wrong with one.
pub(super) fn all<A, T: TryFrom<A, Error = ClientError>>(answers: Vec<A>) -> Result<Vec<T>, ClientError> {
    answers.into_iter().map(T::try_from).collect()
}

fn time(text: &str) -> Result<Timestamp, ClientError> {
    Timestamp::parse(text).map_err(|_| ClientError::Malformed("timestamps"))
}

fn kind(text: &str) -> Result<sample::Kind, ClientError> {
    text.parse().map_err(|_| ClientError::Malformed("types of meters"))
}

#[derive(Deserialize)]
pub(super) struct Sample {
    id: String,
    meter: Arc<str>,
    #[serde(rename = "type")]
    kind: String,
    unit: Option<Arc<str>>,
    volume: Number,
    user_id: Option<Arc<str>>,
    project_id: Option<Arc<str>>,
    resource_id: Arc<str>,
    source: Arc<str>,
    timestamp: String,
    recorded_at: String,
    metadata: Map<String, Value>,
}

impl TryFrom<Sample> for store::StoredSample {
    type Error = ClientError;

    fn try_from(sample: Sample) -> Result<Self, ClientError> {
        Ok(Self {
            resource_id: sample.resource_id,
            meter: sample.meter,
            kind: kind(&sample.kind)?,
            volume: sample.volume,
            unit: sample.unit.unwrap_or_default(),
            timestamp: time(&sample.timestamp)?,
            project_id: sample.project_id,
            user_id: sample.user_id,
            source: sample.source,
            metadata: Arc::new(sample.metadata),
            message_id: sample.id,
            recorded_at: time(&sample.recorded_at)?,
        })
    }
}

#[derive(Deserialize)]
pub(super) struct Meter {
    name: Arc<str>,
    #[serde(rename = "type")]
    kind: String,
    unit: Option<Arc<str>>,
    resource_id: Option<Arc<str>>,
    project_id: Option<Arc<str>>,
    user_id: Option<Arc<str>>,
    source: Option<Arc<str>>,
}

impl TryFrom<Meter> for store::Meter {
    type Error = ClientError;

    fn try_from(meter: Meter) -> Result<Self, ClientError> {
        Ok(Self {
            name: meter.name,
            kind: kind(&meter.kind)?,
            unit: meter.unit.unwrap_or_default(),
            resource_id: meter.resource_id,
            project_id: meter.project_id,
            user_id: meter.user_id,
            source: meter.source,
        })
    }
}

#[derive(Deserialize)]
struct Link {
    rel: Arc<str>,
}

#[derive(Deserialize)]
pub(super) struct Resource {
    resource_id: Arc<str>,
    project_id: Option<Arc<str>>,
    user_id: Option<Arc<str>>,
    first_sample_timestamp: String,
    last_sample_timestamp: String,
    metadata: Map<String, Value>,
    links: Vec<Link>,
    source: Arc<str>,
}

impl TryFrom<Resource> for store::Resource {
    type Error = ClientError;

    fn try_from(resource: Resource) -> Result<Self, ClientError> {
        // The first one leads to the resource itself, the others to its meters, one of which may be called `self`.
        let meters = resource.links.into_iter().skip(1).map(|link| link.rel).collect();
        Ok(Self {
            resource_id: resource.resource_id,
            project_id: resource.project_id,
            user_id: resource.user_id,
            source: resource.source,
            first: time(&resource.first_sample_timestamp)?,
            last: time(&resource.last_sample_timestamp)?,
            metadata: Arc::new(resource.metadata),
            meters,
        })
    }
}

#[derive(Deserialize)]
pub(super) struct Statistics {
    groupby: Option<Map<String, Value>>,
    unit: Option<Arc<str>>,
    count: Option<u64>,
    min: Option<f64>,
    max: Option<f64>,
    avg: Option<f64>,
    sum: Option<f64>,
    #[serde(default)]
    aggregate: Map<String, Value>,
    duration: f64,
    duration_start: String,
    duration_end: String,
    period: u64,
    period_start: String,
    period_end: String,
}

impl Statistics {
    /// For what was asked.
    pub(super) fn read(
        self,
        group_by: &[GroupBy],
        aggregates: &[Aggregate],
    ) -> Result<store::Statistics, ClientError> {
        let groups = self.groupby.unwrap_or_default();
        let group = group_by
            .iter()
            .map(|by| (*by, groups.get(by.as_str()).and_then(Value::as_str).map(Arc::from)))
            .collect();
        let aggregates = aggregates
            .iter()
            .map(|aggregate| {
                let value = self.aggregate.get(&aggregate.to_string()).and_then(Value::as_f64);
                Ok((*aggregate, value.ok_or(ClientError::Malformed("the aggregates that were asked for"))?))
            })
            .collect::<Result<_, ClientError>>()?;
        Ok(store::Statistics {
            group,
            unit: self.unit.unwrap_or_default(),
            count: self.count.unwrap_or(0),
            min: self.min.unwrap_or(f64::NAN),
            max: self.max.unwrap_or(f64::NAN),
            avg: self.avg.unwrap_or(f64::NAN),
            sum: self.sum.unwrap_or(f64::NAN),
            aggregates,
            duration: self.duration,
            duration_start: time(&self.duration_start)?,
            duration_end: time(&self.duration_end)?,
            period: self.period,
            period_start: time(&self.period_start)?,
            period_end: time(&self.period_end)?,
        })
    }
}
