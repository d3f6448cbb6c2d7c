//! One poll of a source: a snapshot, the guests over its instances, batches to the sinks.
//!
//! Polls are computing time only, so they run on plain threads: each takes a guest with a share of the instances at a time. A cycle
//! has most of the interval for it, and each guest its part of that time: one that uses it up, or that fails too often, is set aside
//! until the next cycle, so that the others' samples arrive. What is not polled in time is left out and counted.

mod deliver;
mod places;
mod report;

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant as Clock};

use inspector::{Identity, InspectError, Inspector, Instance, Power, Snapshot};
use sample::{Metadata, Timestamp};
use sandbox::Outcome;

use crate::outlets::Outlets;
use crate::plan::{Plan, PlannedGuest, PlannedSource, Selection};
use crate::resource_metadata::resource_metadata;

use deliver::Batches;
use places::Places;
pub use report::Report;

/// Instances that a thread takes at a time: whole batches of 50, and enough of them to share a large host among threads.
const SHARE: usize = 200;

/// The part of an interval that a cycle may take: the rest is room for the last polls to end, so that a cycle that is cut short does not
/// run over the next tick as well.
const CYCLE_SHARE: f64 = 0.9;

/// Everything that the cycles of all sources share.
pub struct Host {
    plan: Plan,
    inspector: Inspector,
    outlets: Outlets,
    source_name: Arc<str>,
    metadata: Mutex<HashMap<String, CachedMetadata>>,
    /// Instances that a guest wants never to poll again, by the guest's position.
    banned: Mutex<HashSet<(usize, String)>>,
    /// Bounds the threads that run guests, those of all sources together.
    places: Places,
    stop: AtomicBool,
}

/// An instance's metadata, as long as its identity and state are the same.
struct CachedMetadata {
    identity: Arc<Identity>,
    power: Power,
    owner: Owner,
    metadata: Arc<Metadata>,
}

/// Project, user and id of an instance, shared by its samples.
#[derive(Clone)]
pub(crate) struct Owner {
    pub(crate) id: Arc<str>,
    pub(crate) project_id: Option<Arc<str>>,
    pub(crate) user_id: Option<Arc<str>>,
}

impl Host {
    /// The parts of a running agent.
    pub fn new(plan: Plan, inspector: Inspector, outlets: Outlets) -> Self {
        Self {
            source_name: plan.pipeline.sample_source.as_str().into(),
            places: Places::new(plan.pipeline.polling.workers),
            plan,
            inspector,
            outlets,
            metadata: Mutex::default(),
            banned: Mutex::default(),
            stop: AtomicBool::new(false),
        }
    }

    /// What runs.
    pub const fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Where samples go, for the end.
    pub fn into_outlets(self) -> Outlets {
        self.outlets
    }

    /// Ends running cycles after the batch in flight.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Polls a source once. Blocks for as long as libvirt and the guests take, up to the source's interval.
    ///
    /// # Errors
    /// [`InspectError`] where there is no snapshot at all; what concerns one instance or guest is in the report.
    pub fn cycle(&self, source: &PlannedSource) -> Result<Report, InspectError> {
        let started = Clock::now();
        let settings = &self.plan.pipeline.sources[source.index];
        // One timestamp for the poll, from before the readings are taken.
        let timestamp = Timestamp::now();
        let mut snapshot = self.inspector.snapshot(&source.groups)?;
        let inspected = started.elapsed();
        self.forget_gone(source, &snapshot);
        snapshot
            .instances
            .retain(|instance| settings.polls(&instance.identity.uuid, &instance.identity.name));
        let cycle = Cycle {
            host: self,
            source,
            snapshot: &snapshot,
            timestamp,
            deadline: started + settings.interval.mul_f64(CYCLE_SHARE),
            conduct: source.selections.iter().map(|_| Conduct::default()).collect(),
        };
        let mut report = cycle.poll_all(self.plan.pipeline.polling.workers);
        report.instances = snapshot.instances.len();
        report.inspected = inspected;
        report.took = started.elapsed();
        Ok(report)
    }

    /// Drops what is remembered of instances that left the host.
    fn forget_gone(&self, source: &PlannedSource, snapshot: &Snapshot) {
        let present: HashSet<&str> =
            snapshot.instances.iter().map(|instance| instance.identity.uuid.as_str()).collect();
        lock(&self.metadata).retain(|uuid, _| present.contains(uuid.as_str()));
        lock(&self.banned).retain(|(_, uuid)| present.contains(uuid.as_str()));
        for selection in &source.selections {
            selection.state.retain(&present);
        }
    }

    /// The instance's metadata and owner, made anew only where they changed.
    fn describe(&self, instance: &Instance) -> (Owner, Arc<Metadata>) {
        let identity = &instance.identity;
        let mut cache = lock(&self.metadata);
        if let Some(cached) = cache.get(&identity.uuid)
            && Arc::ptr_eq(&cached.identity, identity)
            && cached.power == instance.power
        {
            return (cached.owner.clone(), Arc::clone(&cached.metadata));
        }
        let fields = resource_metadata(identity, instance.power, &self.plan.pipeline.host);
        let metadata = Arc::new(Metadata::new(fields));
        let owner = Owner {
            id: identity.uuid.as_str().into(),
            project_id: identity.project_id.as_deref().map(Into::into),
            user_id: identity.user_id.as_deref().map(Into::into),
        };
        let cached = CachedMetadata {
            identity: Arc::clone(identity),
            power: instance.power,
            owner: owner.clone(),
            metadata: Arc::clone(&metadata),
        };
        cache.insert(identity.uuid.clone(), cached);
        (owner, metadata)
    }
}

// What the locks guard is a cache or a set: whole after every operation, also where a thread panicked.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Cycle<'a> {
    host: &'a Host,
    source: &'a PlannedSource,
    snapshot: &'a Snapshot,
    timestamp: Timestamp,
    deadline: Clock,
    /// Of each selection.
    conduct: Vec<Conduct>,
}

/// What a guest has cost in one cycle.
#[derive(Default)]
struct Conduct {
    failures: AtomicU32,
    micros: AtomicU64,
    /// Whether it was said that it is set aside.
    told: AtomicBool,
}

impl Cycle<'_> {
    fn poll_all(&self, workers: usize) -> Report {
        let shares: Vec<&[Arc<Instance>]> = self.snapshot.instances.chunks(SHARE).collect();
        let selections = self.source.selections.len();
        let jobs = shares.len() * selections;
        let next = AtomicUsize::new(0);
        let work = || {
            let mut report = Report::default();
            loop {
                let job = next.fetch_add(1, Ordering::Relaxed);
                if job >= jobs {
                    return report;
                }
                let _place = self.host.places.take();
                self.poll_share(job % selections, shares[job / selections], &mut report);
            }
        };
        thread::scope(|scope| {
            // Where the system gives no thread, this one does all of it.
            let others: Vec<_> = (1..workers.min(jobs))
                .map_while(|_| thread::Builder::new().name("poll".into()).spawn_scoped(scope, work).ok())
                .collect();
            let mut report = work();
            for other in others {
                match other.join() {
                    Ok(part) => report.add(part),
                    Err(_) => report.broken_threads += 1,
                }
            }
            report
        })
    }

    fn poll_share(&self, selection: usize, instances: &[Arc<Instance>], report: &mut Report) {
        let chosen = &self.source.selections[selection];
        let planned = &self.host.plan.guests[chosen.guest];
        let mut session = planned.guest.session(&chosen.state);
        let mut batches = Batches::new(self, chosen, planned);
        for instance in instances {
            if self.is_set_aside(selection, planned) {
                report.set_aside(planned.guest.name(), 1);
                continue;
            }
            let started = Clock::now();
            if self.host.stop.load(Ordering::Relaxed) || started >= self.deadline {
                report.left_out += 1;
                continue;
            }
            if self.is_banned(chosen, instance) {
                continue;
            }
            report.polls += 1;
            let outcome = session.poll(instance);
            let micros = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
            self.conduct[selection].micros.fetch_add(micros, Ordering::Relaxed);
            self.take(outcome, (selection, chosen, planned), instance, &mut batches, report);
        }
        batches.finish(report);
    }

    /// Whether a guest has failed too often in this cycle, or has used up its part of the cycle's time.
    fn is_set_aside(&self, selection: usize, planned: &PlannedGuest) -> bool {
        let Conduct { failures, micros, told } = &self.conduct[selection];
        let most = planned.guest.limits().failures_per_cycle;
        let reason = if failures.load(Ordering::Relaxed) >= most {
            format!("{most} polls failed in this one")
        } else if Duration::from_micros(micros.load(Ordering::Relaxed)) >= self.time_of_a_guest() {
            format!("it used up its part of this one's time, {:?}", self.time_of_a_guest())
        } else {
            return false;
        };
        if !told.swap(true, Ordering::Relaxed) {
            tracing::error!(guest = planned.guest.name(), "set aside until the next cycle: {reason}");
        }
        true
    }

    /// A guest's part of the time that all polling threads have in a cycle.
    fn time_of_a_guest(&self) -> Duration {
        let pipeline = &self.host.plan.pipeline;
        let cycle = pipeline.sources[self.source.index].interval.mul_f64(CYCLE_SHARE);
        cycle * u32::try_from(pipeline.polling.workers).unwrap_or(u32::MAX)
            / u32::try_from(self.source.selections.len()).unwrap_or(u32::MAX).max(1)
    }

    /// Ceilometer's three outcomes: vanished or not implemented is skipped at debug level, everything else is an error, and
    /// polling goes on with the next instance.
    fn take(
        &self,
        outcome: Outcome,
        (selection, chosen, planned): (usize, &Selection, &PlannedGuest),
        instance: &Arc<Instance>,
        batches: &mut Batches<'_>,
        report: &mut Report,
    ) {
        let guest = planned.guest.name();
        let uuid = &instance.identity.uuid;
        match outcome {
            Outcome::Samples { samples, refused } => {
                for refusal in refused {
                    if report.refused(guest, refusal.label()) {
                        tracing::warn!(guest, instance = uuid, "refused a sample: {refusal}");
                    }
                }
                let (owner, metadata) = self.host.describe(instance);
                for sample in samples {
                    batches.add(sample, instance, &owner, &metadata, report);
                }
            }
            Outcome::Skipped(skip) => {
                report.skipped(guest, skip.label());
                tracing::debug!(guest, instance = uuid, "skipped: {skip}");
            }
            Outcome::Permanent(reason) => {
                tracing::error!(guest, instance = uuid, "will not be polled again by this guest: {reason}");
                lock(&self.host.banned).insert((chosen.guest, uuid.clone()));
                report.failed(guest, "permanent");
            }
            Outcome::Failed(failure) => {
                // A guest that reports errors in good order is not set aside for it: the readings may be at fault, for each
                // instance anew.
                if failure.is_misconduct() {
                    self.conduct[selection].failures.fetch_add(1, Ordering::Relaxed);
                }
                if report.failed(guest, failure.label()) {
                    tracing::error!(guest, instance = uuid, "no samples of this instance: {failure}");
                }
            }
        }
    }

    fn is_banned(&self, chosen: &Selection, instance: &Instance) -> bool {
        let banned = lock(&self.host.banned);
        !banned.is_empty() && banned.contains(&(chosen.guest, instance.identity.uuid.clone()))
    }
}
