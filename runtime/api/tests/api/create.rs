//! Samples that are created.

use serde_json::{Value, json};

use crate::server::{ADMIN, ALPHA, READER, Server, settings};

fn sample() -> Value {
    json!({
        "counter_name": "power",
        "counter_type": "gauge",
        "counter_unit": "W",
        "counter_volume": 18446744073709551615_u64,
        "resource_id": "rack-1",
        "project_id": "alpha",
        "timestamp": "2026-02-01T12:00:00",
        "resource_metadata": {"a.b": "1", "name": "x"},
    })
}

fn with(name: &str, value: Value) -> Value {
    let mut sample = sample();
    sample[name] = value;
    sample
}

#[test]
fn samples_go_to_the_sink_as_ceilometer_makes_them() {
    let server = Server::start();
    let answer =
        server.post_as(ALPHA, "/v2/meters/power", &json!([sample(), with("project_id", Value::Null)]));
    assert_eq!(answer.status, 201, "{}", answer.text());
    let published = server.published.0.lock().unwrap();
    assert_eq!(published.len(), 2);
    for (told, sample) in answer.json().as_array().unwrap().iter().zip(published.iter()) {
        assert_eq!(told["message_id"], sample.message_id.to_string());
        assert_eq!(told["source"], "alpha:openstack");
        assert_eq!(
            (told["counter_volume"].to_string(), &told["recorded_at"]),
            ("18446744073709551615".to_owned(), &Value::Null)
        );
        assert_eq!(told["resource_metadata"], json!({"a.b": "1", "name": "x"}));
        assert_eq!((&*sample.source, sample.project_id.as_deref()), ("alpha:openstack", Some("alpha")));
        assert_eq!(sample.volume, sample::Volume::Count(u64::MAX));
        assert_eq!(sample.timestamp.to_string(), "2026-02-01T12:00:00");
        assert_eq!(
            serde_json::from_slice::<Value>(&sample.metadata.json()).unwrap(),
            json!({"a": {"b": "1"}, "name": "x"})
        );
    }
    assert_ne!(published[0].message_id, published[1].message_id);
    assert_eq!(server.found("/v2/meters/power"), json!([]), "the queue is not the store");
}

#[test]
fn with_direct_they_are_in_the_store() {
    let server = Server::start();
    let answer =
        server.post_as(ADMIN, "/v2/meters/power?direct=True", &json!([with("source", json!("here"))]));
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert!(server.published.0.lock().unwrap().is_empty());
    let mut stored = server.found("/v2/meters/power");
    assert!(stored[0].as_object_mut().unwrap().remove("recorded_at").is_some());
    assert_eq!(stored, answer.json());
    assert_eq!(stored[0]["source"], "alpha:here");
}

#[test]
fn what_is_no_sample_refuses_all() {
    let server = Server::start();
    for (faulty, text) in [
        (with("counter_name", json!("other")), "should be \"power\""),
        (with("message_id", json!("x")), "The message_id must not be set"),
        (with("counter_type", json!("speed")), "counter_type"),
        (with("counter_unit", Value::Null), "Mandatory field missing"),
        (with("counter_unit", json!("x".repeat(256))), "counter_unit"),
        (with("counter_volume", json!("much")), "counter_volume"),
        (with("counter_volume", json!([])), "counter_volume"),
        (with("resource_id", json!("")), "resource_id"),
        (with("resource_id", json!("a\nb")), "resource_id"),
        (with("timestamp", json!("yesterday")), "timestamp"),
        (with("timestamp", json!("1912-06-23T00:00:00")), "timestamp"),
        (with("resource_metadata", json!({ ".".repeat(20): "1" })), "dots"),
        (with("resource_metadata", json!({"a": "x".repeat(200_000)})), "larger"),
        (with("resource_metadata", json!(["x"])), "resource_metadata"),
        // What unfolds to an object that readers take for a number.
        (with("resource_metadata", json!({"a.$serde_json::private::Number": "5"})), "a key of the metadata"),
        (with("colour", json!("red")), "Unknown attribute: \"colour\""),
        (json!([]), "no list of samples"),
    ] {
        let answer = server.post_as(ADMIN, "/v2/meters/power", &json!([sample(), faulty]));
        assert_eq!(answer.status, 400, "{faulty}: {}", answer.text());
        assert!(answer.fault().contains(text), "{faulty}: {}", answer.fault());
    }
    assert!(server.post_as(ADMIN, "/v2/meters/power", &json!([])).fault().contains("should be included"));
    assert_eq!(server.post_as(ADMIN, "/v2/meters/power", &sample()).status, 400, "one alone is no list");
    assert_eq!(server.post_as(ADMIN, "/v2/meters/power", &Value::from(vec![sample(); 1_001])).status, 413);
    assert!(server.published.0.lock().unwrap().is_empty());
}

#[test]
fn nobody_creates_samples_for_others() {
    let mut server = Server::start();
    let answer = server.post_as(ALPHA, "/v2/meters/power", &json!([with("project_id", json!("beta"))]));
    assert_eq!(answer.status, 400);
    assert!(answer.fault().contains("can not post samples to other projects"));
    let answer = server.post_as(READER, "/v2/meters/power", &json!([sample()]));
    assert_eq!(answer.status, 403);
    assert!(server.published.0.lock().unwrap().is_empty());
    server.stop();
    let only_reads = Server::over(settings(), std::sync::Arc::clone(&server.store), false);
    for path in ["/v2/meters/power", "/v2/meters/power?direct=True"] {
        let answer = only_reads.post_as(ADMIN, path, &json!([sample()]));
        assert_eq!((answer.status, answer.fault().as_str()), (403, "This API only reads"));
    }
}
