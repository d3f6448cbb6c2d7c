//! Exchange, queues and bindings, whoever created them.
//!
//! AMQP lets a second declaration pass only if its flags equal the first one's, and the two ends of a cloud's bus are
//! configured by different hands: were our exchange durable and Ceilometer's not, its notification agent would never come up.
//! So an existing exchange or queue is taken as it is (passive declaration); only what is missing (404) is created, with the
//! configured flags, which default to oslo.messaging's: nothing durable, nothing deleted automatically.
//!
//! The broker answers a failed declaration by closing the channel. That costs a channel, never the connection.

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::protocol::{AMQPErrorKind, AMQPSoftError};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Connection, ErrorKind, ExchangeKind};

/// How exchange and queues are created where they are missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// They outlive a restart of the broker (oslo.messaging's `amqp_durable_queues`).
    pub durable: bool,
    /// They go when the last consumer or binding goes (`amqp_auto_delete`).
    pub auto_delete: bool,
    /// Queues are quorum queues (`rabbit_quorum_queue`), which implies durable and excludes automatic deletion.
    pub quorum: bool,
    /// Of quorum queues: what they are created with beside.
    pub quorum_limits: QuorumLimits,
}

/// Limits of a quorum queue; 0 leaves one to the broker. Who declares the queue after its creator must name the same ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QuorumLimits {
    /// Deliveries of a message before it is discarded (`rabbit_quorum_delivery_limit`).
    pub deliveries: u32,
    /// Messages that are kept in memory (`rabbit_quorum_max_memory_length`).
    pub memory_length: u32,
    /// Bytes of messages that are kept in memory (`rabbit_quorum_max_memory_bytes`).
    pub memory_bytes: u32,
}

impl QuorumLimits {
    /// As the broker names them.
    fn arguments(self) -> impl Iterator<Item = (&'static str, u32)> {
        let all = [
            ("x-delivery-limit", self.deliveries),
            ("x-max-in-memory-length", self.memory_length),
            ("x-max-in-memory-bytes", self.memory_bytes),
        ];
        all.into_iter().filter(|(_, limit)| *limit > 0)
    }
}

impl Flags {
    fn exchange(self) -> ExchangeDeclareOptions {
        ExchangeDeclareOptions {
            durable: self.durable || self.quorum,
            auto_delete: self.auto_delete && !self.quorum,
            ..Default::default()
        }
    }

    fn queue(self) -> QueueDeclareOptions {
        QueueDeclareOptions {
            durable: self.durable || self.quorum,
            auto_delete: self.auto_delete && !self.quorum,
            ..Default::default()
        }
    }

    fn queue_arguments(self) -> FieldTable {
        let mut arguments = FieldTable::default();
        if self.quorum {
            arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
            for (name, limit) in self.quorum_limits.arguments() {
                arguments.insert(name.into(), AMQPValue::LongLongInt(limit.into()));
            }
        }
        arguments
    }
}

/// Why an exchange, a queue or a binding could not be had.
#[derive(Debug, thiserror::Error)]
pub enum DeclareError {
    /// It exists with other flags (406), or somebody else's alone (405).
    #[error(
        "the broker has {what} with other properties than configured here: set `amqp_durable_queues`, `amqp_auto_delete` and `rabbit_quorum_queue` to \
         what its creator uses, or delete it in the broker"
    )]
    Precondition {
        /// `exchange ceilometer`, `queue notifications.sample`.
        what: String,
        /// The broker's word, which names the property.
        source: lapin::Error,
    },
    /// The user may not (403).
    #[error(
        "the broker refuses {what} to this user: it needs the permissions configure, write and read on that name"
    )]
    Refused {
        /// Exchange, queue or binding.
        what: String,
        /// The broker's word.
        source: lapin::Error,
    },
    /// Anything else, such as a connection that broke.
    #[error("failed to declare {what}")]
    Failed {
        /// Exchange, queue or binding.
        what: String,
        /// lapin's word.
        source: lapin::Error,
    },
}

impl DeclareError {
    /// The label that log lines, metrics and tests share.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Precondition { .. } => "precondition",
            Self::Refused { .. } => "refused",
            Self::Failed { .. } => "failed",
        }
    }

    fn new(what: String, source: lapin::Error) -> Self {
        match reply(&source) {
            Some(AMQPSoftError::PRECONDITIONFAILED | AMQPSoftError::RESOURCELOCKED) => {
                Self::Precondition { what, source }
            }
            Some(AMQPSoftError::ACCESSREFUSED) => Self::Refused { what, source },
            _ => Self::Failed { what, source },
        }
    }
}

/// The channel-level answer of the broker, if it is one.
fn reply(error: &lapin::Error) -> Option<AMQPSoftError> {
    match error.kind() {
        ErrorKind::ProtocolError(fault) => match fault.kind() {
            AMQPErrorKind::Soft(soft) => Some(soft.clone()),
            AMQPErrorKind::Hard(_) => None,
        },
        _ => None,
    }
}

/// A queue, and the routing key that it is bound by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The queue.
    pub queue: String,
    /// The key.
    pub routing_key: String,
}

impl Binding {
    /// Both are the same, as oslo.messaging has it.
    pub fn of(name: impl Into<String>) -> Self {
        let name = name.into();
        Self { queue: name.clone(), routing_key: name }
    }
}

/// Declares the topic exchange and each of the queues, bound to it.
///
/// # Errors
/// [`DeclareError`], at the first that could not be had.
pub async fn declare(
    connection: &Connection,
    exchange: &str,
    queues: &[Binding],
    flags: Flags,
) -> Result<(), DeclareError> {
    let mut declarer = Declarer::new(connection, flags);
    declarer.exchange(exchange).await?;
    for Binding { queue, routing_key } in queues {
        declarer.queue(queue).await?;
        declarer.bind(queue, exchange, routing_key).await?;
    }
    declarer.close().await;
    Ok(())
}

/// Declares one thing after the other, on a channel that it renews when the broker closed it.
#[derive(Debug)]
pub struct Declarer<'a> {
    connection: &'a Connection,
    channel: Option<Channel>,
    flags: Flags,
}

impl<'a> Declarer<'a> {
    /// On this connection, creating with these flags.
    pub fn new(connection: &'a Connection, flags: Flags) -> Self {
        Self { connection, channel: None, flags }
    }

    async fn channel(&mut self) -> lapin::Result<Channel> {
        match &self.channel {
            Some(channel) if channel.status().connected() => Ok(channel.clone()),
            _ => Ok(self.channel.insert(self.connection.create_channel().await?).clone()),
        }
    }

    /// The topic exchange of this name, as it is or created.
    ///
    /// # Errors
    /// [`DeclareError`].
    pub async fn exchange(&mut self, name: &str) -> Result<(), DeclareError> {
        self.passive_then_create(Thing::Exchange, name).await
    }

    /// The queue of this name, as it is or created.
    ///
    /// # Errors
    /// [`DeclareError`].
    pub async fn queue(&mut self, name: &str) -> Result<(), DeclareError> {
        self.passive_then_create(Thing::Queue, name).await
    }

    /// Messages of the exchange with this routing key go to the queue.
    ///
    /// # Errors
    /// [`DeclareError`].
    pub async fn bind(&mut self, queue: &str, exchange: &str, routing_key: &str) -> Result<(), DeclareError> {
        let fault = |source| {
            DeclareError::new(format!("the binding of queue {queue} to exchange {exchange}"), source)
        };
        let channel = self.channel().await.map_err(fault)?;
        let bound = channel
            .queue_bind(
                queue.into(),
                exchange.into(),
                routing_key.into(),
                QueueBindOptions::default(),
                FieldTable::default(),
            )
            .await;
        bound.map_err(fault)
    }

    /// Closes the channel; what was declared stays.
    pub async fn close(self) {
        if let Some(channel) = self.channel {
            // A channel that is closed already is what is wanted.
            let _ = channel.close(200, "OK".into()).await;
        }
    }

    /// Takes what is there; creates what is missing; and looks again where somebody else was faster with other flags.
    async fn passive_then_create(&mut self, thing: Thing, name: &str) -> Result<(), DeclareError> {
        let mut answer = Ok(());
        for passive in [true, false, true] {
            answer = self.once(thing, name, passive).await;
            let Err(error) = &answer else { return Ok(()) };
            let another_try = match reply(error) {
                Some(AMQPSoftError::NOTFOUND) => passive,
                Some(AMQPSoftError::PRECONDITIONFAILED) => !passive,
                _ => false,
            };
            if !another_try {
                break;
            }
            self.channel = None;
        }
        answer.map_err(|source| DeclareError::new(format!("{} {name}", thing.as_str()), source))
    }

    async fn once(&mut self, thing: Thing, name: &str, passive: bool) -> lapin::Result<()> {
        let channel = self.channel().await?;
        let none = FieldTable::default;
        match thing {
            Thing::Exchange => {
                let options = ExchangeDeclareOptions { passive, ..self.flags.exchange() };
                channel.exchange_declare(name.into(), ExchangeKind::Topic, options, none()).await
            }
            Thing::Queue => {
                let options = QueueDeclareOptions { passive, ..self.flags.queue() };
                let arguments = if passive { none() } else { self.flags.queue_arguments() };
                channel.queue_declare(name.into(), options, arguments).await.map(drop)
            }
        }
    }
}

/// What is declared the same way.
#[derive(Clone, Copy, Debug)]
enum Thing {
    Exchange,
    Queue,
}

impl Thing {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Exchange => "exchange",
            Self::Queue => "queue",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quorum_implies_durable_and_excludes_automatic_deletion() {
        let flags = Flags { quorum: true, auto_delete: true, ..Flags::default() };
        assert!(flags.queue().durable && flags.exchange().durable);
        assert!(!flags.queue().auto_delete && !flags.exchange().auto_delete);
        assert!(flags.queue_arguments().contains_key("x-queue-type"));
        assert!(Flags::default().queue_arguments().inner().is_empty());
    }

    #[test]
    fn a_quorum_queue_has_the_limits_that_are_set_and_no_other_queue_has_any() {
        let quorum_limits = QuorumLimits { deliveries: 5, memory_bytes: u32::MAX, ..Default::default() };
        let flags = Flags { quorum: true, quorum_limits, ..Flags::default() };
        let arguments = flags.queue_arguments();
        let names: Vec<&str> = arguments.inner().keys().map(|name| name.as_str()).collect();
        assert_eq!(names, ["x-delivery-limit", "x-max-in-memory-bytes", "x-queue-type"]);
        assert_eq!(arguments.inner()["x-max-in-memory-bytes"], AMQPValue::LongLongInt(u32::MAX.into()));
        assert!(Flags { quorum: false, ..flags }.queue_arguments().inner().is_empty());
    }
}
