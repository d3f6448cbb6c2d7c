//! Batches of samples to AMQP, files and standard output, behind one type.
//!
//! ```text
//!  publish(samples) ─▶ check ─▶ split ─▶ queue (bounded, drops its oldest) ─▶ worker ─▶ broker | file | stdout
//!     never waits        └─ refused, counted by fault      ▲                     │
//!                                                          └── not confirmed ────┘
//! ```
//!
//! A batch belongs to the publisher from [`Publisher::publish`] until the target has it: until the broker confirms its
//! message, or the file's bytes are with the kernel. Whatever fails in between, the batch returns to the queue's
//! front and is sent again: **at least once**, so a consumer may see a sample twice, under the same `message_id`.
//!
//! | what fails | what then happens |
//! |---|---|
//! | a sample is no good ([`sample::check`]) | it never leaves; counted and logged by its fault |
//! | the broker is away, or refuses | back-off with jitter, the queue fills, past its end the oldest batch is dropped and counted |
//! | a channel breaks (its exchange was deleted) | a new channel on the same connection, declared anew |
//! | the broker says no to a message (nack) | that batch is sent again after a pause |
//! | the disk is full | the partial line is taken back, then as with a broker that is away |
//!
//! Who is to understand the messages is a [`Profile`]: Ceilometer's notification agent, or the collector of an older Ceilometer.
//!
//! Memory is bounded by the queue ([`Settings::queue`] batches, 128 MiB) and what awaits confirmation ([`AmqpSettings::window`] messages).
//! Log lines tell of changes of state, not of every try.
#![forbid(unsafe_code)]

mod amqp_worker;
mod lines_worker;
mod message;
pub mod probe;
mod queue;
mod quiet;
mod settings;
mod stats;
mod weight;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sample::Sample;
use sample::check::check;
use tokio::task::JoinHandle;

pub use settings::*;
pub use stats::Stats;

use queue::Queue;
use quiet::Quiet;
use stats::Counters;

/// How long [`Publisher::close`] lets the worker say goodbye to the broker, once its batches are out or given up.
const GOODBYE: Duration = Duration::from_secs(2);

/// Why a publisher does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No broker, or no topic.
    #[error("an AMQP publisher needs at least one broker and one topic")]
    NoTarget,
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
}

/// Owns samples until their target has them.
///
/// Dropping it ends the worker and loses what waits; [`Publisher::close`] does not.
#[derive(Debug)]
pub struct Publisher {
    shared: Arc<Shared>,
    batch_size: usize,
    refused: Quiet,
    dropped: Quiet,
    worker: Mutex<Option<JoinHandle<()>>>,
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
        let Settings { target, batch_size, queue, secret } = settings;
        let shared =
            Arc::new(Shared { queue: Queue::new(queue.clamp(1, MAX_QUEUE)), counters: Counters::default() });
        let worker = match target {
            Target::Amqp(amqp) => {
                if amqp.brokers.is_empty() || amqp.topics.is_empty() {
                    return Err(StartError::NoTarget);
                }
                tokio::spawn(amqp_worker::run(shared.clone(), amqp, secret))
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
        Ok(Self {
            shared,
            // 0 means one sample per message.
            batch_size: batch_size.clamp(1, MAX_BATCH_SIZE),
            refused: Quiet::default(),
            dropped: Quiet::default(),
            worker: Mutex::new(Some(worker)),
        })
    }

    /// Takes samples of one meter and one cycle; returns at once.
    ///
    /// Those that fail [`sample::check`] are refused, the others wait as batches. Where the queue is full its oldest batches
    /// are dropped.
    pub fn publish(&self, mut samples: Vec<Sample>) {
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
            self.enqueue(std::mem::replace(&mut samples, rest));
        }
        if !samples.is_empty() {
            self.enqueue(samples);
        }
    }

    fn enqueue(&self, batch: Vec<Sample>) {
        let lost = self.shared.queue.push(batch);
        if lost == 0 {
            return;
        }
        self.shared.counters.drop_samples(lost);
        if let Some(unsaid) = self.dropped.may_speak() {
            let total = self.stats().dropped;
            tracing::warn!(
                samples = lost,
                total,
                unsaid,
                "the publisher's queue is full, its oldest samples are dropped"
            );
        }
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

    /// Flushes, then ends the worker and its connection. What is not out by then is dropped and counted.
    pub async fn close(self, deadline: Duration) -> Stats {
        self.flush(deadline).await;
        self.shared.queue.close();
        let worker = self.worker.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut worker) = worker
            && tokio::time::timeout(GOODBYE, &mut worker).await.is_err()
        {
            worker.abort();
            // Its samples return to the queue as it is dropped.
            let _ = worker.await;
        }
        let lost = self.shared.queue.drain();
        if lost > 0 {
            self.shared.counters.drop_samples(lost);
            tracing::warn!(samples = lost, "the publisher ends with samples that its target did not take");
        }
        self.stats()
    }

    /// What was counted since the start.
    pub fn stats(&self) -> Stats {
        self.shared.counters.read(self.shared.queue.waiting())
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        if let Some(worker) = self.worker.lock().unwrap_or_else(PoisonError::into_inner).take() {
            worker.abort();
        }
    }
}
