//! What is known of the servers.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A server's metadata, as far as it is reserved.
pub type Metadata = BTreeMap<String, String>;

/// How long a server stays known that Nova lists no longer. Nova leaves out the servers of a cell that is down and says so to
/// nobody; and a server's id is never another's, so what is kept cannot be wrong for it.
pub(crate) const LINGER: Duration = Duration::from_secs(3_600);

/// Most ids that were asked for in vain and are remembered.
const MAX_MISSED: usize = 4_096;

/// An unknown id brings the next listing forward, up to this long after the one before: what an autoscaler boots has its metadata by
/// its second poll, and a host that boots many asks twice a minute.
pub(crate) const SOONEST: Duration = Duration::from_secs(30);

/// Times that an id which stays unknown is a reason again: 30 s, 60 s and so on until a quarter of an hour has passed. Past that no
/// migration is under way, and the usual listings will do.
const AGAIN: u32 = 5;

/// One host's servers, as listed.
pub(crate) type Listing = HashMap<String, Metadata>;

struct Entry {
    /// The host under which it was listed last.
    host: usize,
    metadata: Arc<Metadata>,
    listed: Instant,
}

/// The servers of all hosts, by id.
#[derive(Default)]
pub(crate) struct Table {
    servers: HashMap<String, Entry>,
}

impl Table {
    pub(crate) fn get(&self, uuid: &str) -> Option<Arc<Metadata>> {
        self.servers.get(uuid).map(|entry| Arc::clone(&entry.metadata))
    }

    /// How many servers of a host are known.
    pub(crate) fn count(&self, host: usize) -> usize {
        self.servers.values().filter(|entry| entry.host == host).count()
    }

    /// Takes over a host's listing. An entry whose metadata did not change stays the same object, also where the server moved here
    /// from another host. What is no longer listed lingers, as long as there are not more than `most` of a host.
    pub(crate) fn merge(&mut self, host: usize, listing: Listing, most: usize, now: Instant) {
        for (uuid, metadata) in listing {
            match self.servers.get_mut(&uuid) {
                Some(entry) => {
                    if *entry.metadata != metadata {
                        entry.metadata = Arc::new(metadata);
                    }
                    (entry.host, entry.listed) = (host, now);
                }
                None => {
                    self.servers.insert(uuid, Entry { host, metadata: Arc::new(metadata), listed: now });
                }
            }
        }
        let linger = if self.count(host) > most { Duration::ZERO } else { LINGER };
        self.servers
            .retain(|_, entry| entry.host != host || now.saturating_duration_since(entry.listed) <= linger);
    }
}

/// Ids that were asked for and are not known: each of them is a reason to ask Nova sooner, at once and [`AGAIN`] times more, after
/// waits that double. For what is asked for in vain today may be listed in a minute: Nova changes a server's host at the end of a
/// live migration, when the instance has run here for a while.
#[derive(Default)]
pub(crate) struct Missed(HashMap<String, Unknown>);

struct Unknown {
    /// The host that has it.
    host: usize,
    /// When it is a reason next; none when it has been often enough.
    due: Option<Instant>,
    /// How often it was one.
    reasons: u32,
}

impl Missed {
    /// Notes an id of a host's; whether that is news.
    pub(crate) fn note(&mut self, host: usize, uuid: &str, now: Instant) -> bool {
        if self.0.get(uuid).is_some_and(|known| known.host == host) {
            return false;
        }
        if self.0.len() >= MAX_MISSED {
            self.0.clear();
        }
        self.0.insert(uuid.to_owned(), Unknown { host, due: Some(now), reasons: 0 });
        true
    }

    /// The hosts that an id is now a reason to ask for.
    pub(crate) fn reasons(&mut self, now: Instant) -> HashSet<usize> {
        let mut hosts = HashSet::new();
        for unknown in self.0.values_mut().filter(|unknown| unknown.due.is_some_and(|due| due <= now)) {
            hosts.insert(unknown.host);
            unknown.due = (unknown.reasons < AGAIN).then(|| now + SOONEST * 2_u32.pow(unknown.reasons));
            unknown.reasons += 1;
        }
        hosts
    }

    /// When there is the next reason.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.0.values().filter_map(|unknown| unknown.due).min()
    }

    /// Whether ids of this host were asked for in vain.
    pub(crate) fn of(&self, host: usize) -> bool {
        self.0.values().any(|unknown| unknown.host == host)
    }

    /// Forgets those that have become known.
    pub(crate) fn known(&mut self, table: &Table) {
        self.0.retain(|uuid, _| !table.servers.contains_key(uuid));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(servers: &[(&str, &str)]) -> Listing {
        servers
            .iter()
            .map(|(uuid, value)| {
                ((*uuid).to_owned(), Metadata::from([("metering.x".into(), (*value).into())]))
            })
            .collect()
    }

    #[test]
    fn what_did_not_change_stays_the_same_object_even_on_another_host() {
        let (mut table, now) = (Table::default(), Instant::now());
        table.merge(0, listing(&[("a", "1"), ("b", "1")]), 10, now);
        let (a, b) = (table.get("a").unwrap(), table.get("b").unwrap());
        table.merge(1, listing(&[("a", "1")]), 10, now);
        table.merge(0, listing(&[("b", "2")]), 10, now);
        assert!(Arc::ptr_eq(&a, &table.get("a").unwrap()));
        assert!(!Arc::ptr_eq(&b, &table.get("b").unwrap()));
        assert_eq!(table.get("b").unwrap()["metering.x"], "2");
        assert_eq!((table.count(0), table.count(1)), (1, 1));
    }

    #[test]
    fn what_is_no_longer_listed_lingers_for_a_time_and_within_the_bound() {
        let (mut table, now) = (Table::default(), Instant::now());
        table.merge(0, listing(&[("a", "1"), ("b", "1")]), 2, now);
        table.merge(0, listing(&[("a", "1")]), 2, now + LINGER);
        assert!(table.get("b").is_some(), "still lingers");
        table.merge(0, listing(&[("a", "1")]), 2, now + LINGER + Duration::from_secs(1));
        assert!(table.get("b").is_none() && table.get("a").is_some());

        let later = now + LINGER + Duration::from_secs(2);
        table.merge(0, listing(&[("c", "1"), ("d", "1")]), 2, later);
        assert_eq!(table.count(0), 2, "what lingers passed the bound");
        assert!(table.get("a").is_none() && table.get("c").is_some());
    }

    #[test]
    fn an_unknown_id_is_a_reason_some_times_and_less_and_less_often() {
        let (mut missed, mut now) = (Missed::default(), Instant::now());
        assert!(missed.note(1, "a", now) && !missed.note(1, "a", now));
        assert_eq!(missed.reasons(now), HashSet::from([1]));
        let mut waits = Vec::new();
        while let Some(next) = missed.next() {
            assert!(missed.reasons(next - Duration::from_millis(1)).is_empty(), "too soon");
            assert_eq!(missed.reasons(next), HashSet::from([1]));
            waits.push((next - now).as_secs());
            now = next;
        }
        assert_eq!(waits, [30, 60, 120, 240, 480]);
        assert!(!missed.note(1, "a", now), "it was a reason often enough");
        assert!(missed.note(0, "a", now), "it has moved to another host");
        assert_eq!(missed.reasons(now), HashSet::from([0]));
    }

    #[test]
    fn unknown_ids_are_forgotten_once_known_and_bounded() {
        let (mut table, mut missed, now) = (Table::default(), Missed::default(), Instant::now());
        missed.note(0, "a", now);
        table.merge(0, listing(&[("a", "1")]), 10, now);
        missed.known(&table);
        assert_eq!((missed.0.len(), missed.next()), (0, None));
        assert!((0..10_000).all(|id| missed.note(0, &id.to_string(), now)));
        assert!(missed.0.len() <= MAX_MISSED);
    }
}
