//! The snapshot: every reading of one host at one moment, taken in bulk before any guest runs.
//!
//! Sizes are in bytes and times in nanoseconds. A reading that libvirt did not give is [`Missing`] or `None`, never 0.
//! The types serialise to JSON, so that a snapshot can be recorded on one host and replayed on another.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::identity::Identity;

/// The groups of readings that a snapshot can hold; what no loaded guest imports is not asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Group {
    /// [`Memory`].
    Memory,
    /// [`Cpu`].
    Cpu,
    /// [`Disk`]s.
    Disks,
    /// [`Vnic`]s.
    Vnics,
    /// Perf events.
    Perf,
    /// Every field by libvirt's own name.
    RawStats,
}

/// As the contract names its interfaces: `raw-stats`.
impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Memory => "memory",
            Self::Cpu => "cpu",
            Self::Disks => "disks",
            Self::Vnics => "vnics",
            Self::Perf => "perf",
            Self::RawStats => "raw-stats",
        })
    }
}

/// A set of [`Group`]s.
pub type Groups = BTreeSet<Group>;

/// All readings of one host at one moment.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Snapshot {
    /// The hypervisor's host name.
    pub host: String,
    /// The libvirt connection URI that it was read from.
    pub connection: String,
    /// Nanoseconds of the host's monotonic clock when the instances were listed; each has a time of its own for its readings.
    pub taken_at: u64,
    /// The groups that were asked for.
    pub groups: Groups,
    /// One entry per instance, in the order of their UUIDs.
    pub instances: Vec<Arc<Instance>>,
    /// Instances that exist on the host and have no entry: they are not gone, and what is remembered of them is to be kept.
    #[serde(default)]
    pub left_out: Vec<LeftOut>,
}

/// An instance of which it is not known whose it is, so that nothing of it is reported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// The UUID, lower-case and hyphenated.
    pub uuid: String,
    /// libvirt's name of the domain.
    pub name: String,
    /// virDomainState at the time of the snapshot.
    pub power: Power,
    /// Why: its XML was refused, or could not be read.
    pub why: String,
}

/// One instance's readings.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Instance {
    /// What seldom changes: names, owner, flavor, devices, XML.
    pub identity: Arc<Identity>,
    /// virDomainState at the time of the snapshot.
    pub power: Power,
    /// Nanoseconds of the host's monotonic clock when this instance's counters had been read: what rates are made with.
    ///
    /// A snapshot of a large or slow host takes seconds, and an instance's place in it is another one each time, so the
    /// snapshot's own time would make its rates wrong. The calls for one instance read all counters that it has here, those of
    /// interfaces too, within milliseconds: one time serves them all. Where those calls brought nothing (the instance hangs) or
    /// were not needed, there are only counters of the sweep over the whole host, and this is [`Snapshot::taken_at`].
    pub taken_at: u64,
    /// Group [`Group::Memory`].
    pub memory: Reading<Memory>,
    /// Group [`Group::Cpu`].
    pub cpu: Reading<Cpu>,
    /// Group [`Group::Disks`], in the order of the XML.
    pub disks: Reading<Vec<Disk>>,
    /// Group [`Group::Vnics`], in the order of the XML.
    pub vnics: Reading<Vec<Vnic>>,
    /// Group [`Group::Perf`]: enabled perf events by libvirt's name.
    pub perf: Reading<Vec<(String, u64)>>,
    /// Group [`Group::RawStats`]: every field that libvirt's bulk statistics returned, by libvirt's own name. Of an instance that is
    /// shut off those of disks are among them where [`crate::settings::StoppedDisks::Read`] is set.
    pub raw: Reading<Vec<(String, Field)>>,
}

impl Instance {
    /// The groups without a reading, each with the reason.
    pub fn missing(&self) -> impl Iterator<Item = (Group, &Missing)> {
        let Self { memory, cpu, disks, vnics, perf, raw, .. } = self;
        let all = [
            (Group::Memory, memory.as_ref().err()),
            (Group::Cpu, cpu.as_ref().err()),
            (Group::Disks, disks.as_ref().err()),
            (Group::Vnics, vnics.as_ref().err()),
            (Group::Perf, perf.as_ref().err()),
            (Group::RawStats, raw.as_ref().err()),
        ];
        all.into_iter().filter_map(|(group, why)| Some((group, why?)))
    }
}

/// A reading, or why there is none.
pub type Reading<T> = Result<T, Missing>;

/// Why a reading is missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum Missing {
    /// No loaded guest asked for the group.
    #[error("not asked for")]
    NotAsked,
    /// The instance vanished while it was inspected (libvirt code 42).
    #[error("the instance vanished")]
    NotFound,
    /// The instance is shut off and has no such reading (libvirt code 55).
    #[error("the instance is shut off")]
    ShutOff,
    /// This hypervisor or libvirt does not implement the reading (libvirt codes 3 and 84).
    #[error("not implemented by this hypervisor")]
    Unsupported,
    /// Implemented, but no value at present.
    #[error("no value at present")]
    NoData,
    /// libvirt failed or did not answer in time; the text says how.
    #[error("{0}")]
    Failed(String),
}

/// virDomainState.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Power {
    /// 0: no state.
    NoState,
    /// 1: running.
    Running,
    /// 2: blocked on a resource.
    Blocked,
    /// 3: paused by the user.
    Paused,
    /// 4: being shut down.
    Shutdown,
    /// 5: shut off.
    ShutOff,
    /// 6: crashed.
    Crashed,
    /// 7: suspended by the guest's power management.
    Suspended,
}

impl Power {
    /// From libvirt's number; an unknown one is `NoState`.
    pub fn from_libvirt(state: u32) -> Self {
        match state {
            1 => Self::Running,
            2 => Self::Blocked,
            3 => Self::Paused,
            4 => Self::Shutdown,
            5 => Self::ShutOff,
            6 => Self::Crashed,
            7 => Self::Suspended,
            _ => Self::NoState,
        }
    }
}

/// Memory, in bytes.
///
/// An instance that is shut off has `maximum` and `actual` from its configuration. So has one whose qemu does not answer:
/// those two need no answer of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// `virDomainGetInfo.maxMem`, bulk `balloon.maximum`.
    pub maximum: u64,
    /// `balloon.current`: what the balloon leaves the instance now.
    pub actual: Option<u64>,
    /// `balloon.available`: what the guest OS sees as its memory.
    pub available: Option<u64>,
    /// `balloon.usable`: what the guest OS could use without swapping.
    pub usable: Option<u64>,
    /// `balloon.unused`: what the guest OS left free.
    pub unused: Option<u64>,
    /// `balloon.rss`: resident memory of the qemu process.
    pub rss: Option<u64>,
    /// `balloon.swap_in`.
    pub swap_in: Option<u64>,
    /// `balloon.swap_out`.
    pub swap_out: Option<u64>,
    /// `balloon.major_fault`: a count.
    pub major_faults: Option<u64>,
    /// `balloon.minor_fault`: a count.
    pub minor_faults: Option<u64>,
    /// `balloon.disk_caches`.
    pub disk_caches: Option<u64>,
    /// `balloon.hugetlb_pgalloc`: a count.
    pub hugetlb_pgalloc: Option<u64>,
    /// `balloon.hugetlb_pgfail`: a count.
    pub hugetlb_pgfail: Option<u64>,
    /// `balloon.last-update`: seconds since 1970 of the guest's report.
    pub last_update: Option<u64>,
}

/// Processors, times in nanoseconds. An instance that is shut off has `current` and `maximum` alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cpu {
    /// `vcpu.current`: online vCPUs.
    pub current: u32,
    /// `vcpu.maximum`: configured vCPUs.
    pub maximum: u32,
    /// `cpu.time`.
    pub time: Option<u64>,
    /// `cpu.user`.
    pub user: Option<u64>,
    /// `cpu.system`.
    pub system: Option<u64>,
    /// One entry per vCPU that libvirt reported.
    pub vcpus: Vec<Vcpu>,
}

/// One virtual processor, times in nanoseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vcpu {
    /// The `N` of `vcpu.N.*`.
    pub number: u32,
    /// `vcpu.N.state`: virVcpuState (0 offline, 1 running, 2 blocked).
    pub state: u32,
    /// `vcpu.N.time`.
    pub time: Option<u64>,
    /// `vcpu.N.wait`.
    pub wait: Option<u64>,
    /// `vcpu.N.delay`.
    pub delay: Option<u64>,
}

/// A disk, sizes in bytes, times in nanoseconds.
///
/// The three sizes are virDomainGetBlockInfo's for every image, running or not: what Ceilometer reports. An instance that is
/// shut off has them alone, and only where [`crate::settings::StoppedDisks::Read`] is set; else its disks are
/// [`Missing::ShutOff`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disk {
    /// The target device (`vda`).
    pub device: String,
    /// The source file, device or volume, where there is one.
    pub source: Option<String>,
    /// `block.N.rd.reqs`.
    pub read_requests: Option<u64>,
    /// `block.N.rd.bytes`.
    pub read_bytes: Option<u64>,
    /// `block.N.rd.times`.
    pub read_time: Option<u64>,
    /// `block.N.wr.reqs`.
    pub write_requests: Option<u64>,
    /// `block.N.wr.bytes`.
    pub write_bytes: Option<u64>,
    /// `block.N.wr.times`.
    pub write_time: Option<u64>,
    /// `block.N.fl.reqs`.
    pub flush_requests: Option<u64>,
    /// `block.N.fl.times`.
    pub flush_time: Option<u64>,
    /// `block.N.errors`, where the driver counts them.
    pub errors: Option<u64>,
    /// virDomainGetBlockInfo's `capacity`, bulk `block.N.capacity`.
    pub capacity: Option<u64>,
    /// virDomainGetBlockInfo's `allocation` (for a running qcow2 file that is bulk `block.N.physical`).
    pub allocation: Option<u64>,
    /// virDomainGetBlockInfo's `physical`: the file's size.
    pub physical: Option<u64>,
}

/// A virtual network interface. A counter that its driver lacks is None, and all of them where libvirt knows no such interface;
/// an instance that is shut off has no interfaces.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vnic {
    /// The target device on the host (`tap2b0405c7-5a`).
    pub name: String,
    /// The MAC address of the XML.
    pub mac: String,
    /// `source/@bridge`.
    pub bridge: Option<String>,
    /// `filterref/@filter`.
    pub filterref: Option<String>,
    /// `virtualport/parameters/@interfaceid`: Neutron's port.
    pub interface_id: Option<String>,
    /// `filterref/parameter`: names in lower case.
    pub parameters: Vec<(String, String)>,
    /// Bytes received by the instance.
    pub rx_bytes: Option<u64>,
    /// Packets received.
    pub rx_packets: Option<u64>,
    /// Errors while receiving.
    pub rx_errors: Option<u64>,
    /// Packets dropped while receiving.
    pub rx_drop: Option<u64>,
    /// Bytes sent by the instance.
    pub tx_bytes: Option<u64>,
    /// Packets sent.
    pub tx_packets: Option<u64>,
    /// Errors while sending.
    pub tx_errors: Option<u64>,
    /// Packets dropped while sending.
    pub tx_drop: Option<u64>,
}

/// A raw field of libvirt's typed parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Field {
    /// VIR_TYPED_PARAM_UINT, ULLONG.
    Unsigned(u64),
    /// VIR_TYPED_PARAM_INT, LLONG.
    Signed(i64),
    /// VIR_TYPED_PARAM_DOUBLE.
    Real(f64),
    /// VIR_TYPED_PARAM_BOOLEAN.
    Flag(bool),
    /// VIR_TYPED_PARAM_STRING.
    Text(String),
}
