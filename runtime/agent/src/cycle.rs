//! One poll of a source: a snapshot, the guests over its instances, batches to the sinks.
//!
//! Polls are computing time only, so they run on plain threads: each takes a guest with a share of the instances at a time. A cycle
//! has most of the interval for it, and each guest its part of that time: one that uses it up, or that fails too often, is set aside
//! until the next cycle, so that the others' samples arrive. What is not polled in time is left out and counted.

mod conduct;
mod deliver;
mod hypervisor;
mod places;
mod report;
mod share;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant as Clock};

use config::Pipeline;
use inspector::{Groups, InspectError, Instance, Snapshot};
use nova::TenantMetadata;
use sample::Timestamp;
use tracing::Span;

use crate::guests::Guests;
use crate::guests::health::Turn;
use crate::guests::roster::Polled;
use crate::guests::trial;
use crate::guests::warden::Notice;
use crate::outlets::Outlets;
use crate::plan::{Plan, PlannedSource};
use crate::schedule::random_share;

use conduct::Turns;
use hypervisor::Hypervisor;
pub(crate) use hypervisor::inspector;
use places::Places;
pub use report::Report;

/// Instances that a thread takes at a time: whole batches of 50, and enough of them to share a large host among threads.
const SHARE: usize = 200;

/// The part of an interval that a cycle may take: the rest is room for the last polls to end, so that a cycle that is cut short does not
/// run over the next tick as well.
const CYCLE_SHARE: f64 = 0.9;

/// How long a share of instances waits for publishers at most: a broker that is well takes one in tens of milliseconds, and an agent that
/// is to stop does not wait for one that is slow.
const PACE: Duration = Duration::from_secs(1);

/// How long the end of a cycle waits for the disk of a spool: it syncs in milliseconds, on a busy machine in tens of them.
const KEEP: Duration = Duration::from_secs(5);

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
    /// The names of the pipeline's sources, by their positions.
    sources: Vec<Arc<str>>,
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
            sources: plan.pipeline.sources.iter().map(|source| source.name.value.as_str().into()).collect(),
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
        self.snapshot(source, &self.plan.roster().sources[source.position])
    }

    fn snapshot(&self, source: &PlannedSource, polled: &Polled) -> Result<Snapshot, InspectError> {
        self.hypervisors[source.hypervisor].inspector.snapshot(&polled.groups)
    }

    /// The guests.
    pub const fn guests(&self) -> &Guests {
        &self.plan.guests
    }

    /// Instances of this host as they were read last, with these groups of readings: to try a new module on.
    pub(crate) fn recorded(&self, groups: &Groups) -> Vec<Arc<Instance>> {
        let recorded = self.hypervisors.iter().flat_map(|hypervisor| hypervisor.recorded(groups));
        recorded.take(trial::INSTANCES).collect()
    }

    /// Where samples go, for the end.
    pub fn into_outlets(self) -> Outlets {
        if let Some(tenants) = self.tenants {
            tenants.stop();
        }
        self.outlets
    }

    /// Whether the source's sinks take more samples: a publisher whose spool is full may want polling to pause.
    pub fn has_room(&self, source: &PlannedSource) -> bool {
        self.outlets.have_room(&self.plan.pipeline.sources[source.index].sinks)
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
        // Who polls in this cycle, whoever is swapped meanwhile.
        let roster = self.plan.roster();
        let polled = &roster.sources[source.position];
        let mut snapshot = self.snapshot(source, polled)?;
        let inspected = started.elapsed();
        hypervisor.forget_gone(polled, &snapshot);
        hypervisor.record(&snapshot);
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
            polled,
            snapshot: &snapshot,
            timestamp,
            time,
            deadline: started + time,
            turns: polled.selections.iter().map(|chosen| Turns::new(chosen, started)).collect(),
        };
        let mut report = cycle.poll_all(self.plan.pipeline.polling.workers);
        cycle.tell_of_left_out_lines();
        cycle.judge();
        // What the log calls polled is on disk, where there is a spool that can be written.
        report.on_disk = self
            .outlets
            .kept(&settings.sinks, (Clock::now() + KEEP).min(started + time.div_f64(CYCLE_SHARE)));
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
    polled: &'a Polled,
    snapshot: &'a Snapshot,
    timestamp: Timestamp,
    /// How long it may take.
    time: Duration,
    deadline: Clock,
    /// Of each selection.
    turns: Vec<Turns>,
}

impl Cycle<'_> {
    fn poll_all(&self, workers: usize) -> Report {
        let shares: Vec<&[Arc<Instance>]> = self.snapshot.instances.chunks(SHARE).collect();
        let selections = self.polled.selections.len();
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
                if !self.host.has_room(self.source) {
                    report.left_out += shares[job / selections].len() as u64;
                    continue;
                }
                let _place = self.host.places.take();
                share::poll(self, job % selections, shares[job / selections], &mut report);
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

    /// Says how many of each guest's warnings and errors the log does not have as such.
    fn tell_of_left_out_lines(&self) {
        for (chosen, turns) in self.polled.selections.iter().zip(&self.turns) {
            let left_out = turns.holder.loud.left_out() + turns.stand_in.loud.left_out();
            if left_out > 0 {
                tracing::warn!(
                    guest = chosen.guest.name(),
                    hypervisor = self.name,
                    "{left_out} more warnings and errors of this cycle are logged at level debug"
                );
            }
        }
    }

    /// Has each guest's generation answer for what it did in this cycle.
    fn judge(&self) {
        for (chosen, turns) in self.polled.selections.iter().zip(&self.turns) {
            let (guest, hypervisor) = (chosen.guest.name(), self.name);
            let (conduct, reason) = turns.holder.sum();
            match chosen.guest.health.cycle_ended(conduct, &reason, Clock::now(), random_share()) {
                Some(Turn::Passed) => self.host.guests().tell(Notice::Passed(chosen.guest.id)),
                Some(Turn::SetAside(time, reason)) => {
                    tracing::error!(
                        guest,
                        hypervisor,
                        "set aside for {} s: {reason}",
                        time.as_secs_f64().ceil()
                    );
                }
                Some(Turn::Recovered) => tracing::info!(guest, hypervisor, "polls again, and well"),
                None => {}
            }
        }
    }

    /// A guest's part of the time that all polling threads have in a cycle.
    fn time_of_a_guest(&self) -> Duration {
        self.time * u32::try_from(self.host.plan.pipeline.polling.workers).unwrap_or(u32::MAX)
            / u32::try_from(self.polled.selections.len()).unwrap_or(u32::MAX).max(1)
    }
}
