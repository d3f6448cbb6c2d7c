//! The instances that are set aside: a call for them is out and late.
//!
//! ```text
//!   polled ──late──▶ set aside ──the call returns, however it does──▶ polled
//! ```
//!
//! An instance is also set aside for a call of somebody else's that is as late ([`super::others`]). While an instance is set aside no further call is made into its monitor: libvirt would queue it behind the first, hold one
//! of its few workers with it, and freeze for everybody when all of them are held. So the entries also count the stuck calls.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use crate::clock;
use crate::health::SetAside;

/// The most calls for single instances at a time. Two threads read a host in little more than half of the time of one, more
/// gained nothing on two cores; a third keeps two at work where one has met an instance that hangs.
pub(super) const MOST_PLACES: usize = 3;

/// The most calls that may be stuck, those under way and other clients' included: less than half of libvirtd's default of 20 workers, for the rest
/// is nova's.
pub(super) const MOST_STUCK: usize = 8;

/// As many of them as a log line names; it counts the others. A stuck storage can stop every instance of a host.
pub(super) const MOST_NAMED: usize = 3;

/// Whom a call is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Who {
    pub(super) uuid: Arc<str>,
    /// libvirt's name of the domain.
    pub(super) name: Arc<str>,
}

/// The instances that are set aside.
#[derive(Debug, Default)]
pub(super) struct Asides {
    by_uuid: Mutex<BTreeMap<Arc<str>, Aside>>,
}

#[derive(Debug)]
struct Aside {
    name: Arc<str>,
    /// When the call was made: by the clock that durations come from, and by the one that people read.
    since: Instant,
    since_wall: SystemTime,
    whose: Whose,
}

/// Whose call has not returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    Ours,
    Others,
}

impl Aside {
    fn told(&self, uuid: &str) -> SetAside {
        SetAside {
            uuid: uuid.to_owned(),
            name: self.name.as_ref().to_owned(),
            since: self.since_wall,
            lasting: self.since.elapsed(),
        }
    }
}

impl Asides {
    /// Sets an instance aside whose calls began at `since`.
    pub(super) fn put(&self, who: &Who, since: Instant) {
        self.insert(who, since, Whose::Ours);
    }

    /// Sets an instance aside in whose monitor another client's call has been for so long.
    pub(super) fn put_other(&self, who: &Who, lasting: Duration) {
        let now = Instant::now();
        self.insert(who, now.checked_sub(lasting).unwrap_or(now), Whose::Others);
    }

    fn insert(&self, who: &Who, since: Instant, whose: Whose) {
        let now = SystemTime::now();
        let since_wall = now.checked_sub(since.elapsed()).unwrap_or(now);
        let Who { uuid, name } = who;
        tracing::warn!(
            name = name.as_ref(),
            uuid = uuid.as_ref(),
            since = clock::utc(since_wall),
            "{}; set aside until it does",
            match whose {
                Whose::Ours => "an instance does not answer in time",
                Whose::Others => "an instance does not answer another client in time",
            }
        );
        self.lock().insert(Arc::clone(uuid), Aside { name: Arc::clone(name), since, since_wall, whose });
    }

    /// The instance's call returned.
    pub(super) fn returned(&self, uuid: &str) {
        let aside = self.lock().remove(uuid);
        if let Some(aside) = aside {
            tracing::info!(
                name = aside.name.as_ref(),
                uuid,
                since = clock::utc(aside.since_wall),
                ms = aside.since.elapsed().as_millis(),
                "an instance that was set aside answers again"
            );
        }
    }

    /// Says again of whom there still is no answer, the first few by name.
    pub(super) fn remind(&self) {
        let all = self.list();
        if all.is_empty() {
            return;
        }
        let named: Vec<String> = all.iter().take(MOST_NAMED).map(ToString::to_string).collect();
        let more = all.len().saturating_sub(MOST_NAMED);
        tracing::warn!(
            count = all.len(),
            "instances do not answer: {}{}",
            named.join(", "),
            if more > 0 { format!(", and {more} more") } else { String::new() }
        );
    }

    pub(super) fn has(&self, uuid: &str) -> bool {
        self.lock().contains_key(uuid)
    }

    /// Those that are set aside for another client's call.
    pub(super) fn others(&self) -> BTreeSet<Arc<str>> {
        let all = self.lock();
        let others = all.iter().filter(|(_, aside)| aside.whose == Whose::Others);
        others.map(|(uuid, _)| Arc::clone(uuid)).collect()
    }

    /// How many calls are stuck in all.
    pub(super) fn stuck(&self) -> usize {
        self.lock().len()
    }

    /// How many instances may be asked at once.
    pub(super) fn places(&self) -> usize {
        MOST_PLACES.min(MOST_STUCK.saturating_sub(self.stuck()))
    }

    /// Those that have not answered for the longest time come first.
    pub(super) fn list(&self) -> Vec<SetAside> {
        let mut all: Vec<SetAside> = self.lock().iter().map(|(uuid, aside)| aside.told(uuid)).collect();
        all.sort_by_key(|aside| std::cmp::Reverse(aside.lasting));
        all
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, Aside>> {
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
        let put = |uuid: &str| asides.put(&Who { uuid: uuid.into(), name: "vm".into() }, now);
        assert_eq!(asides.places(), MOST_PLACES);
        for uuid in ["a", "b", "c", "d", "e"] {
            put(uuid);
        }
        assert_eq!((asides.stuck(), asides.places()), (5, 3));
        put("f");
        assert_eq!(asides.places(), 2);
        put("g");
        put("h");
        assert_eq!((asides.stuck(), asides.places()), (MOST_STUCK, 0));
        asides.returned("c");
        asides.returned("never set aside");
        assert_eq!((asides.stuck(), asides.places()), (7, 1));
        assert!(asides.has("a") && !asides.has("c"));
        let other = Who { uuid: "i".into(), name: "vm".into() };
        asides.put_other(&other, Duration::from_secs(60));
        assert_eq!(
            (asides.stuck(), asides.places()),
            (MOST_STUCK, 0),
            "another client's call is one as well"
        );
        assert_eq!(asides.others(), BTreeSet::from([Arc::from("i")]));
        assert!(asides.list()[0].lasting >= Duration::from_secs(60));
    }

    #[test]
    fn those_that_hang_longest_are_told_of_first() {
        let asides = Asides::default();
        let now = Instant::now();
        for (uuid, name, seconds) in [("a", "new", 1), ("b", "old", 60), ("c", "middle", 9)] {
            let since = now.checked_sub(Duration::from_secs(seconds)).unwrap();
            asides.put(&Who { uuid: uuid.into(), name: name.into() }, since);
        }
        let all = asides.list();
        let names: Vec<&str> = all.iter().map(|aside| aside.name.as_str()).collect();
        assert_eq!(names, ["old", "middle", "new"]);
        let age = SystemTime::now().duration_since(all[0].since).unwrap();
        assert!((60..600).contains(&age.as_secs()) && all[0].lasting.as_secs() >= 60, "{all:?}");
    }
}
