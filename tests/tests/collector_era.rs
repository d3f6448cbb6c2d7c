//! The genuine Ceilometer 9.0.7 (Pike) is the judge of what collectors of an older Ceilometer are sent; and what they are sent
//! reaches our own collector as well.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use lab::{DEFAULT_SECRET, Pike, PikeCollector, Vhost, instance, instances};
use nephoscope_tests::bus::{CASTS, DEAD_LETTERS, METERING};
use nephoscope_tests::notification::{cast_body, ids, metering_body, sample};
use nephoscope_tests::program::lines;
use nephoscope_tests::{Bus, Guest, Pipeline, Site, broker};
use serde_json::{Value, json};
use wat_guests::{Kind, Meter, Sample, Samples, Volume, Wat};

/// The secret that Juno came with.
const JUNO_SECRET: &str = "change this or be hacked";
/// Where a test reads what was published, beside the collector.
const TAP: &str = "tap";

/// A guest whose samples look like a vnic's and have what Python 2 prints in another way than Python 3.
fn odd_guest() -> Vec<u8> {
    use wat_guests::Value::{Flag, Integer, Null, Real, Text};
    let metadata = &[
        ("name", Text("tap0")),
        ("mac", Text("fa:16:3e:00:00:01")),
        ("fref", Null),
        ("parameters.bridge", Text("br-süd \"0\" \\ 'x'\t\u{1F52D}")),
        ("parameters.mtu", Integer(1500)),
        ("parameters.third", Real(1.0 / 3.0)),
        ("parameters.large", Real(123_456_789_012.5)),
        ("parameters.up", Flag(true)),
        ("vnic_name", Text("tap0")),
    ];
    let volumes = [
        Volume::Count(u64::MAX),
        Volume::Signed(i64::MIN),
        Volume::Real(2048.0),
        Volume::Real(-0.0),
        Volume::Real(1.0 / 3.0),
        Volume::Real(1e-5),
        Volume::Real(1e11),
        Volume::Real(123_456_789_012.5),
        Volume::Real(9_007_199_254_740_993.0),
        Volume::Real(1e16),
        Volume::Real(1.5e300),
        Volume::Real(5e-324),
    ];
    let samples: Vec<Sample<'_>> = volumes
        .into_iter()
        .enumerate()
        .map(|(number, volume)| Sample {
            meter: "odd.memory",
            volume,
            resource_id: None,
            metadata: if number % 2 == 0 { metadata } else { &[] },
        })
        .collect();
    let samples = Samples::new(&samples);
    let meter = Meter { name: "odd.memory", kind: Kind::Cumulative, unit: "GiB" };
    Wat { meter, items: &samples.items, poll: &samples.poll, ..Wat::default() }.component()
}

/// A virtual host whose collector's messages are tapped, with a pipeline for that collector.
struct Bench {
    site: Site,
    vhost: Vhost,
    bus: Bus,
}

impl Bench {
    /// `collector` is the mapping of that name in the publisher.
    fn new(collector: &str, routing_key: &str) -> Result<Bench> {
        let vhost = broker().vhost()?;
        let site = Site::new()?;
        let bus = Bus::connect(&vhost.url())?;
        bus.tap_key(TAP, routing_key)?;
        let mut guests = instances(7);
        let mut odd = instance(8);
        odd.nova.as_mut().context("nova's metadata")?.name = "back\\slash \"quoted\" 'single' \u{e9}".into();
        guests.push(odd);
        let uri = site.test_driver(&guests)?;
        let module = site.write("odd.wasm", odd_guest())?;
        let publisher = format!("{{amqp: {{url: \"{}\", collector: {{{collector}}}}}}}", vhost.url());
        let pipeline = Pipeline::mem_max(&uri, &[&publisher, &site.file_sink()]);
        site.pipeline(&pipeline.with(Guest::new("odd", module, "")))?;
        Ok(Bench { site, vhost, bus })
    }

    /// Polls once; gives the samples as they were published to the collector, by their `message_id`.
    fn published(&self) -> Result<BTreeMap<String, Value>> {
        self.site.run_once()?.expect(0)?;
        let mut published = Vec::new();
        for message in self.bus.take_all(TAP)? {
            assert_eq!(message.content_type.as_deref(), Some("application/json"));
            published.extend(message.samples()?);
        }
        let taken = self.site.taken()?;
        assert_eq!(taken.len(), 8 * 13);
        assert_eq!(ids(&published), ids(&taken), "what the other publisher got");
        by_id(&published)
    }
}

fn by_id(samples: &[Value]) -> Result<BTreeMap<String, Value>> {
    let id = |sample: &Value| sample["message_id"].as_str().map(str::to_owned).context("no message_id");
    samples.iter().map(|sample| Ok((id(sample)?, sample.clone()))).collect()
}

/// The collector has recorded each of these samples unchanged, and as often as `times`.
fn recorded(collector: &mut PikeCollector, published: &BTreeMap<String, Value>, times: usize) -> Result<()> {
    let samples = collector.wait_for_samples(published.len() * times)?;
    let log = collector.log()?;
    ensure!(
        !log.contains("signature invalid") && lines(&log, &[" ERROR "]).is_empty(),
        "it complained:\n{log}"
    );
    ensure!(samples.len() == published.len() * times, "{} samples", samples.len());
    ensure!(by_id(&samples)? == *published, "samples were changed");
    Ok(())
}

/// Three samples; the one in the middle says another volume than what was signed.
fn with_a_forged_one() -> [Value; 3] {
    let mut samples = [1, 2, 3].map(|volume| sample("cpu", volume));
    samples[1]["counter_volume"] = json!(1_000_000);
    samples
}

/// Of such a message, sent after `before` samples, the collector records the first and the last, and says what it dropped.
fn drops_the_forged_one(collector: &mut PikeCollector, before: usize, sent: &[Value; 3]) -> Result<()> {
    let samples = collector.wait_for_samples(before + 2)?;
    ensure!(samples[before..] == [sent[0].clone(), sent[2].clone()], "{:?}", &samples[before..]);
    let log = collector.log()?;
    ensure!(lines(&log, &["signature invalid", "1000000"]).len() == 1, "one is dropped:\n{log}");
    Ok(())
}

#[test]
fn pikes_collector_records_every_sample_unchanged_and_drops_a_forged_one() -> Result<()> {
    let bench = Bench::new("release: pike", METERING)?;
    let pike = Pike::get()?;
    let mut collector = pike.collector(broker(), &bench.vhost, &bench.site.path("pike"), "")?;
    let published = bench.published()?;
    recorded(&mut collector, &published, 1)?;
    let dicts: Vec<Value> = published.into_values().collect();
    let signatures = pike.signatures_on_python_2(&dicts, DEFAULT_SECRET)?;
    for (sample, signature) in dicts.iter().zip(&signatures) {
        assert_eq!(sample["message_signature"], *signature, "on Python 2: {sample}");
        let unit = if sample["counter_name"] == "mem.max" { "MB" } else { "GB" };
        assert_eq!(sample["counter_unit"], unit);
    }
    let samples = with_a_forged_one();
    bench.bus.publish(METERING, &[metering_body(&samples)])?;
    drops_the_forged_one(&mut collector, dicts.len(), &samples)?;
    collector.stop()
}

#[test]
fn a_collector_with_junos_secret_takes_samples_for_juno_and_each_meters_once_more() -> Result<()> {
    let bench = Bench::new("release: juno, per_meter_topic: true, metering_topic: telemetry", "none")?;
    let options = format!(
        "[publisher]\ntelemetry_secret = {JUNO_SECRET}\n[publisher_notifier]\nmetering_topic = telemetry"
    );
    let pike = Pike::get()?;
    bench.bus.tap_key("telemetry-tap", "telemetry.sample")?;
    let folder = bench.site.path("pike");
    let mut collector = pike.collector_of(broker(), &bench.vhost, &folder, &options, "telemetry.sample")?;
    bench.site.run_once()?.expect(0)?;
    let mut samples = BTreeMap::new();
    let mut event_types = BTreeMap::new();
    for message in bench.bus.take_all("telemetry-tap")? {
        let inner = message.inner()?;
        assert_eq!(inner["publisher_id"], "metering.publisher.compute-1");
        assert_eq!(inner["_context_user_identity"], "admin - - - -");
        *event_types.entry(inner["event_type"].to_string()).or_insert(0) += message.samples()?.len();
        samples.extend(by_id(&message.samples()?)?);
    }
    let meters = [
        ("\"telemetry\"".to_owned(), 8 * 13),
        ("\"telemetry.mem.max\"".to_owned(), 8),
        ("\"telemetry.odd.memory\"".to_owned(), 8 * 12),
    ];
    assert_eq!(event_types, BTreeMap::from(meters));
    recorded(&mut collector, &samples, 2)?;
    let dicts: Vec<Value> = samples.into_values().collect();
    let signatures = pike.signatures_on_python_2(&dicts, JUNO_SECRET)?;
    for (sample, signature) in dicts.iter().zip(&signatures) {
        assert_eq!(sample["message_signature"], *signature, "on Python 2: {sample}");
        let metadata = &sample["resource_metadata"];
        let flavor = instance(1).nova.context("nova's metadata")?.flavor;
        assert_ne!(metadata["instance_type"], flavor.name, "the flavor's id: {metadata}");
        assert_eq!(metadata["mac"].is_string(), metadata["display_name"].is_null(), "{metadata}");
    }
    collector.stop()
}

#[test]
fn casts_reach_the_collectors_endpoint_and_a_forged_sample_does_not() -> Result<()> {
    let bench = Bench::new("release: kilo, publisher: rpc", CASTS)?;
    let mut collector = Pike::get()?.rpc_collector(broker(), &bench.vhost, &bench.site.path("pike"), "")?;
    let published = bench.published()?;
    recorded(&mut collector, &published, 1)?;
    let samples = with_a_forged_one();
    bench.bus.publish(CASTS, &[cast_body("record_metering_data", &samples)])?;
    drops_the_forged_one(&mut collector, published.len(), &samples)?;
    collector.stop()
}

#[test]
fn samples_published_before_the_collector_first_starts_wait_for_it() -> Result<()> {
    for (collector, queue) in [
        ("release: juno", METERING),
        ("release: juno, publisher: rpc", CASTS),
        ("release: icehouse, publisher: rpc", "ceilometer.collector.metering"),
    ] {
        let bench = Bench::new(&format!("{collector}, per_meter_topic: true"), "none")?;
        bench.site.run_once()?.expect(0)?;
        assert!(bench.bus.count(queue)? > 0, "{queue}");
        // A queue that nobody consumes would grow for ever.
        let queues = broker().rabbitmqctl(&["list_queues", "-p", &bench.vhost.name, "--silent", "name"])?;
        let mut queues: Vec<&str> = queues.lines().filter(|name| *name != "name").collect();
        queues.sort_unstable();
        assert_eq!(queues, [queue, TAP]);
    }
    Ok(())
}

#[test]
fn our_own_collector_stores_notifications_and_casts_and_dead_letters_what_is_none() -> Result<()> {
    for (collector, queue) in [("release: pike", METERING), ("release: icehouse, publisher: rpc", CASTS)] {
        let bench = Bench::new(collector, queue)?;
        let secret = if queue == CASTS { JUNO_SECRET } else { DEFAULT_SECRET };
        let mut ours = bench.site.collector_with(&format!(
            "amqp: {{url: \"{}\"}}\ntelemetry_secret: {secret}",
            bench.vhost.url()
        ))?;
        let published = bench.published()?;
        let stored = bench.site.stored(&mut ours, published.len())?;
        assert_eq!(ids(&stored), published.keys().map(String::as_str).collect::<Vec<_>>());
        for sample in &stored {
            let sent = &published[sample["id"].as_str().context("no id")?];
            assert_eq!(sample["metadata"], sent["resource_metadata"]);
            assert_eq!(sample["unit"], sent["counter_unit"]);
        }
        ours.stop()?.expect(0)?;
    }

    let vhost = broker().vhost()?;
    let site = Site::new()?;
    let mut ours = site.collector(&vhost.url())?;
    let bus = Bus::connect(&vhost.url())?;
    let samples = with_a_forged_one();
    let unknown = cast_body("record_events", &samples);
    bus.publish(CASTS, &[cast_body("record_metering_data", &samples), unknown.clone()])?;
    assert_eq!(ids(&site.stored(&mut ours, 2)?), ids(&[samples[0].clone(), samples[2].clone()]));
    ours.until("two dead letters", || Ok((bus.count(DEAD_LETTERS)? == 2).then_some(())))?;
    let mut letters = bus.take_all(DEAD_LETTERS)?;
    letters.sort_by_key(|letter| letter.headers["x-nephoscope-reason"].clone());
    let reasons: Vec<&str> =
        letters.iter().map(|letter| letter.headers["x-nephoscope-reason"].as_str()).collect();
    assert_eq!(reasons, ["method", "signature"]);
    assert_eq!(letters[0].body, unknown, "the message as it came");
    assert_eq!(letters[0].headers["x-nephoscope-routing-key"], CASTS);
    ours.stop()?.expect(0)?;
    Ok(())
}
