//! The host's clocks.

use std::time::SystemTime;

use chrono::{DateTime, SecondsFormat, Utc};

/// Nanoseconds of CLOCK_MONOTONIC: the clock that Python's `time.monotonic` reads, so that Ceilometer's `monotonic_time` is
/// comparable.
pub(crate) fn now() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    let nanoseconds = u64::try_from(now.tv_nsec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds)
}

/// A moment in UTC, to the second, as logs have it: `2026-01-31T12:00:00Z`.
pub(crate) fn utc(moment: SystemTime) -> String {
    DateTime::<Utc>::from(moment).to_rfc3339_opts(SecondsFormat::Secs, true)
}
