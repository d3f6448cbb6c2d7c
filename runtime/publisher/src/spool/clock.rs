//! How long a batch has waited, whatever the wall clock does.

use std::fs;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use sample::Timestamp;
use uuid::Uuid;

/// When a batch came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    /// Microseconds since 1970.
    pub wall: i64,
    /// The boot of which `uptime` counts.
    pub boot: i64,
    /// Microseconds.
    pub uptime: i64,
}

impl Moment {
    pub(super) fn now(boot: i64) -> Self {
        Self { wall: Timestamp::now().micros(), boot, uptime: uptime() }
    }

    /// How long ago it was. Within one boot the wall clock has no say, however it jumps.
    pub(super) fn age(self, boot: i64) -> Duration {
        let now = Self::now(boot);
        let micros = if self.boot == boot { now.uptime - self.uptime } else { now.wall - self.wall };
        Duration::from_micros(u64::try_from(micros).unwrap_or(0))
    }
}

/// Which boot of the machine this is, in 60 bits. Where the system does not say, as under systemd's `ProcSubset=pid`, it is one of this
/// process's own.
pub(super) fn boot() -> i64 {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let digits: String = text.chars().filter(char::is_ascii_hexdigit).take(15).collect();
    i64::from_str_radix(&digits, 16).unwrap_or_else(|_| (Uuid::new_v4().as_u128() >> 68) as i64)
}

/// Microseconds since then, sleep included.
fn uptime() -> i64 {
    let time = clock_gettime(ClockId::Boottime);
    time.tv_sec * 1_000_000 + time.tv_nsec / 1_000
}
