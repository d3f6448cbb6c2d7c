//! One instance's readings while they are gathered.

use crate::ffi;
use crate::snapshot::{Cpu, Disk, Field, Group, Groups, Memory, Missing, Reading, Vnic};

/// The readings of [`crate::snapshot::Instance`].
#[derive(Debug)]
pub(super) struct Readings {
    /// When the instance's own calls had read its counters; None where nothing came of them, so that the sweep's are all.
    pub(super) taken_at: Option<u64>,
    /// The devices are others than those of the XML that is known.
    pub(super) outdated: bool,
    /// Another client's call is in the monitor, so that it was not entered.
    pub(super) busy: bool,
    pub(super) memory: Reading<Memory>,
    pub(super) cpu: Reading<Cpu>,
    pub(super) disks: Reading<Vec<Disk>>,
    pub(super) vnics: Reading<Vec<Vnic>>,
    pub(super) perf: Reading<Vec<(String, u64)>>,
    pub(super) raw: Reading<Vec<(String, Field)>>,
}

impl Readings {
    /// No reading, for this reason; what was not asked for says so.
    pub(super) fn missing(groups: &Groups, why: &Missing) -> Self {
        Self {
            taken_at: None,
            outdated: false,
            busy: false,
            memory: Err(reason(groups, Group::Memory, why)),
            cpu: Err(reason(groups, Group::Cpu, why)),
            disks: Err(reason(groups, Group::Disks, why)),
            vnics: Err(reason(groups, Group::Vnics, why)),
            perf: Err(reason(groups, Group::Perf, why)),
            raw: Err(reason(groups, Group::RawStats, why)),
        }
    }
}

fn reason(groups: &Groups, group: Group, why: &Missing) -> Missing {
    if groups.contains(&group) { why.clone() } else { Missing::NotAsked }
}

/// What a failed call means for the reading.
pub(super) fn missing(error: &ffi::Error) -> Missing {
    if error.is_no_domain() {
        Missing::NotFound
    } else if error.is_not_running() {
        Missing::ShutOff
    } else if error.is_unsupported() {
        Missing::Unsupported
    } else {
        Missing::Failed(error.to_string())
    }
}

/// A failed call is a missing reading, unless the connection is gone: that is everybody's fault.
pub(super) fn reading<T>(result: Result<T, ffi::Error>) -> Result<Reading<T>, ffi::Error> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(error) if error.is_disconnect() => Err(error),
        Err(error) => Ok(Err(missing(&error))),
    }
}
