mod receiving;

use std::sync::Arc;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::*;
use crate::era::Release;
use crate::signature::{self, Secret};
use crate::{Kind, Metadata, Sample, Timestamp, Volume, check};

fn map(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn awkward_metadata() -> Map<String, Value> {
    map(json!({
        "display_name": "vm \"näme\" \\ 日本 😀 \u{1}\n",
        "name": "instance-00000001",
        "flavor": {"id": "1", "name": "m1.tiny", "vcpus": 1, "extra_specs": {"hw:cpu'": "it's"}, "empty": {}},
        "image": null,
        "huge": u64::MAX,
        "small": -0.0,
        "big": 1e16,
        "tiny": 1e-7,
        "list": ["é", "it's", "both ' and \"", 1.5, null, true, {"z": [1], "a": 2}],
        "state": "active",
        "é": "last",
    }))
}

fn sample(volume: Volume, extra: Value) -> Sample {
    Sample {
        source: "openstack".into(),
        meter: "mem.max".into(),
        kind: Kind::Gauge,
        unit: "MiB".into(),
        volume,
        user_id: Some("5d2f".into()),
        project_id: None,
        user_name: None,
        project_name: Some("Größe \"x\"".into()),
        resource_id: "b9c03180-0000-4000-8000-000000000001".into(),
        timestamp: Timestamp::parse("2026-01-31T23:59:59.000001").unwrap(),
        metadata: Arc::new(Metadata::new(awkward_metadata())),
        extra: Some(Arc::new(Metadata::new(map(extra)))),
        message_id: Uuid::from_u128(7),
        monotonic_time: Some(819.658955962),
    }
}

fn volumes() -> [Volume; 7] {
    [
        Volume::Count(u64::MAX),
        Volume::Signed(i64::MIN),
        Volume::Real(2048.0),
        Volume::Real(-0.0),
        Volume::Real(1e16),
        Volume::Real(0.1),
        Volume::Real(5e-324),
    ]
}

#[test]
fn what_is_encoded_decodes_and_verifies() {
    let secret = Secret::new("s3cr3t");
    let extras = [
        json!({}),
        json!({"name": "tap0", "mac": "fa:16", "parameters": {"b": 1, "a": {}}}),
        json!({"aaa": 1, "zzz": [2], "ê": {}, "state": "replaced"}),
    ];
    for extra in extras {
        let samples: Vec<_> = volumes().into_iter().map(|volume| sample(volume, extra.clone())).collect();
        samples.iter().for_each(|sample| check::check(sample).unwrap());
        let mut merged = awkward_metadata();
        merged.extend(map(extra));

        let notification = decode(&encode(Heading::Polling, &samples, &secret)).unwrap();
        assert_eq!(notification.event_type, "telemetry.polling");
        assert_eq!(notification.samples.len(), samples.len());
        for (came, sample) in notification.samples.into_iter().zip(&samples) {
            let dict = came.clone().into_value();
            assert_eq!(dict.as_object().unwrap().len(), 15);
            // The generic signature over the dict as received equals the one made while encoding.
            assert_eq!(dict["message_signature"], signature::sign(dict.as_object().unwrap(), &secret));
            assert!(read(came.clone(), &Secret::new("another")).is_err());
            let received = read(came, &secret).unwrap();
            let volume = match sample.volume {
                Volume::Count(count) => json!(count),
                Volume::Signed(integer) => json!(integer),
                Volume::Real(real) => json!(real),
            };
            match sample.volume {
                Volume::Real(real) => assert_eq!(received.volume.as_f64().unwrap().to_bits(), real.to_bits()),
                _ => assert_eq!(Value::Number(received.volume), volume),
            }
            assert_eq!(Metadata::new(received.metadata.fields()).fields(), &normal(&merged));
            assert_eq!(received.timestamp, sample.timestamp);
            assert_eq!(received.message_id, sample.message_id.to_string());
            assert_eq!(received.resource_id, &*sample.resource_id);
            assert_eq!((received.user_id.as_deref(), received.project_id), (Some("5d2f"), None));
            assert_eq!(received.monotonic_time, Some(819.658955962));
        }
    }
}

/// Reads a sample as the first one that is read.
fn read(sample: SampleDict, secret: &Secret) -> Result<Received, Refusal> {
    SampleReader::new(secret.clone()).read(sample)
}

fn values(notification: &Notification) -> Vec<Value> {
    notification.samples.iter().cloned().map(SampleDict::into_value).collect()
}

/// Numbers as they come back from the wire.
fn normal(fields: &Map<String, Value>) -> Map<String, Value> {
    let mut text = Vec::new();
    crate::json::object(crate::json::Form::Plain, fields, &mut text);
    serde_json::from_slice(&text).unwrap()
}

#[test]
fn the_body_has_ceilometers_form() {
    let body: Value = serde_json::from_slice(&encode(
        Heading::Polling,
        &[sample(Volume::Real(2048.0), json!({}))],
        &Secret::new(""),
    ))
    .unwrap();
    assert_eq!(body.as_object().unwrap().keys().collect::<Vec<_>>(), ["oslo.version", "oslo.message"]);
    assert_eq!(body["oslo.version"], "2.0");
    let text = body["oslo.message"].as_str().unwrap();
    assert!(text.contains("\"counter_volume\":2048.0,"), "a float is printed as Python prints it: {text}");
    let inner: Value = serde_json::from_str(text).unwrap();
    let keys: Vec<_> = inner.as_object().unwrap().keys().collect();
    assert_eq!(
        keys,
        ["message_id", "publisher_id", "event_type", "priority", "payload", "timestamp", "_unique_id"]
    );
    assert_eq!(
        (&inner["publisher_id"], &inner["priority"]),
        (&json!("ceilometer.polling"), &json!("SAMPLE"))
    );
    assert!(inner["message_id"].as_str().unwrap().parse::<Uuid>().is_ok());
    assert_eq!(inner["_unique_id"].as_str().unwrap().len(), 32);
    assert_eq!(inner["timestamp"].as_str().unwrap().as_bytes()[10], b' ');
    let sample = inner["payload"]["samples"][0].as_object().unwrap();
    let keys = "source counter_name counter_type counter_unit counter_volume user_id user_name project_id project_name \
                resource_id timestamp resource_metadata message_id monotonic_time message_signature";
    assert_eq!(sample.keys().collect::<Vec<_>>(), keys.split(' ').collect::<Vec<_>>());
    assert_eq!(sample["message_signature"], "");
    assert_eq!(sample["timestamp"], "2026-01-31T23:59:59.000001");
    assert_eq!((&sample["user_name"], &sample["counter_type"]), (&Value::Null, &json!("gauge")));
}

/// The inner object of a message that was encoded.
fn inner(heading: Heading<'_>, samples: &[Sample], secret: &str) -> Value {
    let body: Value = serde_json::from_slice(&encode(heading, samples, &Secret::new(secret))).unwrap();
    assert_eq!((body.as_object().unwrap().len(), &body["oslo.version"]), (2, &json!("2.0")));
    serde_json::from_str(body["oslo.message"].as_str().unwrap()).unwrap()
}

#[test]
fn a_collector_gets_a_bare_list_with_what_its_release_expects_around_it() {
    let samples = [sample(Volume::Real(2048.0), json!({}))];
    let context = [
        "_context_user",
        "_context_auth_token",
        "_context_tenant",
        "_context_domain",
        "_context_user_domain",
        "_context_project_domain",
        "_context_instance_uuid",
        "_context_is_admin",
        "_context_read_only",
        "_context_show_deleted",
        "_context_user_identity",
        "_context_request_id",
    ];
    for (name, release) in Release::ALL {
        let heading =
            Heading::Notifier { release: *release, host: "compute-1 \"ü\"", event_type: "metering.mem.max" };
        let message = inner(heading, &samples, "s");
        let publisher = if *release <= Release::Juno { "metering.publisher" } else { "telemetry.publisher" };
        assert_eq!(message["publisher_id"], format!("{publisher}.compute-1 \"ü\""), "{name}");
        assert_eq!(
            (&message["event_type"], &message["priority"]),
            (&json!("metering.mem.max"), &json!("SAMPLE"))
        );
        assert!(message["message_id"].as_str().unwrap().parse::<Uuid>().is_ok());
        assert_eq!(message["timestamp"].as_str().unwrap().as_bytes()[10], b' ');
        assert_eq!(message["payload"].as_array().unwrap().len(), 1);
        let cast = inner(Heading::Cast { release: *release, method: "record_metering_data" }, &samples, "s");
        let around = |message: &Value| {
            let keys = message.as_object().unwrap().keys().filter(|key| !key.starts_with("_context_"));
            keys.cloned().collect::<Vec<_>>()
        };
        let own =
            ["message_id", "publisher_id", "event_type", "priority", "payload", "timestamp", "_unique_id"];
        assert_eq!(around(&message), own);
        assert_eq!(around(&cast), ["method", "version", "args", "_unique_id"]);
        assert_eq!((&cast["method"], &cast["version"]), (&json!("record_metering_data"), &json!("1.0")));
        assert_eq!(cast["args"].as_object().unwrap().keys().collect::<Vec<_>>(), ["data"]);
        for message in [&message, &cast] {
            let found = message.as_object().unwrap().keys().filter(|key| key.starts_with("_context_"));
            let found: Vec<_> = found.map(|key| key.replace("resource_uuid", "instance_uuid")).collect();
            assert_eq!(found, if *release <= Release::Kilo { &context[..] } else { &[] }, "{name}");
        }
        assert_eq!(message["_context_is_admin"].as_bool(), (*release <= Release::Kilo).then_some(true));
    }
}

/// A sample of a vnic whose metadata and volume Python 2 would print in another way.
fn odd(volume: Volume) -> Sample {
    let mut fields = awkward_metadata();
    fields.insert("instance_id".into(), json!("b9c03180"));
    fields.insert("instance_type".into(), json!("m1.tiny"));
    fields.insert("third".into(), json!(1.0 / 3.0));
    Sample {
        unit: "MiB".into(),
        metadata: Arc::new(Metadata::new(fields)),
        ..sample(
            volume,
            json!({"mac": "fa:16", "vnic_name": "tap0", "parameters": {"mtu": 1e12, "list": [1.5]}}),
        )
    }
}

fn has_list(value: &Value) -> bool {
    match value {
        Value::Array(_) => true,
        Value::Object(fields) => fields.values().any(has_list),
        _ => false,
    }
}

#[test]
fn a_collectors_samples_have_twelve_keys_and_verify_on_python_2() {
    let secret = Secret::new("s3cr3t");
    for (name, release) in Release::ALL {
        for volume in volumes().into_iter().chain([Volume::Real(1.0 / 3.0), Volume::Real(123_456_789_012.5)])
        {
            let samples = [odd(volume), Sample { extra: None, unit: "GiB".into(), ..odd(volume) }];
            let heading = Heading::Notifier { release: *release, host: "h", event_type: "metering" };
            let notification = decode(&encode(heading, &samples, &secret)).unwrap();
            assert_eq!((notification.event_type.as_str(), notification.samples.len()), ("metering", 2));
            let cast = Heading::Cast { release: *release, method: "record_metering_data" };
            let cast = decode(&encode(cast, &samples, &secret)).unwrap();
            assert_eq!(
                (cast.event_type.as_str(), values(&cast)),
                ("record_metering_data", values(&notification))
            );

            // In the order of the wire.
            let inner = inner(heading, &samples, "s3cr3t");
            let [vnic, instance] = &inner["payload"].as_array().unwrap()[..] else { panic!("two samples") };
            for dict in [vnic, instance] {
                let fields = dict.as_object().unwrap();
                let keys = "source counter_name counter_type counter_unit counter_volume user_id project_id resource_id \
                            timestamp resource_metadata message_id message_signature";
                assert_eq!(fields.keys().collect::<Vec<_>>(), keys.split(' ').collect::<Vec<_>>());
                assert_eq!(dict["message_signature"], signature::sign(fields, &secret), "{name}");
                assert_eq!(dict["timestamp"], "2026-01-31T23:59:59Z");
                assert!(!has_list(dict), "{dict}");
                read(dict.clone().into(), &secret).unwrap();
            }
            assert_eq!((&vnic["counter_unit"], &instance["counter_unit"]), (&json!("MB"), &json!("GB")));
            let flavor = if *release <= Release::Juno { "1" } else { "m1.tiny" };
            assert_eq!(instance["resource_metadata"]["instance_type"], flavor, "{name}");
            assert_eq!(instance["resource_metadata"]["third"].to_string(), "0.333333333333");
            let vnic = &vnic["resource_metadata"];
            assert_eq!(vnic["parameters"].to_string(), r#"{"mtu":1000000000000,"list":"[1.5]"}"#);
            if *release <= Release::Kilo {
                let keys: Vec<_> = vnic.as_object().unwrap().keys().collect();
                assert_eq!(keys, ["instance_id", "instance_type", "mac", "parameters"], "{name}");
                assert_eq!(vnic["instance_type"], "1");
            } else {
                assert_eq!((&vnic["vnic_name"], &vnic["state"]), (&json!("tap0"), &json!("active")));
            }
        }
    }
}

#[test]
fn a_volume_goes_to_a_collector_as_both_pythons_print_it() {
    for (given, written) in [
        (Volume::Count(u64::MAX), "18446744073709551615"),
        (Volume::Real(2048.0), "2048.0"),
        (Volume::Real(1.0 / 3.0), "0.333333333333"),
        (Volume::Real(123_456_789_012.5), "123456789012"),
        (Volume::Real(1e16), "1e+16"),
    ] {
        let heading = Heading::Notifier { release: Release::Pike, host: "h", event_type: "metering" };
        let body = String::from_utf8(encode(heading, &[sample(given, json!({}))], &Secret::new(""))).unwrap();
        assert!(body.contains(&format!(r#"\"counter_volume\":{written},"#)), "{written} is not in {body}");
    }
}

#[test]
fn a_line_is_the_signed_dict() {
    let secret = Secret::new("s");
    let mut line = Vec::new();
    encode_line(&sample(Volume::Count(1), json!({"a": 1})), &secret, &mut line);
    assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
    let dict: Value = serde_json::from_slice(&line).unwrap();
    assert!(signature::verify(dict.as_object().unwrap(), &secret));
}
