//! Readings from bulk statistics.
//!
//! The groups that need no monitor (state, interfaces, perf events) come for the whole host in one call, which no instance can
//! block. The others come in a call per instance, so that a hung qemu costs nobody else anything: of the two milliseconds
//! that a monitor takes a round trip to libvirtd is a tenth. Where there is such a call it brings the interfaces and perf events
//! once more, so that all counters of an instance are of one moment, which rates can be made with: the whole host's are then
//! only what is said of an instance whose own call brings nothing.
//!
//! Of a qemu that was killed a moment ago libvirt gives a CPU time and a resident size of 0, which no process has: it reads
//! `/proc` of a process that is not there. They are no reading.
//!
//! A call does not wait for another client's in the same monitor, which may never return: it gives a record at once that lacks what
//! the monitor would have told. Such a short record is asked for again, after [`PAUSES_MS`], so that a client which polls at the same
//! moment (nova, another agent) costs no readings. Where it is short to the end its memory and its disks are [`BUSY`], and the next
//! snapshot asks libvirtd for how long the other's call has been there ([`super::others`]). An instance that is being started lets
//! nobody in until it runs: it has no disks' readings at present, which is nobody's fault and not waited for.
//!
//! The storage that a disk takes is not read from them. Of a running image bulk's `allocation` is the highest offset ever
//! written and its `physical` is what virDomainGetBlockInfo calls allocation, for some formats and kinds of storage; of one
//! that is shut off an allocation of 0 is left out. So each disk is asked by virDomainGetBlockInfo, whose values Ceilometer
//! reports: allocation is the storage that the image takes, physical the size of the file or device that holds it.

use std::time::Duration;

use super::readings::{Readings, missing, reading};
use crate::clock;
use crate::ffi::{self, Domain};
use crate::fields::{self, Fields};
use crate::identity::Identity;
use crate::settings::StoppedDisks;
use crate::snapshot::{Disk, Field, Group, Groups, Missing, Power, Reading};

/// The group of the domains' state.
pub(super) const STATE: u32 = virt_sys::VIR_DOMAIN_STATS_STATE;

/// What a driver must have for its bulk statistics to be enough.
pub(super) const ALL: u32 = STATE
    | virt_sys::VIR_DOMAIN_STATS_CPU_TOTAL
    | virt_sys::VIR_DOMAIN_STATS_BALLOON
    | virt_sys::VIR_DOMAIN_STATS_VCPU
    | virt_sys::VIR_DOMAIN_STATS_INTERFACE
    | virt_sys::VIR_DOMAIN_STATS_BLOCK;

/// libvirt's "every group that the driver has", those of a newer libvirt included.
const EVERY: u32 = 0;

/// The waits before a short record is asked for again. Another client's call takes milliseconds, or hundreds of them on a host
/// that is overloaded; half a second in all is little beside the default deadline of a call, be the monitor stuck.
const PAUSES_MS: [u64; 9] = [1, 2, 4, 8, 16, 32, 64, 128, 256];

/// The part of a call's deadline that the waits may take: the calls around them need the rest, and an instance that is merely busy
/// shall not be taken for one that hangs.
const PAUSES_SHARE: u32 = 4;

/// Why there are no readings of an instance whose record stays short.
const BUSY: &str = "its monitor is busy with another client's call";

/// The groups of the call for the whole host.
pub(super) fn host_stats(groups: &Groups) -> u32 {
    STATE | monitorless(groups)
}

/// The groups of readings that libvirt has without a monitor.
fn monitorless(groups: &Groups) -> u32 {
    let vnics = if groups.contains(&Group::Vnics) { virt_sys::VIR_DOMAIN_STATS_INTERFACE } else { 0 };
    let perf = if groups.contains(&Group::Perf) { virt_sys::VIR_DOMAIN_STATS_PERF } else { 0 };
    vnics | perf
}

/// The groups of the call for one instance; None where none is needed.
pub(super) fn instance_stats(groups: &Groups) -> Option<u32> {
    if groups.contains(&Group::RawStats) {
        return Some(EVERY);
    }
    let wanted = groups.iter().fold(0, |wanted, group| {
        wanted
            | match group {
                Group::Memory => virt_sys::VIR_DOMAIN_STATS_BALLOON,
                Group::Cpu => virt_sys::VIR_DOMAIN_STATS_CPU_TOTAL | virt_sys::VIR_DOMAIN_STATS_VCPU,
                // With the memory of the process, which tells that the monitor was entered also where no disk counts.
                Group::Disks => virt_sys::VIR_DOMAIN_STATS_BLOCK | virt_sys::VIR_DOMAIN_STATS_BALLOON,
                Group::Vnics | Group::Perf | Group::RawStats => 0,
            }
    });
    // With the state, which tells whose the readings are: see `still_active`.
    (wanted != 0).then_some(STATE | wanted | monitorless(groups))
}

/// Fills in the readings that need no monitor.
pub(super) fn fill_in(
    readings: &mut Readings,
    groups: &Groups,
    fields: &[(String, Field)],
    identity: &Identity,
    active: bool,
) {
    if groups.contains(&Group::Vnics) {
        readings.vnics = running(active, || Ok(fields::vnics(&Fields::new(fields), &identity.vnics)));
    }
    if groups.contains(&Group::Perf) {
        readings.perf = running(active, || Ok(fields::perf(fields)));
    }
}

fn running<T>(active: bool, read: impl FnOnce() -> Reading<T>) -> Reading<T> {
    if active { read() } else { Err(Missing::ShutOff) }
}

/// What is read of each instance.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    pub(super) groups: Groups,
    /// libvirt's groups for them, of [`instance_stats`].
    pub(super) stats: u32,
    pub(super) stopped_disks: StoppedDisks,
    /// The deadline of the calls for one instance.
    pub(super) call: Duration,
}

impl Terms {
    /// The waits before a short record is asked for again.
    fn pauses(&self) -> impl Iterator<Item = Duration> {
        let most = self.call / PAUSES_SHARE;
        let spend = move |spent: &mut Duration, pause: Duration| {
            *spent += pause;
            (*spent <= most).then_some(pause)
        };
        PAUSES_MS.into_iter().map(Duration::from_millis).scan(Duration::ZERO, spend)
    }

    /// libvirt's groups for an instance. Those of a disk open the image where no qemu has it open.
    fn stats(&self, active: bool) -> u32 {
        if active || self.stopped_disks == StoppedDisks::Read {
            return self.stats;
        }
        // Every group is one without a name here; what a driver does not have it ignores.
        let all = if self.stats == EVERY { u32::MAX } else { self.stats };
        all & !virt_sys::VIR_DOMAIN_STATS_BLOCK
    }
}

/// The readings of one instance that go through its monitor. Fails only where the connection is gone.
pub(super) fn read(
    domain: &Domain,
    terms: &Terms,
    identity: &Identity,
    active: bool,
) -> Result<Readings, ffi::Error> {
    let groups = &terms.groups;
    let (all, entered) = match reading(record(domain, terms, identity, active))? {
        Ok(Some(Record { fields, entered })) => (fields, entered),
        Ok(None) => return Ok(Readings::missing(groups, &Missing::NotFound)),
        Err(why) => return Ok(Readings::missing(groups, &unless_gone(domain, why)?)),
    };
    let mut readings = Readings::missing(groups, &Missing::NoData);
    readings.taken_at = Some(clock::now());
    let fields = Fields::new(&all);
    let active = still_active(active, &fields);
    fill_in(&mut readings, groups, &all, identity, active);
    readings.outdated = fields::has_unknown_disk(&fields, &identity.disks);
    readings.busy = entered == Entered::Busy;
    let busy = || Missing::Failed(BUSY.to_owned());
    if groups.contains(&Group::Memory) {
        readings.memory = if readings.busy { Err(busy()) } else { fields::memory(&fields) };
    }
    if groups.contains(&Group::Cpu) {
        readings.cpu = fields::cpu(&fields, active);
    }
    if groups.contains(&Group::Disks) {
        // The storage's sizes too: their call would wait for the other client's.
        readings.disks = match entered {
            Entered::Busy => Err(busy()),
            Entered::Starting => Err(Missing::NoData),
            Entered::Well if active || terms.stopped_disks == StoppedDisks::Read => {
                Ok(disks(domain, &fields, identity)?)
            }
            Entered::Well => Err(Missing::ShutOff),
        };
    }
    if groups.contains(&Group::RawStats) {
        // Of a domain that does not run libvirt gives its own daemon's times.
        let raw = all.into_iter().filter(|(name, _)| active || !name.starts_with("cpu."));
        readings.raw = Ok(raw.collect());
    }
    Ok(readings)
}

fn disks(domain: &Domain, fields: &Fields<'_>, identity: &Identity) -> Result<Vec<Disk>, ffi::Error> {
    let mut disks = fields::disks(fields, &identity.disks);
    disks.iter_mut().try_for_each(|disk| fill_in_storage(domain, disk))?;
    Ok(disks)
}

/// Why a call failed, but where it did because the instance has ended in the middle of it: that is nobody's failure.
fn unless_gone(domain: &Domain, why: Missing) -> Result<Missing, ffi::Error> {
    if !matches!(why, Missing::Failed(_)) {
        return Ok(why);
    }
    Ok(match reading(domain.info())? {
        Ok(info) if Power::from_libvirt(info.state) == Power::ShutOff => Missing::ShutOff,
        Err(Missing::NotFound) => Missing::NotFound,
        Ok(_) | Err(_) => why,
    })
}

/// What one instance's call brings.
struct Record {
    fields: Vec<(String, Field)>,
    entered: Entered,
}

/// Whether the call was let into the monitor, where it had to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Entered {
    /// It was, or there is none.
    Well,
    /// Another client's call was there to the end.
    Busy,
    /// The instance is being started, or is coming from another host.
    Starting,
}

/// One instance's record, whole where it can be had.
fn record(
    domain: &Domain,
    terms: &Terms,
    identity: &Identity,
    active: bool,
) -> Result<Option<Record>, ffi::Error> {
    let stats = terms.stats(active);
    let mut pauses = terms.pauses();
    loop {
        let Some(fields) = domain.stats(stats)? else { return Ok(None) };
        if !active || !is_short(&fields, stats, identity) {
            return Ok(Some(Record { fields, entered: Entered::Well }));
        }
        if is_starting(&fields) {
            return Ok(Some(Record { fields, entered: Entered::Starting }));
        }
        let Some(pause) = pauses.next() else { return Ok(Some(Record { fields, entered: Entered::Busy })) };
        std::thread::sleep(pause);
    }
}

/// Whether a record of a running instance lacks all that its monitor tells, counters of disks and the memory of its process: libvirt
/// enters the monitor for both, or for neither.
fn is_short(record: &[(String, Field)], stats: u32, identity: &Identity) -> bool {
    let asks_monitor = stats == EVERY || stats & virt_sys::VIR_DOMAIN_STATS_BALLOON != 0;
    let fields = Fields::new(record);
    // Shut off since the sweep: there is no monitor to tell more.
    let runs = still_active(true, &fields);
    let memory = fields.number("balloon.rss").is_some();
    let counts = || {
        let disks = fields::disks(&fields, &identity.disks);
        disks.iter().any(|disk| disk.read_requests.is_some())
    };
    asks_monitor && runs && !memory && !counts()
}

/// Whether a record is of an instance that does not run yet: libvirt has it as paused until then, for one of these reasons.
fn is_starting(record: &[(String, Field)]) -> bool {
    let starts = [virt_sys::VIR_DOMAIN_PAUSED_STARTING_UP, virt_sys::VIR_DOMAIN_PAUSED_MIGRATION];
    let fields = Fields::new(record);
    let number = |name: &str| fields.number(name).and_then(|number| u32::try_from(number).ok());
    number("state.state").map(Power::from_libvirt) == Some(Power::Paused)
        && number("state.reason").is_some_and(|reason| starts.contains(&reason))
}

/// Whether an instance that the sweep found active is so in this record too. It may have been shut off in between, and libvirt
/// gives its own daemon's times then. State and times of a record belong together: libvirt reads both under one lock. Its
/// process may also have ended without libvirt knowing of it yet: then it has no time.
///
/// Only "shut off" says that there is no process: a crashed guest may keep its qemu, whose times are the guest's.
fn still_active(active: bool, fields: &Fields<'_>) -> bool {
    let state = fields.number("state.state").and_then(|state| u32::try_from(state).ok());
    let has_process = fields.number("cpu.time") != Some(0);
    active && has_process && state.map(Power::from_libvirt) != Some(Power::ShutOff)
}

/// Fills in the storage that a disk takes, where libvirt can tell. Fails only where the connection is gone.
pub(super) fn fill_in_storage(domain: &Domain, disk: &mut Disk) -> Result<(), ffi::Error> {
    match domain.block_info(&disk.device) {
        Ok(info) => {
            disk.capacity = Some(info.capacity);
            disk.allocation = Some(info.allocation);
            disk.physical = Some(info.physical);
            Ok(())
        }
        Err(error) if error.is_disconnect() => Err(error),
        Err(error) => {
            let why = missing(&error);
            tracing::debug!(device = disk.device, %why, "no sizes of a disk");
            Ok(())
        }
    }
}

/// What is known of a running instance's memory without its monitor: the maximum, and what the balloon was last set to.
pub(super) fn memory_at_least(domain: &Domain) -> Result<Reading<crate::snapshot::Memory>, ffi::Error> {
    Ok(reading(domain.info())?.and_then(|info| super::percall::memory_of(&info)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_that_was_shut_off_since_the_sweep_has_no_times() {
        let record = |state, time| {
            let pairs =
                [("state.state", state), ("cpu.time", time), ("vcpu.current", 2), ("vcpu.maximum", 4)];
            pairs.map(|(name, value)| (name.to_owned(), Field::Signed(value)))
        };
        let time_of = |active, record: &[(String, Field)]| {
            let fields = Fields::new(record);
            fields::cpu(&fields, still_active(active, &fields)).unwrap().time
        };
        let time = |active, state| time_of(active, &record(state, 999));
        let (running, shut_off, crashed) = (1, 5, 6);
        assert_eq!(time(true, running), Some(999));
        assert_eq!(time(true, shut_off), None, "the daemon's time");
        assert_eq!(time(true, crashed), Some(999), "its qemu is kept");
        assert_eq!(time(false, running), None, "its run is none that the sweep knew");
        assert_eq!(time_of(true, &record(running, 0)), None, "its process is gone");
        assert!(still_active(true, &Fields::default()), "no state is no news");
        let stats = instance_stats(&Groups::from([Group::Cpu])).unwrap();
        assert_eq!(stats & STATE, STATE, "the state comes with the times");
    }

    #[test]
    fn a_record_without_what_the_monitor_tells_is_short() {
        let vda = crate::identity::DiskDevice { device: "vda".into(), source: None };
        let identity = Identity { disks: vec![vda], ..Identity::default() };
        let is_short = |stats, record: &[(&str, Field)]| {
            let record: Vec<_> =
                record.iter().map(|(name, field)| ((*name).to_owned(), field.clone())).collect();
            is_short(&record, stats, &identity)
        };
        let number = |name: &'static str| (name, Field::Unsigned(1));
        let (balloon, block) = (virt_sys::VIR_DOMAIN_STATS_BALLOON, virt_sys::VIR_DOMAIN_STATS_BLOCK);
        assert!(is_short(balloon, &[number("balloon.maximum")]));
        assert!(!is_short(balloon, &[number("balloon.maximum"), number("balloon.rss")]));
        let vda = [number("block.count"), ("block.0.name", Field::Text("vda".into()))];
        assert!(is_short(block | balloon, &vda));
        assert!(is_short(EVERY, &vda));
        let entered = [vda[0].clone(), vda[1].clone(), number("balloon.rss")];
        assert!(!is_short(block | balloon, &entered), "a disk that is not counted at");
        let counted = [vda[0].clone(), vda[1].clone(), number("block.0.rd.reqs")];
        assert!(!is_short(block | balloon, &counted), "the balloon alone has failed");
        let shut_off = ("state.state", Field::Signed(5));
        assert!(!is_short(block | balloon, &[shut_off]));
        assert!(!is_short(virt_sys::VIR_DOMAIN_STATS_VCPU, &[]), "it needs no monitor");
    }

    #[test]
    fn only_the_groups_that_are_asked_for_are_read() {
        let memory = Groups::from([Group::Memory]);
        assert_eq!(host_stats(&memory), virt_sys::VIR_DOMAIN_STATS_STATE);
        assert_eq!(instance_stats(&memory), Some(STATE | virt_sys::VIR_DOMAIN_STATS_BALLOON));
        let outside = Groups::from([Group::Vnics, Group::Perf]);
        assert_eq!(instance_stats(&outside), None, "no call into any monitor");
        assert_eq!(
            host_stats(&outside),
            STATE | virt_sys::VIR_DOMAIN_STATS_INTERFACE | virt_sys::VIR_DOMAIN_STATS_PERF
        );
        let block = virt_sys::VIR_DOMAIN_STATS_BLOCK | virt_sys::VIR_DOMAIN_STATS_BALLOON;
        let together = STATE | block | virt_sys::VIR_DOMAIN_STATS_INTERFACE;
        assert_eq!(
            instance_stats(&Groups::from([Group::Disks, Group::Vnics])),
            Some(together),
            "of one moment"
        );
        assert_eq!(instance_stats(&Groups::from([Group::RawStats, Group::Cpu])), Some(EVERY));
        assert_eq!(instance_stats(&Groups::new()), None);
    }

    #[test]
    fn an_instance_that_is_being_started_is_told_from_one_that_is_busy() {
        let record = |state, reason| {
            [("state.state", state), ("state.reason", reason)]
                .map(|(name, value)| (name.to_owned(), Field::Signed(value)))
        };
        let (running, paused, user, migration, starting) = (1, 3, 1, 2, 11);
        assert!(is_starting(&record(paused, starting)) && is_starting(&record(paused, migration)));
        assert!(!is_starting(&record(paused, user)) && !is_starting(&record(running, migration)));
        assert!(!is_starting(&[]));
    }

    #[test]
    fn a_busy_monitor_takes_a_quarter_of_a_calls_time_at_most() {
        let waits = |call: u64| -> Vec<u128> {
            terms(0, StoppedDisks::Skipped, Duration::from_millis(call))
                .pauses()
                .map(|pause| pause.as_millis())
                .collect()
        };
        assert_eq!(waits(3000), [1, 2, 4, 8, 16, 32, 64, 128, 256]);
        assert_eq!(waits(1000), [1, 2, 4, 8, 16, 32, 64]);
        assert_eq!(waits(12), [1, 2]);
        assert_eq!(waits(10), [1]);
    }

    fn terms(stats: u32, stopped_disks: StoppedDisks, call: Duration) -> Terms {
        Terms { groups: Groups::new(), stats, stopped_disks, call }
    }

    #[test]
    fn the_images_of_an_instance_that_is_shut_off_are_opened_where_that_is_wanted() {
        let terms = |stats, stopped_disks| terms(stats, stopped_disks, Duration::ZERO);
        let (balloon, block) = (virt_sys::VIR_DOMAIN_STATS_BALLOON, virt_sys::VIR_DOMAIN_STATS_BLOCK);
        let both = STATE | balloon | block;
        assert_eq!(terms(both, StoppedDisks::Skipped).stats(true), both);
        assert_eq!(terms(both, StoppedDisks::Skipped).stats(false), STATE | balloon);
        assert_eq!(terms(both, StoppedDisks::Read).stats(false), both);
        assert_eq!(terms(EVERY, StoppedDisks::Read).stats(false), EVERY);
        assert_eq!(terms(EVERY, StoppedDisks::Skipped).stats(true), EVERY);
        let others = terms(EVERY, StoppedDisks::Skipped).stats(false);
        assert_eq!((others & block, others & ALL), (0, ALL & !block));
    }
}
