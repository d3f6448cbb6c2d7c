//! Every bound on a guest, with its default and its reason.

use std::time::Duration;

/// What one guest may use, per poll unless a line says otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Linear memory in bytes, all memories of the component together. A meter in Rust or C needs a fraction of one MiB, an
    /// interpreter (Python, JavaScript) ten to fifty.
    pub memory: usize,
    /// Elements of all tables together; interpreters have some 20,000 functions.
    pub table: usize,
    /// Time that the polling thread may spend computing; up to a quarter more before it is noticed. A poll takes microseconds, in Python a millisecond or two.
    pub cpu: Duration,
    /// Samples that one poll may return. The largest honest poll has a few for each of an instance's disks.
    pub samples: usize,
    /// Bytes of all texts in the samples of one poll.
    pub sample_bytes: usize,
    /// Bytes that the host copies out of the guest in one call.
    pub host_bytes: usize,
    /// Bytes of log lines, those on WASI's stdout and stderr included; what goes beyond is cut off and said so once.
    pub log_bytes: usize,
    /// Bytes of keys and values that it may remember per instance.
    pub state_bytes: usize,
    /// Polls that may fail in one cycle before the guest is set aside until the next: an endless loop on every instance of a
    /// large host must not eat the cycle.
    pub failures_per_cycle: u32,
}

/// A module file larger than this is not read: the largest known guest, a whole Python, has 18 MiB. It bounds what compiling takes,
/// too: some ten seconds of a core and ten times the file's size in memory for such a guest.
pub const MODULE_BYTES: u64 = 64 * 1024 * 1024;

/// Computing time that a compilation in a child may take: three times what a whole Python takes unoptimised.
pub const COMPILE_CPU: Duration = Duration::from_secs(180);

/// Time on the clock that a compilation in a child may take; it has the lowest priority on a machine that may be busy.
pub const COMPILE_WALL: Duration = Duration::from_secs(900);

/// Memory that a compilation in a child may take, in bytes.
pub const COMPILE_MEMORY: u64 = 2 << 30;

/// Meters that one guest may declare: all of Ceilometer's compute agent are 36.
pub const METERS: usize = 256;

/// Bytes of a meter's name, of its unit, and of a resource id: what Ceilometer's stores give them, and publishers check.
pub const NAME_BYTES: usize = sample::bounds::MAX_TEXT;

/// Bytes of a meter's description.
pub const TEXT_BYTES: usize = 1024;

/// Warnings and errors that a guest may write to the log in one cycle; further ones are counted and logged at level debug. Where a
/// storage hangs, every instance of a host may have several readings that fail: what the first few are is enough.
pub const LOUD_LINES: u64 = 10;

/// Start-up and `meters()` run once per load and may take this many times the `cpu` of a poll: an interpreter starts slowly.
pub const LOAD_FACTOR: u32 = 20;

/// Wall-clock time that a poll may take, as a multiple of `cpu`: where the host is overloaded the guest is not to blame, but a
/// cycle cannot wait for ever either.
pub const WALL_FACTOR: u32 = 10;

/// The stack of guest code; far below the 2 MiB that Rust gives a thread, which the host's own frames share.
pub const STACK_BYTES: usize = 512 * 1024;

/// What `memory` can be set to at most: the size of a slot of the pool.
pub const MEMORY_CEILING: usize = 256 * 1024 * 1024;

/// What `table` can be set to at most: the size of a slot of the pool.
pub const TABLE_CEILING: usize = 40_000;

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: 64 * 1024 * 1024,
            table: 20_000,
            cpu: Duration::from_millis(50),
            samples: 1_000,
            sample_bytes: 256 * 1024,
            host_bytes: 1024 * 1024,
            log_bytes: 16 * 1024,
            state_bytes: 64 * 1024,
            failures_per_cycle: 5,
        }
    }
}
