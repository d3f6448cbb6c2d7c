//! One poll of a source: a snapshot, the guests over its instances, batches to the sinks.
//!
//! Polls are computing time only, so they run on plain threads: each takes a guest with a share of the instances at a time. A cycle
//! has most of the interval for it, and each guest its part of that time: one that uses it up, or that fails too often, is set aside
//! until the next cycle, so that the others' samples arrive. What is not polled in time is left out and counted.

mod deliver;
mod hypervisor;
mod places;
mod report;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant as Clock};

use config::Pipeline;
use inspector::{InspectError, Instance, Snapshot};
use nova::TenantMetadata;
use sample::Timestamp;
use sandbox::{LoudLines, Outcome, thread_cpu};
use tracing::Span;

use crate::outlets::Outlets;
use crate::plan::{Plan, PlannedGuest, PlannedSource, Selection};

use deliver::Batches;
use hypervisor::Hypervisor;
pub(crate) use hypervisor::inspector;
use places::Places;
pub use report::Report;

/// Instances that a thread takes at a time: whole batches of 50, and enough of them to share a large host among threads.
const SHARE: usize = 200;

/// The part of an interval that a cycle may take: the rest is room for the last polls to end, so that a cycle that is cut short does not
/// run over the next tick as well.
const CYCLE_SHARE: f64 = 0.9;

/// A guest that computed for less than this part of its time is not what took the time: a machine that runs ten times what it can.
const HARDLY: u32 = 10;

/// How long a share of instances waits for publishers at most: a broker that is well takes one in tens of milliseconds, and an agent that
/// is to stop does not wait for one that is slow.
const PACE: Duration = Duration::from_secs(1);

/// What a cycle may take that none follows: Ceilometer's usual interval.
const ONLY_CYCLE: Duration = Duration::from_secs(300);

/// Why there is no host to poll.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A recording cannot be replayed.
    #[error("failed to set the inspector up")]
    Inspector(#[from] InspectError),
    /// The system gave no thread.
    #[error("failed to start the thread that asks Nova")]
    Tenants(#[from] std::io::Error),
}

/// Asks Nova for the metadata of the instances of every hypervisor, by the names that Nova knows these by.
pub(crate) fn tenants(pipeline: &Pipeline) -> std::io::Result<Option<TenantMetadata>> {
    let Some(settings) = &pipeline.nova else { return Ok(None) };
    let hosts = pipeline.hypervisors.iter().map(|hypervisor| hypervisor.host.clone());
    TenantMetadata::start(settings.clone(), hosts).map(Some)
}

/// Everything that the cycles of all sources share.
pub struct Host {
    plan: Plan,
    /// By their positions in the pipeline.
    hypervisors: Vec<Hypervisor>,
    tenants: Option<TenantMetadata>,
    outlets: Outlets,
    source_name: Arc<str>,
    /// Bounds the threads that run guests, those of all sources together.
    places: Places,
    stop: AtomicBool,
}

impl Host {
    /// The parts of a running agent. libvirt is not connected to before the first cycle; Nova is asked from now on, where the pipeline
    /// names it.
    ///
    /// # Errors
    /// A recording cannot be replayed, or there is no thread to ask Nova from.
    pub fn new(plan: Plan, outlets: Outlets) -> Result<Self, SetupError> {
        let described = plan.pipeline.hypervisors.iter();
        let hypervisors = described.map(Hypervisor::new).collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            tenants: tenants(&plan.pipeline)?,
            source_name: plan.pipeline.sample_source.as_str().into(),
            places: Places::new(plan.pipeline.polling.workers),
            plan,
            hypervisors,
            outlets,
            stop: AtomicBool::new(false),
        })
    }

    /// Tenants' metadata, where the pipeline names Nova.
    pub const fn tenants(&self) -> Option<&TenantMetadata> {
        self.tenants.as_ref()
    }

    /// What runs.
    pub const fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Where samples go.
    pub const fn outlets(&self) -> &Outlets {
        &self.outlets
    }

    /// The snapshot that a cycle of this source would poll.
    ///
    /// # Errors
    /// As of [`Self::cycle`].
    pub fn inspect(&self, source: &PlannedSource) -> Result<Snapshot, InspectError> {
        self.hypervisors[source.hypervisor].inspector.snapshot(&source.groups)
    }

    /// Where samples go, for the end.
    pub fn into_outlets(self) -> Outlets {
        if let Some(tenants) = self.tenants {
            tenants.stop();
        }
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
        self.cycle_within(source, self.plan.pipeline.sources[source.index].interval.mul_f64(CYCLE_SHARE))
    }

    /// The same where no tick follows, which a short interval would leave no time for.
    ///
    /// # Errors
    /// As of [`Self::cycle`].
    pub fn only_cycle(&self, source: &PlannedSource) -> Result<Report, InspectError> {
        self.cycle_within(source, self.plan.pipeline.sources[source.index].interval.max(ONLY_CYCLE))
    }

    fn cycle_within(&self, source: &PlannedSource, time: Duration) -> Result<Report, InspectError> {
        let started = Clock::now();
        let settings = &self.plan.pipeline.sources[source.index];
        let hypervisor = &self.hypervisors[source.hypervisor];
        // One timestamp for the poll, from before the readings are taken.
        let timestamp = Timestamp::now();
        let mut snapshot = self.inspect(source)?;
        let inspected = started.elapsed();
        hypervisor.forget_gone(source, &snapshot);
        snapshot
            .instances
            .retain(|instance| settings.polls(&instance.identity.uuid, &instance.identity.name));
        let name = self.plan.hypervisor(source);
        let cycle = Cycle {
            host: self,
            hypervisor,
            name,
            span: name.map_or_else(Span::none, |hypervisor| tracing::error_span!("poll", hypervisor)),
            source,
            snapshot: &snapshot,
            timestamp,
            time,
            deadline: started + time,
            conduct: source.selections.iter().map(|_| Conduct::default()).collect(),
        };
        let mut report = cycle.poll_all(self.plan.pipeline.polling.workers);
        cycle.tell_of_left_out_lines();
        report.instances = snapshot.instances.len();
        report.note_readings(&snapshot);
        report.inspected = inspected;
        report.took = started.elapsed();
        Ok(report)
    }
}

struct Cycle<'a> {
    host: &'a Host,
    hypervisor: &'a Hypervisor,
    /// The hypervisor's name in log lines, where there are several.
    name: Option<&'a str>,
    /// What guests' own log lines are in: they know no hypervisor.
    span: Span,
    source: &'a PlannedSource,
    snapshot: &'a Snapshot,
    timestamp: Timestamp,
    /// How long it may take.
    time: Duration,
    deadline: Clock,
    /// Of each selection.
    conduct: Vec<Conduct>,
}

/// What a guest has cost in one cycle.
#[derive(Default)]
struct Conduct {
    failures: AtomicU32,
    /// Time on the clock, which is what the other guests wait for.
    micros: AtomicU64,
    /// Computing time: little of it, and the machine was busy with other things.
    computed: AtomicU64,
    /// Whether it was said that it is set aside.
    told: AtomicBool,
    /// Its warnings and errors in the log.
    loud: Arc<LoudLines>,
}

impl Conduct {
    fn took(&self, time: Duration, computed: Duration) {
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.micros.fetch_add(micros(time), Ordering::Relaxed);
        self.computed.fetch_add(micros(computed), Ordering::Relaxed);
    }

    /// Whether the guest has used up its part of a cycle's time. One that hardly computed has not: it was the machine that took the time.
    fn used_up(&self, part: Duration) -> bool {
        let used = |micros: &AtomicU64| Duration::from_micros(micros.load(Ordering::Relaxed));
        used(&self.micros) >= part && used(&self.computed) >= part / HARDLY
    }
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
                self.pace();
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

    /// Waits for publishers that are far behind, before a share and not in it: whoever waits has no place, so no other source does, and
    /// half of the cycle's time is left for polls whatever the publishers do.
    fn pace(&self) {
        let sinks = &self.host.plan.pipeline.sources[self.source.index].sinks;
        let until = (Clock::now() + PACE).min(self.deadline - self.time / 2);
        self.host.outlets.pace(sinks, until);
    }

    fn poll_share(&self, selection: usize, instances: &[Arc<Instance>], report: &mut Report) {
        let chosen = &self.source.selections[selection];
        let planned = &self.host.plan.guests[chosen.guest];
        let mut session = planned.guest.session(&chosen.state).sharing(&self.conduct[selection].loud);
        let mut batches = Batches::new(self, chosen, planned);
        for instance in instances {
            if self.is_set_aside(selection, planned) {
                report.set_aside(planned.guest.name(), 1);
                continue;
            }
            if self.host.stop.load(Ordering::Relaxed) || Clock::now() >= self.deadline {
                report.left_out += 1;
                continue;
            }
            if self.hypervisor.is_banned(chosen.guest, &instance.identity.uuid) {
                continue;
            }
            report.polls += 1;
            let (started, computed) = (Clock::now(), thread_cpu());
            let outcome = self.span.in_scope(|| session.poll(instance));
            self.conduct[selection].took(started.elapsed(), thread_cpu().saturating_sub(computed));
            self.take(outcome, (selection, chosen, planned), instance, &mut batches, report);
        }
        batches.finish(report);
    }

    /// Whether a guest has failed too often in this cycle, or has used up its part of the cycle's time.
    fn is_set_aside(&self, selection: usize, planned: &PlannedGuest) -> bool {
        let Conduct { failures, told, .. } = &self.conduct[selection];
        let most = planned.guest.limits().failures_per_cycle;
        let reason = if failures.load(Ordering::Relaxed) >= most {
            format!("{most} polls failed in this one")
        } else if self.conduct[selection].used_up(self.time_of_a_guest()) {
            format!("it used up its part of this one's time, {:?}", self.time_of_a_guest())
        } else {
            return false;
        };
        if !told.swap(true, Ordering::Relaxed) {
            tracing::error!(
                guest = planned.guest.name(),
                hypervisor = self.name,
                "set aside until the next cycle: {reason}"
            );
        }
        true
    }

    /// Says how many of each guest's warnings and errors the log does not have as such.
    fn tell_of_left_out_lines(&self) {
        for (chosen, conduct) in self.source.selections.iter().zip(&self.conduct) {
            let (guest, left_out) =
                (self.host.plan.guests[chosen.guest].guest.name(), conduct.loud.left_out());
            if left_out > 0 {
                tracing::warn!(
                    guest,
                    hypervisor = self.name,
                    "{left_out} more warnings and errors of this cycle are logged at level debug"
                );
            }
        }
    }

    /// A guest's part of the time that all polling threads have in a cycle.
    fn time_of_a_guest(&self) -> Duration {
        self.time * u32::try_from(self.host.plan.pipeline.polling.workers).unwrap_or(u32::MAX)
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
        let hypervisor = self.name;
        match outcome {
            Outcome::Samples { samples, refused } => {
                for refusal in refused {
                    if report.refused(guest, refusal.label()) {
                        tracing::warn!(guest, instance = uuid, hypervisor, "refused a sample: {refusal}");
                    }
                }
                let Host { plan, tenants, .. } = self.host;
                let (owner, metadata) = self.hypervisor.describe(instance, &plan.pipeline, tenants.as_ref());
                for sample in samples {
                    batches.add(sample, instance, &owner, &metadata, report);
                }
            }
            Outcome::Skipped(skip) => {
                report.skipped(guest, skip.label());
                tracing::debug!(guest, instance = uuid, hypervisor, "skipped: {skip}");
            }
            Outcome::Permanent(reason) => {
                tracing::error!(
                    guest,
                    instance = uuid,
                    hypervisor,
                    "will not be polled again by this guest: {reason}"
                );
                self.hypervisor.ban(chosen.guest, uuid);
                report.failed(guest, "permanent");
            }
            Outcome::Failed(failure) => {
                // A guest that reports errors in good order is not set aside for it: the readings may be at fault, for each
                // instance anew.
                if failure.is_misconduct() {
                    self.conduct[selection].failures.fetch_add(1, Ordering::Relaxed);
                }
                if report.failed(guest, failure.label()) {
                    tracing::error!(
                        guest,
                        instance = uuid,
                        hypervisor,
                        "no samples of this instance: {failure}"
                    );
                }
            }
        }
    }
}
