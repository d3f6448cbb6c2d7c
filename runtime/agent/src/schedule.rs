//! When a source polls: a random wait at the start, then every interval counted from there.
//!
//! A tick is a multiple of the interval after the first poll, however long polls take: no drift. A poll that takes longer than
//! the interval leaves out the ticks that it ran over, and they are counted: no overlap.

use std::time::Duration;

use tokio::time::Instant;

/// The ticks of one source.
#[derive(Debug)]
pub struct Schedule {
    interval: Duration,
    next: Instant,
    left_out: u64,
}

impl Schedule {
    /// Starts a random time within `jitter` from now, and never later than one interval.
    pub fn new(interval: Duration, jitter: Duration) -> Self {
        let most = jitter.min(interval);
        Self { interval, next: Instant::now() + most.mul_f64(random_share()), left_out: 0 }
    }

    /// When to poll next.
    pub const fn next(&self) -> Instant {
        self.next
    }

    /// Moves on to the first tick after `now`; gives how many were run over.
    pub fn advance(&mut self, now: Instant) -> u64 {
        self.next += self.interval;
        let late = now.saturating_duration_since(self.next);
        let run_over = if late.is_zero() { 0 } else { late.as_nanos() / self.interval.as_nanos() + 1 };
        let run_over = u32::try_from(run_over).unwrap_or(u32::MAX);
        self.next += self.interval * run_over;
        self.left_out += u64::from(run_over);
        u64::from(run_over)
    }

    /// Ticks that were left out since the start.
    pub const fn left_out(&self) -> u64 {
        self.left_out
    }
}

/// From 0 to 1. Of a random UUID's 122 bits, 53 are a double's.
pub(crate) fn random_share() -> f64 {
    let bits = uuid::Uuid::new_v4().as_u128() as u64 >> 11;
    bits as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_do_not_drift_however_long_polls_take() {
        let mut schedule = Schedule::new(Duration::from_secs(10), Duration::ZERO);
        let first = schedule.next();
        for tick in 1..=5u32 {
            let run_over = schedule.advance(schedule.next() + Duration::from_millis(9_900));
            assert_eq!(run_over, 0);
            assert_eq!(schedule.next(), first + Duration::from_secs(10) * tick);
        }
    }

    #[test]
    fn ticks_that_a_slow_poll_ran_over_are_left_out_and_counted() {
        let mut schedule = Schedule::new(Duration::from_secs(10), Duration::ZERO);
        let first = schedule.next();
        assert_eq!(schedule.advance(first + Duration::from_secs(25)), 2);
        assert_eq!(schedule.next(), first + Duration::from_secs(30));
        assert_eq!(schedule.left_out(), 2);
    }

    #[test]
    fn the_first_poll_waits_no_longer_than_jitter_and_interval() {
        for _ in 0..100 {
            let schedule = Schedule::new(Duration::from_secs(10), Duration::from_secs(3));
            assert!(schedule.next() <= Instant::now() + Duration::from_secs(3));
            let schedule = Schedule::new(Duration::from_secs(1), Duration::from_secs(3));
            assert!(schedule.next() <= Instant::now() + Duration::from_secs(1));
        }
    }
}
