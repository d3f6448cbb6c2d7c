//! Batches to a broker, with publisher confirms.
//!
//! ```text
//!  ┌▶ connect ──▶ declare, confirm.select ──▶ serve: take, encode, publish ─▶ … up to `window` in flight … ─▶ confirm
//!  │     │ failed        │ channel broke         │        ├─ nack: the batch returns, a pause
//!  │     │               │                       │        ├─ returned: no queue takes it; declared anew
//!  │     │               │                       │        └─ nothing for too long: another connection, the next broker first
//!  └─ back off ◀─────────┴───────────────────────┘  on a lost connection all that is unconfirmed returns to the queue
//! ```
//!
//! A message in flight owns its batch: it is confirmed, or the batch returns to the queue when the message is dropped, which
//! is also what happens when this whole task is aborted. While the broker has the connection blocked, nothing is taken and no time counts.

mod trouble;

use std::time::Duration;

use amqp::lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use amqp::lapin::types::FieldTable;
use amqp::lapin::{self, BasicProperties, Channel, Confirmation, Connection, Event};
use amqp::{Backoff, Broker, Link};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use sample::signature::Secret;
use tokio::time::{Instant, MissedTickBehavior};
use uuid::Uuid;

use crate::Shared;
use crate::message::{Message, messages};
use crate::poison::{Morgue, Suspects, Verdict, is_verdict};
use crate::queue::Taken;
use crate::settings::{AmqpSettings, MAX_WINDOW};
use trouble::{State, Trouble};

/// How often an idle connection is asked whether it still stands. Losing one is also an event; this is for the case that
/// none came.
const LOOK: Duration = Duration::from_secs(5);

/// Why a channel is served no longer.
enum End {
    /// The publisher closes.
    Closed,
    /// Connection or channel broke.
    Broken(lapin::Error),
    /// No queue takes a message.
    Unroutable(String),
    /// The broker confirms nothing.
    Unconfirmed,
}

/// What the broker says of a message.
enum Answer {
    Taken,
    /// Nack.
    Refused,
    /// Acknowledged, but no queue has it: what was in the way.
    Returned(String),
}

/// Publishes what the queue gives until it is closed.
pub(crate) async fn run(
    shared: std::sync::Arc<Shared>,
    settings: AmqpSettings,
    secret: Secret,
    morgue: Option<Morgue>,
) {
    let mut worker = Worker {
        shared: &shared,
        settings: &settings,
        secret: &secret,
        morgue,
        backoff: Backoff::default(),
        state: State::default(),
        suspects: Suspects::default(),
    };
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
    morgue: Option<Morgue>,
    backoff: Backoff,
    state: State,
    suspects: Suspects,
}

impl Worker<'_> {
    async fn work(&mut self) {
        let name = format!("nephoscope-publisher:{}:{}", std::process::id(), Uuid::new_v4());
        let mut brokers: Vec<Broker> = self.settings.brokers.clone();
        while !self.shared.queue.is_closed() {
            let connected = tokio::select! {
                connected = amqp::connect(&brokers, &name) => connected,
                () = self.shared.queue.closed() => return,
            };
            let trouble = match connected {
                Ok(connection) => match self.use_connection(&connection).await {
                    None => return,
                    Some(trouble) => {
                        // It may be hung: nothing that is left of it shall wait for an answer.
                        connection.abort();
                        trouble
                    }
                },
                Err(error) => error.into(),
            };
            match trouble {
                // It would take the next connection as well.
                Trouble::Unconfirmed(_) => brokers.rotate_left(1),
                _ => brokers.clone_from(&self.settings.brokers),
            }
            self.state.failed(&trouble);
            self.shared.counters.reconnect();
            self.pause().await;
        }
    }

    async fn pause(&mut self) {
        // Among suspects each break tells something: they are gone through without long waits.
        let wait = if self.suspects.are_any() { amqp::backoff::LEAST } else { self.backoff.next_wait() };
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = self.shared.queue.closed() => {}
        }
    }

    /// Serves channel after channel until the connection breaks; none if the publisher closes.
    async fn use_connection(&mut self, connection: &Link) -> Option<Trouble> {
        loop {
            let trouble = match self.open(connection).await {
                Ok(channel) => {
                    self.state.serves(&self.settings.exchange);
                    match self.serve(connection, &channel).await {
                        End::Closed => {
                            // The broker may be gone, which ends the connection as well.
                            let _ = connection.close(200, "OK".into()).await;
                            return None;
                        }
                        End::Unconfirmed => {
                            self.shared.counters.unconfirmed();
                            return Some(Trouble::Unconfirmed(self.settings.confirm_timeout));
                        }
                        End::Unroutable(why) => {
                            self.shared.counters.unroutable();
                            // What is declared anew is bound anew. A broker that has stopped answering shows there.
                            let closed = channel.close(200, "OK".into());
                            let _ = tokio::time::timeout(self.settings.confirm_timeout, closed).await;
                            Trouble::Unroutable(why)
                        }
                        End::Broken(error) if connection.status().connected() => Trouble::Channel(error),
                        End::Broken(error) => return Some(Trouble::Connection(error)),
                    }
                }
                Err(trouble) if connection.status().connected() => trouble,
                Err(trouble) => return Some(trouble),
            };
            self.state.failed(&trouble);
            self.shared.counters.channel_error();
            self.pause().await;
            if self.shared.queue.is_closed() {
                let _ = connection.close(200, "OK".into()).await;
                return None;
            }
        }
    }

    /// A channel with everything in place to publish on.
    async fn open(&self, connection: &Connection) -> Result<Channel, Trouble> {
        let opening = async {
            let queues = self.settings.queues();
            amqp::declare(connection, &self.settings.exchange, &queues, self.settings.flags).await?;
            let channel = connection.create_channel().await.map_err(Trouble::Channel)?;
            channel.confirm_select(ConfirmSelectOptions::default()).await.map_err(Trouble::Channel)?;
            Ok(channel)
        };
        let patience = self.settings.confirm_timeout;
        tokio::time::timeout(patience, opening).await.unwrap_or(Err(Trouble::Unconfirmed(patience)))
    }

    async fn serve(&mut self, connection: &Connection, channel: &Channel) -> End {
        let window = self.settings.window.clamp(1, MAX_WINDOW);
        let patience = self.settings.confirm_timeout;
        let mut events = Box::pin(connection.events_listener());
        let mut look = tokio::time::interval(LOOK.min(patience / 4));
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut in_flight = FuturesUnordered::new();
        let mut sent = Sent::default();
        let mut paused_until: Option<Instant> = None;
        // The broker took no message lately: one at a time asks whether it does again.
        let mut nacking = false;
        let mut closing = false;
        loop {
            if closing && in_flight.is_empty() {
                return End::Closed;
            }
            let most = if nacking || self.suspects.are_any() { 1 } else { window };
            let blocked = connection.status().blocked();
            let may_take = !closing && !blocked && paused_until.is_none() && in_flight.len() < most;
            tokio::select! {
                // Confirmations first: they are what makes room.
                biased;
                Some((number, taken, answer)) = in_flight.next(), if !in_flight.is_empty() => {
                    let (taken, answer): (Taken, lapin::Result<Answer>) = (taken, answer);
                    sent.answered(number);
                    match answer {
                        Ok(Answer::Taken) => {
                            if self.state.trouble.is_some() {
                                self.state.confirmed(&self.settings.exchange);
                            }
                            let range = self.suspects.confirmed(&taken);
                            self.shared.counters.confirm(range.len());
                            match self.suspects.rest(&taken) {
                                // The other half of a batch that is sent in parts.
                                Some(_) => {
                                    let number = sent.begin();
                                    in_flight.push(self.send(channel, number, taken));
                                }
                                None => taken.done(),
                            }
                            if paused_until.is_none() {
                                self.backoff.reset();
                                if std::mem::take(&mut nacking) {
                                    tracing::info!("the broker takes messages again");
                                }
                            }
                        }
                        Ok(Answer::Refused) => {
                            self.shared.counters.nack();
                            drop(taken);
                            paused_until.get_or_insert_with(|| Instant::now() + self.backoff.next_wait());
                            if !std::mem::replace(&mut nacking, true) {
                                tracing::warn!("the broker does not take messages (nack), they are sent again");
                            }
                        }
                        Ok(Answer::Returned(why)) => return End::Unroutable(why),
                        Err(error) => {
                            if is_verdict(&error) {
                                let others = in_flight.len();
                                self.judge(taken, others, &error);
                            }
                            return End::Broken(error);
                        }
                    }
                }
                Some(event) = events.next() => match event {
                    Event::ConnectionBlocked(reason) => tracing::warn!(reason, "the broker has blocked publishing"),
                    Event::ConnectionUnblocked => {
                        sent.begin_anew();
                        tracing::info!("the broker has unblocked publishing");
                    }
                    // What was in flight says more of it, where there is any.
                    Event::Error(error) if !connection.status().connected() && in_flight.is_empty() => {
                        return End::Broken(error);
                    }
                    _ => {}
                },
                () = tokio::time::sleep_until(paused_until.unwrap_or_else(Instant::now)), if paused_until.is_some() => {
                    paused_until = None;
                }
                taken = self.shared.queue.next(), if may_take => match taken {
                    Some(taken) => {
                        let number = sent.begin();
                        in_flight.push(self.send(channel, number, taken));
                    }
                    None => closing = true,
                },
                _ = look.tick() => {
                    if !connection.status().connected() || !channel.status().connected() {
                        return End::Broken(std::io::Error::from(std::io::ErrorKind::ConnectionAborted).into());
                    }
                    if blocked {
                        sent.begin_anew();
                    } else if sent.oldest().is_some_and(|since| since.elapsed() > patience) {
                        return End::Unconfirmed;
                    }
                }
            }
        }
    }

    /// The broker has broken the channel off for what a message is.
    fn judge(&mut self, taken: Taken, others: usize, error: &lapin::Error) {
        match self.suspects.accuse(taken, others) {
            Verdict::Open => {}
            Verdict::Guilty(taken, position) => {
                let sample = &taken.samples()[position];
                self.shared.counters.poison();
                tracing::error!(
                    meter = &*sample.meter,
                    resource_id = &*sample.resource_id,
                    message_id = %sample.message_id,
                    error = error as &dyn std::error::Error,
                    "the broker refuses a sample whenever it is sent, also alone: it is set aside"
                );
                if let Some(morgue) = &self.morgue {
                    morgue.lay(sample, self.secret);
                }
                if self.suspects.rest(&taken).is_none() {
                    taken.done();
                }
            }
        }
    }

    /// Its message, or as many as it takes: whether the broker took them all.
    fn send(
        &self,
        channel: &Channel,
        number: u64,
        taken: Taken,
    ) -> impl Future<Output = (u64, Taken, lapin::Result<Answer>)> + use<> {
        let whole = 0..taken.samples().len();
        let range = self.suspects.rest(&taken).unwrap_or(whole);
        let samples = &taken.samples()[range];
        let messages = messages(self.settings, self.secret, samples);
        self.shared.counters.publish(samples.len());
        let channel = channel.clone();
        let exchange = self.settings.exchange.clone();
        async move {
            let answer = publish(&channel, &exchange, messages).await;
            (number, taken, answer)
        }
    }
}

/// When messages were sent that are not answered yet.
#[derive(Default)]
struct Sent {
    next: u64,
    since: std::collections::BTreeMap<u64, Instant>,
}

impl Sent {
    fn begin(&mut self) -> u64 {
        self.next += 1;
        self.since.insert(self.next, Instant::now());
        self.next
    }

    fn answered(&mut self, number: u64) {
        self.since.remove(&number);
    }

    fn oldest(&self) -> Option<Instant> {
        self.since.first_key_value().map(|(_, since)| *since)
    }

    /// The time so far does not count.
    fn begin_anew(&mut self) {
        let now = Instant::now();
        self.since.values_mut().for_each(|since| *since = now);
    }
}

async fn publish(channel: &Channel, exchange: &str, messages: Vec<Message>) -> lapin::Result<Answer> {
    let mut confirms = Vec::with_capacity(messages.len());
    for Message { keys, body, mandatory } in &messages {
        for key in keys {
            let options = BasicPublishOptions { mandatory: *mandatory, ..Default::default() };
            confirms.push(
                channel
                    .basic_publish(exchange.into(), key.as_str().into(), options, body, properties())
                    .await?,
            );
        }
    }
    // Not needed while the broker thinks it over.
    drop(messages);
    let mut answer = Answer::Taken;
    for confirm in confirms {
        match confirm.await? {
            Confirmation::Ack(None) => {}
            Confirmation::Ack(Some(returned)) => {
                answer = Answer::Returned(format!(
                    "exchange {}, routing key {}: {}",
                    returned.exchange, returned.routing_key, returned.reply_text
                ));
            }
            Confirmation::Nack(_) | Confirmation::NotRequested => return Ok(Answer::Refused),
        }
    }
    Ok(answer)
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
        let broker = Broker::new(format!("amqp://127.0.0.1:{port}/").parse().unwrap());
        let amqp = AmqpSettings { brokers: vec![broker], ..AmqpSettings::default() };
        let settings = crate::Settings { queue: 3, ..crate::Settings::new(crate::Target::Amqp(amqp)) };
        let publisher = crate::Publisher::start(settings).unwrap();
        let started = Instant::now();
        publisher.publish(&"all".into(), samples(5 * crate::BATCH_SIZE));
        assert!(started.elapsed() < Duration::from_secs(1), "publishing waits");
        let stats = publisher.stats();
        assert_eq!((stats.dropped_samples(), stats.waiting), (100, 3));
        assert!(!publisher.flush(Duration::from_millis(300)).await);
        let stats = publisher.close(Duration::ZERO).await;
        assert_eq!((stats.dropped_samples(), stats.waiting, stats.confirmed), (250, 0, 0));
        assert_eq!(stats.dropped["all"], 250);
        assert!(stats.reconnects > 0);
    }

    #[tokio::test]
    async fn a_sample_with_a_fault_never_reaches_the_queue() {
        let broker = Broker::new("amqp://127.0.0.1:1/".parse().unwrap());
        let amqp = AmqpSettings { brokers: vec![broker], ..AmqpSettings::default() };
        let settings = crate::Settings { batch_size: 0, ..crate::Settings::new(crate::Target::Amqp(amqp)) };
        let publisher = crate::Publisher::start(settings).unwrap();
        let mut batch = samples(3);
        batch[1].volume = Volume::Real(f64::NAN);
        publisher.publish(&"all".into(), batch);
        let stats = publisher.stats();
        assert_eq!(stats.refused, [(sample::check::Fault::Volume, 1)]);
        assert_eq!(stats.waiting, 2, "one sample per message");
    }
}
