//! What is read of messages and samples that anyone may have written.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{map, read, sample, values};
use crate::bounds::{MAX_BODY, MAX_SAMPLES};
use crate::signature::{self, Secret};
use crate::wire::sample_dict::Form;
use crate::wire::*;
use crate::{Kind, Volume};

#[test]
fn both_payloads_and_both_wrappings_are_read() {
    let lists = [json!({"samples": [{"a": 1}]}), json!([{"a": 1}])];
    for payload in lists {
        let inner = json!({"event_type": "metering", "payload": payload, "_context_user": null});
        let enveloped = json!({"oslo.version": "2.0", "oslo.message": inner.to_string()});
        for body in [inner, enveloped] {
            let notification = decode(body.to_string().as_bytes()).unwrap();
            assert_eq!(
                (notification.event_type.as_str(), values(&notification)),
                ("metering", vec![json!({"a": 1})])
            );
        }
    }
}

#[test]
fn bodies_that_are_none_are_told_apart() {
    let many = json!({"event_type": "e", "payload": vec![0; MAX_SAMPLES + 1]});
    let cases = [
        ("body-too-large", " ".repeat(MAX_BODY + 1)),
        ("not-json", "{".into()),
        ("not-json", "[".repeat(100_000)),
        ("not-json", "{\"a\":\"\\ud800\"}".into()),
        ("not-an-object", "[1]".into()),
        ("envelope-version", json!({"oslo.version": "3.0", "oslo.message": "{}"}).to_string()),
        ("envelope-version", json!({"oslo.message": "{}"}).to_string()),
        ("envelope-message", json!({"oslo.version": "2.0", "oslo.message": {}}).to_string()),
        ("inner-not-json", json!({"oslo.version": "2.0", "oslo.message": "[1]"}).to_string()),
        ("event-type", json!({"payload": []}).to_string()),
        ("event-type", json!({"event_type": 5, "payload": []}).to_string()),
        (
            "event-type",
            json!({"event_type": "e", "method": "record_metering_data", "payload": []}).to_string(),
        ),
        ("method", json!({"method": "record_events", "args": {"data": []}}).to_string()),
        ("method", json!({"method": 5, "args": {"data": []}}).to_string()),
        (
            "method",
            json!({"method": "record_metering_data", "version": "2.0", "args": {"data": []}}).to_string(),
        ),
        (
            "method",
            json!({"method": "record_metering_data", "namespace": "x", "args": {"data": []}}).to_string(),
        ),
        ("payload", json!({"method": "record_metering_data", "args": {"samples": []}}).to_string()),
        (
            "payload",
            json!({"method": "record_metering_data", "args": {"data": []}, "payload": {"samples": []}})
                .to_string(),
        ),
        ("payload", json!({"event_type": "e"}).to_string()),
        ("payload", json!({"event_type": "e", "payload": {"samples": {}}}).to_string()),
        ("too-many-samples", many.to_string()),
        (
            "too-many-samples",
            json!({"method": "record_metering_data", "args": {"data": vec![0; MAX_SAMPLES + 1]}}).to_string(),
        ),
    ];
    for (label, body) in cases {
        assert_eq!(decode(body.as_bytes()).unwrap_err().label(), label, "{}", &body[..body.len().min(80)]);
    }
}

#[test]
fn a_received_field_of_a_wrong_form_is_named() {
    let open = Secret::new("");
    let good = map(json!({
        "source": "s", "counter_name": "cpu", "counter_type": "delta", "counter_unit": null, "counter_volume": "12",
        "user_id": null, "resource_id": "r", "timestamp": "2014-02-04T10:31:22Z", "resource_metadata": null, "message_id": "m",
    }));
    let received = read(Value::Object(good.clone()).into(), &open).unwrap();
    assert_eq!(
        (received.volume.as_u64(), received.unit.as_str(), received.kind),
        (Some(12), "", Kind::Delta)
    );
    for (field, value) in [
        ("source", json!(1)),
        ("counter_name", json!("")),
        ("counter_name", json!("a\u{1b}[2J")),
        ("counter_type", json!("gauges")),
        ("counter_unit", json!([])),
        ("counter_volume", json!("twelve")),
        ("counter_volume", json!(true)),
        ("counter_volume", json!(null)),
        ("user_id", json!({})),
        ("resource_id", json!("x".repeat(256))),
        ("timestamp", json!("yesterday")),
        ("resource_metadata", json!([])),
        ("message_id", json!(null)),
        ("monotonic_time", json!("1")),
    ] {
        let mut bad = good.clone();
        bad.insert(field.into(), value);
        let refusal = read(Value::Object(bad).into(), &open).unwrap_err();
        assert_eq!(refusal.label(), field, "{refusal}");
    }
    for (key, value) in [
        ("a", "1e400".to_owned()),
        ("a", "9".repeat(500)),
        ("a", format!("\"{}\"", "x".repeat(200_000))),
        ("a", format!("{}1{}", "[".repeat(50), "]".repeat(50))),
    ] {
        let mut bad = good.clone();
        bad.insert(key.into(), serde_json::from_str(&value).unwrap());
        assert_eq!(read(Value::Object(bad).into(), &open).unwrap_err().label(), "sample");
    }
    assert_eq!(read(json!([]).into(), &open).unwrap_err().label(), "not-an-object");
}

#[test]
fn bytes_at_random_never_panic() {
    let valid = encode(Heading::Polling, &[sample(Volume::Count(1), json!({}))], &Secret::new("s"));
    let mut state = 1_u64;
    let mut next = |below: usize| {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        (state >> 33) as usize % below
    };
    let mut decoded = 0;
    for _ in 0..5_000 {
        let mut body = valid.clone();
        for _ in 0..1 + next(4) {
            let at = next(body.len());
            body[at] = b"\"\\{}[]:,0e-nul\x00\xff"[next(16)];
        }
        if let Ok(notification) = decode(&body) {
            decoded += 1;
            for sample in notification.samples {
                let _ = read(sample, &Secret::new("s"));
            }
        }
    }
    assert!(decoded > 0, "no body got as far as its samples");
}

/// A sample dict's text, signed, with this text for its metadata and these fields besides.
fn signed(metadata: &str, more: &[(&str, &str)], secret: &Secret) -> String {
    let mut fields: Vec<(&str, String)> = [
        ("source", "\"s\""),
        ("counter_name", "\"cpu\""),
        ("counter_type", "\"gauge\""),
        ("counter_volume", "1"),
        ("resource_id", "\"r\""),
        ("timestamp", "\"2026-01-31T12:00:00\""),
        ("message_id", "\"m\""),
        ("resource_metadata", metadata),
    ]
    .iter()
    .chain(more)
    .map(|(key, value)| (*key, (*value).to_owned()))
    .collect();
    let text = |fields: &[(&str, String)]| {
        let fields: Vec<String> = fields.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
        format!("{{{}}}", fields.join(","))
    };
    // As the genuine agent would: of the dict as its JSON reader has it.
    if let Ok(dict) = serde_json::from_str::<Map<String, Value>>(&text(&fields)) {
        fields.push(("message_signature", format!("\"{}\"", signature::sign(&dict, secret))));
    }
    text(&fields)
}

fn samples_of(dicts: &[String]) -> Vec<SampleDict> {
    let body = format!("{{\"event_type\":\"e\",\"payload\":{{\"samples\":[{}]}}}}", dicts.join(","));
    decode(body.as_bytes()).unwrap().samples
}

#[test]
fn metadata_that_many_samples_have_is_understood_once() {
    let secret = Secret::new("s");
    let own = |name: &str| signed(&format!("{{\"name\":\"{name}\",\"vcpus\":2}}"), &[], &secret);
    let spaced = signed("{ \"name\": \"\\u0061\", \"vcpus\": 2 }", &[], &secret);
    let mut reader = SampleReader::new(secret.clone());
    let mut read = |dict: &String| {
        let sample = samples_of(std::slice::from_ref(dict)).remove(0);
        reader.read(sample).map(|received| received.metadata)
    };
    let (a, b, again, spaced) = (
        read(&own("a")).unwrap(),
        read(&own("b")).unwrap(),
        read(&own("a")).unwrap(),
        read(&spaced).unwrap(),
    );
    assert!(Arc::ptr_eq(&a, &again) && Arc::ptr_eq(&a, &spaced), "the same, written otherwise");
    assert_eq!((a.text(), b.text()), (r#"{"name":"a","vcpus":2}"#, r#"{"name":"b","vcpus":2}"#));
    assert_ne!(a.sha256(), b.sha256());
    assert_eq!(Value::Object(a.fields()), json!({"name": "a", "vcpus": 2}));
    // Known metadata under a signature of other metadata.
    let forged = own("c").replace("\"name\":\"c\"", "\"name\":\"a\"");
    assert!(matches!(read(&forged), Err(Refusal::Signature)));
}

#[test]
fn metadata_of_forged_samples_is_not_remembered_and_no_more_than_its_share() {
    let secret = Secret::new("s");
    let mut reader = SampleReader::with_room(secret.clone(), 1 << 20);
    let forged = signed("{\"a\":1}", &[], &Secret::new("another"));
    assert!(reader.read(samples_of(&[forged]).remove(0)).is_err());
    assert_eq!(reader.remembered(), 0);
    let mut most = 0;
    for number in 0..30 {
        let dict = signed(&format!("{{\"{number}\":\"{}\"}}", "x".repeat(30_000)), &[], &secret);
        reader.read(samples_of(&[dict]).remove(0)).unwrap();
        most = most.max(reader.remembered());
    }
    assert!((10..13).contains(&most), "{most} entries of 90 kB each");
    assert!((1..most).contains(&reader.remembered()), "it goes on after it was full");
    // Without a secret, too, and for a sample without metadata.
    let open = Secret::new("");
    let mut reader = SampleReader::new(open.clone());
    for dict in [signed("null", &[], &open), signed("{}", &[], &open), signed("{\"a\":1}", &[], &open)] {
        reader.read(samples_of(&[dict]).remove(0)).unwrap();
    }
    assert_eq!(reader.remembered(), 2);
}

#[test]
fn each_sample_is_verified_as_the_whole_dict_is_whatever_keys_stand_beside_its_metadata() {
    let secret = Secret::new("s");
    let near = [
        "resource_metadat",
        "resource_metadata:z",
        "resource_metadatb",
        "resource_metadata ",
        "zz",
        "é",
        "A",
    ];
    let mut reader = SampleReader::new(secret.clone());
    for key in near {
        for metadata in ["{}", "{\"a\":{\"b\":[1E5,-0,null]},\"A\":\"é\"}", "null"] {
            let dict = signed(metadata, &[(key, "{\"k\":\"v\",\"a\":1}")], &secret);
            for _ in 0..2 {
                let sample = samples_of(std::slice::from_ref(&dict)).remove(0);
                let whole = sample.clone().into_value();
                assert!(signature::verify(whole.as_object().unwrap(), &secret));
                assert!(reader.read(sample).is_ok(), "{dict}");
                assert!(read(whole.into(), &secret).is_ok(), "{dict}");
            }
        }
    }
}

#[test]
fn of_metadata_that_comes_twice_the_last_counts() {
    let secret = Secret::new("s");
    for (first, last, text) in [
        ("{\"a\":1}", "{\"b\":2}", Some("{\"b\":2}")),
        ("{\"a\":1}", "null", Some("{}")),
        ("null", "{\"b\":2}", Some("{\"b\":2}")),
        ("[1]", "{\"b\":2}", Some("{\"b\":2}")),
        ("{\"a\":1}", "[1]", None),
        ("{\"a\":1}", "7", None),
    ] {
        let dict = signed(first, &[("resource_metadata", last)], &secret);
        let received = read(samples_of(&[dict]).remove(0), &secret);
        match text {
            Some(text) => assert_eq!(received.unwrap().metadata.text(), text),
            None => assert_eq!(received.unwrap_err().label(), "resource_metadata"),
        }
    }
}

#[test]
fn metadata_that_looks_like_a_readers_own_marks_is_metadata_or_no_json() {
    let secret = Secret::new("s");
    let body = |metadata: &str| {
        format!("{{\"event_type\":\"e\",\"payload\":[{{\"a\":1,\"resource_metadata\":{metadata}}}]}}")
    };
    let deep = format!("{{\"a\":{}1{}}}", "[".repeat(200), "]".repeat(200));
    let number = "{\"a\":{\"$serde_json::private::Number\":\"x\"}}";
    let nearly = "{\"a\":{\"$serde_json::private::Number\":\"--1\"}}";
    for bad in ["{\"a\":nul}", "{\"a\":\"\\ud800\"}", "{\"a\":1,}", number, nearly, &deep] {
        assert_eq!(
            decode(body(bad).as_bytes()).unwrap_err().label(),
            "not-json",
            "{}",
            &bad[..bad.len().min(40)]
        );
    }
    // Were serde_json built with `raw_value`, it would read the text of such an object, and what is in that, until the stack is full.
    for text in ["hello", "5", "{\\\"a\\\":1}"] {
        let metadata = format!("{{\"image\":{{\"$serde_json::private::RawValue\":\"{text}\"}}}}");
        let received = read(samples_of(&[signed(&metadata, &[], &secret)]).remove(0), &secret).unwrap();
        assert_eq!(received.metadata.text(), metadata);
        let value: Value = serde_json::from_str(&metadata).unwrap();
        assert_eq!(value.to_string(), metadata, "a dependency has switched serde_json's raw_value on");
    }
    // Text in text in text, which grows by a constant for each.
    let mut nested = "1".to_owned();
    for _ in 0..100 {
        let escaped = nested.replace('\\', "\\u005c").replace('"', "\\u0022");
        nested = format!(
            "{}{{\"$serde_json::private::RawValue\":\"{escaped}\"}}{}",
            "[".repeat(100),
            "]".repeat(100)
        );
    }
    let received =
        read(samples_of(&[signed(&format!("{{\"a\":{nested}}}"), &[], &secret)]).remove(0), &secret);
    assert_eq!(received.unwrap_err().label(), "sample", "nested too deep, at its outermost level");
}

#[test]
fn what_is_copied_reads_as_what_came() {
    let given = "{\"a\" : [ ] , \"b\":{ },\"\\u00e9\\n\\\"\\\\\\b\":[1, -0,1E5 ,0.10,[true,false , null,\"\\ud83d\\ude00\"]],\"c\":{\"d\":{\"e\":18446744073709551617}}}";
    let dict = samples_of(&[format!("{{\"resource_metadata\":{given}}}")]).remove(0);
    let Form::Fields { metadata: Some(text), .. } = &dict.0 else { panic!("{dict:?}") };
    let (read, copied): (Value, Value) =
        (serde_json::from_str(given).unwrap(), serde_json::from_str(text).unwrap());
    assert_eq!(read.to_string(), copied.to_string());
    assert!(!text.contains([' ', '\n']), "{text}");
    assert_eq!(dict.into_value()["resource_metadata"], read);
}

#[test]
fn samples_that_are_no_objects_are_kept_as_they_came() {
    let given = json!([1, -1, 1.5, "text", true, null, [1, [2]], {}, {"a": {"b": 1}}]);
    let body = json!({"event_type": "e", "payload": given}).to_string();
    assert_eq!(Value::Array(values(&decode(body.as_bytes()).unwrap())), given);
}
