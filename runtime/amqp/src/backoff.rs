//! How long to wait before the next try: exponential, with full jitter.
//!
//! A broker that comes back is met by every compute host of a cloud at once. Each waits a random time between nothing and
//! its present ceiling, so that they arrive spread out; the ceiling doubles with every failure.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

/// Ceiling of the first wait: a broker's restart is noticed within the second.
pub const FIRST: Duration = Duration::from_millis(500);
/// Ceiling of every later wait: what waits in memory meanwhile is seconds' worth, and a thousand hosts that come back within
/// ten seconds are a hundred connections per second.
pub const LONGEST: Duration = Duration::from_secs(10);
/// Least wait, so that a broker which refuses at once is not asked in a tight loop.
pub const LEAST: Duration = Duration::from_millis(50);

/// The waits between successive failures.
#[derive(Clone, Debug)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    ceiling: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self::new(FIRST, LONGEST)
    }
}

impl Backoff {
    /// Waits below `first` at the beginning and below `longest` in the end.
    pub fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, ceiling: first }
    }

    /// The next wait: at random between [`LEAST`] and a ceiling that doubles each time.
    pub fn next_wait(&mut self) -> Duration {
        let wait = self.ceiling.mul_f64(random_fraction()).max(LEAST);
        self.ceiling = self.ceiling.saturating_mul(2).min(self.longest);
        wait
    }

    /// Begins anew, after a success that lasted.
    pub fn reset(&mut self) {
        self.ceiling = self.first;
    }
}

/// At random in 0..1. The standard library's hash keys are random per instance, which is all that jitter asks for.
fn random_fraction() -> f64 {
    let bits = RandomState::new().build_hasher().finish() >> 11;
    bits as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_stay_between_their_bounds_and_differ() {
        let mut backoff = Backoff::default();
        let waits: Vec<_> = (0..64).map(|_| backoff.next_wait()).collect();
        assert!(waits.iter().all(|wait| (LEAST..=LONGEST).contains(wait)));
        assert!(waits[0] <= FIRST && waits[1] <= FIRST * 2);
        assert!(
            waits[8..].iter().any(|wait| *wait > Duration::from_secs(5)),
            "the ceiling never grew: {waits:?}"
        );
        assert!(waits[8..].windows(2).any(|pair| pair[0] != pair[1]), "no jitter: {waits:?}");
        backoff.reset();
        assert!(backoff.next_wait() <= FIRST);
    }
}
