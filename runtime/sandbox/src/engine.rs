//! wasmtime's settings, and the OS thread that ticks epochs while guests run.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use wasmtime::component::Component;
use wasmtime::{Config, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::cache::Cache;
use crate::compile::{self, Compiler};
use crate::limits::{MEMORY_CEILING, STACK_BYTES, TABLE_CEILING};

/// How often the epoch moves while a guest runs: the grain of `limits.cpu`.
pub(crate) const TICK: Duration = Duration::from_millis(1);

/// Stores that can live at once: one for each polling thread, of which there are at most 256, and those of guests being loaded.
const STORES: u32 = 300;

/// Tables in one component, in all its core modules.
const TABLES: u32 = 20;

/// Core modules in one component: a whole Python is made of some eighty, everything else of a handful.
const CORE_INSTANCES: u32 = 100;

/// Memory of a slot that is kept for the next poll, and cleared for it, instead of being returned to the kernel: what a lean guest
/// has. More would be cleared in vain for each poll of a guest with a large stack; and the kernel's `PAGEMAP_SCAN`, which finds the
/// pages that were written, costs more than clearing this little.
const KEEP_MEMORY: usize = 128 * 1024;

/// The same of its tables.
const KEEP_TABLES: usize = 64 * 1024;

/// The engine that all guests share. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    wasmtime: wasmtime::Engine,
    activity: Arc<Activity>,
    cache: Option<Cache>,
    compiler: Option<Compiler>,
    stopping: AtomicBool,
    bounds: Bounds,
}

/// Whether limits are looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Bounds {
    Kept,
    /// For the measurement of what they cost.
    None,
}

/// How many sessions run; the ticker sleeps while there are none, so that an idle agent wakes nobody.
#[derive(Default)]
struct Activity {
    running: Mutex<Running>,
    changed: Condvar,
}

#[derive(Default)]
struct Running {
    sessions: usize,
    closed: bool,
}

/// wasmtime refused the settings, or the ticker's thread could not be started.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The settings do not fit this machine.
    #[error("failed to set wasmtime up")]
    Settings(#[source] wasmtime::Error),
    /// No thread for the epochs.
    #[error("failed to start the thread that ticks epochs")]
    Thread(#[source] std::io::Error),
}

impl Engine {
    /// An engine with the pooling allocator, copy-on-write images and epochs, which compiles in this process and keeps nothing.
    ///
    /// # Errors
    /// [`EngineError`] where the machine lacks address space or threads.
    pub fn new() -> Result<Self, EngineError> {
        Self::with(None, None)
    }

    /// The same, which looks for compiled code in a cache, and has a child compile what is not there.
    ///
    /// # Errors
    /// As of [`Self::new`].
    pub fn with(cache: Option<Cache>, compiler: Option<Compiler>) -> Result<Self, EngineError> {
        Self::begin(cache, compiler, Bounds::Kept)
    }

    /// An engine without limits of computing time, memory, tables and copies, **for a measurement of what those cost** and for nothing else: no
    /// configuration leads here.
    ///
    /// # Errors
    /// As of [`Self::new`].
    pub fn without_limits() -> Result<Self, EngineError> {
        Self::begin(None, None, Bounds::None)
    }

    fn begin(cache: Option<Cache>, compiler: Option<Compiler>, bounds: Bounds) -> Result<Self, EngineError> {
        let wasmtime = pooled(bounds).map_err(EngineError::Settings)?;
        let activity = Arc::new(Activity::default());
        let ticker = Arc::clone(&activity);
        let engine = wasmtime.weak();
        thread::Builder::new()
            .name("epochs".into())
            .spawn(move || tick(&engine, &ticker))
            .map_err(EngineError::Thread)?;
        Ok(Self {
            inner: Arc::new(Inner {
                wasmtime,
                activity,
                cache,
                compiler,
                stopping: AtomicBool::new(false),
                bounds,
            }),
        })
    }

    pub(crate) fn wasmtime(&self) -> &wasmtime::Engine {
        &self.inner.wasmtime
    }

    /// Compiles a component, or finds what was compiled before.
    pub(crate) fn compile(&self, module: &[u8]) -> wasmtime::Result<Component> {
        let Inner { wasmtime, cache, compiler, stopping, .. } = &*self.inner;
        compile::component(wasmtime, cache.as_ref(), compiler.as_ref(), module, stopping)
    }

    /// Whether limits are looked at.
    pub(crate) fn is_bounded(&self) -> bool {
        self.inner.bounds == Bounds::Kept
    }

    /// Ends compilations in children, the one that goes on too: they fail. For a program that is about to end.
    pub fn stop_compiling(&self) {
        self.inner.stopping.store(true, Ordering::Relaxed);
    }

    /// Whether compilations fail because the program is about to end.
    pub fn is_stopping(&self) -> bool {
        self.inner.stopping.load(Ordering::Relaxed)
    }

    /// Keeps the epochs ticking until the guard is dropped.
    pub(crate) fn run(&self) -> Ticking {
        let activity = Arc::clone(&self.inner.activity);
        activity.lock().sessions += 1;
        activity.changed.notify_one();
        Ticking(activity)
    }
}

impl Activity {
    // A poisoned lock still holds a sound counter.
    fn lock(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A session that wants epochs.
pub(crate) struct Ticking(Arc<Activity>);

impl Drop for Ticking {
    fn drop(&mut self) {
        self.0.lock().sessions -= 1;
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.activity.lock().closed = true;
        self.activity.changed.notify_one();
    }
}

fn tick(engine: &wasmtime::EngineWeak, activity: &Activity) {
    loop {
        let running = activity
            .changed
            .wait_while(activity.lock(), |running| running.sessions == 0 && !running.closed)
            .unwrap_or_else(PoisonError::into_inner);
        if running.closed {
            return;
        }
        drop(running);
        thread::sleep(TICK);
        match engine.upgrade() {
            Some(engine) => engine.increment_epoch(),
            None => return,
        }
    }
}

/// The engine that runs guests.
fn pooled(bounds: Bounds) -> wasmtime::Result<wasmtime::Engine> {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(STORES)
        .total_core_instances(STORES * CORE_INSTANCES)
        .total_memories(STORES)
        .total_tables(STORES * TABLES)
        .max_core_instances_per_component(CORE_INSTANCES)
        .max_memories_per_component(1)
        .max_tables_per_component(TABLES)
        .max_memory_size(MEMORY_CEILING)
        .table_elements(TABLE_CEILING)
        .max_component_instance_size(4 * 1024 * 1024)
        .max_core_instance_size(4 * 1024 * 1024)
        .linear_memory_keep_resident(KEEP_MEMORY)
        .table_keep_resident(KEEP_TABLES);
    let mut settings = settings();
    settings
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool))
        .epoch_interruption(bounds == Bounds::Kept);
    wasmtime::Engine::new(&settings)
}

/// An engine that compiles for that one and runs nothing: without the pool, which would take what memory a compilation may have, and on one core, for the others are the polls'.
pub(crate) fn compiling() -> wasmtime::Result<wasmtime::Engine> {
    wasmtime::Engine::new(settings().parallel_compilation(false))
}

/// What compiled code depends on.
fn settings() -> Config {
    let mut config = Config::new();
    config
        .memory_init_cow(true)
        .epoch_interruption(true)
        .max_wasm_stack(STACK_BYTES)
        .wasm_component_model(true)
        // Nothing here is asynchronous: a poll never waits. Off, it saves a third of a fresh poll.
        .concurrency_support(false)
        // A backtrace in a log line tells an operator nothing, and names come from the guest.
        .wasm_backtrace_max_frames(None);
    config
}

#[cfg(test)]
mod tests {
    use std::hash::{DefaultHasher, Hash, Hasher};

    use super::*;

    #[test]
    fn what_a_child_compiles_is_for_the_engine_that_runs_it() {
        let hash = |engine: wasmtime::Engine| {
            let mut hasher = DefaultHasher::new();
            engine.precompile_compatibility_hash().hash(&mut hasher);
            hasher.finish()
        };
        assert_eq!(hash(pooled(Bounds::Kept).unwrap()), hash(compiling().unwrap()));
    }
}
