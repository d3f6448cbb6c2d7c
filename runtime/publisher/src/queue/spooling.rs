//! The spool's side of the queue: what is to be written, deleted and read, and what came of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use super::{Lost, MAX_BYTES, Queue, Waiting};
use crate::batch::Batch;

/// Batches that settle without another's arrival before the spool is told: a transaction of its own is worth that many.
const SETTLED: usize = 256;

/// How long the first of them waits.
const SETTLE: Duration = Duration::from_millis(50);

/// Batches below which others are read from the spool.
pub(super) const LOW: usize = 64;

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

    /// The disk takes batches again: what waits in memory alone is to be written, under new numbers.
    pub(crate) fn spool_again(&self) {
        let mut state = self.state();
        state.spooling = true;
        let alone: Vec<u64> =
            state.waiting.iter().filter(|(_, waiting)| !waiting.kept).map(|(number, _)| *number).collect();
        for number in alone {
            if let Some(Waiting { batch, .. }) = state.take_out(number) {
                state.arrive(batch);
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
