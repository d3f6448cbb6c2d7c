//! Sinks: where samples go, by Ceilometer's publisher URLs or with all of AMQP's settings.

use publisher::{AmqpSettings, Settings, Target};
use sample::signature::Secret;

use super::source::located;
use crate::broker::{self, brokers, flags, topics};
use crate::secret::secret;
use crate::section::{Decoder, Map, Section, Unknown, key};
use crate::value;
use crate::yaml::{Node, Value};
use crate::{Located, Place};

/// The most sinks of one pipeline.
pub(super) const MAX_SINKS: usize = 64;

/// The most publishers of one sink; each holds a queue of its own.
const MAX_PUBLISHERS: usize = 64;

/// Where the samples of some sources go.
#[derive(Clone, Debug)]
pub struct Sink {
    /// Its name; unique.
    pub name: Located<String>,
    /// Each of them gets every sample; at least one.
    pub publishers: Vec<Located<Settings>>,
}

pub(crate) static SINK: Section = Section {
    title: "a sink",
    path: "sinks[]",
    about: "Where samples go.",
    keys: &[
        key("name", "text", "", "Required. Its name; unique."),
        key(
            "publishers",
            "list",
            "",
            "Required. Each gets every sample: `amqp://user:password@host:5672/vhost`, \
             `file:///path?json&max_bytes=N&backup_count=N` (JSON lines), `stdout:`, or a mapping with the key `amqp`.",
        ),
    ],
};

pub(crate) static PUBLISHER: Section = Section {
    title: "a publisher",
    path: "sinks[].publishers[]",
    about: "A publisher with settings of its own.",
    keys: &[
        key("amqp", "mapping", "", "Notifications as Ceilometer's compute agent sends them."),
        key("stdout", "nothing", "", "JSON lines on standard output."),
    ],
};

pub(crate) static AMQP: Section = Section {
    title: "an AMQP publisher",
    path: "sinks[].publishers[].amqp",
    about: "Notifications over AMQP 0-9-1, for Ceilometer's notification agent or a collector.",
    keys: &[
        broker::URL,
        broker::URLS,
        broker::CONTROL_EXCHANGE,
        key(
            "topics",
            "list of texts",
            "[notifications]",
            "Each message goes to each topic, as `<topic>.sample`: Ceilometer's `[oslo_messaging_notifications]topics`.",
        ),
        broker::DURABLE,
        broker::AUTO_DELETE,
        broker::QUORUM,
        key(
            "telemetry_secret",
            "text or SECRET",
            "",
            "Signs this publisher's samples; absent, that of the section `publisher`.",
        ),
        key("batch_size", "number", "", "Most samples in a message; absent, that of the section `polling`."),
        key(
            "max_queue_length",
            "number",
            "1024",
            "Batches that wait in memory while the broker is away; past it the oldest is dropped and counted.",
        ),
        key("max_unconfirmed", "number", "64", "Messages that may await the broker's confirmation at once."),
        broker::HEARTBEAT,
        broker::CONNECT_TIMEOUT,
        broker::TLS,
    ],
};

/// What publishers have in common.
pub(super) struct Common {
    pub batch_size: usize,
    pub secret: Secret,
}

pub(super) fn sink(d: &mut Decoder<'_>, node: &Node, common: &Common) -> Option<Sink> {
    let map = Map::open(d, node, &SINK, Unknown::Refuse)?;
    let name = map.required(d, "name", located);
    let publishers = map.required(d, "publishers", |d, node| {
        let publishers = d.list(node, "publishers", |d, node| {
            Some(Located { value: publisher(d, node, common)?, place: node.place.clone() })
        })?;
        if publishers.len() > MAX_PUBLISHERS {
            d.faults.error(&node.place, format!("{} publishers; at most {MAX_PUBLISHERS}", publishers.len()));
        }
        Some(publishers)
    });
    Some(Sink { name: name?, publishers: publishers? })
}

fn publisher(d: &mut Decoder<'_>, node: &Node, common: &Common) -> Option<Settings> {
    let target = |target| Settings {
        batch_size: common.batch_size,
        secret: common.secret.clone(),
        ..Settings::new(target)
    };
    match &node.value {
        Value::Scalar(url) => Some(target(from_url(d, &node.place, url)?)),
        Value::Mapping(entries) => {
            let map = Map::open(d, node, &PUBLISHER, Unknown::Refuse)?;
            match (&entries[..], map.get("amqp")) {
                // `- stdout:` without quotes is a mapping to YAML, and plain to see for anybody else.
                ([only], None) if only.key == "stdout" && only.node.is_null() => Some(target(Target::Stdout)),
                ([_], Some(amqp)) => from_mapping(d, amqp, common),
                ([only], None) if !PUBLISHER.keys.iter().any(|key| key.name == only.key) => None,
                _ => d.expected("one publisher: a URL, or a mapping with the one key `amqp`", node),
            }
        }
        Value::Null | Value::Sequence(_) => {
            d.expected("a publisher: a URL, or a mapping with the key `amqp`", node)
        }
    }
}

fn from_url(d: &mut Decoder<'_>, place: &Place, url: &str) -> Option<Target> {
    match Target::parse(url) {
        Ok(target) => Some(target),
        Err(fault) => {
            let hint = match url.split(':').next() {
                Some("notifier") => "; Ceilometer's notifier:// is amqp:// here, with the broker's address",
                Some(
                    "gnocchi" | "prometheus" | "opentelemetry" | "http" | "https" | "tcp" | "udp" | "zaqar"
                    | "test",
                ) => {
                    "; Ceilometer's notification agent has that publisher, and gets these samples by amqp://"
                }
                _ => "",
            };
            d.faults.error(place, format!("{fault}{hint}"));
            None
        }
    }
}

fn from_mapping(d: &mut Decoder<'_>, node: &Node, common: &Common) -> Option<Settings> {
    let map = Map::open(d, node, &AMQP, Unknown::Refuse)?;
    let mut amqp =
        AmqpSettings { brokers: brokers(d, &map), flags: flags(d, &map), ..AmqpSettings::default() };
    map.set(d, "control_exchange", &mut amqp.exchange, broker::amqp_name);
    map.set(d, "topics", &mut amqp.topics, topics);
    map.set(d, "max_unconfirmed", &mut amqp.window, value::number(1, publisher::MAX_WINDOW as u64));
    let mut settings = Settings::new(Target::Stdout);
    settings.batch_size = common.batch_size;
    map.set(d, "batch_size", &mut settings.batch_size, batch_size);
    map.set(d, "max_queue_length", &mut settings.queue, value::number(1, publisher::MAX_QUEUE as u64));
    settings.secret = match map.optional(d, "telemetry_secret", secret) {
        Some(text) => Secret::new(text),
        None => common.secret.clone(),
    };
    settings.target = Target::Amqp(amqp);
    Some(settings)
}

/// Samples in a message; 0 is one, as in Ceilometer.
pub(super) fn batch_size(d: &mut Decoder<'_>, node: &Node) -> Option<usize> {
    value::number(0, publisher::MAX_BATCH_SIZE as u64)(d, node)
}
