//! Readings where the driver has no bulk statistics: a call per instance, disk and interface, each of them only where its group
//! is asked for. They fill the same snapshot; what only bulk statistics carry (perf events) is "unsupported" here.

use super::bulk::fill_in_storage;
use super::readings::{Readings, reading};
use crate::clock;
use crate::ffi::{self, Domain, Info};
use crate::fields::{self, Fields, bytes};
use crate::identity::{DiskDevice, Identity, VnicDevice};
use crate::settings::StoppedDisks;
use crate::snapshot::{Cpu, Disk, Group, Groups, Memory, Missing, Power, Reading, Vcpu, Vnic};

/// Whether any group needs a call per instance.
pub(super) fn is_needed(groups: &Groups) -> bool {
    [Group::Memory, Group::Cpu, Group::Disks, Group::Vnics].iter().any(|group| groups.contains(group))
}

/// The readings of one instance. Fails only where the connection is gone.
pub(super) fn read(
    domain: &Domain,
    groups: &Groups,
    identity: &Identity,
    active: bool,
    stopped_disks: StoppedDisks,
) -> Result<Readings, ffi::Error> {
    let mut readings = Readings::missing(groups, &Missing::Unsupported);
    if groups.contains(&Group::Memory) || groups.contains(&Group::Cpu) {
        let info = reading(domain.info())?;
        if groups.contains(&Group::Memory) {
            readings.memory =
                info.clone().map_or_else(|why| Ok(Err(why)), |info| memory(domain, &info, active))?;
        }
        if groups.contains(&Group::Cpu) {
            readings.cpu = info.map_or_else(|why| Ok(Err(why)), |info| cpu(domain, &info, active))?;
        }
    }
    if groups.contains(&Group::Disks) {
        let wanted = active || stopped_disks == StoppedDisks::Read;
        readings.disks = if wanted { disks(domain, &identity.disks)? } else { Err(Missing::ShutOff) };
    }
    if groups.contains(&Group::Vnics) {
        readings.vnics = if active { vnics(domain, &identity.vnics)? } else { Err(Missing::ShutOff) };
    }
    readings.taken_at = Some(clock::now());
    Ok(readings)
}

/// What virDomainGetInfo says of memory.
pub(super) fn memory_of(info: &Info) -> Reading<Memory> {
    let maximum = bytes(info.max_memory).ok_or(Missing::NoData)?;
    Ok(Memory { maximum, actual: bytes(info.memory), ..Memory::default() })
}

fn memory(domain: &Domain, info: &Info, active: bool) -> Result<Reading<Memory>, ffi::Error> {
    let mut memory = match memory_of(info) {
        Ok(memory) if active => memory,
        other => return Ok(other),
    };
    // Where the statistics fail the sizes above still stand.
    for (tag, value) in reading(domain.memory_stats())?.unwrap_or_default() {
        match tag {
            virt_sys::VIR_DOMAIN_MEMORY_STAT_SWAP_IN => memory.swap_in = bytes(value),
            virt_sys::VIR_DOMAIN_MEMORY_STAT_SWAP_OUT => memory.swap_out = bytes(value),
            virt_sys::VIR_DOMAIN_MEMORY_STAT_MAJOR_FAULT => memory.major_faults = Some(value),
            virt_sys::VIR_DOMAIN_MEMORY_STAT_MINOR_FAULT => memory.minor_faults = Some(value),
            virt_sys::VIR_DOMAIN_MEMORY_STAT_UNUSED => memory.unused = bytes(value),
            virt_sys::VIR_DOMAIN_MEMORY_STAT_AVAILABLE => memory.available = bytes(value),
            virt_sys::VIR_DOMAIN_MEMORY_STAT_ACTUAL_BALLOON => memory.actual = bytes(value),
            virt_sys::VIR_DOMAIN_MEMORY_STAT_RSS => memory.rss = bytes(value),
            virt_sys::VIR_DOMAIN_MEMORY_STAT_USABLE => memory.usable = bytes(value),
            virt_sys::VIR_DOMAIN_MEMORY_STAT_LAST_UPDATE => memory.last_update = Some(value),
            virt_sys::VIR_DOMAIN_MEMORY_STAT_DISK_CACHES => memory.disk_caches = bytes(value),
            virt_sys::VIR_DOMAIN_MEMORY_STAT_HUGETLB_PGALLOC => memory.hugetlb_pgalloc = Some(value),
            virt_sys::VIR_DOMAIN_MEMORY_STAT_HUGETLB_PGFAIL => memory.hugetlb_pgfail = Some(value),
            _ => {}
        }
    }
    Ok(Ok(memory))
}

fn cpu(domain: &Domain, info: &Info, active: bool) -> Result<Reading<Cpu>, ffi::Error> {
    // It may have been shut off since the sweep.
    let active = active && Power::from_libvirt(info.state) != Power::ShutOff;
    let current = info.vcpus;
    // A driver that cannot tell the configured number has no vCPUs to bring online either.
    let maximum = reading(domain.max_vcpus())?.unwrap_or(current);
    if !active {
        return Ok(Ok(Cpu { current, maximum, ..Cpu::default() }));
    }
    let totals = reading(domain.cpu_totals())?.unwrap_or_default();
    let totals = Fields::new(&totals);
    let most = usize::try_from(maximum).unwrap_or(usize::MAX);
    let vcpus = reading(domain.vcpus(most))?.unwrap_or_default();
    let vcpus = vcpus.into_iter().map(|vcpu| Vcpu {
        number: vcpu.number,
        state: u32::try_from(vcpu.state).unwrap_or(0),
        time: Some(vcpu.time),
        wait: None,
        delay: None,
    });
    Ok(Ok(Cpu {
        current,
        maximum,
        time: Some(info.cpu_time),
        user: totals.number("user_time"),
        system: totals.number("system_time"),
        vcpus: vcpus.collect(),
    }))
}

fn disks(domain: &Domain, devices: &[DiskDevice]) -> Result<Reading<Vec<Disk>>, ffi::Error> {
    let mut disks = Vec::with_capacity(devices.len());
    for device in devices {
        let mut disk =
            Disk { device: device.device.clone(), source: device.source.clone(), ..Disk::default() };
        count_requests(domain, &mut disk)?;
        fill_in_storage(domain, &mut disk)?;
        disks.push(disk);
    }
    Ok(Ok(disks))
}

fn count_requests(domain: &Domain, disk: &mut Disk) -> Result<(), ffi::Error> {
    if let Ok(stats) = reading(domain.block_stats_flags(&disk.device))? {
        let stats = Fields::new(&stats);
        disk.read_requests = stats.number("rd_operations");
        disk.read_bytes = stats.number("rd_bytes");
        disk.read_time = stats.number("rd_total_times");
        disk.write_requests = stats.number("wr_operations");
        disk.write_bytes = stats.number("wr_bytes");
        disk.write_time = stats.number("wr_total_times");
        disk.flush_requests = stats.number("flush_operations");
        disk.flush_time = stats.number("flush_total_times");
        disk.errors = stats.number("errs");
        return Ok(());
    }
    match reading(domain.block_stats(&disk.device))? {
        Ok(stats) => {
            let [read_requests, read_bytes, write_requests, write_bytes, errors] =
                stats.counters.map(counted);
            disk.read_requests = read_requests;
            disk.read_bytes = read_bytes;
            disk.write_requests = write_requests;
            disk.write_bytes = write_bytes;
            disk.errors = errors;
        }
        Err(why) => tracing::debug!(device = disk.device, %why, "no counters of a disk"),
    }
    Ok(())
}

fn vnics(domain: &Domain, devices: &[VnicDevice]) -> Result<Reading<Vec<Vnic>>, ffi::Error> {
    let mut read = Vec::with_capacity(devices.len());
    for device in devices {
        let counters = match reading(domain.interface_stats(&device.name))? {
            Ok(counters) => counters.map(counted),
            Err(Missing::Unsupported) => return Ok(Err(Missing::Unsupported)),
            Err(why) => {
                tracing::debug!(device = device.name, %why, "no counters of an interface");
                Default::default()
            }
        };
        read.push(fields::vnic(device, counters));
    }
    Ok(Ok(read))
}

/// libvirt's counter; a driver that does not count it says -1.
fn counted(counter: i64) -> Option<u64> {
    u64::try_from(counter).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_that_is_not_counted_is_none_and_not_0() {
        assert_eq!(
            [1, 0, -1, i64::MAX].map(counted),
            [Some(1), Some(0), None, Some(i64::MAX.unsigned_abs())]
        );
    }
}
