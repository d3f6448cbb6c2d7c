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

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sample::Sample;
use tokio::sync::Notify;

use crate::batch::Batch;
use crate::spool::Overflow;

/// Memory that waiting samples may take, about, however few batches they are: a guest may give each of its samples metadata of 64 KiB. Four
/// times what a full queue of honest samples takes.
const MAX_BYTES: usize = 128 << 20;

/// Batches that a poll may be ahead of a target that takes them, or of the spool's disk: as many as await confirmation at once, and as many again.
const AHEAD: usize = 128;

/// How long a poll waits for a target that takes nothing. A broker that is well confirms a window in milliseconds.
const STALL: Duration = Duration::from_millis(250);

/// Batches that settle without another's arrival before the spool is told: a transaction of its own is worth that many.
const SETTLED: usize = 256;

/// How long the first of them waits.
const SETTLE: Duration = Duration::from_millis(50);

/// Batches below which others are read from the spool.
const LOW: usize = 64;

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

/// What the spool has to do.
#[derive(Debug, Default)]
pub(crate) struct Errand {
    /// To be written.
    pub arrived: BTreeMap<u64, Batch>,
    /// To be deleted.
    pub settled: BTreeSet<u64>,
    /// Whether to read what is on disk alone, and after which number at the latest.
    pub backlog: Option<Option<u64>>,
    /// Whether nothing will arrive any more.
    pub ended: bool,
}

impl State {
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
        let number = state.next;
        state.next += 1;
        let spooling = state.spooling;
        if spooling {
            state.bytes += batch.weight;
            state.arriving.insert(number, batch);
        } else {
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
                    if state.backlog && state.waiting.len() < LOW {
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
        state.spooling && !out_of_patience.timed_out()
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
                let number = state.next;
                state.next += 1;
                state.bytes += batch.weight;
                state.arriving.insert(number, batch);
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

/// The spool's side.
impl Queue {
    /// Waits for something to do for the spool, for this long at most; without an end where none is given. What is on disk alone is read
    /// after `allowance` at the earliest.
    pub(crate) fn errand(&self, patience: Option<Duration>, allowance: Duration) -> Errand {
        let begun = Instant::now();
        let until = patience.map(|patience| begun + patience);
        let mut state = self.state();
        let low = LOW.min(self.0.capacity);
        let wants = loop {
            let now = Instant::now();
            let ripe = state.settled_since.map(|since| since + SETTLE);
            let is_ripe = state.settled.len() >= SETTLED || ripe.is_some_and(|ripe| ripe <= now);
            let is_room = state.waiting.len() < low && state.bytes < MAX_BYTES / 2;
            let wants = state.backlog && is_room && !state.closed;
            let reads = wants.then(|| begun + allowance);
            let due = !state.arriving.is_empty()
                || state.ended
                || is_ripe
                || [until, reads].into_iter().flatten().any(|moment| moment <= now);
            if due {
                break reads.is_some_and(|moment| moment <= now);
            }
            let soonest = [until, ripe, reads].into_iter().flatten().min();
            state = match soonest {
                None => self.0.desk.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(soonest) => {
                    let waited = self.0.desk.wait_timeout(state, soonest - now);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        };
        let arrived = std::mem::take(&mut state.arriving);
        state.bytes -= arrived.values().map(|batch| batch.weight).sum::<usize>();
        state.writing = arrived.len();
        state.settled_since = None;
        Errand {
            arrived,
            // They stay here until they are deleted: they must not be read again.
            settled: state.settled.clone(),
            backlog: if wants { Some(state.rewind.take()) } else { None },
            ended: state.ended,
        }
    }

    /// Waits this long, or until nothing will arrive any more, which it says.
    pub(crate) fn rest(&self, time: Duration) -> bool {
        let waited = self.0.desk.wait_timeout_while(self.state(), time, |state| !state.ended);
        waited.unwrap_or_else(PoisonError::into_inner).0.ended
    }

    /// Lets the spool end, once it has written what arrived.
    pub(crate) fn end(&self) {
        self.state().ended = true;
        self.0.desk.notify_all();
    }

    /// These are on disk, those are not any more. What memory has room for waits there.
    pub(crate) fn written(&self, arrived: BTreeMap<u64, Batch>, deleted: &BTreeSet<u64>) {
        let mut state = self.state();
        state.writing = 0;
        state.progress += arrived.len() as u64;
        state.settled.retain(|number| !deleted.contains(number));
        for (number, batch) in arrived {
            // While older ones are on disk alone, room in memory is for those first, but for what keeps the worker busy.
            let is_room = state.waiting.len() + state.taken.len() < self.0.capacity
                && state.bytes + batch.weight <= MAX_BYTES;
            if is_room {
                state.wait(number, batch, true);
            } else {
                state.backlog = true;
            }
        }
        state.spooling = true;
        drop(state);
        self.announce();
    }

    /// The disk takes nothing: these are in memory alone, as will be what comes.
    pub(crate) fn not_written(&self, arrived: BTreeMap<u64, Batch>) {
        let mut state = self.state();
        state.writing = 0;
        state.spooling = false;
        let later = std::mem::take(&mut state.arriving);
        state.bytes -= later.values().map(|batch| batch.weight).sum::<usize>();
        for (number, batch) in arrived.into_iter().chain(later) {
            state.wait(number, batch, false);
        }
        state.shrink_to(self.0.capacity, self.0.overflow);
        drop(state);
        self.announce();
    }

    /// The disk takes batches again: what waits in memory alone is to be written, under new numbers, for the file's are in the order of their
    /// arrival.
    pub(crate) fn spool_again(&self) {
        let mut state = self.state();
        state.spooling = true;
        let alone: Vec<u64> =
            state.waiting.iter().filter(|(_, waiting)| !waiting.kept).map(|(number, _)| *number).collect();
        for number in alone {
            if let Some(Waiting { batch, .. }) = state.take_out(number) {
                let number = state.next;
                state.next += 1;
                state.bytes += batch.weight;
                state.arriving.insert(number, batch);
            }
        }
    }

    fn announce(&self) {
        self.0.eased.notify_all();
        self.0.settled.notify_waiters();
        self.0.arrived.notify_one();
    }

    /// Whether a batch on disk is in memory, too.
    pub(crate) fn holds(&self, number: u64) -> bool {
        let state = self.state();
        state.waiting.contains_key(&number)
            || state.taken.contains_key(&number)
            || state.settled.contains(&number)
    }

    /// Batches of those on disk alone that memory has room for, and what they may weigh together.
    pub(crate) fn room(&self) -> (usize, usize) {
        let state = self.state();
        let batches = LOW.min(self.0.capacity).saturating_sub(state.waiting.len());
        (batches, (MAX_BYTES / 2).saturating_sub(state.bytes))
    }

    /// Batches that were read from the disk; `more` says whether others may be there.
    pub(crate) fn loaded(&self, batches: Vec<(u64, Batch)>, more: bool) {
        let mut state = self.state();
        for (number, batch) in batches {
            state.wait(number, batch, true);
        }
        state.backlog = more || state.rewind.is_some();
        drop(state);
        self.announce();
    }

    /// Gives a batch on disk up, where the target does not have it already or in this moment.
    pub(crate) fn discard(&self, number: u64) -> bool {
        let mut state = self.state();
        if state.taken.contains_key(&number) || state.settled.contains(&number) {
            return false;
        }
        state.take_out(number);
        true
    }

    /// Whether the spool has no room, by its bounds. Says whether that is news.
    pub(crate) fn set_full(&self, full: bool) -> bool {
        std::mem::replace(&mut self.state().full, full) != full
    }

    /// Whether the spool has no room, by its bounds.
    pub(crate) fn is_full(&self) -> bool {
        self.state().full
    }

    /// Batches that the target has, or may have at this moment.
    pub(crate) fn in_hand(&self) -> usize {
        let state = self.state();
        state.taken.len() + state.settled.len()
    }

    /// The numbers of new files go on from here.
    pub(crate) fn go_on_after(&self, last: u64) {
        let mut state = self.state();
        state.next = state.next.max(last + 1);
    }

    /// Batches may be on disk that are not in memory.
    pub(crate) fn look_again(&self) {
        let mut state = self.state();
        state.backlog = true;
        state.rewind = Some(0);
    }

    /// What was dropped and is not counted yet.
    pub(crate) fn take_lost(&self) -> Lost {
        std::mem::take(&mut self.state().lost)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::amqp_worker::tests::samples as made;

    fn samples(count: usize) -> Batch {
        Batch::new("source".into(), made(count))
    }

    /// How many samples were lost.
    fn lost(lost: &Lost) -> usize {
        lost.values().sum()
    }

    fn count(taken: &Taken) -> usize {
        taken.samples().len()
    }

    #[tokio::test]
    async fn the_oldest_is_dropped_and_its_samples_are_counted() {
        let queue = Queue::new(2);
        assert_eq!(lost(&queue.push(samples(1))), 0);
        assert_eq!(lost(&queue.push(samples(2))), 0);
        assert_eq!(lost(&queue.push(samples(3))), 1);
        assert_eq!(count(&queue.next().await.unwrap()), 2);
    }

    #[test]
    fn heavy_samples_are_bounded_by_their_weight() {
        let queue = Queue::new(1_000);
        let heavy = || {
            let mut batch = made(1);
            // It is kept as the object, and in three forms.
            let text = "x".repeat(MAX_BYTES / 12).into();
            let fields = [("text".to_owned(), text)].into_iter().collect();
            batch[0].extra = Some(Arc::new(sample::Metadata::new(fields)));
            Batch::new("source".into(), batch)
        };
        let gone: Vec<usize> = (0..4).map(|_| lost(&queue.push(heavy()))).collect();
        assert_eq!(gone, [0, 0, 1, 1]);
        assert_eq!(queue.waiting(), 2);
        assert_eq!(lost(&queue.drain()), 2);
        assert_eq!(queue.0.state.lock().unwrap().bytes, 0);
    }

    #[tokio::test]
    async fn a_poll_that_is_far_ahead_waits_for_a_target_that_takes_and_for_no_other() {
        let queue = Queue::new(10 * AHEAD);
        let far = Instant::now() + Duration::from_secs(3_600);
        (0..AHEAD).for_each(|_| assert_eq!(lost(&queue.push(samples(1))), 0));
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
        (0..2 * AHEAD).for_each(|_| assert_eq!(lost(&queue.push(samples(1))), 0));
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
        (0..2 * AHEAD).for_each(|_| assert_eq!(lost(&queue.push(samples(1))), 0));
        queue.pace(Instant::now());
        queue.close();
        queue.pace(far);
    }

    #[tokio::test]
    async fn what_is_not_done_returns_to_its_place() {
        let queue = Queue::new(8);
        (1..=3).for_each(|size| assert_eq!(lost(&queue.push(samples(size))), 0));
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
        assert_eq!(lost(&queue.push(samples(1))), 0);
        drop(taken);
        assert_eq!(queue.waiting(), 1);
        assert_eq!(lost(&queue.push(samples(1))), 6, "five that returned, one that waited");
        assert_eq!(lost(&queue.drain()), 1);
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
