//! Who asks too often waits.
//!
//! Buckets of tokens in the word's other sense: each request takes one, they fill up with time, and an empty bucket refuses.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Wrong tokens of one peer before it is refused unheard.
const GUESSES: f64 = 20.0;
/// Seconds after which such a peer has one more.
const GUESS_TIME: f64 = 1.0;
/// Peers that are remembered; the others share one bucket.
const PEERS: usize = 4_096;

/// One bucket.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    left: f64,
    /// When that was so.
    since: Instant,
}

impl Bucket {
    fn full(size: f64, now: Instant) -> Self {
        Self { left: size, since: now }
    }

    fn fill(&mut self, size: f64, per_second: f64, now: Instant) {
        let passed = now.saturating_duration_since(self.since).as_secs_f64();
        *self = Self { left: (self.left + passed * per_second).min(size), since: now };
    }

    fn take(&mut self) -> bool {
        let enough = self.left >= 1.0;
        if enough {
            self.left -= 1.0;
        }
        enough
    }
}

/// The requests of each configured token.
#[derive(Debug)]
pub(crate) struct Requests {
    per_second: f64,
    buckets: Vec<Mutex<Bucket>>,
}

impl Requests {
    /// For so many tokens.
    pub(crate) fn new(tokens: usize, per_second: u32, now: Instant) -> Self {
        let per_second = f64::from(per_second.max(1));
        let bucket = || Mutex::new(Bucket::full(2.0 * per_second, now));
        Self { per_second, buckets: (0..tokens).map(|_| bucket()).collect() }
    }

    /// Whether this token may ask once more.
    pub(crate) fn take(&self, token: usize, now: Instant) -> bool {
        let Some(bucket) = self.buckets.get(token) else { return false };
        let mut bucket = bucket.lock().unwrap_or_else(PoisonError::into_inner);
        bucket.fill(2.0 * self.per_second, self.per_second, now);
        bucket.take()
    }
}

/// The wrong tokens of each peer. One whose bucket is empty is refused before its token is looked at, or guessing would be no
/// slower; a right token from the same address waits a second then.
#[derive(Debug)]
pub(crate) struct Guesses(Mutex<Table>);

#[derive(Debug)]
struct Table {
    peers: HashMap<IpAddr, Bucket>,
    /// Of all peers that found no room.
    others: Bucket,
}

impl Guesses {
    /// Nobody has guessed yet.
    pub(crate) fn new(now: Instant) -> Self {
        Self(Mutex::new(Table { peers: HashMap::new(), others: Bucket::full(GUESSES, now) }))
    }

    /// Whether this peer is heard.
    pub(crate) fn may_try(&self, peer: IpAddr, now: Instant) -> bool {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let room = table.peers.len() < PEERS;
        let Table { peers, others } = &mut *table;
        let bucket = match peers.get_mut(&network(peer)) {
            Some(bucket) => bucket,
            None if room => return true,
            None => others,
        };
        bucket.fill(GUESSES, 1.0 / GUESS_TIME, now);
        bucket.left >= 1.0
    }

    /// This peer's token was none.
    pub(crate) fn wrong(&self, peer: IpAddr, now: Instant) {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let peer = network(peer);
        if table.peers.len() >= PEERS && !table.peers.contains_key(&peer) {
            // Full buckets say nothing. Where none is, the table is under attack, and the attackers share the rest.
            table.peers.retain(|_, bucket| {
                bucket.fill(GUESSES, 1.0 / GUESS_TIME, now);
                bucket.left < GUESSES
            });
        }
        let room = table.peers.len() < PEERS;
        let Table { peers, others } = &mut *table;
        let bucket = match peers.entry(peer) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) if room => entry.insert(Bucket::full(GUESSES, now)),
            Entry::Vacant(_) => others,
        };
        bucket.fill(GUESSES, 1.0 / GUESS_TIME, now);
        bucket.take();
    }
}

/// What one peer has many of at no cost: the addresses of an IPv6 network.
fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_token_has_a_burst_and_then_its_rate() {
        let now = Instant::now();
        let requests = Requests::new(2, 5, now);
        let taken = |now| (0..100).filter(|_| requests.take(0, now)).count();
        assert_eq!(taken(now), 10);
        assert_eq!(taken(now + Duration::from_secs(1)), 5);
        assert_eq!(taken(now + Duration::from_secs(3600)), 10);
        assert!(requests.take(1, now), "another token has its own");
        assert!(!requests.take(2, now));
    }

    #[test]
    fn a_peer_that_guesses_is_refused_until_time_passes() {
        let now = Instant::now();
        let guesses = Guesses::new(now);
        let (peer, other) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        let tries =
            (0..100).take_while(|_| guesses.may_try(peer, now)).inspect(|_| guesses.wrong(peer, now)).count();
        assert_eq!(tries, 20);
        assert!(guesses.may_try(other, now));
        assert!(guesses.may_try(peer, now + Duration::from_secs(1)));
    }

    #[test]
    fn many_peers_take_no_more_room_and_the_rest_share_a_bucket() {
        let now = Instant::now();
        let guesses = Guesses::new(now);
        let peer = |number: u32| IpAddr::from(number.to_be_bytes());
        for number in 0..10_000 {
            guesses.wrong(peer(number), now);
        }
        assert_eq!(guesses.0.lock().unwrap().peers.len(), PEERS);
        assert!(!guesses.may_try(peer(20_000), now), "the shared bucket is empty");
        assert!(guesses.may_try(peer(1), now), "its own is not");
        let later = now + Duration::from_secs(60);
        guesses.wrong(peer(30_000), later);
        assert_eq!(guesses.0.lock().unwrap().peers.len(), 1, "who guesses no more is forgotten");
    }

    #[test]
    fn an_ipv6_network_is_one_peer() {
        let network_of = |text: &str| network(text.parse().unwrap());
        assert_eq!(network_of("2001:db8::1"), network_of("2001:db8::ffff:2"));
        assert_ne!(network_of("2001:db8::1"), network_of("2001:db8:0:1::1"));
        assert_eq!(network_of("::ffff:192.0.2.1"), network_of("192.0.2.1"));
    }
}
