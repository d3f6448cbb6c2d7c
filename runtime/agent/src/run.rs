//! The whole agent, from start to an orderly end: a task for each source on each hypervisor, so that none of them waits for another.

use std::sync::Arc;
use std::time::Duration;

use inspector::InspectError;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::admin::server::{Socket, SocketError};
use crate::cycle::{Host, Report, SetupError};
use crate::guests::warden::Warden;
use crate::outlets::Outlets;
use crate::plan::{Plan, chain};
use crate::schedule::Schedule;
use crate::tenants;

/// How long the publishers may take at the end to deliver what they hold.
pub const CLOSE: Duration = Duration::from_secs(20);

/// How long to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Until the shutdown.
    Service,
    /// One cycle of every source, at once.
    Once,
}

/// How it ended.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct End {
    /// Samples that were handed to the publishers.
    pub samples: u64,
    /// Polls that failed through a guest's fault, and samples that were refused.
    pub failures: u64,
    /// Readings of instances that failed.
    pub unread: u64,
    /// Cycles without a snapshot.
    pub failed_cycles: u64,
    /// Samples that publishers dropped, refused or could not deliver before the end; one that two publishers lost counts twice.
    pub undelivered: u64,
}

/// Why the agent did not start.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// What is polled cannot be set up.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// The spool has no place.
    #[error(transparent)]
    Spool(config::NoSpoolFolder),
    /// A publisher cannot start.
    #[error("failed to start a publisher")]
    Publisher(#[source] publisher::StartError),
    /// The system gave no thread.
    #[error("failed to start the thread that swaps guests")]
    Warden(#[source] std::io::Error),
    /// The admin socket cannot be used.
    #[error(transparent)]
    Socket(#[from] SocketError),
}

/// Runs a plan until `shutdown` turns true, or for one cycle.
///
/// # Errors
/// [`RunError`] before the first poll; afterwards everything is logged and counted.
pub async fn run(plan: Plan, mode: Mode, mut shutdown: watch::Receiver<bool>) -> Result<End, RunError> {
    let socket = match (mode, &plan.pipeline.socket) {
        (Mode::Service, Some(path)) => Some(Socket::bind(path).await?),
        _ => None,
    };
    let spool = match mode {
        Mode::Service => plan.pipeline.spool_folder().map_err(RunError::Spool)?,
        // Another agent may have it, and what this one does not deliver is an exit code.
        Mode::Once => None,
    };
    let outlets = Outlets::start_with(&plan.pipeline, spool.as_ref()).map_err(RunError::Publisher)?;
    let host = Arc::new(Host::new(plan, outlets)?);
    let pipeline = &host.plan().pipeline;
    for hypervisor in &pipeline.hypervisors {
        let (guests, sources) = (host.plan().roster().seats.len(), pipeline.sources.len());
        tracing::info!(hypervisor = hypervisor.name, guests, sources, "polling as host {}", hypervisor.host);
    }
    if let (Mode::Once, Some(tenants)) = (mode, host.tenants()) {
        // A service's first listing is there before its second poll; here there is none.
        tracing::info!("waiting for Nova");
        tokio::select! {
            () = tenants::listed(tenants) => {}
            () = stopping(&mut shutdown) => {}
        }
    }
    let warden = match mode {
        Mode::Service => Warden::start(&host).map_err(RunError::Warden)?,
        Mode::Once => None,
    };
    let (close, closing) = watch::channel(false);
    let admin = socket.map(|socket| tokio::spawn(socket.serve(Arc::clone(&host), closing)));
    let mut sources = JoinSet::new();
    for position in 0..host.plan().sources.len() {
        sources.spawn(source(Arc::clone(&host), position, mode, shutdown.clone()));
    }
    let stopper = tokio::spawn({
        let host = Arc::clone(&host);
        async move {
            stopping(&mut shutdown).await;
            host.stop();
        }
    });
    let mut end = End::default();
    while let Some(finished) = sources.join_next().await {
        match finished {
            Ok(part) => end.add(&part),
            Err(error) => {
                tracing::error!(
                    "a source's task ended in a panic, which is a fault of this program: {error}"
                );
                end.failed_cycles += 1;
            }
        }
    }
    stopper.abort();
    let _ = stopper.await;
    let _ = close.send(true);
    if let Some(admin) = admin {
        let _ = admin.await;
    }
    if let Some(warden) = warden {
        let host = Arc::clone(&host);
        let _ = tokio::task::spawn_blocking(move || warden.end(&host)).await;
    }
    match Arc::into_inner(host) {
        Some(host) => end.undelivered = host.into_outlets().close(CLOSE).await,
        None => tracing::error!("a source's task outlived its end, which is a fault of this program"),
    }
    Ok(end)
}

impl End {
    fn add(&mut self, other: &Self) {
        self.samples += other.samples;
        self.failures += other.failures;
        self.unread += other.unread;
        self.failed_cycles += other.failed_cycles;
    }
}

/// Resolves when the agent is to stop; the sender that is gone means so too.
pub(crate) async fn stopping(shutdown: &mut watch::Receiver<bool>) {
    let _ = shutdown.wait_for(|stop| *stop).await;
}

/// Polls one source at its ticks; one cycle at a time, so cycles of a source never overlap.
async fn source(host: Arc<Host>, position: usize, mode: Mode, mut shutdown: watch::Receiver<bool>) -> End {
    let mut sums = End::default();
    let interval = host.plan().pipeline.sources[host.plan().sources[position].index].interval;
    let named = Arc::clone(&host);
    let name = Name::of(named.plan(), position);
    let jitter = if mode == Mode::Once { Duration::ZERO } else { host.plan().pipeline.polling.start_jitter };
    let mut schedule = Schedule::new(interval, jitter);
    let (mut paused, mut left_out) = (false, 0_u64);
    loop {
        tokio::select! {
            () = sleep_until(schedule.next()) => {}
            () = stopping(&mut shutdown) => return sums,
        }
        // A guest for it may come yet.
        let is_idle = host.plan().roster().sources[position].selections.is_empty();
        if is_idle && mode == Mode::Once {
            return sums;
        }
        if is_idle {
            schedule.advance(Instant::now());
            continue;
        }
        // A day's cycles that are not polled are one line.
        let pauses = !host.has_room(&host.plan().sources[position]);
        if pauses != paused {
            paused = pauses;
            if pauses {
                tracing::warn!(
                    source = name.source,
                    hypervisor = name.hypervisor,
                    "polling pauses: a spool is full"
                );
            } else {
                tracing::info!(
                    source = name.source,
                    hypervisor = name.hypervisor,
                    "polling goes on, after {left_out} cycles that were left out"
                );
                left_out = 0;
            }
        }
        if paused {
            left_out += 1;
            schedule.advance(Instant::now());
            continue;
        }
        let polled = Arc::clone(&host);
        let poll = move || {
            let source = &polled.plan().sources[position];
            match mode {
                Mode::Service => polled.cycle(source),
                Mode::Once => polled.only_cycle(source),
            }
        };
        let cycle = tokio::task::spawn_blocking(poll).await;
        match cycle {
            Ok(outcome) => sums.add(&log(name, outcome)),
            Err(error) => {
                tracing::error!(
                    source = name.source,
                    hypervisor = name.hypervisor,
                    "a poll ended in a panic, which is a fault of this program: {error}"
                );
                sums.failed_cycles += 1;
            }
        }
        let run_over = schedule.advance(Instant::now());
        if mode == Mode::Once {
            return sums;
        }
        if run_over > 0 {
            tracing::warn!(
                source = name.source,
                hypervisor = name.hypervisor,
                "the poll took longer than the interval of {interval:?}: {run_over} left out, {} since the start",
                schedule.left_out()
            );
        }
    }
}

/// What is polled, in log lines.
#[derive(Clone, Copy)]
struct Name<'a> {
    source: &'a str,
    /// Where there are several.
    hypervisor: Option<&'a str>,
}

impl<'a> Name<'a> {
    fn of(plan: &'a Plan, position: usize) -> Self {
        let planned = &plan.sources[position];
        Self {
            source: &plan.pipeline.sources[planned.index].name.value,
            hypervisor: plan.hypervisor(planned),
        }
    }
}

/// One line per cycle: at level info where all is well, else as a warning that says what was not.
fn log(Name { source, hypervisor }: Name<'_>, outcome: Result<Report, InspectError>) -> End {
    match outcome {
        Ok(report) => {
            let Report { instances, polls, samples, on_disk, .. } = report;
            let (ms, libvirt_ms) = (report.took.as_millis(), report.inspected.as_millis());
            let left_out = report.left_out + report.polls_set_aside();
            let failures = report.failures() + report.refusals() + left_out + report.broken_threads;
            let unread = report.unread();
            if failures + unread == 0 {
                tracing::info!(
                    source, hypervisor, instances, polls, samples, on_disk, ms, libvirt_ms, "polled"
                );
            } else {
                tracing::warn!(
                    source,
                    hypervisor,
                    instances,
                    polls,
                    samples,
                    on_disk,
                    ms,
                    libvirt_ms,
                    "polled; {report}"
                );
            }
            End { samples: samples as u64, failures, unread, ..End::default() }
        }
        Err(error) => {
            tracing::error!(source, hypervisor, "no snapshot, so nothing was polled: {}", chain(&error));
            End { failed_cycles: 1, ..End::default() }
        }
    }
}
