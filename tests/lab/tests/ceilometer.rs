//! The genuine Ceilometer: its notification agent takes a valid message, its own code signs.

use std::process::Command;

use anyhow::Result;
use lab::{Broker, Ceilometer, DEFAULT_SECRET, output};
use serde_json::{Value, json};

/// Publishes one body, by the genuine AMQP library that oslo.messaging uses.
const PUBLISH: &str = r#"
import sys, kombu
with kombu.Connection(sys.argv[1]) as connection:
    exchange = kombu.Exchange("ceilometer", "topic", durable=False)
    producer = connection.Producer(exchange=exchange, auto_declare=False)
    producer.publish(sys.argv[2], routing_key="notifications.sample", content_type="application/json",
                     content_encoding="utf-8", retry=False)
"#;

fn sample() -> Value {
    json!({
        "source": "openstack", "counter_name": "mem.max", "counter_type": "gauge", "counter_unit": "MiB",
        "counter_volume": 2048.0, "user_id": "u", "user_name": null, "project_id": "p", "project_name": null,
        "resource_id": "00000000-6e65-4068-8f73-000000000001", "timestamp": "2026-01-31T12:00:00.000001",
        "resource_metadata": {"display_name": "datenbank-süd", "flavor": {"ram": 2048}},
        "message_id": "5f2f1c2e-0000-11f0-8000-000000000001", "monotonic_time": 1.5, "message_signature": ""
    })
}

#[test]
fn the_notification_agent_passes_a_valid_message_on() -> Result<()> {
    let ceilometer = Ceilometer::get()?;
    let broker = Broker::start()?;
    let vhost = broker.vhost()?;
    let folder = tempfile::tempdir()?;
    let mut agent = ceilometer.notification_agent(&broker, &vhost, folder.path(), "")?;
    let message = json!({
        "event_type": "telemetry.polling", "priority": "SAMPLE", "payload": {"samples": [sample()]},
        "message_id": "a", "publisher_id": "ceilometer.polling", "timestamp": "2026-01-31 12:00:00.000001",
        "_unique_id": "b"
    });
    let body = json!({"oslo.version": "2.0", "oslo.message": message.to_string()}).to_string();
    output(Command::new(ceilometer.program("python")).args(["-c", PUBLISH, &vhost.url(), &body]))?;
    let samples = agent.wait_for_samples(1)?;
    assert_eq!(samples.len(), 1);
    assert_eq!(samples[0]["resource_metadata"]["display_name"], "datenbank-süd");
    assert_eq!(samples[0]["volume"].as_f64(), Some(2048.0));
    agent.stop()
}

#[test]
fn its_own_code_signs_what_it_is_given() -> Result<()> {
    let ceilometer = Ceilometer::get()?;
    let first = ceilometer.signature(&sample(), DEFAULT_SECRET)?;
    assert_eq!(first.len(), 64);
    let mut other = sample();
    other["counter_volume"] = json!(2049);
    let signatures = ceilometer.signatures(&[sample(), other], DEFAULT_SECRET)?;
    assert_eq!(signatures[0], first);
    assert_ne!(signatures[1], first);
    assert_eq!(ceilometer.signature(&sample(), "")?, "");
    Ok(())
}
