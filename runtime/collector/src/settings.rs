//! What a collector is told: where the samples come from, where they go, and how much of everything there may be.

use std::sync::Arc;
use std::time::Duration;

use amqp::{Broker, Flags};
use sample::signature::Secret;
use store::Store;

/// A collector's settings; the `config` crate fills them from YAML.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The brokers, tried in this order until one takes the connection.
    pub brokers: Vec<Broker>,
    /// The exchange that samples are published to: Ceilometer's `control_exchange`.
    pub exchange: String,
    /// Notification topics; of each, the queue `<topic>.sample` is consumed (`notifications.sample`).
    pub topics: Vec<String>,
    /// The collector era's topic (Icehouse to Pike). Its queues `<topic>.sample`, of notifications, and `<topic>`, of casts, are consumed
    /// as well; none leaves them alone.
    pub metering_topic: Option<String>,
    /// How exchange and queues are created where they do not exist. Existing ones are used as they are.
    pub flags: Flags,
    /// Messages that the broker hands out ahead of their acknowledgement. Times the size of a message (94 kB for 50
    /// samples) it bounds the collector's memory; below `commit_samples` / 50 it makes the transactions smaller.
    pub prefetch: u16,
    /// A message of more bytes is not read but its first 64 KiB are dead-lettered; above [`MAX_MESSAGE_BYTES`] that is so in any
    /// case.
    pub max_message_bytes: usize,
    /// Where samples are kept.
    pub store: Arc<dyn Store>,
    /// What every sample must be signed with; an empty secret accepts every sample (Ceilometer's `telemetry_secret`).
    pub secret: Secret,
    /// Where messages and samples go that cannot be stored.
    pub dead_letter: DeadLetter,
    /// What the store keeps; everything, where neither bound is set.
    pub retention: Retention,
    /// Samples at which a transaction is committed.
    pub commit_samples: usize,
    /// How long the first sample of a transaction waits for others to join it.
    pub commit_linger: Duration,
    /// Threads that decode messages and check signatures; 0 takes as many as there are processors, at most [`MAX_DECODERS`].
    pub decoders: usize,
}

/// What the store keeps: past either bound, the samples with the oldest timestamps are deleted, and series and resource metadata that no
/// sample has any more. It is done piece by piece while samples are stored, for the fewest milliseconds at a time.
///
/// An SQLite file does not shrink: the pages that become free are filled by later samples. Of PostgreSQL's tables whole days go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// Samples that are older than this are deleted, within the hour. Age is counted back from the newest sample's timestamp, or from
    /// now where that is earlier, so that a clock that jumps ahead deletes nothing before its time.
    pub age: Option<Duration>,
    /// Bytes that the store may fill; beyond, samples are deleted until it is at 95 % of that.
    pub bytes: Option<u64>,
}

/// The queue for what cannot be stored. It is reached through the default exchange, durable, and bounded by dropping its
/// oldest messages: a flood of forged messages must not fill the broker's disk.
#[derive(Clone, Debug)]
pub struct DeadLetter {
    /// The queue's name.
    pub queue: String,
    /// A durable fanout exchange that the queue is bound to, for the broker's own dead letters: what `dead-letter-exchange` of a policy
    /// names.
    pub exchange: String,
    /// `x-max-length` of the queue when the collector creates it.
    pub max_messages: u32,
    /// `x-max-length-bytes` of the queue when the collector creates it.
    pub max_bytes: u32,
}

/// The default of [`Settings::exchange`].
pub const EXCHANGE: &str = "ceilometer";
/// The default of [`Settings::topics`].
pub const TOPIC: &str = "notifications";
/// The default of [`Settings::metering_topic`].
pub const METERING_TOPIC: &str = "metering";
/// The default of [`Settings::prefetch`]: two full transactions of messages of 50 samples, about 40 MB.
pub const PREFETCH: u16 = 400;
/// The default of [`Settings::max_message_bytes`], and the most that is decoded: 2,000 samples' worth, where the genuine
/// agent sends 50.
pub const MAX_MESSAGE_BYTES: usize = sample::bounds::MAX_BODY;
/// The default of [`DeadLetter::queue`].
pub const DEAD_LETTER_QUEUE: &str = "nephoscope.dead-letter";
/// The default of [`DeadLetter::exchange`].
pub const DEAD_LETTER_EXCHANGE: &str = "nephoscope.dead-letter";
/// The default of [`DeadLetter::max_messages`].
pub const DEAD_LETTER_MESSAGES: u32 = 10_000;
/// The default of [`DeadLetter::max_bytes`].
pub const DEAD_LETTER_BYTES: u32 = 256 << 20;
/// The default of [`Settings::commit_samples`]: the cost of a commit (a sync of the disk) is spread over so many.
pub const COMMIT_SAMPLES: usize = 10_000;
/// The default of [`Settings::commit_linger`]: what a lone sample waits before it can be queried.
pub const COMMIT_LINGER: Duration = Duration::from_millis(100);
/// The most threads that [`Settings::decoders`] = 0 takes; the one writer is the bottleneck beyond.
pub const MAX_DECODERS: usize = 4;

impl Default for DeadLetter {
    fn default() -> Self {
        Self {
            queue: DEAD_LETTER_QUEUE.to_owned(),
            exchange: DEAD_LETTER_EXCHANGE.to_owned(),
            max_messages: DEAD_LETTER_MESSAGES,
            max_bytes: DEAD_LETTER_BYTES,
        }
    }
}

impl Settings {
    /// The defaults around what has none: brokers, store and secret.
    pub fn new(brokers: Vec<Broker>, store: Arc<dyn Store>, secret: Secret) -> Self {
        Self {
            brokers,
            exchange: EXCHANGE.to_owned(),
            topics: vec![TOPIC.to_owned()],
            metering_topic: Some(METERING_TOPIC.to_owned()),
            flags: Flags::default(),
            prefetch: PREFETCH,
            max_message_bytes: MAX_MESSAGE_BYTES,
            store,
            secret,
            dead_letter: DeadLetter::default(),
            retention: Retention::default(),
            commit_samples: COMMIT_SAMPLES,
            commit_linger: COMMIT_LINGER,
            decoders: 0,
        }
    }

    /// Messages that the broker hands out at most, over all queues. It takes a prefetch of 0 for no bound, so that is 1 here.
    pub(crate) fn in_flight(&self) -> usize {
        usize::from(self.prefetch.max(1)) * self.queues().len().max(1)
    }

    /// The longest body that is read, in bytes.
    pub(crate) fn longest_body(&self) -> usize {
        self.max_message_bytes.min(MAX_MESSAGE_BYTES)
    }

    /// The queues to consume, each bound to the exchange by its own name.
    pub fn queues(&self) -> Vec<String> {
        let notifications =
            self.topics.iter().chain(&self.metering_topic).map(|topic| format!("{topic}.sample"));
        let mut queues: Vec<String> = Vec::new();
        for queue in notifications.chain(self.metering_topic.clone()) {
            if !queues.contains(&queue) {
                queues.push(queue);
            }
        }
        queues
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_eras_queues_are_consumed_and_none_twice() {
        let mut settings =
            Settings::new(Vec::new(), Arc::new(store::Sqlite::new("samples.db")), Secret::new("s"));
        assert_eq!(settings.queues(), ["notifications.sample", "metering.sample", "metering"]);
        settings.topics = vec!["metering".into(), "custom".into()];
        assert_eq!(settings.queues(), ["metering.sample", "custom.sample", "metering"]);
        settings.metering_topic = None;
        assert_eq!(settings.queues(), ["metering.sample", "custom.sample"]);
    }
}
