//! Brokers and what is declared there: the keys that a publisher and the collector share.

use std::time::Duration;

use amqp::{Broker, BrokerUrl, Flags, Tls};

use crate::Place;
use crate::secret::secret;
use crate::section::{Decoder, Key, Map, Section, key};
use crate::value;
use crate::yaml::Node;

/// The most brokers of one cluster.
const MAX_BROKERS: usize = 16;

/// Topics are routing keys and queues, which AMQP bounds at 255 bytes; `.sample` or `ceilometer.collector.` is added to each.
const MAX_TOPIC: usize = 230;

/// The most topics; each costs a copy of every message.
const MAX_TOPICS: usize = 16;

/// The largest limit of a quorum queue: oslo.messaging's own are integers of the same size.
const MAX_QUORUM_LIMIT: u64 = i32::MAX as u64;

pub(crate) const URL: Key = key(
    "url",
    "text or SECRET",
    "",
    "The broker: `amqp://user:password@host:5672/vhost`, or `amqps://…` for TLS.",
);
pub(crate) const URLS: Key = key(
    "urls",
    "list of text or SECRET",
    "",
    "In place of `url`: the brokers of a cluster, tried in this order.",
);
pub(crate) const CONTROL_EXCHANGE: Key = key(
    "control_exchange",
    "text",
    "ceilometer",
    "The topic exchange, as in Ceilometer's `[DEFAULT]control_exchange`.",
);
pub(crate) const DURABLE: Key = key(
    "amqp_durable_queues",
    "switch",
    "false",
    "Create exchange and queues durable, where they are missing. What exists is used as it is.",
);
pub(crate) const AUTO_DELETE: Key = key(
    "amqp_auto_delete",
    "switch",
    "false",
    "Create exchange and queues so that they go with their last user.",
);
pub(crate) const QUORUM: Key = key(
    "rabbit_quorum_queue",
    "switch",
    "false",
    "Create quorum queues, which are durable, and so is then the exchange.",
);
pub(crate) const QUORUM_DELIVERIES: Key = key(
    "rabbit_quorum_delivery_limit",
    "number",
    "0",
    "With quorum queues: deliveries of a message before it is discarded; 0 leaves it to the broker. As oslo.messaging has it, or it refuses the \
     queue; so for the next two.",
);
pub(crate) const QUORUM_LENGTH: Key = key(
    "rabbit_quorum_max_memory_length",
    "number",
    "0",
    "With quorum queues: messages that are kept in memory; 0 leaves it to the broker.",
);
pub(crate) const QUORUM_BYTES: Key = key(
    "rabbit_quorum_max_memory_bytes",
    "number",
    "0",
    "With quorum queues: bytes of messages that are kept in memory; 0 leaves it to the broker.",
);
pub(crate) const HEARTBEAT: Key =
    key("heartbeat", "duration", "60s", "AMQP's heartbeat; 0 means none. `heartbeat=` in a URL is stronger.");
pub(crate) const CONNECT_TIMEOUT: Key = key(
    "connect_timeout",
    "duration",
    "10s",
    "How long one attempt to connect may take, name resolution and TLS included.",
);
pub(crate) const TLS: Key = key("tls", "mapping", "", "Certificates for `amqps`.");

/// Certificates.
pub(crate) static TLS_SECTION: Section = Section {
    title: "the TLS settings",
    path: "tls",
    about: "PEM files for `amqps`; they are read at each attempt to connect.",
    keys: &[
        key(
            "ca",
            "path",
            "",
            "The authorities that may have signed the broker's certificate; absent, those that the system trusts.",
        ),
        key("certificate", "path", "", "Our own certificate and its chain; needs `key`."),
        key("key", "path", "", "The private key of our certificate, not encrypted."),
    ],
};

/// The brokers of a mapping that has the keys above; at least one, or there is a fault.
pub(crate) fn brokers(d: &mut Decoder<'_>, map: &Map<'_>) -> Vec<Broker> {
    let urls: Vec<(BrokerUrl, Place)> = match (map.get("url"), map.get("urls")) {
        (Some(one), None) => url(d, one).into_iter().collect(),
        (None, Some(several)) => d.list(several, "brokers", url).unwrap_or_default(),
        (Some(_), Some(both)) => {
            d.faults.error(&both.place, "`url` and `urls` exclude each other");
            Vec::new()
        }
        (None, None) => {
            d.faults.error(map.place, "the broker is missing: `url: amqp://user:password@host:5672/vhost`");
            Vec::new()
        }
    };
    if urls.len() > MAX_BROKERS {
        d.faults.error(map.place, format!("{} brokers; at most {MAX_BROKERS}", urls.len()));
    }
    let mut tls = Tls::default();
    if let Some(files) = map.section(d, "tls", &TLS_SECTION) {
        tls.ca = files.optional(d, "ca", value::readable);
        tls.certificate = files.optional(d, "certificate", value::readable);
        tls.key = files.optional(d, "key", value::readable);
        if files.has("certificate") != files.has("key") {
            d.faults.error(files.place, "a client certificate needs both `certificate` and `key`");
        }
        if map.has("tls") && urls.iter().any(|(url, _)| !url.is_tls()) {
            d.faults.error(
                files.place,
                "`tls` is set for a broker whose URL begins with amqp://; write amqps://",
            );
        }
    }
    let day = Duration::from_secs(86_400);
    let mut heartbeat = amqp::broker::HEARTBEAT;
    map.set(d, "heartbeat", &mut heartbeat, value::duration(Duration::ZERO, Duration::from_secs(3600)));
    let mut deadline = amqp::broker::CONNECT_DEADLINE;
    map.set(d, "connect_timeout", &mut deadline, value::duration(Duration::from_millis(100), day));
    urls.into_iter().map(|(url, _)| Broker { url, tls: tls.clone(), heartbeat, deadline }).collect()
}

fn url(d: &mut Decoder<'_>, node: &Node) -> Option<(BrokerUrl, Place)> {
    let text = secret(d, node)?;
    match text.parse() {
        Ok(url) => Some((url, node.place.clone())),
        Err(error) => {
            d.faults.error(&node.place, format!("{error}"));
            None
        }
    }
}

/// How missing exchanges and queues are created.
pub(crate) fn flags(d: &mut Decoder<'_>, map: &Map<'_>) -> Flags {
    let mut flags = Flags::default();
    map.set(d, "amqp_durable_queues", &mut flags.durable, value::switch);
    map.set(d, "amqp_auto_delete", &mut flags.auto_delete, value::switch);
    map.set(d, "rabbit_quorum_queue", &mut flags.quorum, value::switch);
    let limits = &mut flags.quorum_limits;
    for (key, limit) in [
        (&QUORUM_DELIVERIES, &mut limits.deliveries),
        (&QUORUM_LENGTH, &mut limits.memory_length),
        (&QUORUM_BYTES, &mut limits.memory_bytes),
    ] {
        map.set(d, key.name, limit, value::number(0, MAX_QUORUM_LIMIT));
        if let Some(node) = map.get(key.name).filter(|_| *limit > 0 && !flags.quorum) {
            d.faults.error(&node.place, format!("`{}` needs `rabbit_quorum_queue: true`", key.name));
        }
    }
    if flags.quorum && flags.auto_delete {
        d.faults.error(
            map.place,
            "quorum queues cannot be deleted automatically: `amqp_auto_delete` or `rabbit_quorum_queue`",
        );
    }
    flags
}

/// The name of an exchange or a queue.
pub(crate) fn amqp_name(d: &mut Decoder<'_>, node: &Node) -> Option<String> {
    let name = value::text(d, node)?;
    if name.len() > MAX_TOPIC || name.chars().any(char::is_whitespace) {
        return d.expected(&format!("a name of at most {MAX_TOPIC} bytes without spaces"), node);
    }
    Some(name)
}

/// Topics: a list, or one alone.
pub(crate) fn topics(d: &mut Decoder<'_>, node: &Node) -> Option<Vec<String>> {
    if let crate::yaml::Value::Scalar(_) = node.value {
        return Some(vec![amqp_name(d, node)?]);
    }
    let topics = d.list(node, "topics", amqp_name)?;
    if topics.len() > MAX_TOPICS {
        d.faults.error(&node.place, format!("{} topics; at most {MAX_TOPICS}", topics.len()));
        return None;
    }
    Some(topics)
}
