//! libvirt's domain events, reduced to what the inspector needs of them: whose XML may have changed.

use std::collections::BTreeSet;
use std::ffi::{c_char, c_int, c_void};
use std::sync::{Arc, Mutex, PoisonError};

use virt_sys::{
    virConnectDomainEventGenericCallback as Generic, virConnectPtr, virDomainPtr, virTypedParameter,
};

/// How many changed domains are kept apart before "all of them" is kept instead: more than a host has instances.
const MOST_CHANGES: usize = 16_384;

/// The domains whose XML may have changed since they were last taken.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    noted: Mutex<Noted>,
}

#[derive(Debug, Default)]
struct Noted {
    all: bool,
    uuids: BTreeSet<String>,
}

/// What [`Changes::take`] gives.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Changed {
    /// Any domain may have changed.
    All,
    /// These UUIDs.
    These(BTreeSet<String>),
}

impl Changes {
    /// Notes that a domain may have changed.
    pub(crate) fn note(&self, uuid: String) {
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.uuids.len() >= MOST_CHANGES {
            noted.all = true;
            noted.uuids.clear();
        }
        if !noted.all {
            noted.uuids.insert(uuid);
        }
    }

    /// What was noted since the last time.
    pub(crate) fn take(&self) -> Changed {
        let noted = std::mem::take(&mut *self.noted.lock().unwrap_or_else(PoisonError::into_inner));
        if noted.all { Changed::All } else { Changed::These(noted.uuids) }
    }
}

/// How many kinds of events there are after which a domain's XML is read anew.
pub(crate) const EVENTS: usize = 8;

/// Those events, each with its callback: what the domain is, which devices it has, what its disks stand on, nova's metadata,
/// limits. libvirt has no event for an interface that is updated; what its statistics name is compared instead.
pub(super) fn watched() -> [(c_int, Generic); EVENTS] {
    // SAFETY: libvirt declares one type for callbacks of all kinds and calls each by the type of its event, which is the
    // one that it is cast from here (libvirt's own VIR_DOMAIN_EVENT_CALLBACK is this cast).
    let (lifecycle, device, metadata, disk, tray, job, tunable) = unsafe {
        (
            std::mem::transmute::<Lifecycle, Plain>(on_lifecycle),
            std::mem::transmute::<Device, Plain>(on_device),
            std::mem::transmute::<Metadata, Plain>(on_metadata),
            std::mem::transmute::<DiskChange, Plain>(on_disk_change),
            std::mem::transmute::<TrayChange, Plain>(on_tray_change),
            std::mem::transmute::<BlockJob, Plain>(on_block_job),
            std::mem::transmute::<Tunable, Plain>(on_tunable),
        )
    };
    [
        (virt_sys::VIR_DOMAIN_EVENT_ID_LIFECYCLE, lifecycle),
        (virt_sys::VIR_DOMAIN_EVENT_ID_DEVICE_ADDED, device),
        (virt_sys::VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED, device),
        (virt_sys::VIR_DOMAIN_EVENT_ID_METADATA_CHANGE, metadata),
        // A medium that was missing at the start was left out.
        (virt_sys::VIR_DOMAIN_EVENT_ID_DISK_CHANGE, disk),
        // A medium was put in or taken out.
        (virt_sys::VIR_DOMAIN_EVENT_ID_TRAY_CHANGE, tray),
        // A copy or a commit ended, and the disk may stand on another file now.
        (virt_sys::VIR_DOMAIN_EVENT_ID_BLOCK_JOB_2, job),
        (virt_sys::VIR_DOMAIN_EVENT_ID_TUNABLE, tunable),
    ]
    .map(|(event, callback)| (event.cast_signed(), Some(callback)))
}

type Plain = unsafe extern "C" fn(virConnectPtr, virDomainPtr, *mut c_void);
type Lifecycle = unsafe extern "C" fn(virConnectPtr, virDomainPtr, c_int, c_int, *mut c_void) -> c_int;
type Device = unsafe extern "C" fn(virConnectPtr, virDomainPtr, *const c_char, *mut c_void);
type Metadata = unsafe extern "C" fn(virConnectPtr, virDomainPtr, c_int, *const c_char, *mut c_void);
type DiskChange = unsafe extern "C" fn(
    virConnectPtr,
    virDomainPtr,
    *const c_char,
    *const c_char,
    *const c_char,
    c_int,
    *mut c_void,
);
type TrayChange = unsafe extern "C" fn(virConnectPtr, virDomainPtr, *const c_char, c_int, *mut c_void);
type BlockJob = unsafe extern "C" fn(virConnectPtr, virDomainPtr, *const c_char, c_int, c_int, *mut c_void);
type Tunable = unsafe extern "C" fn(virConnectPtr, virDomainPtr, *mut virTypedParameter, c_int, *mut c_void);

unsafe extern "C" fn on_lifecycle(
    _: virConnectPtr,
    domain: virDomainPtr,
    _: c_int,
    _: c_int,
    opaque: *mut c_void,
) -> c_int {
    // SAFETY: libvirt passes a valid domain and the opaque pointer of the registration.
    unsafe { on_event(domain, opaque) };
    0
}

/// The callback of an event that returns nothing: the arguments between domain and opaque pointer are not looked at.
macro_rules! callback {
    ($name:ident $(, $argument:ty)*) => {
        unsafe extern "C" fn $name(_: virConnectPtr, domain: virDomainPtr, $(_: $argument,)* opaque: *mut c_void) {
            // SAFETY: libvirt passes a valid domain and the opaque pointer of the registration.
            unsafe { on_event(domain, opaque) };
        }
    };
}

callback!(on_device, *const c_char);
callback!(on_metadata, c_int, *const c_char);
callback!(on_disk_change, *const c_char, *const c_char, *const c_char, c_int);
callback!(on_tray_change, *const c_char, c_int);
callback!(on_block_job, *const c_char, c_int, c_int);
callback!(on_tunable, *mut virTypedParameter, c_int);

/// # Safety
/// `domain` is valid during the call; `opaque` came from [`into_opaque`] and was not yet given to [`release`].
unsafe fn on_event(domain: virDomainPtr, opaque: *mut c_void) {
    // SAFETY: the caller vouches for both; the changes are only borrowed.
    let (uuid, changes) = unsafe { (super::domain::uuid_of(domain), &*opaque.cast::<Changes>()) };
    if let Ok(uuid) = uuid {
        changes.note(uuid);
    }
}

/// A reference for libvirt to keep; [`release`] takes it back.
pub(super) fn into_opaque(changes: &Arc<Changes>) -> *mut c_void {
    Arc::into_raw(Arc::clone(changes)).cast_mut().cast()
}

/// Frees what [`into_opaque`] gave.
///
/// # Safety
/// `opaque` came from [`into_opaque`] and is released once.
pub(super) unsafe extern "C" fn release(opaque: *mut c_void) {
    // SAFETY: the caller vouches for it.
    drop(unsafe { Arc::from_raw(opaque.cast_const().cast::<Changes>()) });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_changes_turns_into_all_of_them() {
        let changes = Changes::default();
        changes.note("a".to_owned());
        changes.note("a".to_owned());
        assert_eq!(changes.take(), Changed::These(BTreeSet::from(["a".to_owned()])));
        for number in 0..=MOST_CHANGES {
            changes.note(number.to_string());
        }
        assert_eq!(changes.take(), Changed::All);
        assert_eq!(changes.take(), Changed::These(BTreeSet::new()));
    }
}
