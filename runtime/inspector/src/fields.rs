//! libvirt's typed fields by name, and the readings that they make up.
//!
//! libvirt's unit of memory is KiB: it becomes bytes here, and nowhere else. A field that is missing, negative (libvirt's "not
//! counted") or beyond 64 bits is "no value", never 0.

use std::collections::HashMap;

use crate::identity::{DiskDevice, VnicDevice};
use crate::snapshot::{Cpu, Disk, Field, Memory, Missing, Reading, Vcpu, Vnic};

/// As many vCPUs, blocks or interfaces as are read of one domain: qemu's largest machine has 4096 vCPUs.
const MOST_OF_A_KIND: u64 = 4096;

/// A domain's fields, to be looked up by name.
#[derive(Debug, Default)]
pub(crate) struct Fields<'a> {
    by_name: HashMap<&'a str, &'a Field>,
}

impl<'a> Fields<'a> {
    pub(crate) fn new(fields: &'a [(String, Field)]) -> Self {
        Self { by_name: fields.iter().map(|(name, field)| (name.as_str(), field)).collect() }
    }

    /// A number that is not negative.
    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        match self.by_name.get(name)? {
            Field::Unsigned(number) => Some(*number),
            Field::Signed(number) => u64::try_from(*number).ok(),
            Field::Real(_) | Field::Flag(_) | Field::Text(_) => None,
        }
    }

    fn small(&self, name: &str) -> Option<u32> {
        u32::try_from(self.number(name)?).ok()
    }

    fn text(&self, name: &str) -> Option<&'a str> {
        match self.by_name.get(name)? {
            Field::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The numbers `N` of `kind.N.*` by the text of their `kind.N.name`.
    fn by_device(&self, kind: &str) -> HashMap<&'a str, u64> {
        let count = self.number(&format!("{kind}.count")).unwrap_or(0).min(MOST_OF_A_KIND);
        (0..count).filter_map(|at| Some((self.text(&format!("{kind}.{at}.name"))?, at))).collect()
    }
}

/// libvirt's KiB as bytes; none where that is beyond 64 bits.
pub(crate) fn bytes(kib: u64) -> Option<u64> {
    kib.checked_mul(1024)
}

/// Memory, from the group BALLOON.
pub(crate) fn memory(fields: &Fields<'_>) -> Reading<Memory> {
    let size = |name: &str| fields.number(name).and_then(bytes);
    Ok(Memory {
        maximum: size("balloon.maximum").ok_or(Missing::NoData)?,
        actual: size("balloon.current"),
        available: size("balloon.available"),
        usable: size("balloon.usable"),
        unused: size("balloon.unused"),
        rss: size("balloon.rss"),
        swap_in: size("balloon.swap_in"),
        swap_out: size("balloon.swap_out"),
        major_faults: fields.number("balloon.major_fault"),
        minor_faults: fields.number("balloon.minor_fault"),
        disk_caches: size("balloon.disk_caches"),
        hugetlb_pgalloc: fields.number("balloon.hugetlb_pgalloc"),
        hugetlb_pgfail: fields.number("balloon.hugetlb_pgfail"),
        last_update: fields.number("balloon.last-update"),
    })
}

/// Processors, from the groups CPU_TOTAL and VCPU.
///
/// A domain that does not run (`active` is false) keeps its numbers of vCPUs and has no times: what libvirt gives then is the
/// time of its own daemon.
pub(crate) fn cpu(fields: &Fields<'_>, active: bool) -> Reading<Cpu> {
    let (Some(current), Some(maximum)) = (fields.small("vcpu.current"), fields.small("vcpu.maximum")) else {
        return Err(Missing::NoData);
    };
    if !active {
        return Ok(Cpu { current, maximum, ..Cpu::default() });
    }
    let most = maximum.min(u32::try_from(MOST_OF_A_KIND).unwrap_or(u32::MAX));
    let vcpus = (0..most).filter_map(|number| {
        Some(Vcpu {
            number,
            state: fields.small(&format!("vcpu.{number}.state"))?,
            time: fields.number(&format!("vcpu.{number}.time")),
            wait: fields.number(&format!("vcpu.{number}.wait")),
            delay: fields.number(&format!("vcpu.{number}.delay")),
        })
    });
    Ok(Cpu {
        current,
        maximum,
        time: fields.number("cpu.time"),
        user: fields.number("cpu.user"),
        system: fields.number("cpu.system"),
        vcpus: vcpus.collect(),
    })
}

/// A disk of the XML, from the group BLOCK. The storage that it takes is left open: see [`crate::libvirt::bulk`].
pub(crate) fn disks(fields: &Fields<'_>, devices: &[DiskDevice]) -> Vec<Disk> {
    let numbers = fields.by_device("block");
    let disk = |device: &DiskDevice| {
        let bare = Disk { device: device.device.clone(), source: device.source.clone(), ..Disk::default() };
        let Some(at) = numbers.get(device.device.as_str()) else { return bare };
        let number = |name: &str| fields.number(&format!("block.{at}.{name}"));
        Disk {
            read_requests: number("rd.reqs"),
            read_bytes: number("rd.bytes"),
            read_time: number("rd.times"),
            write_requests: number("wr.reqs"),
            write_bytes: number("wr.bytes"),
            write_time: number("wr.times"),
            flush_requests: number("fl.reqs"),
            flush_time: number("fl.times"),
            errors: number("errors"),
            capacity: number("capacity"),
            ..bare
        }
    };
    devices.iter().map(disk).collect()
}

/// The interfaces of the XML, from the group INTERFACE. One that libvirt does not count at stays, without counters.
pub(crate) fn vnics(fields: &Fields<'_>, devices: &[VnicDevice]) -> Vec<Vnic> {
    let numbers = fields.by_device("net");
    let counters = |device: &VnicDevice| {
        let at = numbers.get(device.name.as_str())?;
        let number = |name: &str| fields.number(&format!("net.{at}.{name}"));
        Some([
            number("rx.bytes"),
            number("rx.pkts"),
            number("rx.errs"),
            number("rx.drop"),
            number("tx.bytes"),
            number("tx.pkts"),
            number("tx.errs"),
            number("tx.drop"),
        ])
    };
    devices.iter().map(|device| vnic(device, counters(device).unwrap_or_default())).collect()
}

/// An interface of the XML with its counters: bytes, packets, errors and drops received, then sent.
pub(crate) fn vnic(device: &VnicDevice, counters: [Option<u64>; 8]) -> Vnic {
    let [rx_bytes, rx_packets, rx_errors, rx_drop, tx_bytes, tx_packets, tx_errors, tx_drop] = counters;
    Vnic {
        name: device.name.clone(),
        mac: device.mac.clone(),
        bridge: device.bridge.clone(),
        filterref: device.filterref.clone(),
        interface_id: device.interface_id.clone(),
        parameters: device.parameters.clone(),
        rx_bytes,
        rx_packets,
        rx_errors,
        rx_drop,
        tx_bytes,
        tx_packets,
        tx_errors,
        tx_drop,
    }
}

/// Whether libvirt counts at an interface that the XML did not have: then the XML is out of date.
pub(crate) fn has_unknown_vnic(fields: &Fields<'_>, devices: &[VnicDevice]) -> bool {
    fields.by_device("net").keys().any(|name| devices.iter().all(|device| device.name != *name))
}

/// Enabled perf events by libvirt's names, from the group PERF, in libvirt's order.
pub(crate) fn perf(fields: &[(String, Field)]) -> Vec<(String, u64)> {
    let event = |(name, field): &(String, Field)| match field {
        Field::Unsigned(count) => Some((name.strip_prefix("perf.")?.to_owned(), *count)),
        _ => None,
    };
    fields.iter().filter_map(event).collect()
}

#[cfg(test)]
mod tests;
