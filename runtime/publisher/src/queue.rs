//! Batches that wait for the target: bounded, and rather without its oldest than in the way of the polls.
//!
//! ```text
//!  push ─▶ [ oldest … newest ] ─▶ next ─▶ Taken ──done()──▶ gone
//!             ▲  past capacity: the front is dropped │
//!             └──────────────── dropped ─────────────┘   back to where it was
//! ```
//!
//! A batch that was taken is either [done](Taken::done) or returns by itself, in its old place, however the worker's attempt
//! ended; so no path through an error can lose one.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sample::Sample;
use tokio::sync::Notify;

use crate::weight::weight;

/// Memory that waiting samples may take, about, however few batches they are: a guest may give each of its samples metadata of 64 KiB. Four
/// times what a full queue of honest samples takes.
const MAX_BYTES: usize = 128 << 20;

/// Batches that a poll may be ahead of a target that takes them: as many as await confirmation at once, and as many again.
const AHEAD: usize = 128;

/// How long a poll waits for a target that takes nothing. A broker that is well confirms a window in milliseconds.
const STALL: Duration = Duration::from_millis(250);

/// The queue; cloning gives another handle.
#[derive(Clone, Debug)]
pub(crate) struct Queue(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    capacity: usize,
    state: Mutex<State>,
    arrived: Notify,
    settled: Notify,
    closing: Notify,
    /// The target has taken a batch, or the queue is closed: for those who wait on threads.
    eased: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// By the order in which they came.
    waiting: BTreeMap<u64, Batch>,
    /// The weight of what waits.
    bytes: usize,
    next: u64,
    taken: usize,
    /// Batches that the target has.
    done: u64,
    /// What `done` was when a poll waited in vain.
    stalled_at: Option<u64>,
    /// Samples that were dropped as a batch returned into a full queue; whoever pushes next reports them.
    lost: usize,
    closed: bool,
}

#[derive(Debug)]
struct Batch {
    samples: Vec<Sample>,
    bytes: usize,
}

impl State {
    fn add(&mut self, number: u64, samples: Vec<Sample>) {
        let bytes = weight(&samples);
        self.bytes += bytes;
        self.waiting.insert(number, Batch { samples, bytes });
    }

    fn take_oldest(&mut self) -> Option<(u64, Vec<Sample>)> {
        let (number, batch) = self.waiting.pop_first()?;
        self.bytes -= batch.bytes;
        Some((number, batch.samples))
    }

    /// Drops the oldest until both bounds are kept; a single batch may be as heavy as it is.
    fn shrink_to(&mut self, capacity: usize) {
        while self.waiting.len() > capacity || (self.bytes > MAX_BYTES && self.waiting.len() > 1) {
            self.lost += self.take_oldest().map_or(0, |(_, samples)| samples.len());
        }
    }
}

impl Queue {
    pub(crate) fn new(capacity: usize) -> Self {
        let inner = Inner {
            capacity,
            state: Mutex::default(),
            arrived: Notify::new(),
            settled: Notify::new(),
            closing: Notify::new(),
            eased: Condvar::new(),
        };
        Self(Arc::new(inner))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a batch; says how many samples of older ones were dropped for it.
    pub(crate) fn push(&self, batch: Vec<Sample>) -> usize {
        let mut state = self.state();
        let number = state.next;
        state.next += 1;
        state.add(number, batch);
        state.shrink_to(self.0.capacity);
        let lost = std::mem::take(&mut state.lost);
        drop(state);
        self.0.arrived.notify_one();
        lost
    }

    /// The oldest batch, as soon as there is one; none once the queue is closed. May be cancelled.
    pub(crate) async fn next(&self) -> Option<Taken> {
        loop {
            let arrived = self.0.arrived.notified();
            {
                let mut state = self.state();
                if state.closed {
                    return None;
                }
                if let Some((number, batch)) = state.take_oldest() {
                    state.taken += 1;
                    return Some(Taken { queue: self.clone(), number, batch });
                }
            }
            arrived.await;
        }
    }

    /// Lets a poll that is far ahead of a target which takes batches wait for it, so that a cycle of any size passes through a small
    /// part of the queue; blocks the thread until `deadline` at most. A target that takes nothing is not waited for: after [`STALL`]
    /// once, and then not again before it has taken something.
    pub(crate) fn pace(&self, deadline: Instant) {
        let mut state = self.state();
        loop {
            let far_ahead = state.waiting.len() + state.taken > AHEAD;
            let now = Instant::now();
            if !far_ahead || state.closed || state.stalled_at == Some(state.done) || now >= deadline {
                return;
            }
            let before = state.done;
            let patience = STALL.min(deadline - now);
            let waited = self
                .0
                .eased
                .wait_timeout_while(state, patience, |state| state.done == before && !state.closed);
            let (guard, out_of_patience) = waited.unwrap_or_else(PoisonError::into_inner);
            state = guard;
            if out_of_patience.timed_out() && state.done == before && patience == STALL {
                state.stalled_at = Some(before);
            }
        }
    }

    /// Waits until nothing waits and nothing is taken.
    pub(crate) async fn settled(&self) {
        loop {
            let settled = self.0.settled.notified();
            tokio::pin!(settled);
            settled.as_mut().enable();
            {
                let state = self.state();
                if state.waiting.is_empty() && state.taken == 0 {
                    return;
                }
            }
            settled.await;
        }
    }

    /// Lets [`Queue::next`] end.
    pub(crate) fn close(&self) {
        self.state().closed = true;
        self.0.closing.notify_waiters();
        self.0.eased.notify_all();
        // A worker waits for batches with one call at a time.
        self.0.arrived.notify_one();
    }

    /// Whether it is closed.
    pub(crate) fn is_closed(&self) -> bool {
        self.state().closed
    }

    /// Returns once the queue is closed.
    pub(crate) async fn closed(&self) {
        let closing = self.0.closing.notified();
        tokio::pin!(closing);
        closing.as_mut().enable();
        if !self.is_closed() {
            closing.await;
        }
    }

    /// Empties it; says how many samples were in it or lost unreported.
    pub(crate) fn drain(&self) -> usize {
        let mut state = self.state();
        state.shrink_to(0);
        std::mem::take(&mut state.lost)
    }

    /// Batches that wait or are taken.
    pub(crate) fn waiting(&self) -> usize {
        let state = self.state();
        state.waiting.len() + state.taken
    }

    fn release(&self, returned: Option<(u64, Vec<Sample>)>) {
        let mut state = self.state();
        state.taken -= 1;
        let came_back = returned.is_some();
        state.done += u64::from(!came_back);
        if let Some((number, batch)) = returned {
            state.add(number, batch);
            state.shrink_to(self.0.capacity);
        }
        let settled = state.waiting.is_empty() && state.taken == 0;
        drop(state);
        if settled {
            self.0.settled.notify_waiters();
        }
        if came_back {
            self.0.arrived.notify_one();
        } else {
            self.0.eased.notify_all();
        }
    }
}

/// A batch in the worker's hands. Dropping it unfinished gives it back.
#[derive(Debug)]
pub(crate) struct Taken {
    queue: Queue,
    number: u64,
    batch: Vec<Sample>,
}

impl Taken {
    /// Its samples.
    pub(crate) fn samples(&self) -> &[Sample] {
        &self.batch
    }

    /// The target has it.
    pub(crate) fn done(mut self) {
        self.batch = Vec::new();
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let batch = std::mem::take(&mut self.batch);
        // A batch is never empty unless it is done.
        self.queue.release((!batch.is_empty()).then_some((self.number, batch)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::amqp_worker::tests::samples;

    fn count(taken: &Taken) -> usize {
        taken.samples().len()
    }

    #[tokio::test]
    async fn the_oldest_is_dropped_and_its_samples_are_counted() {
        let queue = Queue::new(2);
        assert_eq!(queue.push(samples(1)), 0);
        assert_eq!(queue.push(samples(2)), 0);
        assert_eq!(queue.push(samples(3)), 1);
        assert_eq!(count(&queue.next().await.unwrap()), 2);
    }

    #[test]
    fn heavy_samples_are_bounded_by_their_weight() {
        let queue = Queue::new(1_000);
        let heavy = || {
            let mut batch = samples(1);
            // It is kept as the object, and in three forms.
            let text = "x".repeat(MAX_BYTES / 12).into();
            let fields = [("text".to_owned(), text)].into_iter().collect();
            batch[0].extra = Some(Arc::new(sample::Metadata::new(fields)));
            batch
        };
        let lost: Vec<usize> = (0..4).map(|_| queue.push(heavy())).collect();
        assert_eq!(lost, [0, 0, 1, 1]);
        assert_eq!(queue.waiting(), 2);
        assert_eq!(queue.drain(), 2);
        assert_eq!(queue.0.state.lock().unwrap().bytes, 0);
    }

    #[tokio::test]
    async fn a_poll_that_is_far_ahead_waits_for_a_target_that_takes_and_for_no_other() {
        let queue = Queue::new(10 * AHEAD);
        let far = Instant::now() + Duration::from_secs(3_600);
        (0..AHEAD).for_each(|_| assert_eq!(queue.push(samples(1)), 0));
        queue.pace(far);
        queue.push(samples(1));
        // Nobody takes: it is waited for once.
        let started = Instant::now();
        queue.pace(far);
        assert!(started.elapsed() >= STALL);
        assert_eq!(queue.state().stalled_at, Some(0));
        queue.pace(far);
        assert_eq!(queue.waiting(), AHEAD + 1);
        // Somebody does: it is waited for as long as that takes.
        (0..2 * AHEAD).for_each(|_| assert_eq!(queue.push(samples(1)), 0));
        queue.next().await.unwrap().done();
        let taking = {
            let queue = queue.clone();
            tokio::spawn(async move {
                while queue.waiting() > 0 {
                    queue.next().await.unwrap().done();
                    tokio::task::yield_now().await;
                }
            })
        };
        let pacing = queue.clone();
        tokio::task::spawn_blocking(move || {
            pacing.pace(far);
            assert!(pacing.waiting() <= AHEAD);
        })
        .await
        .unwrap();
        taking.await.unwrap();
        // One that is closed is not waited for, nor is a deadline passed.
        (0..2 * AHEAD).for_each(|_| assert_eq!(queue.push(samples(1)), 0));
        queue.pace(Instant::now());
        queue.close();
        queue.pace(far);
    }

    #[tokio::test]
    async fn what_is_not_done_returns_to_its_place() {
        let queue = Queue::new(8);
        (1..=3).for_each(|size| assert_eq!(queue.push(samples(size)), 0));
        let (first, second) = (queue.next().await.unwrap(), queue.next().await.unwrap());
        drop(second);
        drop(first);
        assert_eq!(queue.waiting(), 3);
        for size in 1..=3 {
            let taken = queue.next().await.unwrap();
            assert_eq!(count(&taken), size);
            taken.done();
        }
        queue.settled().await;
        assert_eq!(queue.waiting(), 0);
    }

    #[tokio::test]
    async fn a_batch_that_returns_into_a_full_queue_is_the_oldest_and_goes() {
        let queue = Queue::new(1);
        queue.push(samples(5));
        let taken = queue.next().await.unwrap();
        assert_eq!(queue.push(samples(1)), 0);
        drop(taken);
        assert_eq!(queue.waiting(), 1);
        assert_eq!(queue.push(samples(1)), 6, "five that returned, one that waited");
        assert_eq!(queue.drain(), 1);
    }

    #[tokio::test]
    async fn waiting_ends_when_a_batch_comes_settles_or_the_queue_closes() {
        let queue = Queue::new(2);
        let other = queue.clone();
        let consumer = tokio::spawn(async move {
            let mut sizes = Vec::new();
            while let Some(taken) = other.next().await {
                sizes.push(count(&taken));
                tokio::task::yield_now().await;
                taken.done();
            }
            sizes
        });
        for size in [1, 2] {
            queue.push(samples(size));
            queue.settled().await;
        }
        queue.close();
        queue.closed().await;
        assert_eq!(consumer.await.unwrap(), [1, 2]);
        assert!(queue.next().await.is_none());
    }
}
