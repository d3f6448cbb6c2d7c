//! The policy of docs/delivery.md for the samples' queue: what the broker gives up is in the dead-letter queue, and nowhere lost.

use anyhow::{Context, Result, ensure};
use nephoscope_tests::bus::{DEAD_LETTERS, NOTIFICATIONS};
use nephoscope_tests::notification::{body, ids, sample};
use nephoscope_tests::{Bus, Site, broker, root};
use serde_json::Value;

/// The arguments of the documented command.
fn documented() -> Result<Vec<String>> {
    let text = std::fs::read_to_string(root().join("docs/delivery.md"))?;
    let joined = text.replace("\\\n", " ");
    let line = joined
        .lines()
        .find(|line| line.trim_start().starts_with("rabbitmqctl set_policy"))
        .context("no `rabbitmqctl set_policy` in docs/delivery.md")?;
    // As a shell takes it: words, and texts between single quotes.
    let mut words = Vec::new();
    for (number, part) in line.split('\'').enumerate() {
        if number % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words.remove(0);
    Ok(words)
}

#[test]
fn what_the_broker_gives_up_is_dead_lettered_by_the_documented_policy() -> Result<()> {
    let vhost = broker().vhost()?;
    let mut policy: Vec<String> = documented()?;
    policy.splice(1..1, ["-p".to_owned(), vhost.name.clone()]);
    broker().rabbitmqctl(&policy.iter().map(String::as_str).collect::<Vec<_>>())?;
    let limit: usize = {
        let settings: Value = policy
            .iter()
            .find_map(|word| serde_json::from_str(word).ok().filter(Value::is_object))
            .context("no JSON")?;
        settings["delivery-limit"].as_u64().context("no delivery limit")?.try_into()?
    };
    let site = Site::new()?;
    let yaml = format!("amqp: {{url: \"{}\", rabbit_quorum_queue: true}}", vhost.url());
    // It declares queues and exchange, and is gone then.
    site.collector_with(&yaml)?.stop()?.expect(0)?;
    let bus = Bus::connect(&vhost.url())?;
    let good: Vec<Value> = (0..3).map(|number| sample("mem.max", number)).collect();
    let publish = |sample: &Value| bus.publish(NOTIFICATIONS, &[body(std::slice::from_ref(sample))]);

    // Rejected for good, by whoever.
    publish(&good[0])?;
    bus.give_back(NOTIFICATIONS, 0)?;
    // Given back once too often.
    publish(&good[1])?;
    bus.give_back(NOTIFICATIONS, limit + 1)?;
    let mut letters = Vec::new();
    lab::until("two dead letters", nephoscope_tests::LIMIT, || {
        letters.extend(bus.take_all(DEAD_LETTERS)?);
        Ok((letters.len() >= 2).then_some(()))
    })?;
    let found: Result<Vec<Vec<Value>>> = letters.iter().map(|letter| letter.samples()).collect();
    assert_eq!(ids(&found?.concat()), ids(&good[..2]));
    ensure!(letters.iter().all(|letter| !letter.headers.contains_key("x-nephoscope-reason")));

    // The rest goes its usual way.
    publish(&good[2])?;
    let mut collector = site.collector_with(&yaml)?;
    assert_eq!(ids(&site.stored(&mut collector, 1)?), ids(&good[2..]));
    collector.stop()?.expect(0)?;
    Ok(())
}

#[test]
fn two_collectors_of_one_store_and_queue_store_each_sample_once_whoever_is_killed() -> Result<()> {
    let vhost = broker().vhost()?;
    let site = Site::new()?;
    let url = vhost.url();
    let yaml = format!("amqp: {{url: \"{url}\", rabbit_qos_prefetch_count: 10}}\ncommit: {{samples: 50}}");
    let mut first = site.collector_with(&yaml)?;
    let second = site.collector_with(&yaml)?;
    let bus = Bus::connect(&url)?;
    let good: Vec<Value> = (0..3_000).map(|number| sample("mem.max", number)).collect();
    let messages: Vec<Vec<u8>> = good.chunks(5).map(body).collect();
    bus.publish(NOTIFICATIONS, &messages[..300])?;
    // The same again, as after a connection that broke before the confirmation.
    bus.publish(NOTIFICATIONS, &messages[200..])?;
    first.until("some of the messages gone", || Ok((bus.count(NOTIFICATIONS)? < 500).then_some(())))?;
    second.kill()?;
    let stored = site.stored(&mut first, good.len())?;
    first.stop()?.expect(0)?;
    let mut expected = ids(&good);
    expected.sort_unstable();
    assert_eq!(ids(&stored), expected);
    assert_eq!(bus.count(NOTIFICATIONS)?, 0);
    Ok(())
}
