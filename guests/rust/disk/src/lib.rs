//! Disks and the flavor's sizes: eleven meters of Ceilometer's compute agent, to the letter of its libvirt inspector.
//!
//! `disk.root.size` and `disk.ephemeral.size` come from the flavor and need no reading: they are reported of every nova instance,
//! shut off or not, also where the reading of its disks failed. That failure is then a warning in the agent's log
//! (see [`Gaps`]); where there is no sample beside it the poll returns it. A plain libvirt domain has no flavor, so neither of the two.
//!
//! The disks of an instance that is shut off are reported where `report_stopped_instance_metrics` is set: their sizes.

#![forbid(unsafe_code)]

mod device;
mod flavor;

use nephoscope_guest::instance::{self, PowerState};
use nephoscope_guest::{Error, Gaps, Result, Sample, disks, meter, report_stopped_instance_metrics};

nephoscope_guest::pollster! {
    meters: [
        meter::cumulative("disk.device.read.requests", "request", "Read requests of a disk"),
        meter::cumulative("disk.device.read.bytes", "B", "Bytes read from a disk"),
        meter::cumulative("disk.device.read.latency", "ns", "Time spent on reads of a disk"),
        meter::cumulative("disk.device.write.requests", "request", "Write requests of a disk"),
        meter::cumulative("disk.device.write.bytes", "B", "Bytes written to a disk"),
        meter::cumulative("disk.device.write.latency", "ns", "Time spent on writes of a disk"),
        meter::gauge("disk.device.capacity", "B", "Size of a disk that the instance sees"),
        meter::gauge("disk.device.allocation", "B", "Storage that a disk takes on the host"),
        meter::gauge("disk.device.usage", "B", "Size of the file or device that holds a disk"),
        meter::gauge("disk.root.size", "GiB", "Size of the flavor's root disk"),
        meter::gauge("disk.ephemeral.size", "GiB", "Size of the flavor's ephemeral disk"),
    ],
    poll: poll,
}

fn poll() -> Result<Vec<Sample>> {
    let mut gaps = Gaps::default();
    let is_shut_off = instance::power() == PowerState::ShutOff;
    let reading = if is_shut_off && !report_stopped_instance_metrics() {
        Err(Error::ShutOff)
    } else {
        disks::inspect()
    };
    let disks = gaps.note("disks", reading).unwrap_or_default();
    let mut samples = Vec::with_capacity(disks.len() * device::METERS + flavor::METERS);
    if !disks.is_empty() {
        let id = instance::id();
        for disk in &disks {
            device::sample(&id, disk, &mut samples);
        }
    }
    if let Some(flavor) = instance::flavor_of() {
        flavor::sample(&flavor, &mut samples);
    }
    gaps.beside(samples)
}
