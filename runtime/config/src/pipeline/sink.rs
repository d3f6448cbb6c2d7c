//! Sinks: where samples go, by Ceilometer's publisher URLs or with all of AMQP's settings.

use std::time::Duration;

use publisher::{AmqpSettings, CAST_METHOD, METERING_TOPIC, Profile, Settings, Target};
use sample::era::Release;
use sample::signature::Secret;

use super::source::{Draft, located};
use crate::broker::{self, brokers, flags, topics};
use crate::fault::shown;
use crate::secret::secret;
use crate::section::{Decoder, Map, Section, Unknown, key, meant};
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
        key("amqp", "mapping", "", "Messages as Ceilometer's compute agent sends them, or sent them."),
        key("stdout", "nothing", "", "JSON lines on standard output."),
    ],
};

pub(crate) static AMQP: Section = Section {
    title: "an AMQP publisher",
    path: "sinks[].publishers[].amqp",
    about: "Messages over AMQP 0-9-1, for Ceilometer's notification agent or a collector.",
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
        key(
            "collector",
            "mapping",
            "",
            "For the collector of an older Ceilometer (Icehouse to Pike); absent, samples are for a notification agent (Liberty and later).",
        ),
        broker::DURABLE,
        broker::AUTO_DELETE,
        broker::QUORUM,
        broker::QUORUM_DELIVERIES,
        broker::QUORUM_LENGTH,
        broker::QUORUM_BYTES,
        key(
            "telemetry_secret",
            "text or SECRET",
            "",
            "Signs this publisher's samples; absent, that of the section `publisher`; without one there, what Ceilometer of that release came \
             with.",
        ),
        key("batch_size", "number", "", "Most samples in a message; absent, that of the section `polling`."),
        key(
            "max_queue_length",
            "number",
            "1024",
            "Batches that wait in memory while the broker is away; past it, with a spool, they are on disk alone, without one the oldest is dropped and counted.",
        ),
        key("max_unconfirmed", "number", "64", "Messages that may await the broker's confirmation at once."),
        key(
            "confirm_timeout",
            "duration",
            "30s",
            "How long the broker may take to confirm a message, before another connection is tried, with the next of `urls` first.",
        ),
        broker::HEARTBEAT,
        broker::CONNECT_TIMEOUT,
        broker::TLS,
    ],
};

pub(crate) static COLLECTOR: Section = Section {
    title: "the section `collector`",
    path: "sinks[].publishers[].amqp.collector",
    about: "The collector of an older Ceilometer, which takes samples in other messages and with other keys; see \
            [An older Ceilometer](operating.md#an-older-ceilometer).",
    keys: &[
        key(
            "release",
            "text",
            "",
            "Required. The collector's release: `icehouse`, `juno`, `kilo`, `liberty`, `mitaka`, `newton`, `ocata` or `pike`.",
        ),
        key(
            "publisher",
            "`notifier` or `rpc`",
            "notifier",
            "Which of Ceilometer's own publishers to equal: `notifier://` (Juno to Pike), or `rpc://` (Icehouse to Liberty).",
        ),
        key(
            "metering_topic",
            "text",
            "metering",
            "In place of `topics`: the collector's `metering_topic`. Notifications go to `<topic>.sample`, casts of `rpc` to `<topic>`.",
        ),
        key(
            "per_meter_topic",
            "switch",
            "false",
            "Send each meter's samples a second time as `<metering_topic>.<meter>`: an event type, or with `rpc` a routing key.",
        ),
        key(
            "target",
            "text",
            "record_metering_data",
            "With `rpc`: the method that is called. Collectors serve none but this one.",
        ),
    ],
};

/// What publishers have in common.
pub(super) struct Common {
    pub batch_size: usize,
    /// Absent where the file has none: what is then the secret depends on who is to verify the samples.
    pub secret: Option<Secret>,
    /// This host's name.
    pub host: String,
}

impl Common {
    fn settings(&self, target: Target) -> Settings {
        let default = Settings::new(target);
        Settings {
            batch_size: self.batch_size,
            secret: self.secret.clone().unwrap_or(default.secret),
            ..default
        }
    }
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
    let target = |target| common.settings(target);
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
                Some("notifier") => {
                    "; Ceilometer's notifier:// is amqp:// here, with the broker's address; for a collector, a mapping with the key `amqp`, and in it `collector`"
                }
                Some("rpc") => {
                    "; Ceilometer's rpc:// is a mapping with the key `amqp` here, and in it `collector`"
                }
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
    let release = collector(d, &map, &mut amqp, common);
    map.set(d, "max_unconfirmed", &mut amqp.window, value::number(1, publisher::MAX_WINDOW as u64));
    let patience = value::duration(Duration::from_secs(1), Duration::from_secs(3_600));
    map.set(d, "confirm_timeout", &mut amqp.confirm_timeout, patience);
    let mut settings = common.settings(Target::Amqp(amqp));
    map.set(d, "batch_size", &mut settings.batch_size, batch_size);
    map.set(d, "max_queue_length", &mut settings.queue, value::number(1, publisher::MAX_QUEUE as u64));
    if let Some(text) = map.optional(d, "telemetry_secret", secret) {
        settings.secret = Secret::new(text);
    } else if let (None, Some(release)) = (&common.secret, release) {
        settings.secret = Secret::new(release.default_secret());
    }
    Some(settings)
}

/// The collector that is to take the samples, where there is one, and its topic. Gives its release.
fn collector(
    d: &mut Decoder<'_>,
    outer: &Map<'_>,
    amqp: &mut AmqpSettings,
    common: &Common,
) -> Option<Release> {
    let map = Map::open(d, outer.get("collector")?, &COLLECTOR, Unknown::Refuse)?;
    if let Some(node) = outer.get("topics") {
        d.faults
            .error(&node.place, "`topics` are a notification agent's: set `metering_topic` in `collector`");
    }
    amqp.topics = vec![METERING_TOPIC.to_owned()];
    map.set(d, "metering_topic", &mut amqp.topics, |d, node| Some(vec![broker::amqp_name(d, node)?]));
    let mut per_meter_topic = false;
    map.set(d, "per_meter_topic", &mut per_meter_topic, value::switch);
    let mut casts = false;
    map.set(d, "publisher", &mut casts, value::word(&[("notifier", false), ("rpc", true)]));
    let mut target = CAST_METHOD.to_owned();
    map.set(d, "target", &mut target, value::name);
    if let Some(node) = map.get("target").filter(|_| !casts) {
        d.faults.error(&node.place, "`target` belongs to `publisher: rpc`");
    }
    let release = map.required(d, "release", |d, node| {
        let release = value::word(Release::ALL)(d, node)?;
        let fault = if casts && !release.takes_casts() {
            "collectors serve no casts since mitaka: leave out `publisher: rpc`"
        } else if !casts && !release.takes_notifications() {
            "the collector of icehouse takes no notifications: set `publisher: rpc`"
        } else {
            return Some(release);
        };
        d.faults.error(&node.place, fault);
        None
    })?;
    amqp.profile = if casts {
        Profile::Rpc { release, target, per_meter_topic }
    } else {
        Profile::Notifier { release, host: common.host.clone(), per_meter_topic }
    };
    Some(release)
}

/// Samples in a message; 0 is one, as in Ceilometer.
pub(super) fn batch_size(d: &mut Decoder<'_>, node: &Node) -> Option<usize> {
    value::number(0, publisher::MAX_BATCH_SIZE as u64)(d, node)
}

/// The names of the sinks, those among them that have faults of their own.
pub(super) fn declared<'n>(file: &Map<'n>) -> Vec<&'n str> {
    let Some(Node { value: Value::Sequence(items), .. }) = file.get("sinks") else { return Vec::new() };
    items
        .iter()
        .filter_map(|item| match &item.value {
            Value::Mapping(entries) => entries.iter().find(|entry| entry.key == "name"),
            _ => None,
        })
        .filter_map(|entry| match &entry.node.value {
            Value::Scalar(name) => Some(name.as_str()),
            _ => None,
        })
        .collect()
}

/// Looks the sources' sinks up. A sink that is declared but has faults is no second fault of its sources.
pub(super) fn join(d: &mut Decoder<'_>, drafts: &mut [Draft], sinks: &[Sink], declared: Vec<&str>) {
    // Where a source has faults, it may be the one that would use a sink.
    let mut used = vec![drafts.is_empty() || d.faults.is_fatal(); sinks.len()];
    for draft in drafts {
        let Some(names) = &draft.sinks else {
            draft.source.sinks = (0..sinks.len()).collect();
            used.fill(true);
            continue;
        };
        for name in names {
            match sinks.iter().position(|sink| sink.name.value == name.value) {
                Some(index) if draft.source.sinks.contains(&index) => {
                    d.faults.warning(&name.place, format!("the sink {} is named twice", shown(name)));
                }
                Some(index) => {
                    draft.source.sinks.push(index);
                    used[index] = true;
                }
                None if declared.contains(&name.as_str()) => {}
                None => {
                    let hint = meant(name, declared.iter().copied());
                    d.faults.error(&name.place, format!("there is no sink {}; {hint}", shown(name)));
                    used.fill(true);
                }
            }
        }
    }
    for (sink, _) in sinks.iter().zip(used).filter(|(_, used)| !used) {
        d.faults.warning(&sink.name.place, format!("no source writes to the sink {}", shown(&sink.name)));
    }
}
