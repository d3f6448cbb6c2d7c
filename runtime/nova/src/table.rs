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

/// Ids that were asked for and are not known: each of them is a reason to ask Nova sooner, once.
#[derive(Default)]
pub(crate) struct Missed(HashSet<String>);

impl Missed {
    /// Whether this is the first time.
    pub(crate) fn note(&mut self, uuid: &str) -> bool {
        if self.0.contains(uuid) {
            return false;
        }
        if self.0.len() >= MAX_MISSED {
            self.0.clear();
        }
        self.0.insert(uuid.to_owned())
    }

    /// Forgets those that have become known.
    pub(crate) fn known(&mut self, table: &Table) {
        self.0.retain(|uuid| !table.servers.contains_key(uuid));
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
    fn an_unknown_id_is_a_reason_once() {
        let (mut table, mut missed) = (Table::default(), Missed::default());
        assert!(missed.note("a") && !missed.note("a"));
        table.merge(0, listing(&[("a", "1")]), 10, Instant::now());
        missed.known(&table);
        assert!(missed.0.is_empty());
        assert!((0..10_000).all(|id| missed.note(&id.to_string())));
        assert!(missed.0.len() <= MAX_MISSED);
    }
}
