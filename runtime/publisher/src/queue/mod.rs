//! Batches that wait for the target: bounded, and rather without its oldest than in the way of the polls.
//!
//! ```text
//!  push ─▶ [ arriving ] ─spool─▶ [ waiting: oldest … newest ] ─▶ next ─▶ Taken ──done()──▶ settled ─spool─▶ gone
//!    │      with a spool            ▲     │ no room: on disk alone      │
//!    └──────── without one ─────────┘◀────┴──────── dropped ────────────┘   back to where it was
//! ```
//!
//! A batch that was taken is either [done](Taken::done) or returns by itself, in its old place, however the worker's attempt
//! ended; so no path through an error can lose one. With a spool, none is given out before it is on disk, unless the disk takes nothing: then
//! the queue is what it is without one.

mod spooling;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sample::Sample;
use tokio::sync::Notify;

use crate::batch::Batch;
use crate::spool::Overflow;
pub(crate) use spooling::Errand;

/// Memory that waiting samples may take, about, however few batches they are: a guest may give each of its samples metadata of 64 KiB. Four
/// times what a full queue of honest samples takes.
const MAX_BYTES: usize = 128 << 20;

/// Batches that a poll may be ahead of a target that takes them, or of the spool's disk: as many as await confirmation at once, and as many again.
const AHEAD: usize = 128;

/// How long a poll waits for a target that takes nothing. A broker that is well confirms a window in milliseconds.
const STALL: Duration = Duration::from_millis(250);

/// Samples that were dropped, by the source that polled them.
pub(crate) type Lost = BTreeMap<Arc<str>, usize>;

/// The queue; cloning gives another handle.
#[derive(Clone, Debug)]
pub(crate) struct Queue(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    capacity: usize,
    /// What becomes of samples that nothing has room for.
    overflow: Overflow,
    state: Mutex<State>,
    arrived: Notify,
    settled: Notify,
    closing: Notify,
    /// The target has taken a batch, the disk has, or the queue is closed: for those who wait on threads.
    eased: Condvar,
    /// There is something to do for the spool.
    desk: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// With a spool that works: what is not on disk yet.
    arriving: BTreeMap<u64, Batch>,
    /// Batches that the spool writes at this moment.
    writing: usize,
    /// By the order in which they came.
    waiting: BTreeMap<u64, Waiting>,
    /// The weight of what arrives and waits.
    bytes: usize,
    next: u64,
    /// Numbers in the worker's hands, and whether they are on disk.
    taken: BTreeMap<u64, bool>,
    /// Numbers that the target has and the disk still has, too.
    settled: BTreeSet<u64>,
    /// When the first of them came.
    settled_since: Option<Instant>,
    /// How often the target or the disk took a batch.
    progress: u64,
    /// What `progress` was when a poll waited in vain.
    stalled_at: Option<u64>,
    /// What was dropped and is not yet counted.
    lost: Lost,
    /// Whether the worker is to end.
    closed: bool,
    /// Whether the spool is to end.
    ended: bool,
    /// Whether there is a spool that takes what arrives.
    spooling: bool,
    /// Whether there may be batches on disk that are not in memory.
    backlog: bool,
    /// Batches after this number left memory since the spool last read.
    rewind: Option<u64>,
    /// Whether the spool has no room, by its bounds.
    full: bool,
}

#[derive(Debug)]
struct Waiting {
    batch: Batch,
    /// Whether it is on disk.
    kept: bool,
}

impl State {
    /// The number of a batch that comes.
    fn number(&mut self) -> u64 {
        let number = self.next;
        self.next += 1;
        number
    }

    /// A batch is to be written, and has the next number: the file's are in the order of their arrival.
    fn arrive(&mut self, batch: Batch) {
        let number = self.number();
        self.bytes += batch.weight;
        self.arriving.insert(number, batch);
    }

    fn wait(&mut self, number: u64, batch: Batch, kept: bool) {
        self.bytes += batch.weight;
        self.waiting.insert(number, Waiting { batch, kept });
    }

    fn take_out(&mut self, number: u64) -> Option<Waiting> {
        let waiting = self.waiting.remove(&number)?;
        self.bytes -= waiting.batch.weight;
        Some(waiting)
    }

    fn held(&self) -> usize {
        self.arriving.len() + self.writing + self.waiting.len()
    }

    /// Whether there are too many batches; with a spool those that wait are on disk, and leave memory as others are written.
    fn are_too_many(&self, capacity: usize) -> bool {
        let held = if self.spooling { self.arriving.len() + self.writing } else { self.held() };
        held > capacity
    }

    fn are_too_heavy(&self) -> bool {
        self.bytes > MAX_BYTES && self.held() > 1
    }

    fn lose(&mut self, batch: &Batch) {
        *self.lost.entry(batch.source.clone()).or_default() += batch.samples.len();
    }

    /// Keeps both bounds; a single batch may be as heavy as it is. What is on disk leaves memory without loss, the newest first; only then,
    /// and only where that is the policy, the oldest are dropped.
    fn shrink_to(&mut self, capacity: usize, overflow: Overflow) {
        loop {
            let (many, heavy) = (self.are_too_many(capacity), self.are_too_heavy());
            if !many && !heavy {
                return;
            }
            if (heavy || !self.spooling) && self.evict_newest() {
                continue;
            }
            if overflow == Overflow::Pause {
                return;
            }
            // What waits is older than what arrives.
            let waiting =
                self.waiting.first_key_value().map(|(number, _)| *number).filter(|_| !self.spooling);
            let dropped = match waiting {
                Some(number) => self.take_out(number).map(|waiting| waiting.batch),
                None => self.arriving.pop_first().map(|(_, batch)| {
                    self.bytes -= batch.weight;
                    batch
                }),
            };
            let Some(batch) = dropped else { return };
            self.lose(&batch);
        }
    }

    /// Takes the newest batch that is on disk out of memory. Says whether there was one.
    fn evict_newest(&mut self) -> bool {
        let kept = self.waiting.iter().rev().find(|(_, waiting)| waiting.kept).map(|(number, _)| *number);
        let Some(number) = kept else { return false };
        self.take_out(number);
        self.backlog = true;
        let before = number.saturating_sub(1);
        self.rewind = Some(self.rewind.map_or(before, |other| other.min(before)));
        true
    }

    fn is_settled(&self) -> bool {
        self.held() == 0 && self.taken.is_empty() && !self.backlog
    }
}

impl Queue {
    /// A queue of so many batches, without a spool.
    pub(crate) fn new(capacity: usize) -> Self {
        Self::build(capacity, Overflow::DropOldest, State::default())
    }

    /// One before a spool whose last batch has this number; `backlog` says whether there are any.
    pub(crate) fn spooled(capacity: usize, overflow: Overflow, last: u64, backlog: bool) -> Self {
        let state = State { next: last + 1, spooling: true, backlog, ..State::default() };
        Self::build(capacity, overflow, state)
    }

    fn build(capacity: usize, overflow: Overflow, state: State) -> Self {
        let inner = Inner {
            capacity,
            overflow,
            state: Mutex::new(state),
            arrived: Notify::new(),
            settled: Notify::new(),
            closing: Notify::new(),
            eased: Condvar::new(),
            desk: Condvar::new(),
        };
        Self(Arc::new(inner))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a batch; gives what was dropped for it.
    pub(crate) fn push(&self, batch: Batch) -> Lost {
        let mut state = self.state();
        let spooling = state.spooling;
        if spooling {
            state.arrive(batch);
        } else {
            let number = state.number();
            state.wait(number, batch, false);
        }
        state.shrink_to(self.0.capacity, self.0.overflow);
        let lost = std::mem::take(&mut state.lost);
        drop(state);
        if spooling {
            self.0.desk.notify_one();
        } else {
            self.0.arrived.notify_one();
        }
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
                let oldest = state.waiting.first_key_value().map(|(number, _)| *number);
                if let Some((number, Waiting { batch, kept })) =
                    oldest.and_then(|number| Some((number, state.take_out(number)?)))
                {
                    state.taken.insert(number, kept);
                    if state.backlog && state.waiting.len() < spooling::LOW {
                        self.0.desk.notify_one();
                    }
                    return Some(Taken { queue: self.clone(), number, batch: Some(batch) });
                }
            }
            arrived.await;
        }
    }

    /// Lets a poll that is far ahead wait: of the spool's disk where there is one, else of a target which takes batches, so that a cycle of any
    /// size passes through a small part of the queue; blocks the thread until `deadline` at most. Who takes nothing is not waited for: after
    /// [`STALL`] once, and then not again before it has taken something.
    pub(crate) fn pace(&self, deadline: Instant) {
        let mut state = self.state();
        loop {
            let ahead = state.arriving.len() + state.writing;
            let ahead = if state.spooling { ahead } else { ahead + state.waiting.len() + state.taken.len() };
            let now = Instant::now();
            if ahead <= AHEAD || state.closed || state.stalled_at == Some(state.progress) || now >= deadline {
                return;
            }
            let before = state.progress;
            let patience = STALL.min(deadline - now);
            let waited = self
                .0
                .eased
                .wait_timeout_while(state, patience, |state| state.progress == before && !state.closed);
            let (guard, out_of_patience) = waited.unwrap_or_else(PoisonError::into_inner);
            state = guard;
            if out_of_patience.timed_out() && state.progress == before && patience == STALL {
                state.stalled_at = Some(before);
            }
        }
    }

    /// Whether it takes more samples without a loss: not, where the policy is to pause and neither disk nor memory has room.
    pub(crate) fn has_room(&self) -> bool {
        if self.0.overflow == Overflow::DropOldest {
            return true;
        }
        let state = self.state();
        let memory = state.held() < self.0.capacity / 2 && state.bytes < MAX_BYTES / 2;
        if state.spooling { !state.full && memory } else { memory }
    }

    /// Waits until nothing arrives, so that all that was published is on disk, or the disk takes nothing; blocks the thread until `deadline` at
    /// most. Says whether it is there.
    pub(crate) fn kept(&self, deadline: Instant) -> bool {
        let patience = deadline.saturating_duration_since(Instant::now());
        let is_on_its_way =
            |state: &mut State| state.spooling && (!state.arriving.is_empty() || state.writing > 0);
        let waited = self.0.eased.wait_timeout_while(self.state(), patience, is_on_its_way);
        let (state, out_of_patience) = waited.unwrap_or_else(PoisonError::into_inner);
        // What the target was given while the disk took nothing is not there.
        let is_in_hand = state.taken.values().any(|kept| !kept);
        state.spooling && !out_of_patience.timed_out() && !is_in_hand
    }

    /// Waits until nothing waits, nothing is taken and nothing is left on disk.
    pub(crate) async fn settled(&self) {
        self.until(State::is_settled).await;
    }

    /// Waits until nothing arrives and nothing is taken: what waits and is on disk may stay there. For a queue that closes.
    pub(crate) async fn at_rest(&self) {
        self.until(|state| {
            let in_memory_alone = state.waiting.values().any(|waiting| !waiting.kept);
            state.arriving.is_empty() && state.writing == 0 && state.taken.is_empty() && !in_memory_alone
        })
        .await;
    }

    async fn until(&self, holds: impl Fn(&State) -> bool) {
        loop {
            let settled = self.0.settled.notified();
            tokio::pin!(settled);
            settled.as_mut().enable();
            if holds(&self.state()) {
                return;
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

    /// Empties it; gives what was in it and on no disk, or lost unreported.
    pub(crate) fn drain(&self) -> Lost {
        let mut state = self.state();
        for waiting in std::mem::take(&mut state.waiting).into_values() {
            if !waiting.kept {
                state.lose(&waiting.batch);
            }
        }
        for batch in std::mem::take(&mut state.arriving).into_values() {
            state.lose(&batch);
        }
        state.bytes = 0;
        std::mem::take(&mut state.lost)
    }

    /// Batches that arrive, wait or are taken.
    pub(crate) fn waiting(&self) -> usize {
        let state = self.state();
        state.held() + state.taken.len()
    }

    /// A batch comes back, or it is done.
    fn release(&self, number: u64, returned: Option<Batch>) {
        let mut state = self.state();
        let kept = state.taken.remove(&number).unwrap_or(false);
        let came_back = returned.is_some();
        match returned {
            // The disk takes batches again, and does not have this one.
            Some(batch) if !kept && state.spooling => {
                state.arrive(batch);
                self.0.desk.notify_one();
            }
            Some(batch) => {
                state.wait(number, batch, kept);
                state.shrink_to(self.0.capacity, self.0.overflow);
            }
            None => {
                state.progress += 1;
                if kept {
                    state.settled.insert(number);
                    state.settled_since.get_or_insert_with(Instant::now);
                    self.0.desk.notify_one();
                }
            }
        }
        drop(state);
        self.0.settled.notify_waiters();
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
    batch: Option<Batch>,
}

impl Taken {
    /// Which it is: the same when it is taken again.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Its samples.
    pub(crate) fn samples(&self) -> &[Sample] {
        self.batch.as_ref().map_or(&[], |batch| &batch.samples)
    }

    /// The target has it.
    pub(crate) fn done(mut self) {
        self.batch = None;
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.queue.release(self.number, self.batch.take());
    }
}
