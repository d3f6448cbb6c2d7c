//! The handle: what polls ask, and how it stands; the thread behind it is the module `worker`.

mod worker;

use std::collections::HashSet;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use crate::settings::Settings;
use crate::table::{Metadata, Missed, Table};
use worker::Worker;

/// How long [`TenantMetadata::stop`] waits for a request in flight; then the thread is left to its timeout.
const STOP_WAIT: Duration = Duration::from_secs(2);

/// What tenants gave the servers of some hosts, kept up to date by a thread of its own.
///
/// Dropping it ends the thread as well, without waiting for it.
#[derive(Debug)]
pub struct TenantMetadata {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// How it stands with a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// The host, as Nova calls it.
    pub host: String,
    /// When its servers were listed last; what is known is as of then.
    pub last_success: Option<SystemTime>,
    /// What has failed since.
    pub trouble: Option<Trouble>,
    /// How many of its servers are known.
    pub servers: usize,
}

/// A listing that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// When the first of an unbroken row failed.
    pub since: SystemTime,
    /// The last failure's label.
    pub label: &'static str,
    /// The last failure, in words, without secrets.
    pub words: String,
}

struct Shared {
    /// Nova's names of them, in their order.
    hosts: Vec<String>,
    table: RwLock<Table>,
    missed: Mutex<Missed>,
    health: Mutex<Vec<Health>>,
    signal: Mutex<Signal>,
    changed: Condvar,
}

#[derive(Default)]
struct Signal {
    stop: bool,
    ended: bool,
}

impl TenantMetadata {
    /// Begins to ask for the servers of these hosts (Nova's names of them, as samples' `instance_host`). Returns at once; until the
    /// first listing nothing is known.
    ///
    /// # Errors
    /// The system's, if it has no thread to give.
    pub fn start(settings: Settings, hosts: impl IntoIterator<Item = String>) -> io::Result<Self> {
        let mut seen = HashSet::new();
        let hosts: Vec<String> = hosts.into_iter().filter(|host| seen.insert(host.clone())).collect();
        let health: Vec<_> = hosts
            .iter()
            .map(|host| Health { host: host.clone(), last_success: None, trouble: None, servers: 0 })
            .collect();
        let shared = Arc::new(Shared {
            hosts: hosts.clone(),
            table: RwLock::default(),
            missed: Mutex::default(),
            health: Mutex::new(health),
            signal: Mutex::default(),
            changed: Condvar::new(),
        });
        let worker = Worker::new(settings, hosts, Arc::clone(&shared));
        let thread = thread::Builder::new().name("nova".into()).spawn(move || worker.run())?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// The metadata of a server that runs on a host, by its UUID as libvirt writes it; none where it is not known, an empty one where it
    /// has none. As long as it does not change it is the same object. Never waits for Nova.
    pub fn get(&self, host: &str, uuid: &str) -> Option<Arc<Metadata>> {
        let Shared { hosts, table, missed, signal, changed, .. } = &*self.shared;
        let found = table.read().unwrap_or_else(PoisonError::into_inner).get(uuid);
        if found.is_none()
            && let Some(index) = hosts.iter().position(|known| known == host)
            && lock(missed).note(index, uuid, Instant::now())
        {
            // The thread has either seen it, or waits and is woken.
            drop(lock(signal));
            changed.notify_all();
        }
        found
    }

    /// How it stands with each host, in their order.
    pub fn health(&self) -> Vec<Health> {
        lock(&self.shared.health).clone()
    }

    /// Ends the thread. A request in flight gets two seconds and is then left to its own timeout.
    pub fn stop(mut self) {
        let Some(thread) = self.thread.take() else { return };
        let mut signal = lock(&self.shared.signal);
        signal.stop = true;
        self.shared.changed.notify_all();
        let waited = self.shared.changed.wait_timeout_while(signal, STOP_WAIT, |signal| !signal.ended);
        let ended = waited.map_or(true, |(signal, _)| signal.ended);
        // A thread that ended has nothing to say; one that panicked said it on standard error.
        if ended {
            let _ = thread.join();
        }
    }
}

impl Drop for TenantMetadata {
    fn drop(&mut self) {
        lock(&self.shared.signal).stop = true;
        self.shared.changed.notify_all();
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("health", &*lock(&self.health)).finish_non_exhaustive()
    }
}

/// What a thread that panicked left is still whole: each change is one assignment.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
