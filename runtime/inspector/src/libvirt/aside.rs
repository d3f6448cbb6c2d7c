//! The instances that are set aside: a call for them is out and late.
//!
//! ```text
//!   polled ──late──▶ set aside ──the call returns, however it does──▶ polled
//! ```
//!
//! While an instance is set aside no further call is made into its monitor: libvirt would queue it behind the first, hold one
//! of its few workers with it, and freeze for everybody when all of them are held. So the entries also count the stuck
//! calls, per connection and in all.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// The most calls that may be stuck on one connection: libvirtd reads five requests of a client at a time, and one must
/// be left for the sweep and one for keepalive.
pub(super) const MOST_ON_A_CONNECTION: usize = 3;

/// The most calls that may be stuck in all: less than half of libvirtd's default of 20 workers, the rest is nova's.
pub(super) const MOST_STUCK: usize = 8;

/// The number of a connection.
pub(super) type ConnectionNumber = u64;

/// The instances that are set aside.
#[derive(Debug, Default)]
pub(super) struct Asides {
    by_uuid: Mutex<BTreeMap<Arc<str>, Aside>>,
}

#[derive(Clone, Copy, Debug)]
struct Aside {
    since: Instant,
    connection: ConnectionNumber,
}

impl Asides {
    /// Sets an instance aside whose call on this connection was made at `since`.
    pub(super) fn put(&self, uuid: Arc<str>, since: Instant, connection: ConnectionNumber) {
        tracing::warn!(%uuid, "an instance does not answer in time; set aside until it does");
        self.lock().insert(uuid, Aside { since, connection });
    }

    /// The instance's call returned.
    pub(super) fn returned(&self, uuid: &str) {
        if let Some(aside) = self.lock().remove(uuid) {
            let ms = aside.since.elapsed().as_millis();
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

    /// How many calls may be made at once on this connection.
    pub(super) fn places(&self, connection: ConnectionNumber) -> usize {
        let asides = self.lock();
        let here = asides.values().filter(|aside| aside.connection == connection).count();
        MOST_ON_A_CONNECTION.saturating_sub(here).min(MOST_STUCK.saturating_sub(asides.len()))
    }

    /// The UUIDs and since when.
    pub(super) fn list(&self) -> Vec<(Arc<str>, Instant)> {
        self.lock().iter().map(|(uuid, aside)| (Arc::clone(uuid), aside.since)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, Aside>> {
        self.by_uuid.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stuck_calls_take_places_of_their_connection_and_of_all() {
        let asides = Asides::default();
        let now = Instant::now();
        assert_eq!(asides.places(1), 3);
        asides.put("a".into(), now, 1);
        asides.put("b".into(), now, 1);
        assert_eq!((asides.places(1), asides.places(2)), (1, 3));
        for uuid in ["c", "d", "e", "f", "g"] {
            asides.put(uuid.into(), now, 2);
        }
        assert_eq!((asides.places(1), asides.places(2), asides.places(3)), (1, 0, 1));
        asides.put("h".into(), now, 1);
        assert_eq!((asides.places(1), asides.places(3)), (0, 0));
        asides.returned("c");
        asides.returned("never set aside");
        assert_eq!((asides.stuck(), asides.places(3)), (7, 1));
        assert!(asides.has("a") && !asides.has("c"));
    }
}
