//! The message bus as others on it see it: a plain AMQP client.

use std::collections::BTreeMap;

use amqp::lapin::options::{
    BasicGetOptions, BasicNackOptions, BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions,
    QueueBindOptions, QueueDeclareOptions,
};
use amqp::lapin::types::{AMQPValue, FieldTable};
use amqp::lapin::{BasicProperties, Channel, Connection, ConnectionProperties, ExchangeKind};
use anyhow::{Context, Result, ensure};
use futures_util::future::try_join_all;
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::LIMIT;

/// Ceilometer's exchange.
pub const EXCHANGE: &str = "ceilometer";
/// The routing key and queue of Ceilometer's samples since Liberty.
pub const NOTIFICATIONS: &str = "notifications.sample";
/// The routing key and queue of the collector era's samples.
pub const METERING: &str = "metering.sample";
/// The routing key and queue of its casts.
pub const CASTS: &str = "metering";
/// Where the collector puts what it cannot store.
pub const DEAD_LETTERS: &str = "nephoscope.dead-letter";

/// A connection to a virtual host.
#[derive(Debug)]
pub struct Bus {
    // The connection goes before its runtime.
    connection: Connection,
    runtime: Runtime,
}

/// A message that was taken from a queue.
#[derive(Clone, Debug)]
pub struct Message {
    /// The body.
    pub body: Vec<u8>,
    /// Texts among its headers.
    pub headers: BTreeMap<String, String>,
    /// Its content type.
    pub content_type: Option<String>,
    /// Its content encoding.
    pub content_encoding: Option<String>,
    /// 2 where it is persistent.
    pub delivery_mode: Option<u8>,
}

impl Message {
    /// The inner object of oslo.messaging's envelope.
    ///
    /// # Errors
    /// There is none.
    pub fn inner(&self) -> Result<Value> {
        let envelope: Value = serde_json::from_slice(&self.body)?;
        Ok(serde_json::from_str(envelope["oslo.message"].as_str().context("no envelope")?)?)
    }

    /// The sample dicts of a notification, or of a notification or a cast of the collector era.
    ///
    /// # Errors
    /// It is none.
    pub fn samples(&self) -> Result<Vec<Value>> {
        let inner = self.inner()?;
        let lists = [&inner["payload"]["samples"], &inner["payload"], &inner["args"]["data"]];
        lists.into_iter().find_map(Value::as_array).cloned().context("no samples")
    }
}

impl Bus {
    /// Connects.
    ///
    /// # Errors
    /// The broker does not take the connection.
    pub fn connect(url: &str) -> Result<Bus> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let connecting = Connection::connect(url, ConnectionProperties::default());
        let connection = runtime.block_on(async { tokio::time::timeout(LIMIT, connecting).await })??;
        Ok(Bus { connection, runtime })
    }

    /// Copies what is published with Ceilometer's routing key from now on into a queue of this name. Creates the exchange as
    /// oslo.messaging does, where nobody has yet.
    ///
    /// # Errors
    /// The broker refuses.
    pub fn tap(&self, queue: &str) -> Result<()> {
        self.tap_key(queue, NOTIFICATIONS)
    }

    /// The same, with another routing key.
    ///
    /// # Errors
    /// The broker refuses.
    pub fn tap_key(&self, queue: &str, routing_key: &str) -> Result<()> {
        self.wait(async {
            let channel = self.exchange().await?;
            let (name, table) = (queue.into(), FieldTable::default);
            channel.queue_declare(name, QueueDeclareOptions::default(), table()).await?;
            let bind = channel.queue_bind(
                queue.into(),
                EXCHANGE.into(),
                routing_key.into(),
                QueueBindOptions::default(),
                table(),
            );
            bind.await?;
            Ok(())
        })
    }

    async fn exchange(&self) -> Result<Channel> {
        let declare = async |passive| {
            let channel = self.connection.create_channel().await?;
            let options = ExchangeDeclareOptions { passive, ..Default::default() };
            let table = FieldTable::default();
            channel.exchange_declare(EXCHANGE.into(), ExchangeKind::Topic, options, table).await?;
            anyhow::Ok(channel)
        };
        // The broker answers a passive declaration of what is not there by closing the channel.
        match declare(true).await {
            Ok(channel) => Ok(channel),
            Err(_) => declare(false).await,
        }
    }

    /// Publishes bodies to Ceilometer's exchange, as oslo.messaging does, and waits until the broker has them all.
    ///
    /// # Errors
    /// The broker does not take them.
    pub fn publish(&self, routing_key: &str, bodies: &[Vec<u8>]) -> Result<()> {
        self.wait(async {
            let channel = self.exchange().await?;
            channel.confirm_select(ConfirmSelectOptions::default()).await?;
            let mut confirmations = Vec::with_capacity(bodies.len());
            for body in bodies {
                let properties = BasicProperties::default()
                    .with_content_type("application/json".into())
                    .with_content_encoding("utf-8".into())
                    .with_delivery_mode(2);
                // A message that reaches no queue would be lost without a word.
                let options = BasicPublishOptions { mandatory: true, ..Default::default() };
                confirmations.push(
                    channel
                        .basic_publish(EXCHANGE.into(), routing_key.into(), options, body, properties)
                        .await?,
                );
            }
            let confirmed = try_join_all(confirmations).await?;
            let taken = confirmed
                .into_iter()
                .all(|confirmation| confirmation.is_ack() && confirmation.take_message().is_none());
            ensure!(taken, "the broker did not take every message into a queue");
            Ok(())
        })
    }

    /// Takes everything that is in a queue.
    ///
    /// # Errors
    /// The queue does not exist.
    pub fn take_all(&self, queue: &str) -> Result<Vec<Message>> {
        self.wait(async {
            let channel = self.connection.create_channel().await?;
            let mut messages = Vec::new();
            while let Some(got) = channel.basic_get(queue.into(), BasicGetOptions { no_ack: true }).await? {
                let properties = &got.delivery.properties;
                let text =
                    |text: &Option<amqp::lapin::types::ShortString>| text.as_ref().map(ToString::to_string);
                let headers = properties.headers().clone().unwrap_or_default();
                messages.push(Message {
                    headers: headers.inner().iter().filter_map(header).collect(),
                    content_type: text(properties.content_type()),
                    content_encoding: text(properties.content_encoding()),
                    delivery_mode: *properties.delivery_mode(),
                    body: got.delivery.data,
                });
            }
            Ok(messages)
        })
    }

    /// How many messages are ready in a queue.
    ///
    /// # Errors
    /// The queue does not exist.
    pub fn count(&self, queue: &str) -> Result<u32> {
        self.wait(async {
            let channel = self.connection.create_channel().await?;
            let options = QueueDeclareOptions { passive: true, ..Default::default() };
            let state = channel.queue_declare(queue.into(), options, FieldTable::default()).await?;
            Ok(state.message_count())
        })
    }

    /// Takes the binding of a queue to Ceilometer's exchange away.
    ///
    /// # Errors
    /// The broker refuses.
    pub fn unbind(&self, queue: &str, routing_key: &str) -> Result<()> {
        self.wait(async {
            let channel = self.connection.create_channel().await?;
            let none = FieldTable::default();
            channel.queue_unbind(queue.into(), EXCHANGE.into(), routing_key.into(), none).await?;
            Ok(())
        })
    }

    /// Takes the first message of a queue and gives it back so many times, as a consumer that dies over it does; or, without any, rejects it
    /// for good.
    ///
    /// # Errors
    /// The queue is empty, also before the last time.
    pub fn give_back(&self, queue: &str, times: usize) -> Result<()> {
        self.wait(async {
            let channel = self.connection.create_channel().await?;
            for _ in 0..times.max(1) {
                let got = channel.basic_get(queue.into(), BasicGetOptions::default()).await?;
                let tag = got.context("no message")?.delivery.delivery_tag;
                channel
                    .basic_nack(tag, BasicNackOptions { requeue: times > 0, ..Default::default() })
                    .await?;
            }
            // What was given back is with the broker when it has answered this.
            channel.close(200, "OK".into()).await?;
            Ok(())
        })
    }

    fn wait<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        self.runtime.block_on(async { tokio::time::timeout(LIMIT, work).await })?
    }
}

fn header((name, value): (&amqp::lapin::types::ShortString, &AMQPValue)) -> Option<(String, String)> {
    match value {
        AMQPValue::LongString(text) => {
            Some((name.to_string(), String::from_utf8_lossy(text.as_bytes()).into_owned()))
        }
        _ => None,
    }
}
