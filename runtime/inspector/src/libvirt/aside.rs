//! The instances that are set aside: a call for them is out and late.
//!
//! ```text
//!   polled ──late──▶ set aside ──the call returns, however it does──▶ polled
//! ```
//!
//! While an instance is set aside no further call is made into its monitor: libvirt would queue it behind the first, hold one
//! of its few workers with it, and freeze for everybody when all of them are held. So the entries also count the stuck calls.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// The most calls for single instances at a time. Two threads read a host in little more than half of the time of one, more
/// gained nothing on two cores; a third keeps two at work where one has met an instance that hangs.
pub(super) const MOST_PLACES: usize = 3;

/// The most calls that may be stuck, those under way included: less than half of libvirtd's default of 20 workers, for the rest
/// is nova's.
pub(super) const MOST_STUCK: usize = 8;

/// The instances that are set aside.
#[derive(Debug, Default)]
pub(super) struct Asides {
    /// Since when.
    by_uuid: Mutex<BTreeMap<Arc<str>, Instant>>,
}

impl Asides {
    /// Sets an instance aside whose calls began at `since`.
    pub(super) fn put(&self, uuid: Arc<str>, since: Instant) {
        tracing::warn!(%uuid, "an instance does not answer in time; set aside until it does");
        self.lock().insert(uuid, since);
    }

    /// The instance's call returned.
    pub(super) fn returned(&self, uuid: &str) {
        if let Some(since) = self.lock().remove(uuid) {
            let ms = since.elapsed().as_millis();
            tracing::info!(%uuid, ms, "an instance that was set aside answers again");
        }
    }

    pub(super) fn has(&self, uuid: &str) -> bool {
        self.lock().contains_key(uuid)
    }

    /// How many calls are stuck in all.
    pub(super) fn stuck(&self) -> usize {
        self.lock().len()
    }

    /// How many instances may be asked at once.
    pub(super) fn places(&self) -> usize {
        MOST_PLACES.min(MOST_STUCK.saturating_sub(self.stuck()))
    }

    /// The UUIDs and since when.
    pub(super) fn list(&self) -> Vec<(Arc<str>, Instant)> {
        self.lock().iter().map(|(uuid, since)| (Arc::clone(uuid), *since)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, Instant>> {
        self.by_uuid.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stuck_calls_leave_fewer_places_and_then_none() {
        let asides = Asides::default();
        let now = Instant::now();
        assert_eq!(asides.places(), MOST_PLACES);
        for uuid in ["a", "b", "c", "d", "e"] {
            asides.put(uuid.into(), now);
        }
        assert_eq!((asides.stuck(), asides.places()), (5, 3));
        asides.put("f".into(), now);
        assert_eq!(asides.places(), 2);
        asides.put("g".into(), now);
        asides.put("h".into(), now);
        assert_eq!((asides.stuck(), asides.places()), (MOST_STUCK, 0));
        asides.returned("c");
        asides.returned("never set aside");
        assert_eq!((asides.stuck(), asides.places()), (7, 1));
        assert!(asides.has("a") && !asides.has("c"));
    }
}
