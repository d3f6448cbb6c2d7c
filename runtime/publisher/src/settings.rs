//! What a publisher is told: where to, and how much at once.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use amqp::{Binding, Broker, Flags};
use sample::era::Release;
use sample::signature::Secret;

use crate::spool;

pub use sample::signature::CEILOMETER_SECRET;

/// Samples per message: Ceilometer's `[polling]batch_size`, about 94 kB on the wire.
pub const BATCH_SIZE: usize = 50;
/// Most samples per message that may be configured; a batch whose body is larger than a collector reads is split all the same.
pub const MAX_BATCH_SIZE: usize = 1_000;
/// Batches that wait in memory while the target does not take them: 50,000 samples, some tens of megabytes.
pub const QUEUE: usize = 1_024;
/// Most batches that may be configured to wait.
pub const MAX_QUEUE: usize = 65_536;
/// Messages that may await the broker's confirmation at once: enough to keep a broker busy over a network's latency,
/// little enough (6 MB) to be sent again after a broken connection.
pub const WINDOW: usize = 64;
/// Most messages that may be configured to await confirmation.
pub const MAX_WINDOW: usize = 4_096;
/// How long a broker may take to confirm a message. A quorum queue that elects a leader takes some seconds.
pub const CONFIRM_TIMEOUT: Duration = Duration::from_secs(30);
/// The topic of Ceilometer's collectors: their `metering_topic`.
pub const METERING_TOPIC: &str = "metering";
/// The method that they serve for casts.
pub const CAST_METHOD: &str = "record_metering_data";

/// One publisher.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where samples go.
    pub target: Target,
    /// Most samples in one message; 0 means one sample per message, as in Ceilometer.
    pub batch_size: usize,
    /// Most batches that wait in memory; past it the oldest is dropped and counted. At least 1.
    pub queue: usize,
    /// Signs every sample (`[publisher]telemetry_secret`); an empty one leaves them unsigned.
    pub secret: Secret,
    /// Where batches are on disk until the target has them; none: they are in memory alone.
    pub spool: Option<spool::Settings>,
}

impl Settings {
    /// A publisher with the defaults of everything but its target.
    pub fn new(target: Target) -> Self {
        let secret = Secret::new(CEILOMETER_SECRET);
        Self { target, batch_size: BATCH_SIZE, queue: QUEUE, secret, spool: None }
    }
}

/// Where samples go.
#[derive(Clone, Debug)]
pub enum Target {
    /// Messages over AMQP, to Ceilometer's notification agent or a collector.
    Amqp(AmqpSettings),
    /// A file with a JSON object per line.
    File(FileSettings),
    /// The lines of such a file, on standard output.
    Stdout,
}

/// Samples over AMQP 0-9-1, as oslo.messaging sends them.
#[derive(Clone, Debug)]
pub struct AmqpSettings {
    /// Brokers, tried in this order at each attempt to connect. At least one.
    pub brokers: Vec<Broker>,
    /// The topic exchange: oslo.messaging's `control_exchange`.
    pub exchange: String,
    /// `[oslo_messaging_notifications]topics`, or a collector's `metering_topic`: a message goes to each.
    pub topics: Vec<String>,
    /// Who is to understand the messages.
    pub profile: Profile,
    /// How exchange and queues are created where they are missing; existing ones are taken as they are.
    pub flags: Flags,
    /// Most messages that await the broker's confirmation at once. At least 1.
    pub window: usize,
    /// How long the broker may take to confirm a message, before another connection is tried.
    pub confirm_timeout: Duration,
}

impl Default for AmqpSettings {
    /// Ceilometer's names, and no broker.
    fn default() -> Self {
        Self {
            brokers: Vec::new(),
            exchange: "ceilometer".into(),
            topics: vec!["notifications".into()],
            profile: Profile::default(),
            flags: Flags::default(),
            window: WINDOW,
            confirm_timeout: CONFIRM_TIMEOUT,
        }
    }
}

impl AmqpSettings {
    /// The routing keys.
    pub fn routing_keys(&self) -> Vec<String> {
        self.topics.iter().map(|topic| self.profile.routing_key(topic)).collect()
    }

    /// The queues that consumers of these topics have; they are declared, so that nothing is lost before those first start.
    pub fn queues(&self) -> Vec<Binding> {
        let queue = |topic: &String| {
            let routing_key = self.profile.routing_key(topic);
            match &self.profile {
                Profile::Rpc { release, .. } => Binding { queue: release.cast_queue(topic), routing_key },
                Profile::Polling | Profile::Notifier { .. } => Binding::of(routing_key),
            }
        };
        self.topics.iter().map(queue).collect()
    }
}

/// Who is to understand the messages: since Liberty a notification agent, before and until Pike a collector, which took samples in
/// two ways. These have the names of Ceilometer's own publishers, `notifier://` and `rpc://`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// Notifications `telemetry.polling`, for Ceilometer's notification agent.
    #[default]
    Polling,
    /// Notifications with a bare list of samples, for a collector of Juno to Pike: to `<topic>.sample`, with the topic for
    /// `event_type`.
    Notifier {
        /// The collector's.
        release: Release,
        /// This host's name, for `publisher_id`.
        host: String,
        /// Sends each meter's samples a second time, with `<topic>.<meter>` for `event_type`.
        per_meter_topic: bool,
    },
    /// Calls without an answer, for a collector of Icehouse to Liberty: to `<topic>`.
    Rpc {
        /// The collector's.
        release: Release,
        /// The method that is called: [`CAST_METHOD`], unless somebody else is to take the samples.
        target: String,
        /// Sends each meter's samples a second time, to `<topic>.<meter>`. No queue is declared for these: who wants them
        /// has one.
        per_meter_topic: bool,
    },
}

impl Profile {
    /// The routing key of a topic.
    pub(crate) fn routing_key(&self, topic: &str) -> String {
        match self {
            Self::Polling | Self::Notifier { .. } => format!("{topic}.sample"),
            Self::Rpc { .. } => topic.to_owned(),
        }
    }
}

/// For people: nothing for a notification agent, ` for a collector of juno` otherwise.
impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Polling => Ok(()),
            Self::Notifier { release, .. } | Self::Rpc { release, .. } => {
                write!(f, " for a collector of {}", release.as_str())
            }
        }
    }
}

/// A file with a JSON object per line: Ceilometer's `file:///path?json`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileSettings {
    /// The file; it is appended to and created where it is missing, its folder is not.
    pub path: PathBuf,
    /// Before the file would pass this size it is renamed to `<path>.1`, `<path>.1` to `<path>.2` and so on; 0 means it
    /// grows without limit. Takes effect with `backup_count` only, as in Ceilometer.
    pub max_bytes: u64,
    /// How many renamed files are kept.
    pub backup_count: u32,
}

/// Most renamed files that may be configured.
pub const MAX_BACKUP_COUNT: u32 = 1_000;

/// Why a publisher's URL is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadTarget {
    /// The broker's part of it.
    #[error(transparent)]
    Broker(#[from] amqp::broker::BadUrl),
    /// Neither of the known schemes.
    #[error("a publisher is amqp://…, amqps://…, file:///path?json or stdout:")]
    Scheme,
    /// `file:` without an absolute path.
    #[error("a file publisher names an absolute path: file:///var/log/samples.json?json")]
    Path,
    /// `file:` without `json`. Ceilometer then writes the text that Python prints for a dict, which nothing but Python reads.
    #[error("a file publisher writes JSON lines only, so say it: file:///path?json")]
    NotJson,
    /// An option of `file:` that is unknown or no number.
    #[error("{0:?}: a file publisher's options are json, max_bytes=N and backup_count=N (1000 at most)")]
    Option(String),
}

/// Where samples go, for people: brokers without credentials, exchange and topics; a file's path.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Amqp(amqp) => {
                for broker in &amqp.brokers {
                    write!(f, "{} ", broker.url)?;
                }
                let queues: Vec<String> = amqp.queues().into_iter().map(|binding| binding.queue).collect();
                write!(f, "exchange {} queue {}", amqp.exchange, queues.join(" "))?;
                write!(f, "{}", amqp.profile)
            }
            Self::File(file) => write!(f, "file {}", file.path.display()),
            Self::Stdout => f.write_str("standard output"),
        }
    }
}

impl Target {
    /// Reads a publisher's URL as it stands in a sink's `publishers`: `file:///path?json&max_bytes=N&backup_count=N`,
    /// `stdout:`, or a broker's with the defaults of [`AmqpSettings`].
    ///
    /// # Errors
    /// [`BadTarget`]; it repeats no credentials.
    pub fn parse(url: &str) -> Result<Self, BadTarget> {
        let (scheme, rest) = url.split_once(':').ok_or(BadTarget::Scheme)?;
        match scheme {
            "amqp" | "amqps" => {
                let brokers = vec![Broker::new(url.parse()?)];
                Ok(Self::Amqp(AmqpSettings { brokers, ..AmqpSettings::default() }))
            }
            "stdout" if rest.trim_start_matches('/').is_empty() => Ok(Self::Stdout),
            "file" => FileSettings::parse(rest).map(Self::File),
            _ => Err(BadTarget::Scheme),
        }
    }
}

impl FileSettings {
    fn parse(rest: &str) -> Result<Self, BadTarget> {
        let (path, options) = rest.split_once('?').unwrap_or((rest, ""));
        let path = path.strip_prefix("//").unwrap_or(path);
        if !path.starts_with('/') || path.ends_with('/') {
            return Err(BadTarget::Path);
        }
        let mut settings = Self { path: path.into(), ..Self::default() };
        let mut json = false;
        for option in options.split('&').filter(|option| !option.is_empty()) {
            let fault = || BadTarget::Option(option.chars().take(64).collect());
            match option.split_once('=').unwrap_or((option, "")) {
                ("json", _) => json = true,
                ("max_bytes", number) => settings.max_bytes = number.parse().map_err(|_| fault())?,
                ("backup_count", number) => {
                    settings.backup_count =
                        number.parse().ok().filter(|count| *count <= MAX_BACKUP_COUNT).ok_or_else(fault)?;
                }
                _ => return Err(fault()),
            }
        }
        if json { Ok(settings) } else { Err(BadTarget::NotJson) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn publishers_urls_are_read() {
        assert!(matches!(Target::parse("stdout:"), Ok(Target::Stdout)));
        let Ok(Target::File(file)) =
            Target::parse("file:///var/log/samples?json&max_bytes=1000000&backup_count=5")
        else {
            panic!("a file");
        };
        assert_eq!(
            file,
            FileSettings { path: "/var/log/samples".into(), max_bytes: 1_000_000, backup_count: 5 }
        );
        let Ok(Target::Amqp(amqp)) = Target::parse("amqps://u:p@mq/") else { panic!("a broker") };
        assert_eq!(amqp.routing_keys(), ["notifications.sample"]);
        assert_eq!((amqp.brokers.len(), amqp.exchange.as_str()), (1, "ceilometer"));
    }

    #[test]
    fn casts_go_to_the_queue_that_the_releases_collector_has() {
        for (release, queue) in [(Release::Icehouse, "ceilometer.collector.m"), (Release::Juno, "m")] {
            let profile = Profile::Rpc { release, target: CAST_METHOD.into(), per_meter_topic: true };
            let amqp = AmqpSettings { profile, topics: vec!["m".into()], ..AmqpSettings::default() };
            assert_eq!(amqp.queues(), [Binding { queue: queue.into(), routing_key: "m".into() }]);
            let shown = Target::Amqp(amqp).to_string();
            let expected =
                format!("exchange ceilometer queue {queue} for a collector of {}", release.as_str());
            assert_eq!(shown, expected);
        }
    }

    #[test]
    fn other_urls_are_refused_with_the_reason() {
        for (url, fault) in [
            ("notifier://", BadTarget::Scheme),
            ("stdout", BadTarget::Scheme),
            ("stdout:x", BadTarget::Scheme),
            ("file:///var/log/samples", BadTarget::NotJson),
            ("file://samples?json", BadTarget::Path),
            ("file:///?json", BadTarget::Path),
            ("file:///s?json&max_bytes=many", BadTarget::Option("max_bytes=many".into())),
            ("file:///s?json&backup_count=1001", BadTarget::Option("backup_count=1001".into())),
            ("amqp://u:p@:1/", BadTarget::Broker(amqp::broker::BadUrl::Host)),
        ] {
            assert_eq!(Target::parse(url).unwrap_err(), fault, "{url}");
        }
    }
}
