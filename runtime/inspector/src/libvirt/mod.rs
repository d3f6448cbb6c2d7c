//! Snapshots from libvirt.
//!
//! ```text
//!              ┌─ the whole host, calls that no instance can block ─┐   ┌─ one instance each, any of them can hang ─┐
//!   snapshot ──▶ states, interfaces, perf ──▶ XML of what changed ──▶ place 1 │ place 2 │ place 3 ──▶ assembled
//!              └──────── deadline `sweep` each ─────────────────────┘   └──────── deadline `call` each ─────────────┘
//! ```
//!
//! libvirt's calls can block for ever, so none is made on the caller's thread: each runs on one of its own, is waited for until
//! a deadline, and left behind after it. The host's calls have one connection, each place has one ([`link`] says why). What
//! then happens:
//!
//! | what fails | what happens |
//! |---|---|
//! | one instance's qemu hangs | it is set aside until its call returns ([`aside`]); its state, interfaces, perf events and maximum memory go on, the rest is [`Missing::Failed`] |
//! | its connection is stuck with its call | the place gets another one; the old one is closed when the call returns |
//! | eight such calls | no further call into a monitor before one returns: most of libvirtd's workers stay free |
//! | an agent before this one left such calls | they count as its own ([`others`]) |
//! | another client's call hangs in a qemu first | memory's and disks' readings are [`Missing::Failed`] at once; the next snapshot sets it aside if the call is still there |
//! | a stopped instance's storage is dead | its images are not opened, unless somebody wants their sizes ([`crate::settings::StoppedDisks`]) |
//! | one instance vanishes | its readings are [`Missing::NotFound`] |
//! | an XML is refused | the instance is left out, and named as such: what is not known to be somebody's is not reported |
//! | the connection is gone | it is opened anew at once and the snapshot taken again; if that fails, with back-off, which later snapshots wait for |
//! | the daemon hangs | the snapshot fails at the deadline; the connection is left to its keepalive, and replaced |
//! | it hangs when all else is read | the snapshot has what was read; the connection is replaced |
//!
//! Every log line of this names the hypervisor where there are several: by a span, which each of its threads is in.
//!
//! Bounds: [`link::MOST_CONNECTIONS`] connections, [`aside::MOST_STUCK`] stuck calls, one snapshot at a time (a second caller
//! waits), the snapshot's deadline on all of it.

mod aside;
mod bare;
pub(crate) mod bulk;
mod cache;
mod calls;
mod crew;
mod detail;
mod link;
mod others;
mod percall;
mod probe;
mod readings;
mod retry;
mod sweep;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing::Span;

use crate::clock;
use crate::error::{InspectError, chain};
use crate::ffi::Changed;
use crate::fields::{self, Fields};
use crate::health::Health;
use crate::settings::Settings;
use crate::snapshot::{Group, Groups, Instance, LeftOut, Missing, Snapshot};
use aside::Asides;
pub use bare::Bare;
use cache::Cache;
use calls::dispose;
use detail::All;
use link::{Bulk, Link, Seats, Station};
use readings::Readings;
use retry::Retry;
use sweep::Swept;

/// How long a snapshot waits at least for a daemon that was there before: a restart takes a second or two. It waits for as long as
/// the back-off may be, too, so that each snapshot makes an attempt.
const RESTART_PATIENCE: Duration = Duration::from_secs(4);

/// The libvirt inspector.
#[derive(Debug)]
pub(crate) struct Reader {
    settings: Settings,
    /// What log lines are in.
    span: Span,
    seats: Arc<Seats>,
    asides: Arc<Asides>,
    /// Instances that the last snapshot left out.
    left_out: AtomicUsize,
    /// Domain XMLs that were asked for.
    xml_calls: AtomicU64,
    /// What one snapshot leaves to the next; held while one is taken.
    cycle: Mutex<Cycle>,
}

#[derive(Debug)]
struct Cycle {
    link: Option<Arc<Link>>,
    /// A call on the connection is late, so that it is to be replaced.
    suspect: bool,
    /// Those of the places, between two snapshots.
    stations: Vec<Station>,
    was_connected: bool,
    /// Nothing is known yet of others' calls on the daemon at the other end.
    is_new: bool,
    /// Instances in whose monitors the last snapshot met another client's call.
    busy: BTreeSet<Arc<str>>,
    retry: Retry,
    cache: Cache,
}

impl Reader {
    /// Nothing is opened before the first snapshot.
    pub(crate) fn new(settings: Settings) -> Self {
        let retry = Retry::new(settings.reconnect);
        let cycle = Cycle {
            link: None,
            suspect: false,
            stations: Vec::new(),
            was_connected: false,
            is_new: true,
            busy: BTreeSet::new(),
            retry,
            cache: Cache::default(),
        };
        // At level error, so that it stands wherever a line does.
        let span = settings
            .name
            .as_deref()
            .map_or_else(Span::none, |hypervisor| tracing::error_span!("libvirt", hypervisor));
        Self {
            settings,
            span,
            seats: Arc::default(),
            asides: Arc::default(),
            left_out: AtomicUsize::new(0),
            xml_calls: AtomicU64::new(0),
            cycle: Mutex::new(cycle),
        }
    }

    pub(crate) fn snapshot(&self, groups: &Groups) -> Result<Snapshot, InspectError> {
        let _in = self.span.enter();
        let mut cycle = self.cycle.lock().unwrap_or_else(PoisonError::into_inner);
        self.snapshot_in(&mut cycle, groups)
    }

    fn snapshot_in(&self, cycle: &mut Cycle, groups: &Groups) -> Result<Snapshot, InspectError> {
        let end = Instant::now() + self.settings.deadlines.snapshot;
        let mut link = self.connect(cycle, end)?;
        let mut result = self.take(cycle, &link, groups, end);
        if let Err(error) = &result
            && error.is_disconnect()
        {
            tracing::warn!(error = chain(error), "the libvirt connection is gone; opening it anew");
            disconnect(cycle, link);
            link = self.connect(cycle, end)?;
            result = self.take(cycle, &link, groups, end);
        }
        if let Err(error) = &result {
            tracing::debug!(error = chain(error), "no snapshot");
        }
        // Whatever it was, the next snapshot begins on a connection that is known to be whole.
        if result.is_err() || cycle.suspect {
            disconnect(cycle, link);
        }
        self.asides.remind();
        result
    }

    pub(crate) fn health(&self) -> Health {
        Health {
            connections: self.seats.taken(),
            set_aside: self.asides.list(),
            left_out: self.left_out.load(Ordering::Relaxed),
            xml_calls: self.xml_calls.load(Ordering::Relaxed),
        }
    }

    /// The connection for the next calls; an attempt to open it ends with the snapshot's time.
    fn connect(&self, cycle: &mut Cycle, end: Instant) -> Result<Arc<Link>, InspectError> {
        if let Some(link) = &cycle.link {
            return Ok(Arc::clone(link));
        }
        let patience = RESTART_PATIENCE.max(self.settings.reconnect.most);
        let patience = if cycle.was_connected { patience } else { Duration::ZERO };
        let patient_until = end.min(Instant::now() + patience);
        loop {
            let now = Instant::now();
            let wait = cycle.retry.due_in(now);
            if now + wait > patient_until.max(now) {
                return Err(InspectError::BackOff { uri: self.settings.uri.clone(), wait });
            }
            std::thread::sleep(wait);
            match Link::open(&self.settings, &self.seats, end) {
                Ok(link) => {
                    cycle.retry.succeeded();
                    cycle.was_connected = true;
                    cycle.is_new = true;
                    cycle.link = Some(Arc::clone(&link));
                    // No events came in between, and a daemon that was restarted may number the runs as before.
                    cycle.cache.changed(&Changed::All, Instant::now());
                    return Ok(link);
                }
                Err(error) => {
                    let now = Instant::now();
                    cycle.retry.failed(now);
                    if now + cycle.retry.due_in(now) > patient_until {
                        return Err(error);
                    }
                }
            }
        }
    }

    fn take(
        &self,
        cycle: &mut Cycle,
        link: &Arc<Link>,
        groups: &Groups,
        end: Instant,
    ) -> Result<Snapshot, InspectError> {
        let swept = sweep::host(link, groups, self.deadline(end))?;
        let taken_at = clock::now();
        let host = link.host.clone();
        self.identify(cycle, link, &swept, end)?;
        self.heed_others(cycle, link, &swept, end)?;
        let mut readings = self.details(cycle, link, &swept, groups, end)?;
        let mut instances = Vec::with_capacity(swept.len());
        let mut left_out = Vec::new();
        for (uuid, swept) in &swept {
            let Some(identity) = cycle.cache.get(uuid) else {
                left_out.push(LeftOut {
                    uuid: uuid.as_ref().to_owned(),
                    name: swept.name.as_ref().to_owned(),
                    power: swept.power,
                    why: cycle.cache.why_not(uuid),
                });
                continue;
            };
            let readings =
                readings.remove(uuid).unwrap_or_else(|| Readings::missing(groups, &Missing::NoData));
            instances.push(Arc::new(Instance {
                identity: Arc::clone(identity),
                power: swept.power,
                taken_at: readings.taken_at.unwrap_or(taken_at),
                memory: readings.memory,
                cpu: readings.cpu,
                disks: readings.disks,
                vnics: readings.vnics,
                perf: readings.perf,
                raw: readings.raw,
            }));
        }
        self.left_out.store(left_out.len(), Ordering::Relaxed);
        Ok(Snapshot {
            host,
            connection: self.settings.uri.clone(),
            taken_at,
            groups: groups.clone(),
            instances,
            left_out,
        })
    }

    /// Brings the cache up to date with the instances that there are.
    fn identify(
        &self,
        cycle: &mut Cycle,
        link: &Arc<Link>,
        swept: &BTreeMap<Arc<str>, Swept>,
        end: Instant,
    ) -> Result<(), InspectError> {
        let now = Instant::now();
        cycle.cache.changed(&link.changes.take(), now);
        cycle.cache.keep_only(|uuid| swept.contains_key(uuid));
        let due = swept.iter().filter(|(uuid, swept)| cycle.cache.is_due(uuid, swept.run, now));
        let due: Vec<_> = due.map(|(uuid, swept)| (Arc::clone(uuid), Arc::clone(&swept.domain))).collect();
        if due.is_empty() {
            return Ok(());
        }
        let refresh = link.xml_refresh(&self.settings);
        self.xml_calls.fetch_add(u64::try_from(due.len()).unwrap_or(u64::MAX), Ordering::Relaxed);
        for (uuid, xml) in sweep::xml(link, due, self.deadline(end))? {
            let Some(swept) = swept.get(&uuid) else { continue };
            cycle.cache.learn(&self.settings, refresh, &uuid, (&swept.name, swept.run), xml, now);
        }
        Ok(())
    }

    /// All instances' readings.
    fn details(
        &self,
        cycle: &mut Cycle,
        link: &Arc<Link>,
        swept: &BTreeMap<Arc<str>, Swept>,
        groups: &Groups,
        end: Instant,
    ) -> Result<All, InspectError> {
        let now = Instant::now();
        let mut all = self.read_instances(cycle, link, swept, groups, end)?;
        let why = if detail::is_needed(link.bulk, groups) {
            Missing::Failed("not read in time".to_owned())
        } else {
            Missing::Unsupported
        };
        for (uuid, swept) in swept {
            let Some(identity) = cycle.cache.get(uuid).cloned() else { continue };
            let readings = all.entry(Arc::clone(uuid)).or_insert_with(|| Readings::missing(groups, &why));
            if readings.busy {
                cycle.busy.insert(Arc::clone(uuid));
            }
            match link.bulk {
                Bulk::Full => {
                    if readings.taken_at.is_none() {
                        bulk::fill_in(readings, groups, &swept.fields, &identity, swept.is_active());
                    }
                    if readings.outdated
                        || fields::has_unknown_vnic(&Fields::new(&swept.fields), &identity.vnics)
                    {
                        cycle.cache.suspect(uuid, now);
                    }
                }
                Bulk::State if groups.contains(&Group::RawStats) => readings.raw = Ok(swept.fields.clone()),
                Bulk::State | Bulk::None => {}
            }
        }
        others::tell_of_busy(&cycle.busy, swept);
        Ok(all)
    }

    /// How long a call for the whole host may take now.
    fn deadline(&self, end: Instant) -> Duration {
        self.settings.deadlines.sweep.min(end.saturating_duration_since(Instant::now()))
    }
}

/// Gives the connections up. Each is closed when the last call on it has returned, and never on this thread: so the caller's
/// hold on the link goes too.
fn disconnect(cycle: &mut Cycle, link: Arc<Link>) {
    cycle.suspect = false;
    dispose((link, cycle.link.take(), std::mem::take(&mut cycle.stations)));
}

#[cfg(test)]
mod tests;
