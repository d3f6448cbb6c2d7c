//! What operators set of an AMQP publisher, seen at a real broker.

use anyhow::{Context, Result};
use lab::{Broker, Ceilometer, Vhost, free_port, instances};
use nephoscope_tests::bus::NOTIFICATIONS;
use nephoscope_tests::notification::ids;
use nephoscope_tests::{Bus, Pipeline, Site, broker};
use serde_json::Value;

const INSTANCES: usize = 12;

/// A folder with a pipeline whose publisher has these keys.
fn site(amqp: &str, guests: usize) -> Result<Site> {
    let site = Site::new()?;
    let uri = site.test_driver(&instances(guests))?;
    site.pipeline(&Pipeline::mem_max(&uri, &[&format!("{{amqp: {{{amqp}}}}}"), &site.file_sink()]))?;
    Ok(site)
}

/// The lists of samples in a queue, message by message.
fn lists(vhost: &Vhost, queue: &str) -> Result<Vec<Vec<Value>>> {
    Bus::connect(&vhost.url())?.take_all(queue)?.iter().map(|message| message.samples()).collect()
}

/// The broker's own words about a queue or an exchange.
fn described(vhost: &Vhost, command: &str, name: &str, columns: &[&str]) -> Result<String> {
    let mut arguments = vec![command, "-p", &vhost.name, "name"];
    arguments.extend(columns);
    let listed = broker().rabbitmqctl(&arguments)?;
    let line = listed.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('\t'));
    line.map(str::to_owned).with_context(|| format!("no {name} in:\n{listed}"))
}

#[test]
fn each_topic_of_another_exchange_gets_every_message() -> Result<()> {
    let vhost = broker().vhost()?;
    let keys = format!("url: \"{}\", control_exchange: telemetry, topics: [one, two]", vhost.url());
    let site = site(&keys, INSTANCES)?;
    site.run_once()?.expect(0)?;
    let taken = site.taken()?;
    for queue in ["one.sample", "two.sample"] {
        assert_eq!(ids(&lists(&vhost, queue)?.concat()), ids(&taken), "{queue}");
    }
    assert!(described(&vhost, "list_exchanges", "telemetry", &["type"])?.contains("topic"));
    assert!(described(&vhost, "list_exchanges", "ceilometer", &["type"]).is_err());
    assert!(described(&vhost, "list_queues", NOTIFICATIONS, &["messages"]).is_err());
    Ok(())
}

#[test]
fn exchange_and_queue_are_created_as_they_are_to_be() -> Result<()> {
    let quorum = "rabbit_quorum_queue: true, rabbit_quorum_delivery_limit: 5, rabbit_quorum_max_memory_length: 6, \
                  rabbit_quorum_max_memory_bytes: 7000";
    for (keys, durable, auto_delete, arguments) in [
        ("", false, false, &[][..]),
        ("amqp_durable_queues: true", true, false, &[]),
        ("amqp_auto_delete: true", false, true, &[]),
        ("amqp_durable_queues: true, amqp_auto_delete: true", true, true, &[]),
        (
            quorum,
            true,
            false,
            &[
                "\"x-queue-type\",\"quorum\"",
                "\"x-delivery-limit\",5",
                "\"x-max-in-memory-length\",6",
                "\"x-max-in-memory-bytes\",7000",
            ],
        ),
    ] {
        let vhost = broker().vhost()?;
        let site = site(&format!("url: \"{}\", {keys}", vhost.url()), INSTANCES)?;
        site.run_once()?.expect(0)?;
        let flags = format!("{durable}\t{auto_delete}");
        let columns = &["durable", "auto_delete"];
        assert_eq!(described(&vhost, "list_exchanges", "ceilometer", columns)?, flags, "{keys}");
        let queue =
            described(&vhost, "list_queues", NOTIFICATIONS, &["durable", "auto_delete", "arguments"])?;
        assert!(queue.starts_with(&flags), "{keys}: {queue}");
        assert_eq!(queue.matches("\"x-").count(), arguments.len(), "{keys}: {queue}");
        assert!(arguments.iter().all(|argument| queue.contains(argument)), "{keys}: {queue}");
        assert_eq!(ids(&lists(&vhost, NOTIFICATIONS)?.concat()), ids(&site.taken()?), "{keys}");
    }
    Ok(())
}

#[test]
fn a_notification_agent_takes_the_quorum_queues_that_were_created_for_it() -> Result<()> {
    let vhost = broker().vhost()?;
    let keys = "rabbit_quorum_queue: true, rabbit_quorum_delivery_limit: 5";
    let site = site(&format!("url: \"{}\", {keys}", vhost.url()), INSTANCES)?;
    site.run_once()?.expect(0)?;
    let options = "[oslo_messaging_rabbit]\nrabbit_quorum_queue = true\nrabbit_quorum_delivery_limit = 5";
    let folder = site.path("ceilometer");
    let mut agent = Ceilometer::get()?.notification_agent(broker(), &vhost, &folder, options)?;
    assert_eq!(ids(&agent.wait_for_samples(INSTANCES)?), ids(&site.taken()?));
    agent.stop()
}

#[test]
fn a_batch_has_as_many_samples_as_are_asked_for() -> Result<()> {
    const GUESTS: usize = 120;
    // Threads take 50 instances at a time, so the last batch of each 50 may be smaller.
    for (batch_size, most, smaller) in [(0, 1, 0), (1, 1, 0), (7, 7, 3), (50, 50, 1)] {
        let vhost = broker().vhost()?;
        let site = site(&format!("url: \"{}\", batch_size: {batch_size}", vhost.url()), GUESTS)?;
        site.run_once()?.expect(0)?;
        let lists = lists(&vhost, NOTIFICATIONS)?;
        let sizes: Vec<usize> = lists.iter().map(Vec::len).collect();
        assert!(sizes.iter().all(|size| (1..=most).contains(size)), "batch_size {batch_size}: {sizes:?}");
        let found = sizes.iter().filter(|size| **size < most).count();
        assert!(found <= smaller, "batch_size {batch_size}: {sizes:?}");
        assert_eq!(ids(&lists.concat()), ids(&site.taken()?));
    }
    Ok(())
}

#[test]
fn where_the_first_broker_is_down_the_second_is_used() -> Result<()> {
    let vhost = broker().vhost()?;
    let urls = format!("urls: [\"amqp://127.0.0.1:{}/\", \"{}\"]", free_port()?, vhost.url());
    let site = site(&urls, INSTANCES)?;
    site.run_once()?.expect(0)?;
    assert_eq!(ids(&lists(&vhost, NOTIFICATIONS)?.concat()), ids(&site.taken()?));
    Ok(())
}

#[test]
fn when_the_first_broker_crashes_the_second_takes_over() -> Result<()> {
    let mut first = Broker::start()?;
    let (vhost, second) = (first.vhost()?, broker().vhost()?);
    let site = site(&format!("urls: [\"{}\", \"{}\"]", vhost.url(), second.url()), INSTANCES)?;
    let mut agent = site.start(&["run", "pipeline.yaml"])?;
    let before = agent.until("samples at the first broker", || {
        let lists = lists(&vhost, NOTIFICATIONS).unwrap_or_default();
        Ok((!lists.is_empty()).then_some(lists.concat()))
    })?;
    assert!(Bus::connect(&second.url())?.count(NOTIFICATIONS).is_err(), "the second is left alone");
    first.kill();
    let after = agent.until("samples at the second broker", || {
        let lists = lists(&second, NOTIFICATIONS).unwrap_or_default();
        Ok((!lists.is_empty()).then_some(lists.concat()))
    })?;
    agent.stop()?.expect(0)?;
    let taken = site.taken()?;
    let known = ids(&taken);
    for samples in [before, after] {
        assert!(ids(&samples).iter().all(|id| known.binary_search(id).is_ok()));
    }
    Ok(())
}
