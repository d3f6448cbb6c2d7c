//! The messages of a batch: bodies, and where each goes.
//!
//! One batch is one message to each topic, with two exceptions: a body that is larger than consumers read is split, and with
//! `per_meter_topic` each meter's samples go a second time under its own name, as Ceilometer's publishers do it.

use sample::Sample;
use sample::bounds::MAX_BODY;
use sample::signature::Secret;
use sample::wire::{self, Heading};

use crate::settings::{AmqpSettings, Profile};

/// The longest routing key: AMQP has a byte for its length.
const MAX_ROUTING_KEY: usize = 255;

/// A body and the routing keys under which it is published.
#[derive(Debug)]
pub(crate) struct Message {
    pub keys: Vec<String>,
    pub body: Vec<u8>,
    /// Whether it has to reach a queue. It has not where nobody but who wants it has one.
    pub mandatory: bool,
}

/// The messages that carry these samples.
pub(crate) fn messages(settings: &AmqpSettings, secret: &Secret, samples: &[Sample]) -> Vec<Message> {
    let mut out = Vec::with_capacity(1);
    let mut put = |keys: Vec<String>, mandatory, heading: Heading<'_>, samples: &[Sample]| {
        let mut bodies = Vec::with_capacity(1);
        encode(heading, samples, secret, &mut bodies);
        out.extend(bodies.into_iter().map(|body| Message { keys: keys.clone(), body, mandatory }));
    };
    match &settings.profile {
        Profile::Polling => put(settings.routing_keys(), true, Heading::Polling, samples),
        Profile::Notifier { release, host, per_meter_topic } => {
            for topic in &settings.topics {
                let key = settings.profile.routing_key(topic);
                let mut notify = |event_type: &str, samples: &[Sample]| {
                    let heading = Heading::Notifier { release: *release, host, event_type };
                    put(vec![key.clone()], true, heading, samples);
                };
                notify(topic, samples);
                // To the same queue: it is the event type that tells meters apart.
                meters(*per_meter_topic, samples)
                    .for_each(|samples| notify(&of_meter(topic, samples), samples));
            }
        }
        Profile::Rpc { release, target, per_meter_topic } => {
            let heading = Heading::Cast { release: *release, method: target };
            put(settings.routing_keys(), true, heading, samples);
            for samples in meters(*per_meter_topic, samples) {
                let mut keys: Vec<String> =
                    settings.topics.iter().map(|topic| of_meter(topic, samples)).collect();
                // A queue for a meter whose name makes a longer one cannot be bound.
                keys.retain(|key| key.len() <= MAX_ROUTING_KEY);
                if !keys.is_empty() {
                    put(keys, false, heading, samples);
                }
            }
        }
    }
    out
}

/// Runs of samples of one meter, where they are asked for; a batch has one, as it comes from the agent.
fn meters(asked_for: bool, samples: &[Sample]) -> impl Iterator<Item = &[Sample]> {
    let samples = if asked_for { samples } else { &[] };
    samples.chunk_by(|left, right| left.meter == right.meter)
}

fn of_meter(topic: &str, samples: &[Sample]) -> String {
    format!("{topic}.{}", samples.first().map_or("", |sample| &*sample.meter))
}

/// The bodies of a batch: one, unless it is larger than a consumer reads (guests may give samples much metadata, and quoting makes it
/// longer); then halves, down to single samples, which are always small enough.
fn encode(heading: Heading<'_>, samples: &[Sample], secret: &Secret, bodies: &mut Vec<Vec<u8>>) {
    let body = wire::encode(heading, samples, secret);
    if body.len() <= MAX_BODY || samples.len() <= 1 {
        bodies.push(body);
        return;
    }
    let (first, second) = samples.split_at(samples.len() / 2);
    encode(heading, first, secret, bodies);
    encode(heading, second, secret, bodies);
}

#[cfg(test)]
mod tests {
    use sample::era::Release;
    use serde_json::Value;

    use super::*;
    use crate::amqp_worker::tests::samples;

    /// Routing keys, `event_type` or `method`, and how many samples, of each message of two meters' samples.
    fn sent(profile: Profile, topics: &[&str]) -> Vec<(String, String, usize)> {
        let settings = AmqpSettings {
            profile,
            topics: topics.iter().map(|topic| (*topic).to_owned()).collect(),
            ..AmqpSettings::default()
        };
        let mut batch = samples(3);
        batch[2].meter = "cpu".into();
        let told = |message: Message| {
            let decoded = wire::decode(&message.body);
            let inner: Value = serde_json::from_slice(&message.body).unwrap();
            let inner: Value = serde_json::from_str(inner["oslo.message"].as_str().unwrap()).unwrap();
            let name = inner["event_type"].as_str().or(inner["method"].as_str()).unwrap().to_owned();
            let count = decoded.map_or_else(
                |_| inner["args"]["data"].as_array().unwrap().len(),
                |decoded| decoded.samples.len(),
            );
            (message.keys.join(" "), name, count)
        };
        messages(&settings, &Secret::new("s"), &batch).into_iter().map(told).collect()
    }

    fn told(messages: &[(&str, &str, usize)]) -> Vec<(String, String, usize)> {
        messages.iter().map(|(keys, name, count)| ((*keys).into(), (*name).into(), *count)).collect()
    }

    #[test]
    fn one_body_goes_to_each_topic_of_a_notification_agent() {
        assert_eq!(
            sent(Profile::Polling, &["a", "b"]),
            told(&[("a.sample b.sample", "telemetry.polling", 3)])
        );
    }

    #[test]
    fn a_collector_gets_each_meter_a_second_time_where_that_is_asked_for() {
        let notifier =
            |per_meter_topic| Profile::Notifier { release: Release::Juno, host: "h".into(), per_meter_topic };
        let key = "metering.sample";
        assert_eq!(sent(notifier(false), &["metering"]), told(&[(key, "metering", 3)]));
        assert_eq!(
            sent(notifier(true), &["metering"]),
            told(&[(key, "metering", 3), (key, "metering.mem.max", 2), (key, "metering.cpu", 1)])
        );
        let rpc = |per_meter_topic, target: &str| Profile::Rpc {
            release: Release::Juno,
            target: target.into(),
            per_meter_topic,
        };
        let method = "record_metering_data";
        assert_eq!(sent(rpc(false, method), &["metering"]), told(&[("metering", method, 3)]));
        assert_eq!(
            sent(rpc(true, "other"), &["metering"]),
            told(&[("metering", "other", 3), ("metering.mem.max", "other", 2), ("metering.cpu", "other", 1)])
        );
        let long = "t".repeat(MAX_ROUTING_KEY - ".cpu".len());
        assert_eq!(
            sent(rpc(true, method), &[&long]),
            told(&[(&long, method, 3), (&format!("{long}.cpu"), method, 1)]),
            "no key is longer than AMQP's"
        );
    }

    fn heavy_metadata(text: String) -> std::sync::Arc<sample::Metadata> {
        let fields = [("text".to_owned(), text.into())].into_iter().collect();
        std::sync::Arc::new(sample::Metadata::new(fields))
    }

    #[test]
    fn a_batch_that_is_too_large_for_one_message_becomes_several() {
        let mut heavy = samples(50);
        for sample in &mut heavy {
            // Quotes: four bytes each, where JSON stands in JSON.
            sample.extra = Some(heavy_metadata("\"".repeat(40_000)));
        }
        let (settings, secret) = (AmqpSettings::default(), Secret::new("s"));
        let sent = messages(&settings, &secret, &heavy);
        assert!(sent.len() > 1 && sent.iter().all(|message| message.body.len() <= MAX_BODY));
        let received: usize =
            sent.iter().map(|message| wire::decode(&message.body).unwrap().samples.len()).sum();
        assert_eq!(received, 50);
        assert_eq!(messages(&settings, &secret, &samples(50)).len(), 1);
    }
}
