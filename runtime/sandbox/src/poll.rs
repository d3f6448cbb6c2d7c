//! What a store holds while a guest runs: the instance that is polled, and what the guest has used of its limits.

use std::sync::Arc;
use std::time::{Duration, Instant as Clock};

use inspector::Instance;
use rustix::time::{ClockId, clock_gettime};
use wasmtime::{ResourceLimiter, StoreContextMut, UpdateDeadline};

use crate::engine::TICK;
use crate::failure::Failure;
use crate::guest::Profile;
use crate::host::log::{LogLine, LoudLines};
use crate::limits::WALL_FACTOR;
use crate::state::{Entries, State};
use crate::wasi::ClosedWasi;

/// The data of a guest's store.
pub(crate) struct Poll {
    pub(crate) profile: Arc<Profile>,
    /// The instance that is polled; none outside `poll`.
    pub(crate) instance: Option<Arc<Instance>>,
    /// What the guest remembers in the source that polls.
    pub(crate) state: Arc<State>,
    /// State entries of that instance, read at the first use; written back if the poll succeeds.
    pub(crate) entries: Option<Entries>,
    /// Bytes of log lines that are left.
    pub(crate) log_left: usize,
    /// Warnings and errors of this cycle.
    pub(crate) loud: Arc<LoudLines>,
    /// Whether lines were cut off, which is said once.
    pub(crate) log_cut: bool,
    /// The lines of this poll, where they are kept beside it instead of being logged.
    pub(crate) kept_log: Option<Vec<LogLine>>,
    /// The limit that the guest ran into, where it was one of ours: wasmtime reports it as some trap.
    pub(crate) hit: Option<Failure>,
    pub(crate) wasi: Option<Box<ClosedWasi>>,
    memory: usize,
    table: usize,
    allowance: Allowance,
}

/// Time to compute. The clocks are first looked at when a quarter of it has passed, so that the polls of honest guests, which take
/// microseconds, do not pay for them: a guest has its limit, and up to a quarter more.
#[derive(Clone, Copy)]
struct Allowance {
    cpu: Duration,
    /// The wall clock and the thread's computing time at that first look.
    first_look: Option<(Clock, Duration)>,
}

impl Poll {
    pub(crate) fn new(profile: Arc<Profile>, state: Arc<State>, cpu: Duration) -> Self {
        let wasi = profile.wasi.then(|| Box::new(ClosedWasi::new(profile.limits.log_bytes)));
        Self {
            log_left: profile.limits.log_bytes,
            log_cut: false,
            kept_log: None,
            loud: Arc::default(),
            profile,
            state,
            instance: None,
            entries: None,
            hit: None,
            wasi,
            memory: 0,
            table: 0,
            allowance: Allowance::new(cpu),
        }
    }

    /// Starts a poll of this instance: budgets are full again.
    pub(crate) fn begin(&mut self, instance: &Arc<Instance>, cpu: Duration) {
        self.instance = Some(Arc::clone(instance));
        self.entries = None;
        self.hit = None;
        self.log_left = self.profile.limits.log_bytes;
        self.log_cut = false;
        self.allowance = Allowance::new(cpu);
    }

    /// Linear memory in use, in bytes. Memories only grow, so this is the peak as well.
    pub(crate) fn memory(&self) -> usize {
        self.memory
    }

    /// The instance that is polled.
    ///
    /// # Errors
    /// Outside `poll` there is none, and the guest traps.
    pub(crate) fn instance(&mut self) -> wasmtime::Result<&Arc<Instance>> {
        match self.instance {
            Some(ref instance) => Ok(instance),
            None => {
                self.hit = Some(Failure::OutsidePoll);
                Err(wasmtime::Error::msg("readings can be had inside poll only"))
            }
        }
    }
}

impl Allowance {
    const fn new(cpu: Duration) -> Self {
        Self { cpu, first_look: None }
    }
}

/// Epochs until the first look at the clocks.
pub(crate) fn first_look(cpu: Duration) -> u64 {
    ticks(cpu / 4)
}

fn ticks(time: Duration) -> u64 {
    let ticks = time.as_nanos().div_ceil(TICK.as_nanos());
    u64::try_from(ticks).unwrap_or(u64::MAX / 2).max(1)
}

/// Called when the epochs have run out: the guest goes on while it has computed for less than its limit, for the host may have
/// given the thread's time to others.
pub(crate) fn epoch_deadline(mut store: StoreContextMut<'_, Poll>) -> wasmtime::Result<UpdateDeadline> {
    let poll = store.data_mut();
    let Allowance { cpu, first_look } = &mut poll.allowance;
    let cpu = *cpu;
    let (started, cpu_then) = *first_look.get_or_insert_with(|| (Clock::now(), thread_cpu()));
    let used = thread_cpu().saturating_sub(cpu_then);
    if used >= cpu || started.elapsed() >= cpu * WALL_FACTOR {
        poll.hit = Some(Failure::CpuTime);
        return Ok(UpdateDeadline::Interrupt);
    }
    Ok(UpdateDeadline::Continue(ticks(cpu - used)))
}

/// What the calling thread has computed so far.
pub fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Refuses growth beyond the limits and remembers which it was. The guest sees -1 and may go on with what it has; if it dies
/// of it, the poll is reported under the limit's name.
impl ResourceLimiter for Poll {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let total = self.memory.saturating_add(desired.saturating_sub(current));
        let allowed = total <= self.profile.limits.memory;
        if allowed {
            self.memory = total;
        } else {
            self.hit = Some(Failure::Memory);
        }
        Ok(allowed)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let total = self.table.saturating_add(desired.saturating_sub(current));
        let allowed = total <= self.profile.limits.table;
        if allowed {
            self.table = total;
        } else {
            self.hit = Some(Failure::Table);
        }
        Ok(allowed)
    }
}
