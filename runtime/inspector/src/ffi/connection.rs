//! A read-only connection.

use std::ffi::{c_int, c_uint};
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::time::Duration;

use super::error::{c_text, check};
use super::{Changes, Domain, Error, events, params};
use crate::snapshot::Field;

/// A read-only connection to libvirt.
#[derive(Debug)]
pub(crate) struct Connection {
    raw: NonNull<virt_sys::virConnect>,
    /// The registrations of events: each of them holds a reference, so that without their end nothing is closed.
    watches: Vec<c_int>,
}

// SAFETY: libvirt's connections are counted references to an object with its own lock; any thread may call on them.
unsafe impl Send for Connection {}
// SAFETY: as above.
unsafe impl Sync for Connection {}

/// A domain and the fields that a bulk call gave of it.
#[derive(Debug)]
pub(crate) struct Record {
    /// The domain.
    pub(crate) domain: Domain,
    /// Its fields by libvirt's names.
    pub(crate) fields: Vec<(String, Field)>,
}

impl Connection {
    /// Opens a connection; blocks while the daemon does not answer.
    pub(crate) fn open_read_only(uri: &str) -> Result<Self, Error> {
        super::prepare();
        let uri = c_text(uri)?;
        // SAFETY: a valid text; a result that is not null is a reference that is ours.
        let raw = unsafe { virt_sys::virConnectOpenReadOnly(uri.as_ptr()) };
        Ok(Self { raw: NonNull::new(raw).ok_or_else(Error::last)?, watches: Vec::new() })
    }

    /// The hypervisor's host name.
    pub(crate) fn hostname(&self) -> Result<String, Error> {
        // SAFETY: a valid connection; the text is handed over.
        unsafe { super::owned_text(virt_sys::virConnectGetHostname(self.raw.as_ptr())) }
            .ok_or_else(Error::last)
    }

    /// Turns keepalive on; false where the connection needs none, for it has no daemon.
    pub(crate) fn keep_alive(&self, interval: Duration, count: u32) -> Result<bool, Error> {
        let interval = c_int::try_from(interval.as_secs()).unwrap_or(c_int::MAX);
        // SAFETY: a valid connection.
        let result = unsafe { virt_sys::virConnectSetKeepAlive(self.raw.as_ptr(), interval, count) };
        Ok(check(result)? == 0)
    }

    /// Notes into `changes` whose XML may have changed, from now on; the number of kinds of events that the driver has.
    pub(crate) fn watch(&mut self, changes: &Arc<Changes>) -> usize {
        for (event, callback) in events::watched() {
            let opaque = events::into_opaque(changes);
            // SAFETY: a valid connection; the callback is of the event's type; libvirt calls `release` with `opaque` once, when
            // the registration ends.
            let id = unsafe {
                virt_sys::virConnectDomainEventRegisterAny(
                    self.raw.as_ptr(),
                    ptr::null_mut(),
                    event,
                    callback,
                    opaque,
                    Some(events::release),
                )
            };
            if id >= 0 {
                self.watches.push(id);
            } else {
                let error = Error::last();
                tracing::debug!(event, %error, "libvirt does not tell of an event");
                // SAFETY: libvirt did not take `opaque`: it calls the free function only for what it registered.
                unsafe { events::release(opaque) };
            }
        }
        self.watches.len()
    }

    /// The domain with this UUID; None where there is none.
    pub(crate) fn domain(&self, uuid: &str) -> Result<Option<Domain>, Error> {
        let uuid = c_text(uuid)?;
        // SAFETY: a valid connection and text; a result that is not null is a reference that is ours.
        let domain =
            unsafe { Domain::owned(virt_sys::virDomainLookupByUUIDString(self.raw.as_ptr(), uuid.as_ptr())) };
        match domain.ok_or_else(Error::last) {
            Ok(domain) => Ok(Some(domain)),
            Err(error) if error.is_no_domain() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Every domain, running or not.
    pub(crate) fn domains(&self) -> Result<Vec<Domain>, Error> {
        let mut list: *mut virt_sys::virDomainPtr = ptr::null_mut();
        // SAFETY: a valid connection and a place for the list.
        let count = check(unsafe { virt_sys::virConnectListAllDomains(self.raw.as_ptr(), &mut list, 0) })?;
        // SAFETY: the list holds `count` domains, each of them a reference that is ours.
        let domains = (0..count).filter_map(|at| unsafe { Domain::owned(*list.add(at)) }).collect();
        // SAFETY: the list is ours, allocated by libvirt with malloc, and not used any more.
        unsafe { libc::free(list.cast()) };
        Ok(domains)
    }

    /// Whether the driver has all of the groups `stats` in its bulk statistics.
    ///
    /// The filter matches no domain (active and shut off at once), so that nothing is read and nothing can block.
    pub(crate) fn has_stats(&self, stats: u32) -> Result<bool, Error> {
        let nothing = virt_sys::VIR_CONNECT_GET_ALL_DOMAINS_STATS_ACTIVE
            | virt_sys::VIR_CONNECT_GET_ALL_DOMAINS_STATS_SHUTOFF
            | virt_sys::VIR_CONNECT_GET_ALL_DOMAINS_STATS_ENFORCE_STATS;
        match self.all_stats(stats, nothing) {
            Ok(_) => Ok(true),
            Err(error) if error.is_disconnect() => Err(error),
            Err(_) => Ok(false),
        }
    }

    /// The groups `stats` of every domain that `flags` let through.
    pub(crate) fn all_stats(&self, stats: u32, flags: c_uint) -> Result<Vec<Record>, Error> {
        let mut list: *mut virt_sys::virDomainStatsRecordPtr = ptr::null_mut();
        // SAFETY: a valid connection and a place for the list.
        let result =
            unsafe { virt_sys::virConnectGetAllDomainStats(self.raw.as_ptr(), stats, &mut list, flags) };
        let count = check(result)?;
        // SAFETY: libvirt gave the list with that count, and it is not used any more.
        Ok(unsafe { take_records(list, count) })
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        for watch in self.watches.drain(..) {
            // SAFETY: a valid connection and a registration of it; a failure leaves nothing to do.
            unsafe { virt_sys::virConnectDomainEventDeregisterAny(self.raw.as_ptr(), watch) };
        }
        // SAFETY: gives our one reference back; the pointer is not used after this.
        unsafe { virt_sys::virConnectClose(self.raw.as_ptr()) };
    }
}

/// Copies the records of a bulk call and frees the list.
///
/// # Safety
/// `list` is null, or holds `count` records of libvirt, belongs to the caller, and is not used after this.
pub(super) unsafe fn take_records(list: *mut virt_sys::virDomainStatsRecordPtr, count: usize) -> Vec<Record> {
    if list.is_null() {
        return Vec::new();
    }
    let copy = |at| {
        // SAFETY: the caller vouches for the list and its length.
        let record = unsafe { *list.add(at) };
        // SAFETY: the list's records are valid until the list is freed; a reference of our own is taken of the domain.
        unsafe {
            let count = usize::try_from((*record).nparams).unwrap_or(0);
            Some(Record {
                domain: Domain::shared((*record).dom)?,
                fields: params::copy((*record).params, count),
            })
        }
    };
    let records = (0..count).filter_map(copy).collect();
    // SAFETY: the list is the caller's, from libvirt, and not used any more.
    unsafe { virt_sys::virDomainStatsRecordListFree(list) };
    records
}
