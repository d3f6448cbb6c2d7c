//! One connection: consumes, dead-letters, acknowledges.
//!
//! Nothing here waits for the decoders: while they have no room, one message is held and no other is taken in, so that shutdown and
//! what is settled are seen at any time.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use amqp::lapin::message::Delivery;
use amqp::lapin::options::{BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicQosOptions};
use amqp::lapin::types::FieldTable;
use amqp::lapin::{self, Channel, Connection};
use amqp::{Binding, DeclareError};
use futures_util::stream::{self, FuturesUnordered, SelectAll, StreamExt};
use tokio::sync::mpsc::{Sender, UnboundedReceiver};

use super::commit::Settled;
use super::counters::Counters;
use super::dead_letter::{DeadLetter, DeadLetterError, Undertaker};
use super::decode::{Message, Origin, Token};
use super::ledger::{Ack, Astray, Ledger};
use crate::Settings;

/// How long the broker may take to say that it delivers no more.
const CANCEL: Duration = Duration::from_secs(3);
/// How long a stopping collector waits for the commit and the acknowledgement of what it has received.
pub(super) const DRAIN: Duration = Duration::from_secs(20);

/// Why a connection's work ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum SessionError {
    #[error("failed to have the exchange and the queues")]
    Declare(#[source] DeclareError),
    #[error("failed to consume {queue}")]
    Consume { queue: String, source: lapin::Error },
    #[error("the connection to the broker broke")]
    Broken(#[source] lapin::Error),
    #[error("the broker ended the consumption of {0}: the queue was deleted, or moved")]
    Cancelled(String),
    #[error("the broker's deliveries cannot be told apart")]
    Astray(#[source] Astray),
    #[error("failed to acknowledge")]
    Acknowledge(#[source] lapin::Error),
    #[error(transparent)]
    DeadLetter(DeadLetterError),
    #[error("a decoding thread or the committing one ended")]
    Committer,
}

impl SessionError {
    /// The label that log lines and tests share.
    pub(super) fn label(&self) -> &'static str {
        match self {
            Self::Declare(error) => error.label(),
            Self::Consume { .. } => "consume",
            Self::Broken(_) => "broken",
            Self::Cancelled(_) => "cancelled",
            Self::Astray(_) => "delivery-tag",
            Self::Acknowledge(_) => "acknowledge",
            Self::DeadLetter(_) => "dead-letter",
            Self::Committer => "committer",
        }
    }
}

/// What outlives connections: the way to the decoders and the way back from the committer.
pub(super) struct Pipeline {
    pub work: Sender<Message>,
    /// The number of the connection that works. Decoders leave out the messages of earlier ones: they come again.
    pub session: Arc<AtomicU64>,
    pub settled: UnboundedReceiver<Vec<Settled>>,
    pub counters: Arc<Counters>,
}

/// What comes from a queue: a delivery, or the end with its reason.
type Incoming = Result<Delivery, SessionError>;

/// One connection's work.
pub(super) struct Session<'a> {
    number: u64,
    channel: Channel,
    tags: Vec<lapin::types::ShortString>,
    incoming: SelectAll<stream::BoxStream<'static, Incoming>>,
    undertaker: Undertaker,
    pipeline: &'a mut Pipeline,
    /// A message that the decoders have no room for yet. Nothing is taken in beside it, and it is not in the ledger.
    held: Option<Message>,
    longest_body: usize,
    ledger: Ledger,
    notices: Notices,
}

impl<'a> Session<'a> {
    /// Declares what is missing and begins to consume.
    pub(super) async fn open(
        number: u64,
        connection: &Connection,
        settings: &Settings,
        pipeline: &'a mut Pipeline,
    ) -> Result<Self, SessionError> {
        let queues = settings.queues();
        let bindings: Vec<Binding> = queues.iter().map(Binding::of).collect();
        amqp::declare(connection, &settings.exchange, &bindings, settings.flags)
            .await
            .map_err(SessionError::Declare)?;
        let undertaker =
            Undertaker::open(connection, &settings.dead_letter).await.map_err(SessionError::DeadLetter)?;
        let channel = connection.create_channel().await.map_err(SessionError::Broken)?;
        channel
            .basic_qos(settings.prefetch.max(1), BasicQosOptions::default())
            .await
            .map_err(SessionError::Broken)?;
        let mut incoming = SelectAll::new();
        let mut tags = Vec::new();
        for queue in queues {
            let options = BasicConsumeOptions::default();
            let consumer = channel
                .basic_consume(queue.as_str().into(), "".into(), options, FieldTable::default())
                .await
                .map_err(|source| SessionError::Consume { queue: queue.clone(), source })?;
            tags.push(consumer.tag());
            let deliveries = consumer.map(|delivery| delivery.map_err(SessionError::Broken));
            let end = stream::once(async { Err(SessionError::Cancelled(queue)) });
            incoming.push(deliveries.chain(end).boxed());
        }
        Ok(Self {
            number,
            channel,
            tags,
            incoming,
            undertaker,
            pipeline,
            held: None,
            longest_body: settings.longest_body(),
            ledger: Ledger::new(settings.in_flight()),
            notices: Notices::default(),
        })
    }

    /// Works until shutdown, and then until all that was taken in is settled.
    pub(super) async fn work(mut self, shutdown: impl Future<Output = ()>) -> Result<(), SessionError> {
        let mut shutdown = pin!(shutdown);
        let mut burials = FuturesUnordered::new();
        let mut draining = false;
        let work = self.pipeline.work.clone();
        let mut deadline = pin!(tokio::time::sleep(Duration::MAX));
        loop {
            if draining && self.ledger.is_clear() {
                return self.channel.close(200, "OK".into()).await.map_err(SessionError::Broken);
            }
            tokio::select! {
                // What is settled goes first: it frees the broker to hand out more.
                biased;
                () = &mut shutdown, if !draining => {
                    draining = true;
                    // Never handed on, so never acknowledged: it comes again, as do those that are not taken in any more.
                    self.held = None;
                    deadline.as_mut().reset(tokio::time::Instant::now() + DRAIN);
                    for tag in self.tags.drain(..) {
                        let cancelled = self.channel.basic_cancel(tag, BasicCancelOptions::default());
                        // A broker that reads no more must not hold up the end.
                        match tokio::time::timeout(CANCEL, cancelled).await {
                            Ok(cancelled) => cancelled.map_err(SessionError::Broken)?,
                            Err(_) => break,
                        }
                    }
                }
                () = work.closed() => return Err(SessionError::Committer),
                () = &mut deadline, if draining => {
                    tracing::warn!("stopped without the last acknowledgements; those messages will come again");
                    return Ok(());
                }
                settled = self.pipeline.settled.recv() => {
                    for settled in settled.ok_or(SessionError::Committer)? {
                        // A message of an earlier connection is the broker's again; its samples are known when it comes.
                        if settled.token.session != self.number {
                            continue;
                        }
                        match settled.dead_letter {
                            None => self.ledger.settle(settled.token.tag),
                            Some(letter) => {
                                self.ledger.wait(settled.token.tag);
                                self.notices.dead_letter(&letter);
                                burials.push(bury(self.undertaker.clone(), letter, settled.token.tag));
                            }
                        }
                    }
                    self.acknowledge().await?;
                }
                Some(buried) = burials.next() => {
                    self.ledger.settle(buried?);
                    self.pipeline.counters.dead_letters.fetch_add(1, Relaxed);
                    self.acknowledge().await?;
                }
                permit = work.reserve(), if self.held.is_some() => {
                    let permit = permit.map_err(|_| SessionError::Committer)?;
                    if let Some(message) = self.held.take() {
                        self.ledger.open(message.token.tag).map_err(SessionError::Astray)?;
                        permit.send(message);
                    }
                }
                Some(delivery) = self.incoming.next(), if !draining && self.held.is_none() => {
                    self.held = Some(self.message(delivery?));
                }
            }
        }
    }

    /// A delivery as the decoders take it.
    fn message(&self, delivery: Delivery) -> Message {
        self.pipeline.counters.messages.fetch_add(1, Relaxed);
        let text = |text: &Option<lapin::types::ShortString>| text.as_ref().map(ToString::to_string);
        let token = Token { session: self.number, tag: delivery.delivery_tag };
        let origin = Origin {
            exchange: delivery.exchange.to_string(),
            routing_key: delivery.routing_key.to_string(),
            content_type: text(delivery.properties.content_type()),
            content_encoding: text(delivery.properties.content_encoding()),
        };
        Message::new(token, origin, delivery.data, self.longest_body)
    }

    async fn acknowledge(&mut self) -> Result<(), SessionError> {
        for ack in self.ledger.acknowledge() {
            let (tag, multiple) = match ack {
                Ack::UpTo(tag) => (tag, true),
                Ack::One(tag) => (tag, false),
            };
            self.channel
                .basic_ack(tag, BasicAckOptions { multiple })
                .await
                .map_err(SessionError::Acknowledge)?;
        }
        Ok(())
    }
}

/// Logs one dead letter a second, and how many others there were: a flood of forgeries is not to become a flood of lines.
#[derive(Debug, Default)]
struct Notices {
    last: Option<Instant>,
    unsaid: u64,
}

impl Notices {
    const EVERY: Duration = Duration::from_secs(1);

    fn dead_letter(&mut self, letter: &DeadLetter) {
        if self.last.is_some_and(|last| last.elapsed() < Self::EVERY) {
            self.unsaid += 1;
            return;
        }
        self.last = Some(Instant::now());
        tracing::warn!(
            reason = letter.reason,
            fault = ?letter.fault,
            exchange = ?letter.origin.exchange,
            routing_key = ?letter.origin.routing_key,
            others_since_the_last_notice = std::mem::take(&mut self.unsaid),
            "dead-lettered a message, or samples of it"
        );
    }
}

async fn bury(undertaker: Undertaker, letter: DeadLetter, tag: u64) -> Result<u64, SessionError> {
    undertaker.bury(&letter).await.map_err(SessionError::DeadLetter)?;
    Ok(tag)
}
