//! Messages that other programs might send.

use sample::signature::{Secret, sign};
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// The secret that Ceilometer's packages come with.
pub const SECRET: &str = lab::DEFAULT_SECRET;

/// A good sample dict of a new message_id, signed.
pub fn sample(meter: &str, volume: u64) -> Value {
    signed(json!({
        "source": "openstack", "counter_name": meter, "counter_type": "gauge", "counter_unit": "MiB",
        "counter_volume": volume, "user_id": "u", "user_name": null, "project_id": "p", "project_name": null,
        "resource_id": "00000000-6e65-4068-8f73-000000000001", "timestamp": "2026-01-31T12:00:00.000001",
        "resource_metadata": {"display_name": "datenbank-süd", "flavor": {"ram": 2048}},
        "message_id": Uuid::new_v4().to_string(), "monotonic_time": 1.5, "message_signature": "",
    }))
}

/// The sample dict with the signature that it should have.
///
/// # Panics
/// Where it is no object: a fault of the test.
pub fn signed(mut sample: Value) -> Value {
    let dict = sample.as_object_mut().unwrap_or_else(|| panic!("a sample dict is an object"));
    let signature = sign(dict, &Secret::new(SECRET));
    dict.insert("message_signature".into(), signature.into());
    sample
}

/// A good sample dict with another value under one key, signed as it is.
pub fn sample_with(key: &str, value: Value) -> Value {
    let mut sample = sample("mem.max", 1);
    sample[key] = value;
    signed(sample)
}

/// The body of a notification as a polling agent sends it.
pub fn body(samples: &[Value]) -> Vec<u8> {
    envelope(&json!({
        "message_id": Uuid::new_v4().to_string(), "publisher_id": "ceilometer.polling",
        "event_type": "telemetry.polling", "priority": "SAMPLE", "payload": {"samples": samples},
        "timestamp": "2026-01-31 12:00:00.000001", "_unique_id": Uuid::new_v4().simple().to_string(),
    }))
}

/// The body that a compute agent of the collector era sends: a bare list, to `metering.sample`.
pub fn metering_body(samples: &[Value]) -> Vec<u8> {
    envelope(&json!({
        "message_id": Uuid::new_v4().to_string(), "publisher_id": "metering.publisher.compute-1",
        "event_type": "metering", "priority": "SAMPLE", "payload": samples,
        "timestamp": "2014-10-16 12:00:00.000001", "_unique_id": Uuid::new_v4().simple().to_string(),
        "_context_tenant": null, "_context_is_admin": true,
    }))
}

/// The body of the cast by which agents of the collector era called `record_metering_data`, or by which somebody calls another
/// method.
pub fn cast_body(method: &str, samples: &[Value]) -> Vec<u8> {
    envelope(&json!({
        "method": method, "version": "1.0", "args": {"data": samples},
        "_unique_id": Uuid::new_v4().simple().to_string(), "_context_tenant": null, "_context_is_admin": true,
    }))
}

/// oslo.messaging's envelope around an inner object.
pub fn envelope(inner: &Value) -> Vec<u8> {
    json!({"oslo.version": "2.0", "oslo.message": inner.to_string()}).to_string().into_bytes()
}

/// The `message_id`s of sample dicts, or of listed samples (there it is `id`); sorted, each as often as it is there.
pub fn ids(samples: &[Value]) -> Vec<&str> {
    let id = |sample: &'_ Value| if sample["id"].is_string() { "id" } else { "message_id" };
    let mut ids: Vec<&str> = samples.iter().filter_map(|sample| sample[id(sample)].as_str()).collect();
    ids.sort_unstable();
    ids
}

/// An object without some of its keys.
pub fn without(object: &Value, keys: &[&str]) -> Map<String, Value> {
    let mut object = object.as_object().cloned().unwrap_or_default();
    object.retain(|key, _| !keys.contains(&key.as_str()));
    object
}
