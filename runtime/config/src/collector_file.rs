//! The collector's file.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use collector::Settings;
use sample::signature::Secret;
use store::{Address, Postgres, Sqlite, Store};

use crate::broker::{self, brokers, flags, topics};
use crate::secret::secret;
use crate::section::{Decoder, Map, Section, Unknown, key};
use crate::value;
use crate::yaml::{Node, Value};
use crate::{Faults, Loaded, file, http_api};

pub(crate) static FILE: Section = Section {
    title: "a collector file",
    path: "",
    about: "Paths are relative to the file's own folder.",
    keys: &[
        key("amqp", "mapping", "", "Required. Where samples come from."),
        key(
            "store",
            "path, address or SECRET",
            "",
            "Required. An SQLite file, which is made where it does not exist (its folder is not); or a PostgreSQL database, `postgresql://user:password@host:5432/database?sslmode=verify-full`, \
             which has to exist. The address may stand elsewhere, as a SECRET.",
        ),
        key(
            "telemetry_secret",
            "text or SECRET",
            "change this for valid signing",
            "What every sample must be signed with; `\"\"` accepts every sample.",
        ),
        key("max_message_bytes", "size", "4MiB", "Larger messages are not read but dead-lettered."),
        key(
            "decoders",
            "number",
            "0",
            "Threads that decode messages and check signatures; 0: as many as processors, at most 4.",
        ),
        key("commit", "mapping", "", "How samples are gathered into transactions."),
        key("dead_letter", "mapping", "", "Where messages and samples go that cannot be stored."),
        key("retention", "mapping", "", "How long samples are kept; absent, for ever."),
        key("api", "mapping", "", "Ceilometer's HTTP API over the store; absent, there is none."),
    ],
};

pub(crate) static AMQP: Section = Section {
    title: "the section `amqp`",
    path: "amqp",
    about: "Where samples come from.",
    keys: &[
        broker::URL,
        broker::URLS,
        broker::CONTROL_EXCHANGE,
        key(
            "topics",
            "list of texts",
            "[notifications]",
            "Of each topic, the queue `<topic>.sample` is consumed.",
        ),
        key(
            "metering_topic",
            "text",
            "metering",
            "The topic of Ceilometer's collector era (Icehouse to Pike): the queues `<topic>.sample` and `<topic>` are consumed as well; `\"\"` \
             leaves them alone.",
        ),
        broker::DURABLE,
        broker::AUTO_DELETE,
        broker::QUORUM,
        broker::QUORUM_DELIVERIES,
        broker::QUORUM_LENGTH,
        broker::QUORUM_BYTES,
        key(
            "rabbit_qos_prefetch_count",
            "number",
            "400",
            "Messages that the broker hands out ahead of their acknowledgement.",
        ),
        broker::HEARTBEAT,
        broker::CONNECT_TIMEOUT,
        broker::TLS,
    ],
};

pub(crate) static COMMIT: Section = Section {
    title: "the section `commit`",
    path: "commit",
    about: "How samples are gathered into transactions; a message is acknowledged after its commit.",
    keys: &[
        key("samples", "number", "10000", "Samples at which a transaction is committed."),
        key("linger", "duration", "100ms", "How long the first sample of a transaction waits for others."),
    ],
};

pub(crate) static DEAD_LETTER: Section = Section {
    title: "the section `dead_letter`",
    path: "dead_letter",
    about: "A durable queue for what cannot be stored, with the reason; past its bounds the oldest messages go.",
    keys: &[
        key("queue", "text", "nephoscope.dead-letter", "The queue's name."),
        key(
            "exchange",
            "text",
            "nephoscope.dead-letter",
            "A durable fanout exchange that the queue is bound to, for the broker's own dead letters: what `dead-letter-exchange` of a policy names.",
        ),
        key("max_messages", "number", "10000", "Its length, where the collector creates it."),
        key("max_bytes", "size", "256MiB", "Its size, where the collector creates it."),
    ],
};

pub(crate) static RETENTION: Section = Section {
    title: "the section `retention`",
    path: "retention",
    about: "What the store keeps. Past either bound the samples with the oldest timestamps are deleted, little by little. The file does not shrink: what becomes free is \
            filled by later samples.",
    keys: &[
        key(
            "age",
            "duration",
            "",
            "Older samples are deleted, within the hour. It is counted back from the newest sample, or from now where that is earlier: a clock that jumps ahead deletes nothing.",
        ),
        key(
            "size",
            "size",
            "",
            "Bytes that may be in use, indexes included; beyond, samples are deleted down to 95 % of it; of a PostgreSQL database the oldest days, and never the newest.",
        ),
    ],
};

/// What a collector's file says.
#[derive(Clone, Debug)]
pub struct CollectorFile {
    /// What is collected, and where it goes.
    pub collector: Settings,
    /// How the store is shown, if it is.
    pub api: Option<api::Settings>,
}

/// Reads a collector's file. Opens and reads the files that it names; connects to nothing.
///
/// # Errors
/// Every fault of the file, warnings included, if one of them is an error.
pub fn load_collector(path: impl AsRef<Path>) -> Result<Loaded<CollectorFile>, Faults> {
    let path = path.as_ref();
    let mut faults = Faults::default();
    let value = file::open(path, None, &mut faults).and_then(|root| {
        let mut d = Decoder { faults: &mut faults, folder: file::folder(path) };
        collector(&mut d, &root)
    });
    Loaded::new(value, faults)
}

fn collector(d: &mut Decoder<'_>, root: &Node) -> Option<CollectorFile> {
    let map = Map::open(d, root, &FILE, Unknown::Refuse)?;
    let store = map.required(d, "store", store);
    let secret_text = map.optional(d, "telemetry_secret", secret);
    let secret_text = secret_text.unwrap_or_else(|| publisher::CEILOMETER_SECRET.to_owned());
    // An unusable store leaves the rest to be checked.
    let kept = store.clone().unwrap_or_else(|| Arc::new(Sqlite::new(PathBuf::new())));
    let mut settings = Settings::new(Vec::new(), kept, Secret::new(secret_text));
    map.set(d, "max_message_bytes", &mut settings.max_message_bytes, value::size(64 << 10, 128 << 20));
    map.set(d, "decoders", &mut settings.decoders, value::number(0, 256));
    if let Some(map) = map.section(d, "commit", &COMMIT) {
        map.set(d, "samples", &mut settings.commit_samples, value::number(1, 1_000_000));
        map.set(
            d,
            "linger",
            &mut settings.commit_linger,
            value::duration(Duration::ZERO, Duration::from_secs(60)),
        );
    }
    if let Some(map) = map.section(d, "dead_letter", &DEAD_LETTER) {
        map.set(d, "queue", &mut settings.dead_letter.queue, broker::amqp_name);
        map.set(d, "exchange", &mut settings.dead_letter.exchange, broker::amqp_name);
        map.set(d, "max_messages", &mut settings.dead_letter.max_messages, value::number(1, 100_000_000));
        map.set(d, "max_bytes", &mut settings.dead_letter.max_bytes, value::size(1 << 20, 1 << 30));
    }
    if let Some(map) = map.section(d, "retention", &RETENTION) {
        let ages = value::duration(Duration::from_secs(60), Duration::from_secs(100 * 366 * 86_400));
        settings.retention.age = map.optional(d, "age", ages);
        settings.retention.bytes = map.optional(d, "size", value::size(1 << 20, 1 << 50));
    }
    map.required(d, "amqp", |d, node| {
        let map = Map::open(d, node, &AMQP, Unknown::Refuse)?;
        amqp(d, &map, &mut settings);
        Some(())
    })?;
    let api = map.optional(d, "api", http_api::api);
    store?;
    Some(CollectorFile { collector: settings, api })
}

fn amqp(d: &mut Decoder<'_>, map: &Map<'_>, settings: &mut Settings) {
    settings.brokers = brokers(d, map);
    settings.flags = flags(d, map);
    map.set(d, "control_exchange", &mut settings.exchange, broker::amqp_name);
    map.set(d, "topics", &mut settings.topics, topics);
    if let Some(node) = map.get("metering_topic") {
        settings.metering_topic = match value::text_or_empty(d, node) {
            Some(text) if text.is_empty() => None,
            _ => broker::amqp_name(d, node),
        };
    }
    map.set(d, "rabbit_qos_prefetch_count", &mut settings.prefetch, value::number(1, u64::from(u16::MAX)));
}

/// A database's address, or a path. The store's file need not exist; its folder must.
fn store(d: &mut Decoder<'_>, node: &Node) -> Option<Arc<dyn Store>> {
    let is_address = |text: &str| text.starts_with("postgresql:") || text.starts_with("postgres:");
    let elsewhere = matches!(node.value, Value::Mapping(_));
    if elsewhere || matches!(&node.value, Value::Scalar(text) if is_address(text)) {
        // What is read from elsewhere can only be a secret, and a path is none.
        let address = secret(d, node)?;
        return match Address::parse(&address) {
            Ok(address) => Some(Arc::new(Postgres::new(address))),
            Err(fault) => {
                d.faults.error(&node.place, fault.to_string());
                None
            }
        };
    }
    let path = value::path(d, node)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if path.is_dir() || !folder.is_dir() {
        return d.expected(
            "a file in an existing folder, or an address such as postgresql://user@host/database",
            node,
        );
    }
    Some(Arc::new(Sqlite::new(path)))
}
