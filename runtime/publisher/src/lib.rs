//! Batches of samples to AMQP, files and standard output, behind one type.
//!
//! ```text
//!  publish(samples) ─▶ check ─▶ split ─▶ queue ─▶ spool (disk) ─▶ queue (memory, bounded) ─▶ worker ─▶ broker | file | stdout
//!     never waits        └─ refused, counted by fault                ▲                          │
//!                                                                    └────── not confirmed ─────┘
//! ```
//!
//! A batch belongs to the publisher from [`Publisher::publish`] until the target has it: until the broker confirms its
//! message, or the file's bytes are with the kernel. Whatever fails in between, the batch returns to the queue's
//! front and is sent again: **at least once**, so a consumer may see a sample twice, under the same `message_id`. With a [`spool`], that holds over
//! the end of the process, too; without one, what waits is in memory alone.
//!
//! | what fails | what then happens |
//! |---|---|
//! | a sample is no good ([`sample::check`]) | it never leaves; counted and logged by its fault |
//! | the broker is away, or refuses | back-off with jitter; with a spool what comes is on disk, without one the queue fills, past its end the oldest batch is dropped and counted by source |
//! | the broker blocks publishing | it is waited for |
//! | the broker confirms nothing | another connection after [`AmqpSettings::confirm_timeout`], to the next broker first |
//! | a channel breaks (its exchange was deleted) | a new channel on the same connection, declared anew |
//! | no queue takes a message | the same |
//! | the broker says no to a message (nack) | that batch is sent again after a pause |
//! | the broker breaks off over a message | the batches in flight are sent one by one, the bad one in halves; a single bad sample is set aside |
//! | the disk is full | a file's partial line is taken back, then as with a broker that is away; a spool's batches wait in memory |
//!
//! Who is to understand the messages is a [`Profile`]: Ceilometer's notification agent, or the collector of an older Ceilometer.
//!
//! Memory is bounded by the queue ([`Settings::queue`] batches, 128 MiB) and what awaits confirmation ([`AmqpSettings::window`] messages).
//! Log lines tell of changes of state, not of every try.
#![forbid(unsafe_code)]

mod amqp_worker;
mod batch;
mod lines_worker;
mod message;
mod poison;
pub mod probe;
mod queue;
mod quiet;
mod settings;
pub mod spool;
mod stats;
mod weight;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sample::Sample;
use sample::check::check;
use tokio::task::JoinHandle;

pub use settings::*;
pub use stats::Stats;

use batch::Batch;
use poison::Morgue;
use queue::{Lost, Queue};
use quiet::Quiet;
use stats::Counters;

/// How long [`Publisher::close`] lets the worker say goodbye to the broker, once its batches are out or given up.
const GOODBYE: Duration = Duration::from_secs(2);

/// The ending of the file, beside the spool, of samples that the broker refuses.
const REFUSED: &str = "refused.jsonl";

/// How long [`Publisher::close`] lets a publisher with a spool deliver what is fresh.
const PARTING: Duration = Duration::from_secs(3);

/// Why a publisher does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No broker, or no topic.
    #[error("an AMQP publisher needs at least one broker and one topic")]
    NoTarget,
    /// The spool cannot be used.
    #[error("failed to use the spool {}", path.display())]
    Spool {
        /// The file.
        path: std::path::PathBuf,
        /// Why.
        source: spool::SpoolError,
    },
    /// The system gave no thread.
    #[error("failed to start the thread of the spool")]
    Thread(#[source] std::io::Error),
    /// The file cannot be appended to.
    #[error("failed to open {}", path.display())]
    File {
        /// The file.
        path: std::path::PathBuf,
        /// The system's word.
        source: std::io::Error,
    },
}

/// What publisher and worker share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub queue: Queue,
    pub counters: Counters,
    dropped: Quiet,
}

impl Shared {
    pub(crate) fn new(queue: Queue) -> Self {
        Self { queue, counters: Counters::default(), dropped: Quiet::default() }
    }

    /// Counts what was dropped, and says so now and then.
    pub(crate) fn count_lost(&self, lost: Lost, why: &str) {
        if lost.is_empty() {
            return;
        }
        self.counters.drop_samples(&lost);
        if let Some(unsaid) = self.dropped.may_speak() {
            let total = self.counters.read(0).dropped;
            let samples: usize = lost.values().sum();
            // By source.
            tracing::warn!(samples, ?total, unsaid, "the oldest samples are dropped: {why}");
        }
    }
}

/// Owns samples until their target has them.
///
/// Dropping it ends the worker and loses what waits; [`Publisher::close`] does not.
#[derive(Debug)]
pub struct Publisher {
    shared: Arc<Shared>,
    batch_size: usize,
    has_spool: bool,
    refused: Quiet,
    worker: Mutex<Option<JoinHandle<()>>>,
    spool: Mutex<Option<std::thread::JoinHandle<()>>>,
}

impl Publisher {
    /// Starts the worker on the present tokio runtime. Does not wait for a broker.
    ///
    /// # Errors
    /// [`StartError`], for what no retry would mend: a file is opened once to see that it can be.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn start(settings: Settings) -> Result<Self, StartError> {
        let Settings { target, batch_size, queue, secret, spool } = settings;
        let capacity = queue.clamp(1, MAX_QUEUE);
        let morgue = spool.as_ref().map(|spool| Morgue::new(spool.path.with_extension(REFUSED)));
        let opened = match spool {
            None => None,
            Some(settings) => {
                let path = settings.path.clone();
                Some(spool::Opened::new(settings).map_err(|source| StartError::Spool { path, source })?)
            }
        };
        let queue = opened.as_ref().map_or_else(|| Queue::new(capacity), |opened| opened.queue(capacity));
        let shared = Arc::new(Shared::new(queue));
        let worker = match target {
            Target::Amqp(amqp) => {
                if amqp.brokers.is_empty() || amqp.topics.is_empty() {
                    return Err(StartError::NoTarget);
                }
                tokio::spawn(amqp_worker::run(shared.clone(), amqp, secret, morgue))
            }
            Target::File(file) => {
                let path = file.path.clone();
                lines_worker::probe(&file).map_err(|source| StartError::File { path, source })?;
                tokio::spawn(lines_worker::run(shared.clone(), lines_worker::Lines::File(file), secret))
            }
            Target::Stdout => {
                tokio::spawn(lines_worker::run(shared.clone(), lines_worker::Lines::Stdout, secret))
            }
        };
        let has_spool = opened.is_some();
        let spool = opened.map(|opened| opened.start(shared.clone())).transpose();
        Ok(Self {
            shared,
            // 0 means one sample per message.
            batch_size: batch_size.clamp(1, MAX_BATCH_SIZE),
            has_spool,
            refused: Quiet::default(),
            worker: Mutex::new(Some(worker)),
            spool: Mutex::new(spool.map_err(StartError::Thread)?),
        })
    }

    /// Takes samples of one meter and one cycle, and the source that polled them; returns at once.
    ///
    /// Those that fail [`sample::check`] are refused, the others wait as batches. Where the queue is full its oldest batches
    /// are dropped, and counted by their source.
    pub fn publish(&self, source: &Arc<str>, mut samples: Vec<Sample>) {
        samples.retain(|sample| match check(sample) {
            Ok(()) => true,
            Err(fault) => {
                self.shared.counters.refuse(fault);
                if let Some(unsaid) = self.refused.may_speak() {
                    tracing::error!(
                        fault = fault.label(),
                        // Debug escapes what may be in names that were refused.
                        meter = ?sample.meter,
                        resource_id = ?sample.resource_id,
                        unsaid,
                        "a sample is refused: {fault}"
                    );
                }
                false
            }
        });
        while samples.len() > self.batch_size {
            let rest = samples.split_off(self.batch_size);
            self.enqueue(source, std::mem::replace(&mut samples, rest));
        }
        if !samples.is_empty() {
            self.enqueue(source, samples);
        }
    }

    fn enqueue(&self, source: &Arc<str>, samples: Vec<Sample>) {
        let lost = self.shared.queue.push(Batch::new(source.clone(), samples));
        self.shared.count_lost(lost, "the publisher's queue is full");
    }

    /// Whether it takes more samples. It does always, unless its spool is set to have polling pause when it is full.
    pub fn has_room(&self) -> bool {
        self.shared.queue.has_room()
    }

    /// With a spool, waits until all that was published is on disk, until `deadline` at most; a disk that takes nothing is not waited for.
    /// Blocks the thread. Says whether it is there; none without a spool.
    pub fn kept(&self, deadline: Instant) -> Option<bool> {
        self.has_spool.then(|| self.shared.queue.kept(deadline))
    }

    /// Lets a poll that is far ahead of a target which takes batches wait for it, until `deadline` at most: no cycle is too large for the
    /// queue while the broker is well. A target that takes nothing is waited for a moment, once. Blocks the thread.
    pub fn pace(&self, deadline: Instant) {
        self.shared.queue.pace(deadline);
    }

    /// Waits until the target has everything that was published so far or since, for `deadline` at most. Says whether it does.
    pub async fn flush(&self, deadline: Duration) -> bool {
        tokio::time::timeout(deadline, self.shared.queue.settled()).await.is_ok()
    }

    /// Flushes, then ends the worker and its connection. What is not out by then stays in the spool for the next start; without one, it is dropped
    /// and counted.
    pub async fn close(self, deadline: Duration) -> Stats {
        let spool = self.spool.lock().unwrap_or_else(PoisonError::into_inner).take();
        if spool.is_some() {
            // What is fresh may go out; whoever waits on disk need not hold up the end.
            let _ = tokio::time::timeout(deadline.min(PARTING), self.shared.queue.settled()).await;
            let _ = tokio::time::timeout(deadline, self.shared.queue.at_rest()).await;
        } else {
            self.flush(deadline).await;
        }
        self.shared.queue.close();
        let worker = self.worker.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut worker) = worker
            && tokio::time::timeout(GOODBYE, &mut worker).await.is_err()
        {
            worker.abort();
            // Its samples return to the queue as it is dropped.
            let _ = worker.await;
        }
        self.shared.queue.end();
        if let Some(spool) = spool {
            // It writes once more at most; a disk that hangs must not hold up the end.
            let ended = tokio::task::spawn_blocking(move || spool.join());
            let _ = tokio::time::timeout(deadline.max(GOODBYE), ended).await;
        }
        let lost = self.shared.queue.drain();
        let samples: usize = lost.values().sum();
        if samples > 0 {
            self.shared.counters.drop_samples(&lost);
            tracing::warn!(samples, "the publisher ends with samples that its target did not take");
        }
        let stats = self.stats();
        if !stats.dropped.is_empty() {
            tracing::warn!(by_source = ?stats.dropped, "samples that were dropped since the start");
        }
        if stats.spooled > 0 {
            tracing::info!(batches = stats.spooled, "what the target does not have yet stays in the spool");
        }
        stats
    }

    /// What was counted since the start.
    pub fn stats(&self) -> Stats {
        self.shared.counters.read(self.shared.queue.waiting())
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.shared.queue.end();
        if let Some(worker) = self.worker.lock().unwrap_or_else(PoisonError::into_inner).take() {
            worker.abort();
        }
    }
}
