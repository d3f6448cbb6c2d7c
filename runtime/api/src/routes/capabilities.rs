//! `/v2/capabilities`: what this store can be asked, in Ceilometer's flattened form.

use axum::body::Body;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Map, Value, json};

use crate::fault::answer;

const API: [&str; 18] = [
    "meters:query:metadata",
    "meters:query:simple",
    "resources:query:metadata",
    "resources:query:simple",
    "samples:query:complex",
    "samples:query:metadata",
    "samples:query:simple",
    "statistics:aggregation:selectable:avg",
    "statistics:aggregation:selectable:cardinality",
    "statistics:aggregation:selectable:count",
    "statistics:aggregation:selectable:max",
    "statistics:aggregation:selectable:min",
    "statistics:aggregation:selectable:stddev",
    "statistics:aggregation:selectable:sum",
    "statistics:aggregation:standard",
    "statistics:groupby",
    "statistics:query:metadata",
    "statistics:query:simple",
];

pub(super) async fn capabilities() -> Response {
    let api: Map<String, Value> = API.into_iter().map(|name| (name.to_owned(), Value::Bool(true))).collect();
    let text = json!({"api": api, "storage": {"storage:production_ready": true}}).to_string();
    answer(StatusCode::OK, Body::from(text))
}
