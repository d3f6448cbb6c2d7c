//! What a publisher counts.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use sample::check::Fault;

use crate::queue::Lost;

/// Counts since the publisher's start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Samples that were handed to the target; one that is sent again counts again.
    pub published: u64,
    /// Samples that the target has: confirmed by the broker, or written.
    pub confirmed: u64,
    /// Samples that were dropped, by the source that polled them: the queue or the spool was full, they were too old, or it was the end.
    pub dropped: BTreeMap<Arc<str>, u64>,
    /// Samples that failed [`sample::check`], by fault; faults that did not occur are left out.
    pub refused: Vec<(Fault, u64)>,
    /// Samples that the broker refuses whenever they are sent, each alone: set aside.
    pub poisoned: u64,
    /// Samples that cannot be read in the spool: set aside.
    pub damaged: u64,
    /// Messages that the broker did not take (nack); they were sent again.
    pub nacked: u64,
    /// Messages that no queue takes; they were sent again.
    pub unroutable: u64,
    /// Times that the broker confirmed nothing for too long.
    pub unconfirmed: u64,
    /// Connections that were lost or could not be made.
    pub reconnects: u64,
    /// Channels that broke while their connection held.
    pub channel_errors: u64,
    /// Writes to a file or standard output that failed and were tried again.
    pub write_errors: u64,
    /// Times that the spool could not be written or read.
    pub spool_errors: u64,
    /// Batches in the spool at this moment.
    pub spooled: u64,
    /// Bytes that they take there.
    pub spool_bytes: u64,
    /// Batches in memory that wait or await confirmation at this moment.
    pub waiting: u64,
}

impl Stats {
    /// Samples that failed [`sample::check`], all faults together.
    pub fn refused_samples(&self) -> u64 {
        self.refused.iter().map(|(_, count)| count).sum()
    }

    /// Samples that were dropped, of all sources together.
    pub fn dropped_samples(&self) -> u64 {
        self.dropped.values().sum()
    }

    /// Samples that no target will have: dropped, refused, set aside.
    pub fn lost_samples(&self) -> u64 {
        self.dropped_samples() + self.refused_samples() + self.poisoned + self.damaged
    }

    /// The counters with the labels that log lines and metrics share; what is of this moment is no counter and not among them.
    pub fn counters(&self) -> [(&'static str, u64); 13] {
        [
            ("published", self.published),
            ("confirmed", self.confirmed),
            ("dropped", self.dropped_samples()),
            ("refused", self.refused_samples()),
            ("poisoned", self.poisoned),
            ("damaged", self.damaged),
            ("nacked", self.nacked),
            ("unroutable", self.unroutable),
            ("unconfirmed", self.unconfirmed),
            ("reconnects", self.reconnects),
            ("channel-errors", self.channel_errors),
            ("write-errors", self.write_errors),
            ("spool-errors", self.spool_errors),
        ]
    }
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    published: AtomicU64,
    confirmed: AtomicU64,
    dropped: Mutex<BTreeMap<Arc<str>, u64>>,
    poisoned: AtomicU64,
    damaged: AtomicU64,
    unroutable: AtomicU64,
    unconfirmed: AtomicU64,
    spool_errors: AtomicU64,
    /// Batches in the spool.
    pub spooled: AtomicU64,
    /// Bytes that they take.
    pub spool_bytes: AtomicU64,
    refused: [AtomicU64; Fault::ALL.len()],
    nacked: AtomicU64,
    reconnects: AtomicU64,
    channel_errors: AtomicU64,
    write_errors: AtomicU64,
}

impl Counters {
    pub(crate) fn publish(&self, samples: usize) {
        self.published.fetch_add(samples as u64, Relaxed);
    }

    pub(crate) fn confirm(&self, samples: usize) {
        self.confirmed.fetch_add(samples as u64, Relaxed);
    }

    pub(crate) fn drop_samples(&self, lost: &Lost) {
        let mut dropped = self.dropped.lock().unwrap_or_else(PoisonError::into_inner);
        for (source, samples) in lost {
            *dropped.entry(source.clone()).or_default() += *samples as u64;
        }
    }

    pub(crate) fn poison(&self) {
        self.poisoned.fetch_add(1, Relaxed);
    }

    pub(crate) fn damage(&self, samples: usize) {
        self.damaged.fetch_add(samples as u64, Relaxed);
    }

    pub(crate) fn unroutable(&self) {
        self.unroutable.fetch_add(1, Relaxed);
    }

    pub(crate) fn unconfirmed(&self) {
        self.unconfirmed.fetch_add(1, Relaxed);
    }

    /// So many batches more in the spool, and so many fewer. The spool's thread alone counts them.
    pub(crate) fn spool(&self, more: usize, fewer: usize) {
        let before = self.spooled.load(Relaxed);
        self.spooled.store((before + more as u64).saturating_sub(fewer as u64), Relaxed);
    }

    pub(crate) fn spool_error(&self) {
        self.spool_errors.fetch_add(1, Relaxed);
    }

    pub(crate) fn refuse(&self, fault: Fault) {
        if let Some(at) = Fault::ALL.iter().position(|known| *known == fault) {
            self.refused[at].fetch_add(1, Relaxed);
        }
    }

    pub(crate) fn nack(&self) {
        self.nacked.fetch_add(1, Relaxed);
    }

    pub(crate) fn reconnect(&self) {
        self.reconnects.fetch_add(1, Relaxed);
    }

    pub(crate) fn channel_error(&self) {
        self.channel_errors.fetch_add(1, Relaxed);
    }

    pub(crate) fn write_error(&self) {
        self.write_errors.fetch_add(1, Relaxed);
    }

    pub(crate) fn read(&self, waiting: usize) -> Stats {
        let refused =
            Fault::ALL.iter().zip(&self.refused).map(|(fault, count)| (*fault, count.load(Relaxed)));
        Stats {
            published: self.published.load(Relaxed),
            confirmed: self.confirmed.load(Relaxed),
            dropped: self.dropped.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            poisoned: self.poisoned.load(Relaxed),
            damaged: self.damaged.load(Relaxed),
            unroutable: self.unroutable.load(Relaxed),
            unconfirmed: self.unconfirmed.load(Relaxed),
            spool_errors: self.spool_errors.load(Relaxed),
            spooled: self.spooled.load(Relaxed),
            spool_bytes: self.spool_bytes.load(Relaxed),
            refused: refused.filter(|(_, count)| *count > 0).collect(),
            nacked: self.nacked.load(Relaxed),
            reconnects: self.reconnects.load(Relaxed),
            channel_errors: self.channel_errors.load(Relaxed),
            write_errors: self.write_errors.load(Relaxed),
            waiting: waiting as u64,
        }
    }
}
