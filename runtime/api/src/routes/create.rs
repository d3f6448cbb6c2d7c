//! `POST /v2/meters/NAME`: samples that somebody creates.
//!
//! They take the way of all others, through the queue, signed; or, with `direct`, straight into the store. What is wrong with one of
//! them refuses all.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use sample::bounds::MAX_DEPTH;
use sample::check::check;
use sample::signature::Secret;
use sample::wire::{Received, SampleReader};
use sample::{Metadata, Sample, Timestamp, Volume};
use serde_json::{Map, Number, Value};
use store::Row;
use uuid::Uuid;

use super::{Answered, Named, Shared, Who, body, name};
use crate::access::Caller;
use crate::fault::{Fault, answer, brief, shown};
use crate::parameters::Parameters;
use crate::sink::MAX_CREATED;
use crate::wire::{self, OldSample};

/// What the source of a sample is that names none: Ceilometer's `sample_source`.
const SOURCE: &str = "openstack";
/// Attributes of a sample; those up to `resource_id` must be there.
const ATTRIBUTES: [&str; 12] = [
    "counter_name",
    "counter_type",
    "counter_unit",
    "counter_volume",
    "resource_id",
    "source",
    "user_id",
    "project_id",
    "timestamp",
    "recorded_at",
    "resource_metadata",
    "message_id",
];
const MANDATORY: usize = 5;
/// Bytes of the answer to what was created.
const MAX_ANSWER: usize = 8 << 20;

pub(super) async fn create(
    State(app): Shared,
    Extension(who): Who,
    meter: Named,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
    content: Body,
) -> Answered {
    let forbidden = |why| Fault::new(StatusCode::FORBIDDEN, why);
    let Some(sink) = app.sink.clone() else { return Err(forbidden("This API only reads")) };
    if !who.write {
        return Err(forbidden("The token may not create samples: its `write` is not set"));
    }
    let direct = Parameters::parse(query.as_deref(), &["direct"])?.flag("direct");
    let (meter, content) = (name(meter)?, body(&app, &headers, content).await?);
    let created = samples(&content, &meter, &who)?;
    // What an answer takes is not bounded by the request: flattened metadata are many times as long.
    let text = wire::list_within(created.iter().map(|(received, _)| OldSample::from(received)), MAX_ANSWER)
        .map_err(|_| {
        Fault::bad("The samples' metadata are too large together: send fewer samples at a time")
    })?;
    if direct {
        let rows: Vec<Row> = created.into_iter().map(|(received, _)| Row::from(received)).collect();
        return app.queries.write(&who, move |store| store.writer()?.append(&rows).map(|_| text)).await;
    }
    let samples = created.into_iter().map(|(_, sample)| sample).collect();
    sink.publish(samples).await.map_err(|error| {
        let source = std::error::Error::source(&error).map(ToString::to_string);
        tracing::error!(%error, source, "api: samples were not published in time");
        Fault::unconfirmed()
    })?;
    Ok(answer(StatusCode::CREATED, Body::from(text)))
}

/// The samples of a body, as they will be stored and as they are published.
fn samples(content: &[u8], meter: &str, who: &Caller) -> Result<Vec<(Received, Sample)>, Fault> {
    let given: Vec<Map<String, Value>> = serde_json::from_slice(content)
        .map_err(|error| Fault::bad(format!("The body is no list of samples: {}", brief(&error))))?;
    if given.is_empty() {
        return Err(Fault::bad("Samples should be included in request body"));
    }
    if given.len() > MAX_CREATED {
        let text = format!("The body has {} samples; {MAX_CREATED} are taken at most", given.len());
        return Err(Fault::new(StatusCode::PAYLOAD_TOO_LARGE, text));
    }
    let now = Timestamp::now();
    given.into_iter().map(|fields| sample(fields, meter, who, now)).collect()
}

fn sample(
    mut fields: Map<String, Value>,
    meter: &str,
    who: &Caller,
    now: Timestamp,
) -> Result<(Received, Sample), Fault> {
    if let Some(unknown) = fields.keys().find(|key| !ATTRIBUTES.contains(&key.as_str())) {
        return Err(Fault::bad(format!("Unknown attribute: {}", shown(unknown))));
    }
    // Null is the same as absent.
    fields.retain(|_, value| !value.is_null());
    if let Some(missing) = ATTRIBUTES[..MANDATORY].iter().find(|key| !fields.contains_key(**key)) {
        return Err(Fault::input(missing, "None", "Mandatory field missing."));
    }
    if fields["counter_name"] != meter {
        let why = format!("should be {}", shown(meter));
        return Err(Fault::input("counter_name", &plain(&fields["counter_name"]), &why));
    }
    if let Some(id) = fields.get("message_id").map(plain).filter(|id| !id.is_empty()) {
        return Err(Fault::input("message_id", &id, "The message_id must not be set"));
    }
    let project = project(&fields, who)?;
    let source = fields.get("source").map_or_else(|| SOURCE.to_owned(), plain);
    let source = project.as_ref().map_or_else(|| source.clone(), |project| format!("{project}:{source}"));
    let id = Uuid::new_v4();
    fields.insert("source".to_owned(), source.into());
    fields.insert("project_id".to_owned(), project.map_or(Value::Null, Value::from));
    fields.insert("message_id".to_owned(), id.to_string().into());
    fields.entry("timestamp").or_insert_with(|| now.to_string().into());
    let mut unfolded = Map::new();
    if let Some(Value::Object(metadata)) = fields.get_mut("resource_metadata") {
        *metadata = nested(std::mem::take(metadata))?;
        unfolded = metadata.clone();
    }
    // It comes from one who has shown a token, so no signature is asked for.
    let received = SampleReader::new(Secret::new(""))
        .read(Value::Object(fields).into())
        .map_err(|refusal| Fault::bad(format!("Invalid sample: {refusal}")))?;
    // With the metadata as it unfolded: written and read again, some keys are another's marks, which the check finds.
    let sample = published(&received, Metadata::new(unfolded), id);
    check(&sample).map_err(|fault| Fault::bad(format!("Invalid sample: {fault}")))?;
    Ok((received, sample))
}

/// Whose the sample is: as it says, or the token's one project.
fn project(fields: &Map<String, Value>, who: &Caller) -> Result<Option<String>, Fault> {
    let given = fields.get("project_id").map(plain).filter(|project| !project.is_empty());
    match (given, who.projects.as_deref()) {
        (given, None) => Ok(given),
        (None, Some([one])) => Ok(Some(one.clone())),
        (None, Some(_)) => Err(Fault::input("project_id", "None", "The token has several: name one of them")),
        (Some(project), Some(own)) if own.contains(&project) => Ok(Some(project)),
        (Some(other), Some(_)) => {
            Err(Fault::input("project_id", &other, "can not post samples to other projects"))
        }
    }
}

/// A value as text.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Flattened names unfold: `a.b` becomes a `b` inside of `a`, as Ceilometer's `restore_nesting` has it.
fn nested(flat: Map<String, Value>) -> Result<Map<String, Value>, Fault> {
    let mut nested = Map::new();
    for (path, value) in flat {
        if path.matches('.').count() >= MAX_DEPTH {
            return Err(Fault::input(
                "resource_metadata",
                &path,
                &format!("It has {MAX_DEPTH} dots or more"),
            ));
        }
        put(&mut nested, &path, value);
    }
    Ok(nested)
}

fn put(fields: &mut Map<String, Value>, path: &str, value: Value) {
    let Some((outer, rest)) = path.split_once('.') else {
        fields.insert(path.to_owned(), value);
        return;
    };
    let field = fields.entry(outer).or_insert(Value::Null);
    // A field that is no object gives way.
    match field {
        Value::Object(inner) => put(inner, rest, value),
        other => {
            let mut inner = Map::new();
            put(&mut inner, rest, value);
            *other = Value::Object(inner);
        }
    }
}

fn published(received: &Received, metadata: Metadata, message_id: Uuid) -> Sample {
    let shared = |text: &Option<String>| text.as_deref().map(Arc::from);
    Sample {
        source: Arc::from(received.source.as_str()),
        meter: Arc::from(received.meter.as_str()),
        kind: received.kind,
        unit: Arc::from(received.unit.as_str()),
        volume: volume(&received.volume),
        user_id: shared(&received.user_id),
        project_id: shared(&received.project_id),
        user_name: None,
        project_name: None,
        resource_id: Arc::from(received.resource_id.as_str()),
        timestamp: received.timestamp,
        metadata: Arc::new(metadata),
        extra: None,
        message_id,
        monotonic_time: None,
    }
}

/// An integer as far as 64 bits hold it; anything else is a double, as everything is in Ceilometer's API.
fn volume(number: &Number) -> Volume {
    match (number.as_u64(), number.as_i64()) {
        (Some(count), _) => Volume::Count(count),
        (None, Some(signed)) => Volume::Signed(signed),
        (None, None) => Volume::Real(number.as_f64().unwrap_or(f64::NAN)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn flattened_names_unfold() {
        let unfolded = |value: Value| nested(value.as_object().unwrap().clone()).map(Value::Object);
        assert_eq!(
            unfolded(json!({"a.b": 1, "a.c.d": 2, "e": 3})).unwrap(),
            json!({"a": {"b": 1, "c": {"d": 2}}, "e": 3})
        );
        assert_eq!(unfolded(json!({"a": 1, "a.b": 2})).unwrap(), json!({"a": {"b": 2}}));
        assert!(unfolded(json!({ ".".repeat(MAX_DEPTH): 1 })).is_err());
    }
}
