//! Whatever reaches the collector, good samples are stored once and bad ones are dead-lettered with their reason.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use lab::Vhost;
use lab::process::{Signal, signal};
use nephoscope_tests::bus::{DEAD_LETTERS, METERING, NOTIFICATIONS};
use nephoscope_tests::notification::{body, envelope, ids, metering_body, sample, sample_with, without};
use nephoscope_tests::{Bus, Running, Site, broker};
use serde_json::{Value, json};

const REASON: &str = "x-nephoscope-reason";

struct Scene {
    site: Site,
    vhost: Vhost,
    bus: Bus,
    collector: Running,
}

fn scene() -> Result<Scene> {
    let vhost = broker().vhost()?;
    let site = Site::new()?;
    let collector = site.collector(&vhost.url())?;
    let bus = Bus::connect(&vhost.url())?;
    Ok(Scene { site, vhost, bus, collector })
}

impl Scene {
    /// Waits until the collector has settled everything: a last good sample is stored, and these many dead letters lie there.
    fn settled(&mut self, good: &mut Vec<Value>, letters: u32) -> Result<()> {
        let last = sample("last", 1);
        self.bus.publish(NOTIFICATIONS, &[body(std::slice::from_ref(&last))])?;
        good.push(last);
        let (site, bus) = (&self.site, &self.bus);
        let expected: BTreeSet<&str> = ids(good).into_iter().collect();
        self.collector.until("all good samples in the store and the dead letters in their queue", || {
            let stored = site.samples(&["-l", nephoscope_tests::ALL])?;
            let stored: BTreeSet<&str> = ids(&stored).into_iter().collect();
            Ok((expected.is_subset(&stored) && bus.count(DEAD_LETTERS)? >= letters).then_some(()))
        })
    }

    /// Ends the collector in order; the store then holds these samples, each once, and the queues are empty.
    fn end(self, good: &[Value]) -> Result<()> {
        self.collector.stop()?.expect(0)?;
        assert_eq!(self.bus.count(NOTIFICATIONS)?, 0);
        assert_eq!(self.bus.count(METERING)?, 0);
        let stored = self.site.samples(&["-l", nephoscope_tests::ALL])?;
        let mut expected = ids(good);
        expected.dedup();
        assert_eq!(ids(&stored), expected);
        Ok(())
    }
}

#[test]
fn forged_and_malformed_samples_are_dead_lettered_and_their_neighbours_stored() -> Result<()> {
    let mut scene = scene()?;
    let mut good = Vec::new();
    let forged = {
        let mut forged = sample("mem.max", 1);
        forged["counter_volume"] = json!(1_000_000);
        forged
    };
    let unsigned = Value::Object(without(&sample("mem.max", 1), &["message_signature"]));
    let mut deep = json!(1);
    for _ in 0..100 {
        deep = json!({ "x": deep });
    }
    let bad = [
        (forged, "signature"),
        (unsigned, "signature"),
        (sample_with("counter_volume", json!("much")), "counter_volume"),
        (sample_with("counter_volume", Value::Null), "counter_volume"),
        (sample_with("counter_volume", json!([1])), "counter_volume"),
        (sample_with("counter_type", json!("meter")), "counter_type"),
        (sample_with("counter_name", json!(7)), "counter_name"),
        (sample_with("resource_id", json!("")), "resource_id"),
        (sample_with("timestamp", json!("soon")), "timestamp"),
        (sample_with("resource_metadata", json!(["x"])), "resource_metadata"),
        (sample_with("resource_metadata", json!({ "deep": deep })), "sample"),
        (sample_with("resource_metadata", json!({ "long": "x".repeat(1 << 20) })), "sample"),
        (json!("no dict"), "not-an-object"),
    ];
    for (bad, _) in &bad {
        let neighbours = [sample("mem.max", 1), bad.clone(), sample("mem.max", 2)];
        scene.bus.publish(NOTIFICATIONS, &[body(&neighbours)])?;
        good.extend([neighbours[0].clone(), neighbours[2].clone()]);
    }
    scene.settled(&mut good, u32::try_from(bad.len())?)?;

    let letters = scene.bus.take_all(DEAD_LETTERS)?;
    assert_eq!(letters.len(), bad.len());
    // Messages are read by several threads, so letters may overtake each other: each is known by its sample.
    for letter in letters {
        let body: Value = serde_json::from_slice(&letter.body)?;
        let refused = &body["refused"][0];
        let (_, reason) =
            bad.iter().find(|(bad, _)| refused["sample"] == *bad).context("of no bad sample")?;
        assert_eq!((letter.headers[REASON].as_str(), &refused["reason"]), (*reason, &json!(reason)));
        assert_eq!(refused["index"], 1, "{reason}");
        assert_eq!(letter.headers["x-nephoscope-routing-key"], NOTIFICATIONS);
        assert!(!letter.headers["x-nephoscope-fault"].is_empty());
    }
    scene.end(&good)
}

/// Bytes that are kept of a body that is too large.
const HEAD_OF_TOO_LARGE: usize = 64 << 10;

#[test]
fn messages_that_cannot_be_read_are_dead_lettered_as_they_came() -> Result<()> {
    let mut scene = scene()?;
    let mut good = Vec::new();
    let one = sample("mem.max", 1);
    let notification = |payload: Value| json!({"event_type": "telemetry.polling", "payload": payload});
    let nan = String::from_utf8(body(std::slice::from_ref(&one)))?
        .replace("\\\"counter_volume\\\":1", "\\\"counter_volume\\\":NaN");
    assert!(nan.contains("NaN"));
    let enveloped = |version: &str, message: Value| {
        json!({"oslo.version": version, "oslo.message": message}).to_string().into_bytes()
    };
    let bad: Vec<(Vec<u8>, &str)> = vec![
        (b"no JSON".to_vec(), "not-json"),
        (Vec::new(), "not-json"),
        (vec![0xff, 0xfe, 0x00, 0x22], "not-json"),
        (b"\"invalid \xff UTF-8\"".to_vec(), "not-json"),
        (vec![b'['; 200_000], "not-json"),
        ([b"{\"a\":".repeat(100_000), b"1".to_vec(), b"}".repeat(100_000)].concat(), "not-json"),
        (b"[1, 2]".to_vec(), "not-an-object"),
        (enveloped("3.0", json!("{}")), "envelope-version"),
        (enveloped("2.0", json!({})), "envelope-message"),
        (enveloped("2.0", json!("not JSON")), "inner-not-json"),
        (nan.into_bytes(), "inner-not-json"),
        (envelope(&json!({"payload": {"samples": [one]}})), "event-type"),
        (envelope(&notification(json!("samples"))), "payload"),
        (envelope(&notification(json!({"sample": []}))), "payload"),
        (vec![b' '; 10 << 20], "body-too-large"),
    ];
    for (body_of_bad, _) in &bad {
        let neighbour = sample("mem.max", 1);
        scene.bus.publish(NOTIFICATIONS, &[body_of_bad.clone(), body(std::slice::from_ref(&neighbour))])?;
        good.push(neighbour);
    }
    scene.settled(&mut good, u32::try_from(bad.len())?)?;

    let letters = scene.bus.take_all(DEAD_LETTERS)?;
    // Messages are read by several threads, so that letters of different sizes may overtake each other.
    let mut found: BTreeMap<Vec<u8>, String> =
        letters.into_iter().map(|letter| (letter.body, letter.headers[REASON].clone())).collect();
    assert_eq!(found.len(), bad.len());
    for (mut body, reason) in bad {
        if reason == "body-too-large" {
            // Of what is too large to be read, the head tells enough.
            body.truncate(HEAD_OF_TOO_LARGE);
        }
        let head = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
        assert_eq!(found.remove(&body).context(head.clone())?, reason, "{head}");
    }
    scene.end(&good)
}

#[test]
fn repeated_messages_and_those_of_the_collector_era_are_stored_once() -> Result<()> {
    let mut scene = scene()?;
    let samples: Vec<Value> = (0..100).map(|number| sample("mem.max", number)).collect();
    let message = body(&samples[..50]);
    // The very same message, the same samples in another message, and in another era's.
    scene.bus.publish(NOTIFICATIONS, &vec![message; 20])?;
    scene.bus.publish(NOTIFICATIONS, &[body(&samples[25..75])])?;
    scene.bus.publish(METERING, &[metering_body(&samples[50..]), metering_body(&samples)])?;
    let old = {
        // The twelve keys of Juno's sample dicts.
        let dict = without(&sample("memory", 512), &["monotonic_time", "user_name", "project_name"]);
        let mut dict = Value::Object(dict);
        dict["timestamp"] = json!("2014-10-16T12:00:00Z");
        nephoscope_tests::notification::signed(dict)
    };
    scene.bus.publish(METERING, &[metering_body(std::slice::from_ref(&old))])?;
    let mut good = samples;
    good.push(old.clone());
    scene.settled(&mut good, 0)?;
    let found = scene.site.samples(&["-m", "memory"])?;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0]["timestamp"], "2014-10-16T12:00:00");
    assert_eq!(scene.bus.count(DEAD_LETTERS)?, 0);
    scene.end(&good)
}

#[test]
fn a_collector_that_is_killed_loses_nothing_and_stores_nothing_twice() -> Result<()> {
    let mut scene = scene()?;
    let mut good: Vec<Value> = (0..6_000).map(|number| sample("mem.max", number)).collect();
    let messages: Vec<Vec<u8>> = good.chunks(5).map(body).collect();
    // Few messages at a time and small transactions, so that it is killed in the middle of its work.
    let url = scene.vhost.url();
    let slow = format!("amqp: {{url: \"{url}\", rabbit_qos_prefetch_count: 10}}\ncommit: {{samples: 25}}");
    signal(scene.collector.pid(), Signal::KILL);
    scene.bus.publish(NOTIFICATIONS, &messages)?;
    for left in [900, 600, 300] {
        let next = scene.site.start_collector(&slow)?;
        assert_eq!(std::mem::replace(&mut scene.collector, next).wait()?.code, None);
        let bus = &scene.bus;
        scene
            .collector
            .until("some of the messages gone", || Ok((bus.count(NOTIFICATIONS)? < left).then_some(())))?;
        signal(scene.collector.pid(), Signal::KILL);
    }
    let next = scene.site.start_collector(&slow)?;
    assert_eq!(std::mem::replace(&mut scene.collector, next).wait()?.code, None);
    scene.settled(&mut good, 0)?;
    assert_eq!(scene.bus.count(DEAD_LETTERS)?, 0);
    scene.end(&good)
}

#[test]
fn samples_go_when_they_are_older_than_the_file_says() -> Result<()> {
    let vhost = broker().vhost()?;
    let site = Site::new()?;
    let url = vhost.url();
    let mut collector = site.collector_with(&format!("amqp: {{url: \"{url}\"}}\nretention: {{age: 1h}}"))?;
    let bus = Bus::connect(&url)?;
    let at = |timestamp: &str| sample_with("timestamp", json!(timestamp));
    let old: Vec<Value> = (0..50).map(|number| at(&format!("2026-01-01T00:00:{number:02}"))).collect();
    let young: Vec<Value> = (0..50).map(|number| at(&format!("2026-01-01T02:00:{number:02}"))).collect();
    bus.publish(NOTIFICATIONS, &[body(&old), body(&young[..49])])?;
    site.stored(&mut collector, 99)?;
    // It looks after a batch, at most once a second, and otherwise once a minute.
    std::thread::sleep(std::time::Duration::from_millis(1_200));
    bus.publish(NOTIFICATIONS, &[body(&young[49..])])?;
    collector.until("the old samples gone", || {
        let stored = site.samples(&["-l", nephoscope_tests::ALL])?;
        Ok((ids(&stored) == ids(&young)).then_some(()))
    })?;
    let ended = collector.stop()?.expect(0)?;
    ended.line(&["INFO", "deleted old samples", "by_age=50"])?;
    ended.line(&["collected", "50 deleted by age"])?;
    Ok(())
}
