//! A domain and the calls that read it.

use std::ffi::{c_char, c_int};
use std::mem::MaybeUninit;
use std::ptr::{self, NonNull};

use super::error::{c_text, check};
use super::{Error, connection, params};
use crate::snapshot::Field;

/// As many typed parameters as one call may announce before it is taken for broken: libvirt gives about 15.
const MOST_PARAMS: usize = 1024;

/// As many vCPUs as one call is asked for: qemu's largest machine has 4096.
const MOST_VCPUS: usize = 4096;

/// A domain of a connection.
#[derive(Debug)]
pub(crate) struct Domain {
    raw: NonNull<virt_sys::virDomain>,
}

// SAFETY: libvirt's domains are counted references to an object with its own lock; any thread may call on them.
unsafe impl Send for Domain {}
// SAFETY: as above.
unsafe impl Sync for Domain {}

/// virDomainInfo, in libvirt's units.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Info {
    /// virDomainState.
    pub(crate) state: u32,
    /// KiB.
    pub(crate) max_memory: u64,
    /// KiB.
    pub(crate) memory: u64,
    /// Online vCPUs.
    pub(crate) vcpus: u32,
    /// Nanoseconds.
    pub(crate) cpu_time: u64,
}

/// virDomainControlInfo.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ControlInfo {
    /// virDomainControlState.
    pub(crate) state: u32,
    /// For how many milliseconds.
    pub(crate) state_time: u64,
}

/// virDomainBlockInfo: bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BlockInfo {
    /// The disk's size as the guest sees it.
    pub(crate) capacity: u64,
    /// The storage that it takes.
    pub(crate) allocation: u64,
    /// The size of the file or device that holds it.
    pub(crate) physical: u64,
}

/// virDomainBlockStats: -1 where the driver does not count.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BlockCounters {
    /// Requests and bytes read, requests and bytes written, errors.
    pub(crate) counters: [i64; 5],
}

/// virVcpuInfo.
#[derive(Clone, Copy, Debug)]
pub(crate) struct VcpuTime {
    /// The number.
    pub(crate) number: u32,
    /// virVcpuState.
    pub(crate) state: i32,
    /// Nanoseconds.
    pub(crate) time: u64,
}

impl Domain {
    /// Takes over a reference; None for null.
    ///
    /// # Safety
    /// `raw` is null, or a valid domain with a reference that becomes ours.
    pub(super) unsafe fn owned(raw: virt_sys::virDomainPtr) -> Option<Self> {
        NonNull::new(raw).map(|raw| Self { raw })
    }

    /// Takes a reference of its own; None for null or where libvirt gives none.
    ///
    /// # Safety
    /// `raw` is null or a valid domain.
    pub(super) unsafe fn shared(raw: virt_sys::virDomainPtr) -> Option<Self> {
        let raw = NonNull::new(raw)?;
        // SAFETY: not null, and the caller vouches for it.
        let result = unsafe { virt_sys::virDomainRef(raw.as_ptr()) };
        (result == 0).then_some(Self { raw })
    }

    /// The UUID, lower-case and hyphenated; no round trip.
    pub(crate) fn uuid(&self) -> Result<String, Error> {
        // SAFETY: a valid domain.
        unsafe { uuid_of(self.raw.as_ptr()) }
    }

    /// The name; no round trip.
    pub(crate) fn name(&self) -> Result<String, Error> {
        // SAFETY: a valid domain; the text belongs to it.
        unsafe { super::borrowed_text(virt_sys::virDomainGetName(self.raw.as_ptr())) }.ok_or_else(Error::last)
    }

    /// libvirt's number of this run of the domain when the handle was made; None while it does not run. No round trip.
    pub(crate) fn id(&self) -> Option<u32> {
        // SAFETY: a valid domain.
        let id = unsafe { virt_sys::virDomainGetID(self.raw.as_ptr()) };
        (id != u32::MAX).then_some(id)
    }

    /// State, memory, vCPUs, CPU time.
    pub(crate) fn info(&self) -> Result<Info, Error> {
        let mut info = MaybeUninit::<virt_sys::virDomainInfo>::zeroed();
        // SAFETY: a valid domain and a place for the answer.
        check(unsafe { virt_sys::virDomainGetInfo(self.raw.as_ptr(), info.as_mut_ptr()) })?;
        // SAFETY: all zeroes is a value of this record of integers, so it is initialised whatever libvirt wrote.
        let info = unsafe { info.assume_init() };
        Ok(Info {
            state: info.state.into(),
            max_memory: info.maxMem,
            memory: info.memory,
            vcpus: info.nrVirtCpu.into(),
            cpu_time: info.cpuTime,
        })
    }

    /// virDomainGetControlInfo; never enters the monitor.
    pub(crate) fn control(&self) -> Result<ControlInfo, Error> {
        let mut info = virt_sys::virDomainControlInfo { state: 0, details: 0, stateTime: 0 };
        // SAFETY: a valid domain and a place for the answer.
        check(unsafe { virt_sys::virDomainGetControlInfo(self.raw.as_ptr(), &mut info, 0) })?;
        Ok(ControlInfo { state: info.state, state_time: info.stateTime })
    }

    /// The XML, without security information.
    pub(crate) fn xml(&self) -> Result<String, Error> {
        // SAFETY: a valid domain; the text is handed over.
        unsafe { super::owned_text(virt_sys::virDomainGetXMLDesc(self.raw.as_ptr(), 0)) }
            .ok_or_else(Error::last)
    }

    /// The groups `stats` of this domain's bulk statistics (0: all that the driver has); None where it exists no more.
    ///
    /// It does not wait for a call that another client has under way in this domain's monitor: what needs the monitor is
    /// then missing from the fields.
    pub(crate) fn stats(&self, stats: u32) -> Result<Option<Vec<(String, Field)>>, Error> {
        let mut domains = [self.raw.as_ptr(), ptr::null_mut()];
        let mut list: *mut virt_sys::virDomainStatsRecordPtr = ptr::null_mut();
        let flags = virt_sys::VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT;
        // SAFETY: a list of one valid domain that ends with null, and a place for the answer.
        let result =
            unsafe { virt_sys::virDomainListGetStats(domains.as_mut_ptr(), stats, &mut list, flags) };
        let count = check(result)?;
        // SAFETY: libvirt gave the list with that count, and it is not used any more.
        let records = unsafe { connection::take_records(list, count) };
        Ok(records.into_iter().next().map(|record| record.fields))
    }

    /// virDomainMemoryStats: pairs of virDomainMemoryStatTags and value, sizes in KiB.
    pub(crate) fn memory_stats(&self) -> Result<Vec<(u32, u64)>, Error> {
        const TAGS: usize = virt_sys::VIR_DOMAIN_MEMORY_STAT_NR as usize;
        let mut stats = [virt_sys::virDomainMemoryStatStruct { tag: 0, val: 0 }; TAGS];
        // SAFETY: a valid domain and a place for as many values as are asked for.
        let result = unsafe {
            virt_sys::virDomainMemoryStats(
                self.raw.as_ptr(),
                stats.as_mut_ptr(),
                virt_sys::VIR_DOMAIN_MEMORY_STAT_NR,
                0,
            )
        };
        let count = check(result)?;
        Ok(stats.iter().take(count).map(|stat| (stat.tag.cast_unsigned(), stat.val)).collect())
    }

    /// virDomainBlockStatsFlags: fields by libvirt's names (`rd_total_times`).
    pub(crate) fn block_stats_flags(&self, device: &str) -> Result<Vec<(String, Field)>, Error> {
        let device = c_text(device)?;
        self.typed_params(|params, count| {
            // SAFETY: a valid domain and text; `params` is null with a count of 0, or has room for that many.
            unsafe {
                virt_sys::virDomainBlockStatsFlags(self.raw.as_ptr(), device.as_ptr(), params, count, 0)
            }
        })
    }

    /// virDomainBlockStats.
    pub(crate) fn block_stats(&self, device: &str) -> Result<BlockCounters, Error> {
        let device = c_text(device)?;
        let mut stats = virt_sys::virDomainBlockStatsStruct {
            rd_req: -1,
            rd_bytes: -1,
            wr_req: -1,
            wr_bytes: -1,
            errs: -1,
        };
        let size = size_of_val(&stats);
        // SAFETY: a valid domain and text, and a place of the size that is given.
        check(unsafe {
            virt_sys::virDomainBlockStats(self.raw.as_ptr(), device.as_ptr(), &mut stats, size)
        })?;
        Ok(BlockCounters {
            counters: [stats.rd_req, stats.rd_bytes, stats.wr_req, stats.wr_bytes, stats.errs],
        })
    }

    /// virDomainGetBlockInfo.
    pub(crate) fn block_info(&self, device: &str) -> Result<BlockInfo, Error> {
        let device = c_text(device)?;
        let mut info = virt_sys::virDomainBlockInfo { capacity: 0, allocation: 0, physical: 0 };
        // SAFETY: a valid domain and text, and a place for the answer.
        check(unsafe { virt_sys::virDomainGetBlockInfo(self.raw.as_ptr(), device.as_ptr(), &mut info, 0) })?;
        Ok(BlockInfo { capacity: info.capacity, allocation: info.allocation, physical: info.physical })
    }

    /// virDomainInterfaceStats: bytes, packets, errors and drops received, then sent; -1 where the driver does not count.
    pub(crate) fn interface_stats(&self, device: &str) -> Result<[i64; 8], Error> {
        let device = c_text(device)?;
        let mut stats = virt_sys::virDomainInterfaceStatsStruct {
            rx_bytes: -1,
            rx_packets: -1,
            rx_errs: -1,
            rx_drop: -1,
            tx_bytes: -1,
            tx_packets: -1,
            tx_errs: -1,
            tx_drop: -1,
        };
        let size = size_of_val(&stats);
        // SAFETY: a valid domain and text, and a place of the size that is given.
        check(unsafe {
            virt_sys::virDomainInterfaceStats(self.raw.as_ptr(), device.as_ptr(), &mut stats, size)
        })?;
        Ok([
            stats.rx_bytes,
            stats.rx_packets,
            stats.rx_errs,
            stats.rx_drop,
            stats.tx_bytes,
            stats.tx_packets,
            stats.tx_errs,
            stats.tx_drop,
        ])
    }

    /// The configured number of vCPUs, of the running domain or of its configuration.
    pub(crate) fn max_vcpus(&self) -> Result<u32, Error> {
        // SAFETY: a valid domain.
        let result =
            unsafe { virt_sys::virDomainGetVcpusFlags(self.raw.as_ptr(), virt_sys::VIR_DOMAIN_VCPU_MAXIMUM) };
        Ok(u32::try_from(check(result)?).unwrap_or(u32::MAX))
    }

    /// The online vCPUs of a running domain, `most` of them at most.
    pub(crate) fn vcpus(&self, most: usize) -> Result<Vec<VcpuTime>, Error> {
        let most = most.min(MOST_VCPUS);
        let empty = virt_sys::virVcpuInfo { number: 0, state: 0, cpuTime: 0, cpu: 0 };
        let mut vcpus = vec![empty; most];
        let room = c_int::try_from(most).unwrap_or(0);
        // SAFETY: a valid domain, room for as many vCPUs as are asked for, and no maps.
        let result = unsafe {
            virt_sys::virDomainGetVcpus(self.raw.as_ptr(), vcpus.as_mut_ptr(), room, ptr::null_mut(), 0)
        };
        vcpus.truncate(check(result)?);
        let time = |vcpu: &virt_sys::virVcpuInfo| VcpuTime {
            number: vcpu.number,
            state: vcpu.state,
            time: vcpu.cpuTime,
        };
        Ok(vcpus.iter().map(time).collect())
    }

    /// virDomainGetCPUStats' totals: `cpu_time`, `user_time`, `system_time`, nanoseconds.
    pub(crate) fn cpu_totals(&self) -> Result<Vec<(String, Field)>, Error> {
        self.typed_params(|params, count| {
            // SAFETY: `count` points to the number of parameters that there is room for.
            let room = unsafe { *count }.cast_unsigned();
            // SAFETY: a valid domain; `params` is null with a count of 0, or has room for that many; -1 and 1: the totals.
            let result = unsafe { virt_sys::virDomainGetCPUStats(self.raw.as_ptr(), params, room, -1, 1, 0) };
            // SAFETY: a place of ours.
            unsafe { *count = result.max(0) };
            result.min(0)
        })
    }

    /// Asks how many typed parameters there are, then for the parameters.
    fn typed_params(
        &self,
        call: impl Fn(virt_sys::virTypedParameterPtr, *mut c_int) -> c_int,
    ) -> Result<Vec<(String, Field)>, Error> {
        let mut count: c_int = 0;
        check(call(ptr::null_mut(), &mut count))?;
        let room = usize::try_from(count).unwrap_or(0).min(MOST_PARAMS);
        if room == 0 {
            return Ok(Vec::new());
        }
        // SAFETY: all zeroes is a value of this record of integers and a union of integers and null.
        let empty = unsafe { MaybeUninit::<virt_sys::virTypedParameter>::zeroed().assume_init() };
        let mut params = vec![empty; room];
        count = c_int::try_from(room).unwrap_or(0);
        check(call(params.as_mut_ptr(), &mut count))?;
        let count = usize::try_from(count).unwrap_or(0).min(room);
        // SAFETY: as many parameters as libvirt filled in, in a vector of at least that length.
        let fields = unsafe { params::copy(params.as_ptr(), count) };
        // SAFETY: frees the texts of the parameters, not the vector; the parameters are not used after this.
        unsafe { virt_sys::virTypedParamsClear(params.as_mut_ptr(), c_int::try_from(count).unwrap_or(0)) };
        Ok(fields)
    }
}

impl Drop for Domain {
    fn drop(&mut self) {
        // SAFETY: gives our one reference back; the pointer is not used after this.
        unsafe { virt_sys::virDomainFree(self.raw.as_ptr()) };
    }
}

/// A domain's UUID, lower-case and hyphenated.
///
/// # Safety
/// `domain` is valid.
pub(super) unsafe fn uuid_of(domain: virt_sys::virDomainPtr) -> Result<String, Error> {
    let mut text: [c_char; virt_sys::VIR_UUID_STRING_BUFLEN as usize] = [0; _];
    // SAFETY: a valid domain and a place of the size that libvirt names.
    check(unsafe { virt_sys::virDomainGetUUIDString(domain, text.as_mut_ptr()) })?;
    // SAFETY: libvirt ended the text with NUL within the place.
    unsafe { super::borrowed_text(text.as_ptr()) }.ok_or_else(Error::last)
}
