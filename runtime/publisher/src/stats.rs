//! What a publisher counts.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use sample::check::Fault;

/// Counts since the publisher's start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Samples that were handed to the target; one that is sent again counts again.
    pub published: u64,
    /// Samples that the target has: confirmed by the broker, or written. A broker confirms what no queue takes, too: publishing is not
    /// mandatory, as Ceilometer's is not; the queue is declared with each connection.
    pub confirmed: u64,
    /// Samples that were dropped because the queue was full, or at the end.
    pub dropped: u64,
    /// Samples that failed [`sample::check`], by fault; faults that did not occur are left out.
    pub refused: Vec<(Fault, u64)>,
    /// Messages that the broker did not take (nack); they were sent again.
    pub nacked: u64,
    /// Connections that were lost or could not be made.
    pub reconnects: u64,
    /// Channels that broke while their connection held.
    pub channel_errors: u64,
    /// Writes to a file or standard output that failed and were tried again.
    pub write_errors: u64,
    /// Batches that wait or await confirmation at this moment.
    pub waiting: u64,
}

impl Stats {
    /// Samples that failed [`sample::check`], all faults together.
    pub fn refused_samples(&self) -> u64 {
        self.refused.iter().map(|(_, count)| count).sum()
    }

    /// The counters with the labels that log lines and metrics share; `waiting` is no counter and not among them.
    pub fn counters(&self) -> [(&'static str, u64); 8] {
        [
            ("published", self.published),
            ("confirmed", self.confirmed),
            ("dropped", self.dropped),
            ("refused", self.refused_samples()),
            ("nacked", self.nacked),
            ("reconnects", self.reconnects),
            ("channel-errors", self.channel_errors),
            ("write-errors", self.write_errors),
        ]
    }
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    published: AtomicU64,
    confirmed: AtomicU64,
    dropped: AtomicU64,
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

    pub(crate) fn drop_samples(&self, samples: usize) {
        self.dropped.fetch_add(samples as u64, Relaxed);
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
            dropped: self.dropped.load(Relaxed),
            refused: refused.filter(|(_, count)| *count > 0).collect(),
            nacked: self.nacked.load(Relaxed),
            reconnects: self.reconnects.load(Relaxed),
            channel_errors: self.channel_errors.load(Relaxed),
            write_errors: self.write_errors.load(Relaxed),
            waiting: waiting as u64,
        }
    }
}
