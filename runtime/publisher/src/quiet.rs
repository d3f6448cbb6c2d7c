//! A log line that may come a million times, said once a minute.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a line stays unsaid after it was said: one per polling cycle at the shortest usual interval.
const SILENCE: Duration = Duration::from_secs(60);

/// Whether a line was said lately, and how often it was not.
#[derive(Debug, Default)]
pub(crate) struct Quiet(Mutex<(Option<Instant>, u64)>);

impl Quiet {
    /// Some if the line may be said now: how often it stayed unsaid before.
    pub(crate) fn may_speak(&self) -> Option<u64> {
        let (said, unsaid) = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if said.is_some_and(|moment| moment.elapsed() < SILENCE) {
            *unsaid += 1;
            return None;
        }
        *said = Some(Instant::now());
        Some(std::mem::take(unsaid))
    }
}
