//! What the publisher promises, seen at real brokers: nothing is called delivered that no queue has, nothing that waits is lost.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use lab::{Broker, BrokerSettings, Proxy, free_port, instances};
use nephoscope_tests::bus::NOTIFICATIONS;
use nephoscope_tests::notification::ids;
use nephoscope_tests::program::lines;
use nephoscope_tests::{Bus, Guest, Pipeline, Running, Site, broker};
use serde_json::Value;
use wat_guests::{Meter, Sample, Samples, Volume, Wat};

const INSTANCES: usize = 10;
const INTERVAL: &str = "\n  - name: all\n    interval: 200ms\n    meters: [\"*\"]";

/// A pipeline with a state folder, hence a spool, to these publishers and to the file of [`Site::taken`].
fn pipeline(site: &Site, guests: usize, publishers: &[&str]) -> Result<Pipeline> {
    let uri = site.test_driver(&instances(guests))?;
    let file = site.file_sink();
    let publishers = [publishers, &[&file]].concat();
    Ok(Pipeline {
        sources: INTERVAL.into(),
        more: format!("state: \"{}\"", site.path("state").display()),
        ..Pipeline::mem_max(&uri, &publishers)
    })
}

fn amqp(url: &str, more: &str) -> String {
    format!("{{amqp: {{url: \"{url}\"{more}}}}}")
}

/// Ends the agent in order; what it has taken is then what these messages have.
fn compare(site: &Site, agent: Running, bus: &Bus, mut found: Vec<Value>) -> Result<()> {
    agent.stop()?.expect(0)?;
    found.extend(samples(bus)?);
    assert_eq!(ids(&found), ids(&site.taken()?));
    Ok(())
}

fn samples(bus: &Bus) -> Result<Vec<Value>> {
    let lists: Result<Vec<Vec<Value>>> =
        bus.take_all(NOTIFICATIONS)?.iter().map(|message| message.samples()).collect();
    Ok(lists?.concat())
}

/// Waits until so many more samples were polled.
fn poll_on(site: &Site, agent: &mut Running, more: usize) -> Result<()> {
    let before = site.taken()?.len();
    agent.until("polls", || Ok((site.taken()?.len() >= before + more).then_some(())))
}

#[test]
fn what_no_queue_takes_is_no_success_and_is_sent_again() -> Result<()> {
    let vhost = broker().vhost()?;
    let site = Site::new()?;
    site.pipeline(&pipeline(&site, INSTANCES, &[&amqp(&vhost.url(), "")])?)?;
    let mut agent = site.start(&["run", "pipeline.yaml"])?;
    poll_on(&site, &mut agent, 3 * INSTANCES)?;
    let bus = Bus::connect(&vhost.url())?;
    agent.until("a queue", || Ok(bus.count(NOTIFICATIONS).is_ok().then_some(())))?;
    bus.unbind(NOTIFICATIONS, NOTIFICATIONS)?;
    agent.until_logged(&["WARN", "unroutable", "no queue takes the messages", NOTIFICATIONS])?;
    poll_on(&site, &mut agent, 3 * INSTANCES)?;
    compare(&site, agent, &bus, Vec::new())
}

#[test]
fn a_broker_that_blocks_publishing_is_waited_for() -> Result<()> {
    let broker = Broker::start()?;
    let site = Site::new()?;
    // Blocked for longer than a confirmation may take: that is no reason to leave.
    site.pipeline(&pipeline(&site, INSTANCES, &[&amqp(&broker.url(), ", confirm_timeout: 1s")])?)?;
    let mut agent = site.start(&["run", "pipeline.yaml"])?;
    agent.until_logged(&["publishing over AMQP"])?;
    poll_on(&site, &mut agent, INSTANCES)?;
    broker.alarm(true)?;
    agent.until_logged(&["WARN", "blocked publishing"])?;
    poll_on(&site, &mut agent, 20 * INSTANCES)?;
    broker.alarm(false)?;
    agent.until_logged(&["unblocked publishing"])?;
    let log = agent.log();
    ensure!(lines(&log, &["interrupted"]).is_empty(), "it left:\n{log}");
    poll_on(&site, &mut agent, INSTANCES)?;
    compare(&site, agent, &Bus::connect(&broker.url())?, Vec::new())
}

#[test]
fn messages_that_the_broker_will_not_have_cost_what_is_too_large_alone() -> Result<()> {
    const HEAVY: usize = 30_000;
    let settings =
        BrokerSettings { options: vec!["max_message_size = 40000".into()], ..BrokerSettings::default() };
    let broker = Broker::start_with(&settings)?;
    let site = Site::new()?;
    // A sample of its own is too large; so are a whole batch's of mem.max, but no part of them.
    let text = "\"".repeat(HEAVY);
    let heavy = Samples::new(&[Sample {
        meter: "heavy",
        volume: Volume::Count(1),
        resource_id: None,
        metadata: &[("text", wat_guests::Value::Text(&text))],
    }]);
    let meter = Meter { name: "heavy", kind: wat_guests::Kind::Gauge, unit: "" };
    let module = Wat { items: &heavy.items, poll: &heavy.poll, meter, ..Wat::default() }.component();
    let module = site.write("heavy.wasm", module)?;
    const GUESTS: usize = 50;
    let pipeline = pipeline(&site, GUESTS, &[&amqp(&broker.url(), "")])?;
    let pipeline = Pipeline { sources: INTERVAL.replace("200ms", "3s"), ..pipeline };
    site.pipeline(&pipeline.with(Guest::new("heavy", module, "instance")))?;
    let mut agent = site.start(&["run", "pipeline.yaml"])?;
    let refused = site.path("state/spool/out-1.refused.jsonl");
    agent.until("every heavy sample of a cycle set aside", || {
        let text = fs::read_to_string(&refused).unwrap_or_default();
        Ok((text.lines().count() >= GUESTS).then_some(()))
    })?;
    let bus = Bus::connect(&broker.url())?;
    let mut found = Vec::new();
    agent.until("every other sample of a cycle in the queue", || {
        found.extend(samples(&bus)?);
        Ok((found.len() >= GUESTS).then_some(()))
    })?;
    agent.until_logged(&["ERROR", "the broker refuses a sample", "heavy"])?;
    let ended = agent.stop()?;
    ensure!(lines(&ended.stderr, &["the broker refuses a sample", "mem.max"]).is_empty(), "{}", ended.stderr);
    let meters: BTreeSet<&str> = found.iter().filter_map(|sample| sample["counter_name"].as_str()).collect();
    assert_eq!(meters, ["mem.max"].into());
    let aside = fs::read_to_string(&refused)?;
    for line in aside.lines() {
        let sample: Value = serde_json::from_str(line).context("a line that is no JSON")?;
        assert_eq!(sample["counter_name"], "heavy");
        assert!(sample["message_signature"].as_str().is_some_and(|signature| signature.len() == 64));
    }
    Ok(())
}

#[test]
fn what_waits_when_the_agent_ends_is_sent_by_the_next_one() -> Result<()> {
    let vhost = broker().vhost()?;
    let site = Site::new()?;
    let proxy = Proxy::start(broker().port())?;
    proxy.refuse(true);
    let url = vhost.url().replace(&broker().port().to_string(), &proxy.port().to_string());
    let second = broker().vhost()?;
    // Another publisher of the same sink does not wait for it.
    let publishers = [amqp(&url, ""), amqp(&second.url(), "")];
    site.pipeline(&pipeline(&site, INSTANCES, &[&publishers[0], &publishers[1]])?)?;
    let mut agent = site.start(&["run", "pipeline.yaml"])?;
    poll_on(&site, &mut agent, 10 * INSTANCES)?;
    let ended = agent.stop()?.expect(0)?;
    ended.line(&["INFO", "stays in the spool"])?;
    let taken = site.taken()?;
    assert_eq!(ids(&samples(&Bus::connect(&second.url())?)?), ids(&taken), "the other publisher's");
    let mut agent = site.start(&["run", "pipeline.yaml"])?;
    agent.until_logged(&["INFO", "samples of an earlier run are in the spool"])?;
    poll_on(&site, &mut agent, 2 * INSTANCES)?;
    proxy.refuse(false);
    agent.until_logged(&["INFO", "publishing over AMQP", "recovered=true"])?;
    let bus = Bus::connect(&vhost.url())?;
    let mut found = Vec::new();
    agent.until("what waited", || {
        found.extend(samples(&bus)?);
        Ok((found.len() >= taken.len()).then_some(()))
    })?;
    // Oldest first, among those of the earlier run.
    let earlier: BTreeSet<&str> = ids(&taken).into_iter().collect();
    let times: Vec<&str> = found
        .iter()
        .filter(|sample| sample["message_id"].as_str().is_some_and(|id| earlier.contains(id)))
        .filter_map(|sample| sample["timestamp"].as_str())
        .collect();
    ensure!(times.is_sorted(), "not oldest first: {times:?}");
    // To the letter what was polled, timestamp and signature included, however long it lay.
    for sample in &taken {
        ensure!(found.contains(sample), "{sample} is not what arrived");
    }
    compare(&site, agent, &bus, found)
}

#[test]
fn a_full_spool_pauses_polling_where_that_is_the_policy() -> Result<()> {
    const MANY: usize = 300;
    let vhost = broker().vhost()?;
    let site = Site::new()?;
    let proxy = Proxy::start(broker().port())?;
    proxy.refuse(true);
    let url = vhost.url().replace(&broker().port().to_string(), &proxy.port().to_string());
    let pipeline = pipeline(&site, MANY, &[&amqp(&url, "")])?;
    let more = format!("{}\nspool: {{overflow: pause, max_bytes: 1MiB, backlog_rate: 0}}", pipeline.more);
    site.pipeline(&Pipeline { more, ..pipeline })?;
    let mut agent = site.start(&["run", "pipeline.yaml"])?;
    agent.until_logged(&["WARN", "polling pauses", "source=\"all\""])?;
    let taken = site.taken()?.len();
    std::thread::sleep(Duration::from_secs(2));
    ensure!(site.taken()?.len() <= taken + 2 * MANY, "it polls on");
    proxy.refuse(false);
    agent.until_logged(&["INFO", "polling goes on"])?;
    let ended = {
        let bus = Bus::connect(&vhost.url())?;
        let mut found = Vec::new();
        agent.until("what waited", || {
            found.extend(samples(&bus)?);
            Ok((found.len() >= taken).then_some(()))
        })?;
        // The log is the agent's until it ends.
        let log = agent.log();
        compare(&site, agent, &bus, found)?;
        log
    };
    ensure!(lines(&ended, &["dropped"]).is_empty(), "{ended}");
    Ok(())
}

#[test]
fn two_agents_do_not_share_a_spool() -> Result<()> {
    let site = Site::new()?;
    let nobody = format!("amqp://127.0.0.1:{}/", free_port()?);
    let pipeline = pipeline(&site, INSTANCES, &[&amqp(&nobody, "")])?;
    let spool = format!("spool: {{folder: \"{}\"}}", site.path("spool").display());
    site.pipeline(&Pipeline { more: spool, ..pipeline })?;
    let mut first = site.start(&["run", "pipeline.yaml"])?;
    first.until_logged(&["polled", "on_disk=true"])?;
    let second = site.run(&["run", "pipeline.yaml"])?.expect(1)?;
    ensure!(second.stderr.contains("another agent uses the spool"), "{}", second.stderr);
    first.check()?;
    // A cycle by hand uses none.
    site.run_once()?.expect(3)?;
    Ok(())
}

#[test]
fn a_spool_without_a_place_is_an_error() -> Result<()> {
    let site = Site::new()?;
    let nobody = format!("amqp://127.0.0.1:{}/", free_port()?);
    let pipeline = pipeline(&site, INSTANCES, &[&amqp(&nobody, "")])?;
    site.pipeline(&Pipeline { more: "spool: {fsync: never}".into(), ..pipeline })?;
    let ended = site.run(&["run", "pipeline.yaml"])?.expect(1)?;
    ensure!(ended.stderr.contains("`spool` needs a `folder`"), "{}", ended.stderr);
    Ok(())
}
