//! Batches to a broker, with publisher confirms.
//!
//! ```text
//!  ┌▶ connect ──▶ declare, confirm.select ──▶ serve: take, encode, publish ─▶ … up to `window` in flight … ─▶ confirm
//!  │     │ failed        │ channel broke         │        └─ nack: the batch returns, a pause
//!  └─ back off ◀─────────┴───────────────────────┘  on a lost connection all that is unconfirmed returns to the queue
//! ```
//!
//! A message in flight owns its batch: it is confirmed, or the batch returns to the queue when the message is dropped, which
//! is also what happens when this whole task is aborted.

use std::time::Duration;

use amqp::lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use amqp::lapin::types::FieldTable;
use amqp::lapin::{self, BasicProperties, Channel, Confirmation, Connection, Event};
use amqp::{Backoff, ConnectError, DeclareError};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use sample::signature::Secret;
use tokio::time::{Instant, MissedTickBehavior};
use uuid::Uuid;

use crate::Shared;
use crate::message::{Message, messages};
use crate::queue::Taken;
use crate::settings::{AmqpSettings, MAX_WINDOW};

/// How often an idle connection is asked whether it still stands. Losing one is also an event; this is for the case that
/// none came.
const LOOK: Duration = Duration::from_secs(5);

/// Why a channel is served no longer.
enum End {
    /// The publisher closes.
    Closed,
    /// Connection or channel broke.
    Broken(lapin::Error),
}

/// Why there is nothing to publish on at this moment.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Declare(#[from] DeclareError),
    #[error("the connection is lost")]
    Connection(#[source] lapin::Error),
    #[error("the channel is closed")]
    Channel(#[source] lapin::Error),
}

impl Trouble {
    fn label(&self) -> &'static str {
        match self {
            Self::Connect(error) => error.label(),
            Self::Declare(error) => error.label(),
            Self::Connection(_) => "connection-lost",
            Self::Channel(_) => "channel-closed",
        }
    }
}

/// Says each trouble once, and its end.
#[derive(Default)]
struct State {
    trouble: Option<&'static str>,
}

impl State {
    fn failed(&mut self, trouble: &Trouble) {
        let label = trouble.label();
        if self.trouble != Some(label) {
            tracing::warn!(
                reason = label,
                error = trouble as &dyn std::error::Error,
                "publishing over AMQP is interrupted"
            );
            self.trouble = Some(label);
        }
    }

    fn serves(&mut self, exchange: &str) {
        tracing::info!(exchange, recovered = self.trouble.is_some(), "publishing over AMQP");
        self.trouble = None;
    }
}

/// Publishes what the queue gives until it is closed.
pub(crate) async fn run(shared: std::sync::Arc<Shared>, settings: AmqpSettings, secret: Secret) {
    let worker = Worker { shared: &shared, settings: &settings, secret: &secret };
    tokio::select! {
        // Serving ends by itself once all is confirmed; this is for a broker that confirms no more.
        () = async { shared.queue.closed().await; tokio::time::sleep(crate::GOODBYE).await } => {}
        () = worker.work() => {}
    }
}

struct Worker<'a> {
    shared: &'a Shared,
    settings: &'a AmqpSettings,
    secret: &'a Secret,
}

impl Worker<'_> {
    async fn work(&self) {
        let mut backoff = Backoff::default();
        let mut state = State::default();
        let name = format!("nephoscope-publisher:{}:{}", std::process::id(), Uuid::new_v4());
        while !self.shared.queue.is_closed() {
            let connected = tokio::select! {
                connected = amqp::connect(&self.settings.brokers, &name) => connected,
                () = self.shared.queue.closed() => return,
            };
            let trouble = match connected {
                Ok(connection) => match self.use_connection(&connection, &mut backoff, &mut state).await {
                    None => return,
                    Some(trouble) => trouble,
                },
                Err(error) => error.into(),
            };
            state.failed(&trouble);
            self.shared.counters.reconnect();
            self.pause(&mut backoff).await;
        }
    }

    async fn pause(&self, backoff: &mut Backoff) {
        tokio::select! {
            () = tokio::time::sleep(backoff.next_wait()) => {}
            () = self.shared.queue.closed() => {}
        }
    }

    /// Serves channel after channel until the connection breaks; none if the publisher closes.
    async fn use_connection(
        &self,
        connection: &Connection,
        backoff: &mut Backoff,
        state: &mut State,
    ) -> Option<Trouble> {
        loop {
            let trouble = match self.open(connection).await {
                Ok(channel) => {
                    state.serves(&self.settings.exchange);
                    match self.serve(connection, &channel, backoff).await {
                        End::Closed => {
                            // The broker may be gone, which ends the connection as well.
                            let _ = connection.close(200, "OK".into()).await;
                            return None;
                        }
                        End::Broken(error) if connection.status().connected() => Trouble::Channel(error),
                        End::Broken(error) => return Some(Trouble::Connection(error)),
                    }
                }
                Err(trouble) if connection.status().connected() => trouble,
                Err(trouble) => return Some(trouble),
            };
            state.failed(&trouble);
            self.shared.counters.channel_error();
            self.pause(backoff).await;
            if self.shared.queue.is_closed() {
                let _ = connection.close(200, "OK".into()).await;
                return None;
            }
        }
    }

    /// A channel with everything in place to publish on.
    async fn open(&self, connection: &Connection) -> Result<Channel, Trouble> {
        let queues = self.settings.queues();
        amqp::declare(connection, &self.settings.exchange, &queues, self.settings.flags).await?;
        let channel = connection.create_channel().await.map_err(Trouble::Channel)?;
        channel.confirm_select(ConfirmSelectOptions::default()).await.map_err(Trouble::Channel)?;
        Ok(channel)
    }

    async fn serve(&self, connection: &Connection, channel: &Channel, backoff: &mut Backoff) -> End {
        let window = self.settings.window.clamp(1, MAX_WINDOW);
        let mut events = Box::pin(connection.events_listener());
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut in_flight = FuturesUnordered::new();
        let mut paused_until: Option<Instant> = None;
        // The broker took no message lately: one at a time asks whether it does again.
        let mut nacking = false;
        let mut closing = false;
        loop {
            if closing && in_flight.is_empty() {
                return End::Closed;
            }
            let may_take =
                !closing && paused_until.is_none() && in_flight.len() < if nacking { 1 } else { window };
            tokio::select! {
                // Confirmations first: they are what makes room.
                biased;
                Some((taken, answer)) = in_flight.next(), if !in_flight.is_empty() => match answer {
                    Ok(true) => {
                        let taken: Taken = taken;
                        self.shared.counters.confirm(taken.samples().len());
                        taken.done();
                        if paused_until.is_none() {
                            backoff.reset();
                            if std::mem::take(&mut nacking) {
                                tracing::info!("the broker takes messages again");
                            }
                        }
                    }
                    Ok(false) => {
                        self.shared.counters.nack();
                        drop(taken);
                        paused_until.get_or_insert_with(|| Instant::now() + backoff.next_wait());
                        if !std::mem::replace(&mut nacking, true) {
                            tracing::warn!("the broker does not take messages (nack), they are sent again");
                        }
                    }
                    Err(error) => return End::Broken(error),
                },
                Some(event) = events.next() => match event {
                    Event::ConnectionBlocked(reason) => tracing::warn!(reason, "the broker has blocked publishing"),
                    Event::ConnectionUnblocked => tracing::info!("the broker has unblocked publishing"),
                    Event::Error(error) if !connection.status().connected() => return End::Broken(error),
                    _ => {}
                },
                () = tokio::time::sleep_until(paused_until.unwrap_or_else(Instant::now)), if paused_until.is_some() => {
                    paused_until = None;
                }
                taken = self.shared.queue.next(), if may_take => match taken {
                    Some(taken) => in_flight.push(self.send(channel, taken)),
                    None => closing = true,
                },
                _ = look.tick() => {
                    if !connection.status().connected() || !channel.status().connected() {
                        return End::Broken(std::io::Error::from(std::io::ErrorKind::ConnectionAborted).into());
                    }
                }
            }
        }
    }

    /// Its message, or as many as it takes: whether the broker took them all.
    fn send(
        &self,
        channel: &Channel,
        taken: Taken,
    ) -> impl Future<Output = (Taken, lapin::Result<bool>)> + use<> {
        let messages = messages(self.settings, self.secret, taken.samples());
        self.shared.counters.publish(taken.samples().len());
        let channel = channel.clone();
        let exchange = self.settings.exchange.clone();
        async move {
            let answer = publish(&channel, &exchange, messages).await;
            (taken, answer)
        }
    }
}

async fn publish(channel: &Channel, exchange: &str, messages: Vec<Message>) -> lapin::Result<bool> {
    let mut confirms = Vec::with_capacity(messages.len());
    for Message { keys, body } in &messages {
        for key in keys {
            let options = BasicPublishOptions::default();
            confirms.push(
                channel
                    .basic_publish(exchange.into(), key.as_str().into(), options, body, properties())
                    .await?,
            );
        }
    }
    // Not needed while the broker thinks it over.
    drop(messages);
    let mut taken = true;
    for confirm in confirms {
        taken &= matches!(confirm.await?, Confirmation::Ack(_));
    }
    Ok(taken)
}

/// What oslo.messaging sets, to the letter: with another content type its consumers skip the message.
fn properties() -> BasicProperties {
    BasicProperties::default()
        .with_content_type("application/json".into())
        .with_content_encoding("utf-8".into())
        .with_headers(FieldTable::default())
        .with_delivery_mode(2)
        .with_priority(0)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Arc;

    use sample::{Kind, Metadata, Sample, Timestamp, Volume};

    use super::*;

    /// So many good samples.
    pub(crate) fn samples(count: usize) -> Vec<Sample> {
        let metadata = Arc::new(Metadata::new(serde_json::Map::new()));
        let one = |number: usize| Sample {
            source: "openstack".into(),
            meter: "mem.max".into(),
            kind: Kind::Gauge,
            unit: "MiB".into(),
            volume: Volume::Count(number as u64),
            user_id: None,
            project_id: None,
            user_name: None,
            project_name: None,
            resource_id: "resource".into(),
            timestamp: Timestamp::now(),
            metadata: metadata.clone(),
            extra: None,
            message_id: Uuid::new_v4(),
            monotonic_time: None,
        };
        (0..count).map(one).collect()
    }

    #[test]
    fn properties_are_oslo_messagings_and_nothing_else() {
        let given = properties();
        assert_eq!(given.content_type().as_ref().map(|text| text.as_str()), Some("application/json"));
        assert_eq!(given.content_encoding().as_ref().map(|text| text.as_str()), Some("utf-8"));
        assert_eq!((given.delivery_mode(), given.priority()), (&Some(2), &Some(0)));
        assert!(given.headers().as_ref().is_some_and(|headers| headers.inner().is_empty()));
        assert!(given.message_id().is_none() && given.timestamp().is_none() && given.app_id().is_none());
    }

    #[tokio::test]
    async fn a_broker_that_is_away_costs_the_oldest_samples_and_nobody_waits() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let broker = amqp::Broker::new(format!("amqp://127.0.0.1:{port}/").parse().unwrap());
        let amqp = AmqpSettings { brokers: vec![broker], ..AmqpSettings::default() };
        let settings = crate::Settings { queue: 3, ..crate::Settings::new(crate::Target::Amqp(amqp)) };
        let publisher = crate::Publisher::start(settings).unwrap();
        let started = Instant::now();
        publisher.publish(samples(5 * crate::BATCH_SIZE));
        assert!(started.elapsed() < Duration::from_secs(1), "publishing waits");
        let stats = publisher.stats();
        assert_eq!((stats.dropped, stats.waiting), (100, 3));
        assert!(!publisher.flush(Duration::from_millis(300)).await);
        let stats = publisher.close(Duration::ZERO).await;
        assert_eq!((stats.dropped, stats.waiting, stats.confirmed), (250, 0, 0));
        assert!(stats.reconnects > 0);
    }

    #[tokio::test]
    async fn a_sample_with_a_fault_never_reaches_the_queue() {
        let broker = amqp::Broker::new("amqp://127.0.0.1:1/".parse().unwrap());
        let amqp = AmqpSettings { brokers: vec![broker], ..AmqpSettings::default() };
        let settings = crate::Settings { batch_size: 0, ..crate::Settings::new(crate::Target::Amqp(amqp)) };
        let publisher = crate::Publisher::start(settings).unwrap();
        let mut batch = samples(3);
        batch[1].volume = Volume::Real(f64::NAN);
        publisher.publish(batch);
        let stats = publisher.stats();
        assert_eq!(stats.refused, [(sample::check::Fault::Volume, 1)]);
        assert_eq!(stats.waiting, 2, "one sample per message");
    }
}
