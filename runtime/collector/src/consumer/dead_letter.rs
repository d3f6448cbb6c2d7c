//! What cannot be stored, to a queue of its own, with the reason.
//!
//! A message that cannot be read goes there as it came, one that is too long to be read with its first 64 KiB. Of a message with some bad samples, those go alone, as
//! `{"refused": [{"index", "reason", "fault", "sample"}, …]}`. Headers tell the rest; they are in `headers`.
//!
//! The queue is bounded and drops its oldest: it is for people to look into, and a flood of forgeries must neither fill the
//! broker's disk nor stop the collector. The broker's own dead letters come through an exchange: those have `x-death` and no header of
//! ours. It is durable and the messages are persistent, whatever the sample queues are.

use amqp::lapin::options::{
    BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
};
use amqp::lapin::protocol::{AMQPErrorKind, AMQPSoftError};
use amqp::lapin::types::{AMQPValue, FieldTable};
use amqp::lapin::{self, BasicProperties, Channel, Connection, ErrorKind, ExchangeKind};
use sample::Timestamp;

use super::decode::{Origin, Refused};
use crate::settings;

/// The headers' names.
pub(super) mod headers {
    /// The reason's label: `signature`, `not-json`, …
    pub const REASON: &str = "x-nephoscope-reason";
    /// What is wrong, for people.
    pub const FAULT: &str = "x-nephoscope-fault";
    /// The exchange that the message was published to.
    pub const EXCHANGE: &str = "x-nephoscope-exchange";
    /// The routing key that it was published with.
    pub const ROUTING_KEY: &str = "x-nephoscope-routing-key";
    /// Bytes that the body had, where it was too long to be read and is cut.
    pub const CUT_FROM: &str = "x-nephoscope-cut-from";
    /// When it was refused, UTC.
    pub const TIME: &str = "x-nephoscope-time";
}

/// Bytes of a fault's text in a header: headers must fit into one AMQP frame (128 KiB, and the body's is another).
const MAX_FAULT: usize = 1024;

/// A message for the dead-letter queue.
#[derive(Debug)]
pub(super) struct DeadLetter {
    pub origin: Origin,
    pub reason: &'static str,
    pub fault: String,
    pub body: Vec<u8>,
    /// The body's length as it was delivered, where it was cut.
    pub cut_from: Option<usize>,
}

impl DeadLetter {
    /// A whole message, whose body is yet to be added.
    pub(super) fn whole(origin: Origin, reason: &'static str, fault: &str) -> Self {
        let fault = fault[..fault.floor_char_boundary(MAX_FAULT)].to_owned();
        Self { origin, reason, fault, body: Vec::new(), cut_from: None }
    }

    /// The body as it came.
    pub(super) fn with_body(self, body: Vec<u8>) -> Self {
        Self { body, ..self }
    }

    /// Some samples of a message.
    pub(super) fn samples(origin: Origin, reason: &'static str, fault: &str, refused: &[Refused]) -> Self {
        #[derive(serde::Serialize)]
        struct Body<'a> {
            refused: &'a [Refused],
        }
        // JSON values always have a text.
        let body = serde_json::to_vec(&Body { refused }).unwrap_or_default();
        let json = |text: &str| Some(text.to_owned());
        let origin =
            Origin { content_type: json("application/json"), content_encoding: json("utf-8"), ..origin };
        Self::whole(origin, reason, fault).with_body(body)
    }

    fn properties(&self) -> BasicProperties {
        let mut table = FieldTable::default();
        let mut put = |name: &str, text: &str| {
            table.insert(name.into(), AMQPValue::LongString(text.into()));
        };
        put(headers::REASON, self.reason);
        put(headers::FAULT, &self.fault);
        put(headers::EXCHANGE, &self.origin.exchange);
        put(headers::ROUTING_KEY, &self.origin.routing_key);
        put(headers::TIME, &Timestamp::now().to_string());
        if let Some(size) = self.cut_from {
            let size = i64::try_from(size).unwrap_or(i64::MAX);
            table.insert(headers::CUT_FROM.into(), AMQPValue::LongLongInt(size));
        }
        let mut properties = BasicProperties::default().with_headers(table).with_delivery_mode(2);
        if let Some(kind) = &self.origin.content_type {
            properties = properties.with_content_type(kind.as_str().into());
        }
        if let Some(encoding) = &self.origin.content_encoding {
            properties = properties.with_content_encoding(encoding.as_str().into());
        }
        properties
    }
}

/// Why a dead letter is not in its queue.
#[derive(Debug, thiserror::Error)]
pub enum DeadLetterError {
    /// The queue exists with other properties, or may not be declared.
    #[error("failed to declare the dead-letter queue {queue}")]
    Declare {
        /// The queue.
        queue: String,
        /// lapin's word.
        source: lapin::Error,
    },
    /// The connection broke, most likely.
    #[error("failed to publish a dead letter")]
    Publish(#[source] lapin::Error),
    /// The queue was deleted, or is full and set to refuse.
    #[error("the broker did not take a dead letter into {queue}")]
    Refused {
        /// The queue.
        queue: String,
    },
}

/// The channel to the dead-letter queue, with confirms.
#[derive(Clone, Debug)]
pub(super) struct Undertaker {
    channel: Channel,
    queue: String,
}

impl Undertaker {
    /// Takes the queue as it is, or creates it.
    pub(super) async fn open(
        connection: &Connection,
        settings: &settings::DeadLetter,
    ) -> Result<Self, DeadLetterError> {
        let queue = &settings.queue;
        let open = async {
            let channel = connection.create_channel().await?;
            let passive = QueueDeclareOptions { passive: true, ..Default::default() };
            let channel =
                match channel.queue_declare(queue.as_str().into(), passive, FieldTable::default()).await {
                    Ok(_) => channel,
                    Err(error) if is(&error, &AMQPSoftError::NOTFOUND) => {
                        // The broker closed the channel over it.
                        let channel = connection.create_channel().await?;
                        let durable = QueueDeclareOptions { durable: true, ..Default::default() };
                        channel.queue_declare(queue.as_str().into(), durable, arguments(settings)).await?;
                        channel
                    }
                    Err(error) => return Err(error),
                };
            channel.confirm_select(ConfirmSelectOptions::default()).await?;
            Ok(channel)
        };
        let channel =
            open.await.map_err(|source| DeadLetterError::Declare { queue: queue.clone(), source })?;
        if let Err(error) = exchange(connection, settings).await {
            // What this collector buries does not go through it.
            tracing::warn!(
                exchange = settings.exchange,
                queue,
                error = &error as &dyn std::error::Error,
                "the exchange for the broker's own dead letters cannot be had: a policy that names it would lose them"
            );
        }
        Ok(Self { channel, queue: queue.clone() })
    }

    /// Publishes the letter; returns when the broker has confirmed that its queue has it.
    pub(super) async fn bury(&self, letter: &DeadLetter) -> Result<(), DeadLetterError> {
        let options = BasicPublishOptions { mandatory: true, ..Default::default() };
        let confirmation = self
            .channel
            .basic_publish("".into(), self.queue.as_str().into(), options, &letter.body, letter.properties())
            .await
            .map_err(DeadLetterError::Publish)?
            .await
            .map_err(DeadLetterError::Publish)?;
        // A letter that no queue took is confirmed as well, and returned.
        match confirmation.is_ack() && confirmation.take_message().is_none() {
            true => Ok(()),
            false => Err(DeadLetterError::Refused { queue: self.queue.clone() }),
        }
    }
}

/// The exchange that a policy of the operator's may name as `dead-letter-exchange`, as it is or created, with the queue bound to it: whatever
/// the routing key, for the broker keeps that of the message.
async fn exchange(connection: &Connection, settings: &settings::DeadLetter) -> lapin::Result<()> {
    let name = || settings.exchange.as_str().into();
    let declare = async |passive| {
        let channel = connection.create_channel().await?;
        let options = ExchangeDeclareOptions { passive, durable: !passive, ..Default::default() };
        channel.exchange_declare(name(), ExchangeKind::Fanout, options, FieldTable::default()).await?;
        Ok(channel)
    };
    // Not passively, which would take one of another type as well.
    let channel = match declare(false).await {
        Err(error) if is(&error, &AMQPSoftError::ACCESSREFUSED) => declare(true).await?,
        found => found?,
    };
    let (options, none) = (QueueBindOptions::default(), FieldTable::default());
    channel.queue_bind(settings.queue.as_str().into(), name(), "".into(), options, none).await?;
    channel.close(200, "OK".into()).await
}

fn arguments(settings: &settings::DeadLetter) -> FieldTable {
    let mut arguments = FieldTable::default();
    let mut put = |name: &str, bound: u32| {
        arguments.insert(name.into(), AMQPValue::LongLongInt(bound.into()));
    };
    put("x-max-length", settings.max_messages);
    put("x-max-length-bytes", settings.max_bytes);
    arguments
}

fn is(error: &lapin::Error, reply: &AMQPSoftError) -> bool {
    match error.kind() {
        ErrorKind::ProtocolError(fault) => matches!(fault.kind(), AMQPErrorKind::Soft(soft) if soft == reply),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_body_is_told_by_a_header_with_its_true_size() {
        let origin = Origin {
            exchange: "ceilometer".into(),
            routing_key: "notifications.sample".into(),
            content_type: None,
            content_encoding: None,
        };
        let whole = DeadLetter::whole(origin, "body-too-large", "it is");
        let cut_from = |letter: &DeadLetter| {
            letter.properties().headers().as_ref().unwrap().inner().get(headers::CUT_FROM).cloned()
        };
        assert_eq!(cut_from(&whole), None);
        let cut = DeadLetter { cut_from: Some(5_000_000), ..whole };
        assert_eq!(cut_from(&cut), Some(AMQPValue::LongLongInt(5_000_000)));
    }
}
