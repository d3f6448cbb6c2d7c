//! One poll of a source: a snapshot, the guests over its instances, batches to the sinks.
//!
//! Polls are computing time only, so they run on plain threads: each takes a guest with a share of the instances at a time. A guest
//! that fails too often in a cycle is set aside until the next one, and what is not polled when the interval is over is left
//! out and counted: no guest takes the time of the others for long.

mod deliver;
mod report;

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant as Clock;

use inspector::{Identity, InspectError, Inspector, Instance, Power, Snapshot};
use sample::{Metadata, Timestamp};
use sandbox::{Outcome, Skip};

use crate::outlets::Outlets;
use crate::plan::{Plan, PlannedGuest, PlannedSource, Selection};
use crate::resource_metadata::resource_metadata;

use deliver::Batches;
pub use report::Report;

/// Instances that a thread takes at a time: whole batches of 50, and enough of them to share a large host among threads.
const SHARE: usize = 200;

/// Everything that the cycles of all sources share.
pub struct Host {
    plan: Plan,
    inspector: Inspector,
    outlets: Outlets,
    source_name: Arc<str>,
    metadata: Mutex<HashMap<String, CachedMetadata>>,
    /// Instances that a guest wants never to poll again, by the guest's position.
    banned: Mutex<HashSet<(usize, String)>>,
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
        self.forget_gone(&snapshot);
        snapshot
            .instances
            .retain(|instance| settings.polls(&instance.identity.uuid, &instance.identity.name));
        let cycle = Cycle {
            host: self,
            source,
            snapshot: &snapshot,
            timestamp,
            deadline: started + settings.interval,
            failures: source.selections.iter().map(|_| AtomicU32::new(0)).collect(),
        };
        let mut report = cycle.poll_all(self.plan.pipeline.polling.workers);
        report.instances = snapshot.instances.len();
        report.inspected = inspected;
        report.took = started.elapsed();
        Ok(report)
    }

    /// Drops what is remembered of instances that left the host.
    fn forget_gone(&self, snapshot: &Snapshot) {
        let present: HashSet<&str> =
            snapshot.instances.iter().map(|instance| instance.identity.uuid.as_str()).collect();
        lock(&self.metadata).retain(|uuid, _| present.contains(uuid.as_str()));
        lock(&self.banned).retain(|(_, uuid)| present.contains(uuid.as_str()));
        for planned in &self.plan.guests {
            planned.guest.state().retain(&present);
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
    /// Failed polls of each selection in this cycle.
    failures: Vec<AtomicU32>,
}

impl Cycle<'_> {
    fn poll_all(&self, workers: usize) -> Report {
        let shares: Vec<&[Arc<Instance>]> = self.snapshot.instances.chunks(SHARE).collect();
        let jobs = shares.len() * self.source.selections.len();
        let next = AtomicUsize::new(0);
        let work = || {
            let mut report = Report::default();
            loop {
                let job = next.fetch_add(1, Ordering::Relaxed);
                if job >= jobs {
                    return report;
                }
                // Guests take turns, so that one that is slow does not keep all threads from the others.
                let (share, selection) =
                    (job / self.source.selections.len(), job % self.source.selections.len());
                self.poll_share(selection, shares[share], &mut report);
            }
        };
        std::thread::scope(|scope| {
            let others: Vec<_> = (1..workers.min(jobs)).map(|_| scope.spawn(work)).collect();
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
        let name = planned.guest.name();
        let mut session = planned.guest.session();
        let mut batches = Batches::new(self, chosen, planned);
        for instance in instances {
            let failures = &self.failures[selection];
            if failures.load(Ordering::Relaxed) >= planned.guest.limits().failures_per_cycle {
                report.set_aside(name, 1);
                continue;
            }
            if self.host.stop.load(Ordering::Relaxed) || Clock::now() >= self.deadline {
                report.left_out += 1;
                continue;
            }
            if self.is_banned(chosen, instance) {
                continue;
            }
            report.polls += 1;
            let outcome = session.poll(instance);
            self.take(outcome, (selection, chosen, planned), instance, &mut batches, report);
        }
        batches.finish(report);
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
                if skip == Skip::NoData {
                    tracing::debug!(guest, instance = uuid, "skipped: {skip}");
                } else {
                    tracing::debug!(guest, instance = uuid, "skipped, as Ceilometer does: {skip}");
                }
            }
            Outcome::Permanent(reason) => {
                tracing::error!(guest, instance = uuid, "will not be polled again by this guest: {reason}");
                lock(&self.host.banned).insert((chosen.guest, uuid.clone()));
                report.failed(guest, "permanent");
            }
            Outcome::Failed(failure) => {
                let most = planned.guest.limits().failures_per_cycle;
                // A guest that reports errors in good order is not set aside: the readings may be at fault, for each instance anew.
                if failure.is_misconduct()
                    && self.failures[selection].fetch_add(1, Ordering::Relaxed) + 1 == most
                {
                    tracing::error!(guest, "set aside until the next cycle: {most} polls failed in this one");
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
