//! What a guest has cost in one cycle, and whether it may go on in it.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant as Clock};

use sandbox::LoudLines;

use super::Cycle;
use crate::guests::generation::Generation;
use crate::guests::health;
use crate::guests::roster::Selection;

/// A guest that computed for less than this part of its time is not what took the time: a machine that runs ten times what it can.
const HARDLY: u32 = 10;

/// A selection in one cycle: the guest, and what polls where it fails.
pub(super) struct Turns {
    /// Whether the guest is polled at all, or set aside from other cycles.
    pub(super) is_polled: bool,
    pub(super) holder: Conduct,
    pub(super) stand_in: Conduct,
}

impl Turns {
    pub(super) fn new(chosen: &Selection, now: Clock) -> Self {
        let is_polled = chosen.guest.health.is_polled(now);
        Self { is_polled, holder: Conduct::default(), stand_in: Conduct::default() }
    }
}

/// What a generation has cost in one cycle.
#[derive(Default)]
pub(super) struct Conduct {
    polls: AtomicU64,
    failures: AtomicU32,
    offences: AtomicU64,
    /// The last of them, in words.
    reason: Mutex<String>,
    /// Time on the clock, which is what the other guests wait for.
    micros: AtomicU64,
    /// Computing time: little of it, and the machine was busy with other things.
    computed: AtomicU64,
    /// Whether it was said that it is set aside.
    told: AtomicBool,
    /// Its warnings and errors in the log.
    pub(super) loud: Arc<LoudLines>,
}

impl Conduct {
    pub(super) fn polled(&self, time: Duration, computed: Duration) {
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.polls.fetch_add(1, Ordering::Relaxed);
        self.micros.fetch_add(micros(time), Ordering::Relaxed);
        self.computed.fetch_add(micros(computed), Ordering::Relaxed);
    }

    /// Notes a poll that trapped or passed a limit.
    pub(super) fn failed(&self, reason: &str) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        self.offended(reason);
    }

    /// Notes a poll that did what a guest must not do.
    pub(super) fn offended(&self, reason: &str) {
        self.offences.fetch_add(1, Ordering::Relaxed);
        *self.reason.lock().unwrap_or_else(PoisonError::into_inner) = reason.to_owned();
    }

    /// What it comes to, and the last offence in words.
    pub(super) fn sum(&self) -> (health::Conduct, String) {
        let conduct = health::Conduct {
            polls: self.polls.load(Ordering::Relaxed),
            offences: self.offences.load(Ordering::Relaxed),
            cut_short: self.told.load(Ordering::Relaxed),
        };
        (conduct, self.reason.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    /// Whether the generation has failed too often in this cycle, or has used up its part of the cycle's time.
    pub(super) fn is_set_aside(&self, cycle: &Cycle<'_>, generation: &Generation) -> bool {
        let most = generation.guest.limits().failures_per_cycle;
        let reason = if self.failures.load(Ordering::Relaxed) >= most {
            format!("{most} polls failed in this one")
        } else if self.used_up(cycle.time_of_a_guest()) {
            format!("it used up its part of this one's time, {:?}", cycle.time_of_a_guest())
        } else {
            return false;
        };
        if !self.told.swap(true, Ordering::Relaxed) {
            tracing::error!(
                guest = generation.name(),
                hypervisor = cycle.name,
                "set aside until the next cycle: {reason}"
            );
            let mut last = self.reason.lock().unwrap_or_else(PoisonError::into_inner);
            if last.is_empty() {
                *last = reason;
            }
        }
        true
    }

    /// Whether it has used up its part of a cycle's time. One that hardly computed has not: it was the machine that took the time.
    fn used_up(&self, part: Duration) -> bool {
        let used = |micros: &AtomicU64| Duration::from_micros(micros.load(Ordering::Relaxed));
        used(&self.micros) >= part && used(&self.computed) >= part / HARDLY
    }
}
