//! What happened so far.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counts since the collector's start.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub messages: AtomicU64,
    pub stored: AtomicU64,
    pub duplicates: AtomicU64,
    pub commits: AtomicU64,
    pub store_failures: AtomicU64,
    pub dead_letters: AtomicU64,
    pub connections: AtomicU64,
    pub deleted_by_age: AtomicU64,
    pub deleted_by_size: AtomicU64,
    /// By the label of the reason; labels are constants of the code, so there are few.
    refused: Mutex<BTreeMap<&'static str, u64>>,
}

impl Counters {
    pub(super) fn refuse(&self, label: &'static str) {
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner).entry(label).or_default() += 1;
    }

    pub(super) fn summary(&self) -> Summary {
        Summary {
            messages: self.messages.load(Relaxed),
            stored: self.stored.load(Relaxed),
            duplicates: self.duplicates.load(Relaxed),
            refused: self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            commits: self.commits.load(Relaxed),
            store_failures: self.store_failures.load(Relaxed),
            dead_letters: self.dead_letters.load(Relaxed),
            connections: self.connections.load(Relaxed),
            deleted_by_age: self.deleted_by_age.load(Relaxed),
            deleted_by_size: self.deleted_by_size.load(Relaxed),
        }
    }
}

/// What a collector did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Messages received, redelivered ones each time.
    pub messages: u64,
    /// Samples stored.
    pub stored: u64,
    /// Samples that the store had already.
    pub duplicates: u64,
    /// Messages and samples that were refused, by the label of the reason (`signature`, `not-json`, …).
    pub refused: BTreeMap<&'static str, u64>,
    /// Transactions committed.
    pub commits: u64,
    /// Transactions that failed and were tried again.
    pub store_failures: u64,
    /// Messages published to the dead-letter queue and confirmed.
    pub dead_letters: u64,
    /// Connections made.
    pub connections: u64,
    /// Samples deleted because they had become too old.
    pub deleted_by_age: u64,
    /// Samples deleted because the store had become too large.
    pub deleted_by_size: u64,
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { messages, stored, duplicates, commits, dead_letters, .. } = self;
        write!(
            f,
            "{stored} samples stored from {messages} messages in {commits} commits, {duplicates} duplicates"
        )?;
        for (label, count) in &self.refused {
            write!(f, ", {count} refused ({label})")?;
        }
        write!(f, ", {dead_letters} dead letters")?;
        // Nobody who keeps everything needs to read that nothing was deleted.
        for (count, bound) in [(self.deleted_by_age, "age"), (self.deleted_by_size, "size")] {
            if count > 0 {
                write!(f, ", {count} deleted by {bound}")?;
            }
        }
        Ok(())
    }
}
