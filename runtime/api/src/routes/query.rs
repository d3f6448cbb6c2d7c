//! `/v2/query/samples`: complex queries.

use axum::Extension;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use serde_json::{Map, Value};
use store::query::{Filter, SampleQuery};

use super::{Answered, Shared, Who, body};
use crate::fault::{Fault, brief};
use crate::parameters::{Parameters, limit};
use crate::wire::{self, Sample};

pub(super) async fn samples(
    State(app): Shared,
    Extension(who): Who,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
    content: Body,
) -> Answered {
    Parameters::parse(query.as_deref(), &[])?;
    let content = body(&app, &headers, content).await?;
    let fields: Map<String, Value> = serde_json::from_slice(&content)
        .map_err(|error| Fault::bad(format!("The body is no JSON object: {}", brief(&error))))?;
    if let Some(unknown) = fields.keys().find(|key| !matches!(key.as_str(), "filter" | "orderby" | "limit")) {
        return Err(Fault::bad(format!("Unknown attribute: {}", crate::fault::shown(unknown))));
    }
    let filter = match text(&fields, "filter")? {
        Some(filter) => Filter::complex(filter)?,
        None => Filter::default(),
    };
    let mut query = SampleQuery::new(who.scope(filter)?, limit(number(&fields, "limit")?)?)?;
    if let Some(order) = text(&fields, "orderby")? {
        query = query.ordered(order)?;
    }
    app.queries
        .read(&who, move |reader| wire::list(store::samples(reader, &query)?.iter().map(Sample::from)))
        .await
}

/// A whole number; python-ceilometerclient sends it as a text.
fn number(fields: &Map<String, Value>, name: &str) -> Result<Option<i64>, Fault> {
    let number = match fields.get(name) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) => text.trim().parse().ok(),
        Some(other) => other.as_i64(),
    };
    match number {
        Some(number) => Ok(Some(number)),
        None => Err(Fault::input(name, &fields[name].to_string(), "It is no whole number")),
    }
}

/// JSON inside of JSON: these two are texts.
fn text<'a>(fields: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, Fault> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(other) => Err(Fault::input(name, &other.to_string(), "It is a text that holds JSON")),
    }
}
