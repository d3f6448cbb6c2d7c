//! The genuine Ceilometer 27.0.0 is the judge: its notification agent takes what we publish, and its own code computes our
//! signatures.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use lab::{Ceilometer, DEFAULT_SECRET, NotificationAgent, Vhost, instance, instances};
use nephoscope_tests::notification::ids;
use nephoscope_tests::program::lines;
use nephoscope_tests::{Bus, Guest, Pipeline, Site, broker};
use serde_json::Value;
use wat_guests::{Kind, Meter, Sample, Samples, Volume, Wat};

/// Samples that a consumer in another language may read wrongly: integers beyond doubles, doubles that print in different
/// ways, texts with everything that JSON and Python escape.
const COUNTER: &str = "odd.counter";

fn odd_guest() -> Vec<u8> {
    use wat_guests::Value::{Flag, Integer, Null, Real, Text};
    let metadata = &[
        ("parameters.bridge", Text("br-süd \"0\" \\ 'x'")),
        ("parameters.mtu", Integer(1500)),
        ("parameters.deep.er.still", Text("キャッシュ 🔭\ttab\nline \u{7f}\u{2028}")),
        ("größe", Real(1e-5)),
        ("most", Integer(i64::MIN)),
        ("real", Real(2048.0)),
        ("large", Real(1e16)),
        ("up", Flag(true)),
        ("down", Flag(false)),
        ("none", Null),
        ("empty", Text("")),
        // In place of the instance's own.
        ("display_name", Text("tenant's \"\\\" </x>")),
    ];
    let volumes = [
        Volume::Count(u64::MAX),
        Volume::Count((1 << 53) + 1),
        Volume::Count(0),
        Volume::Signed(i64::MIN),
        Volume::Real(2048.0),
        Volume::Real(0.1),
        Volume::Real(1e16),
        Volume::Real(1.5e300),
        Volume::Real(5e-324),
        Volume::Real(-0.0),
    ];
    let samples: Vec<Sample<'_>> = volumes
        .into_iter()
        .enumerate()
        .map(|(number, volume)| Sample {
            meter: COUNTER,
            volume,
            resource_id: None,
            metadata: if number % 2 == 0 { metadata } else { &[] },
        })
        .collect();
    let samples = Samples::new(&samples);
    let meter = Meter { name: COUNTER, kind: Kind::Cumulative, unit: "Ω·s \"\\" };
    Wat { meter, items: &samples.items, poll: &samples.poll, ..Wat::default() }.component()
}

/// Polls once, into the virtual host and a file; gives what was taken.
fn publish(site: &Site, vhost: &Vhost, guests: &[lab::Guest]) -> Result<Vec<Value>> {
    let uri = site.test_driver(guests)?;
    let module = site.write("odd.wasm", odd_guest())?;
    let pipeline =
        Pipeline::mem_max(&uri, &[&vhost.url(), &site.file_sink()]).with(Guest::new("odd", module, ""));
    site.pipeline(&pipeline)?;
    site.run_once()?.expect(0)?;
    site.taken()
}

/// Its pipeline passed on each of these samples, once and unchanged.
fn accepted(agent: &mut NotificationAgent, taken: &[Value]) -> Result<()> {
    let accepted = agent.wait_for_samples(taken.len())?;
    let log = agent.log()?;
    // Plugins that it finds and cannot load, for want of packages that it does not need, are an error to its loader.
    let complaints = lines(&log, &[" ERROR "]).into_iter().filter(|line| !line.contains("stevedore"));
    ensure!(complaints.count() == 0 && !log.contains("Failed to process"), "it complained:\n{log}");
    ensure!(accepted.len() == taken.len(), "{} samples of {}\n{log}", accepted.len(), taken.len());
    let by_id: BTreeMap<&str, &Value> =
        accepted.iter().filter_map(|sample| Some((sample["id"].as_str()?, sample))).collect();
    for ours in taken {
        let id = ours["message_id"].as_str().context("no message_id")?;
        let theirs = by_id.get(id).with_context(|| format!("{ours} did not come"))?;
        for (our_key, their_key) in [
            ("counter_name", "name"),
            ("counter_type", "type"),
            ("counter_unit", "unit"),
            ("counter_volume", "volume"),
            ("user_id", "user_id"),
            ("project_id", "project_id"),
            ("resource_id", "resource_id"),
            ("timestamp", "timestamp"),
            ("resource_metadata", "resource_metadata"),
            ("source", "source"),
        ] {
            ensure!(
                ours[our_key] == theirs[their_key],
                "{our_key}: {} became {}",
                ours[our_key],
                theirs[their_key]
            );
        }
    }
    Ok(())
}

#[test]
fn every_sample_is_accepted_unchanged_with_the_signature_that_its_own_code_computes() -> Result<()> {
    let ceilometer = Ceilometer::get()?;
    let vhost = broker().vhost()?;
    let site = Site::new()?;
    let mut agent = ceilometer.notification_agent(broker(), &vhost, &site.path("ceilometer"), "")?;
    let bus = Bus::connect(&vhost.url())?;
    bus.tap("tap")?;

    let mut guests = instances(12);
    let mut odd = instance(13);
    let nova = odd.nova.as_mut().context("nova's metadata")?;
    nova.name = "back\\slash \"quoted\" 'single' \u{1F52D} b'x' \u{e9}".into();
    nova.flavor.name = "größe & <more>".into();
    guests.push(odd);
    guests.push(lab::Guest::paused("plain-ü", "00000000-6e65-4068-8f73-0000000000aa", 70_000));
    let taken = publish(&site, &vhost, &guests)?;
    assert_eq!(taken.len(), guests.len() * 11);
    let volumes: Vec<String> = taken.iter().map(|sample| sample["counter_volume"].to_string()).collect();
    for volume in ["18446744073709551615", "9007199254740993", "-9223372036854775808", "2048.0", "1e+16"] {
        assert!(volumes.iter().any(|found| found == volume), "no {volume} in {volumes:?}");
    }
    accepted(&mut agent, &taken)?;

    let messages = bus.take_all("tap")?;
    let mut published = Vec::new();
    for message in &messages {
        assert_eq!(message.content_type.as_deref(), Some("application/json"));
        assert_eq!(message.content_encoding.as_deref(), Some("utf-8"));
        assert_eq!(message.delivery_mode, Some(2));
        let samples = message.samples()?;
        assert!(samples.len() <= 50, "a batch of {}", samples.len());
        published.extend(samples);
    }
    assert_eq!(ids(&published), ids(&taken));
    let signatures = ceilometer.signatures(&published, DEFAULT_SECRET)?;
    for (sample, signature) in published.iter().zip(&signatures) {
        assert_eq!(sample["message_signature"], *signature, "{sample}");
        assert!(taken.contains(sample), "the file has another form of {sample}");
    }
    agent.stop()
}

#[test]
fn samples_published_before_the_notification_agent_first_starts_wait_for_it() -> Result<()> {
    let vhost = broker().vhost()?;
    let site = Site::new()?;
    let taken = publish(&site, &vhost, &instances(5))?;
    let mut agent = Ceilometer::get()?.notification_agent(broker(), &vhost, &site.path("ceilometer"), "")?;
    accepted(&mut agent, &taken)?;
    agent.stop()
}

/// An agent that declared exchange and queues first, with options of its own, gets our samples all the same.
fn declared_by_the_agent(options: &str) -> Result<()> {
    let vhost = broker().vhost()?;
    let site = Site::new()?;
    let mut agent =
        Ceilometer::get()?.notification_agent(broker(), &vhost, &site.path("ceilometer"), options)?;
    let taken = publish(&site, &vhost, &instances(5))?;
    accepted(&mut agent, &taken)?;
    agent.stop()
}

#[test]
fn durable_exchanges_of_the_notification_agent_are_used_as_they_are() -> Result<()> {
    declared_by_the_agent("[oslo_messaging_rabbit]\namqp_durable_queues = true")
}

#[test]
fn quorum_queues_of_the_notification_agent_are_used_as_they_are() -> Result<()> {
    declared_by_the_agent("[oslo_messaging_rabbit]\nrabbit_quorum_queue = true")
}
