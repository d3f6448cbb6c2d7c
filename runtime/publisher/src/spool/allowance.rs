//! How fast what waits on disk alone is sent.

use std::time::{Duration, Instant};

/// How many samples may be read of those that wait on disk alone.
pub(super) struct Allowance {
    samples: f64,
    at: Instant,
}

impl Allowance {
    /// Part of a second's samples that may be read at once.
    const BURST: f64 = 0.2;
    /// Least samples that are read at once: a whole batch is, in any case.
    const LEAST: f64 = 1.0;

    pub(super) fn new() -> Self {
        Self { samples: Self::LEAST, at: Instant::now() }
    }

    fn refill(&mut self, rate: u32) {
        let (rate, now) = (f64::from(rate), Instant::now());
        let more = rate * now.duration_since(self.at).as_secs_f64();
        self.samples = (self.samples + more).min((rate * Self::BURST).max(Self::LEAST));
        self.at = now;
    }

    /// Samples that may be read now; at least one, of which a whole batch is made.
    pub(super) fn take(&mut self, rate: u32) -> usize {
        if rate == 0 {
            return usize::MAX;
        }
        self.refill(rate);
        (self.samples.max(Self::LEAST)) as usize
    }

    pub(super) fn spend(&mut self, samples: usize) {
        self.samples -= samples as f64;
    }

    /// How long until some may be read.
    pub(super) fn left(&mut self, rate: u32) -> Duration {
        if rate == 0 {
            return Duration::ZERO;
        }
        self.refill(rate);
        let lacking = (f64::from(rate) * Self::BURST / 2.0).max(Self::LEAST) - self.samples;
        Duration::from_secs_f64((lacking / f64::from(rate)).max(0.0))
    }
}
