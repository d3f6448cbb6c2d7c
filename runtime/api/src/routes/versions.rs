//! `/` and `/v2`: which versions there are.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde_json::{Value, json};

use super::Shared;
use crate::fault::answer;
use crate::links::Base;

pub(super) async fn all(State(app): Shared, headers: HeaderMap) -> Response {
    let versions = json!({"versions": {"values": [descriptor(&app.base(&headers))]}});
    answer(StatusCode::OK, Body::from(versions.to_string()))
}

/// Ceilometer had nothing here; what Keystone's clients look for at such an address.
pub(super) async fn two(State(app): Shared, headers: HeaderMap) -> Response {
    let version = json!({"version": descriptor(&app.base(&headers))});
    answer(StatusCode::OK, Body::from(version.to_string()))
}

/// As Ceilometer's, but for XML, which is not spoken here.
fn descriptor(base: &Base) -> Value {
    json!({
        "id": "v2",
        "links": [
            {"href": base.version(), "rel": "self"},
            {"href": "http://docs.openstack.org/", "rel": "describedby", "type": "text/html"},
        ],
        "media-types": [{"base": "application/json", "type": "application/vnd.openstack.telemetry-v2+json"}],
        "status": "stable",
        "updated": "2013-02-13T00:00:00Z",
    })
}
