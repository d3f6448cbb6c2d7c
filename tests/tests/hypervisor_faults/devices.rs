//! Disks and interfaces that are plugged into a running guest and out of it.

use anyhow::{Result, ensure};
use lab::{Disk, Guest, Libvirtd, Os, Power};
use nephoscope_tests::{Running, Site};

use crate::meters::Meter;
use crate::record::{Record, volume};
use crate::{paused, site};

const MIB: u64 = 1 << 20;

/// A tap without a bridge.
const NIC: &str = "<interface type='ethernet'><mac address='52:54:00:00:00:07'/><target dev='nephotap7'/>\
                   <model type='virtio'/></interface>";

#[test]
fn devices_are_polled_from_the_cycle_after_they_are_plugged_in_and_no_more_after_they_are_out() -> Result<()>
{
    let libvirtd = Libvirtd::start()?;
    let disk = Disk::raw("vda", "first.raw", 8 * MIB);
    // It takes a guest's help to unplug a device.
    let guest = Guest {
        maximum_kib: 131_072,
        current_kib: 131_072,
        os: Os::Linux,
        disks: vec![disk],
        power: Power::Running,
        ..paused(1)
    };
    libvirtd.define_and_start(&guest)?;
    libvirtd.wait_for_balloon(&guest.name)?;
    // XML is read anew every hour.
    let site = site(&libvirtd.uri_ro(), &[Meter::DiskCapacity, Meter::VnicCount])?;
    let mut agent = site.start(&["run", "pipeline.yaml"])?;
    let (one, two) = ((8 * MIB) as f64, (24 * MIB) as f64);
    reads(&mut agent, &site, &guest, (one, 0.0))?;

    let second = libvirtd.folder().join("disks/second.raw");
    std::fs::File::create(&second)?.set_len(16 * MIB)?;
    libvirtd.virsh(&["attach-disk", &guest.name, &second.to_string_lossy(), "vdb", "--live"])?;
    reads_at_once(&mut agent, &site, &guest, (two, 0.0))?;
    let nic = site.write("nic.xml", NIC)?.to_string_lossy().into_owned();
    libvirtd.virsh(&["attach-device", &guest.name, &nic, "--live"])?;
    reads_at_once(&mut agent, &site, &guest, (two, 1.0))?;

    libvirtd.virsh(&["detach-disk", &guest.name, "vdb", "--live"])?;
    reads(&mut agent, &site, &guest, (one, 1.0))?;
    libvirtd.virsh(&["detach-device", &guest.name, &nic, "--live"])?;
    reads(&mut agent, &site, &guest, (one, 0.0))?;
    agent.stop()?.expect(0)?;
    Ok(())
}

/// Waits for a cycle with this capacity of the disks and this number of interfaces.
fn reads(agent: &mut Running, site: &Site, guest: &Guest, is: (f64, f64)) -> Result<()> {
    let since = Record::of(site)?.len();
    agent.until(&format!("a cycle with {is:?}"), || {
        let record = Record::of(site)?;
        Ok(record.since(since).any(|cycle| read(cycle, guest) == is).then_some(()))
    })
}

/// Waits for the cycles after the one that may be under way, which have it.
fn reads_at_once(agent: &mut Running, site: &Site, guest: &Guest, is: (f64, f64)) -> Result<()> {
    // The last one is not in the record yet, and the next may have begun.
    let next = Record::of(site)?.len() + 2;
    agent.until("the next cycle", || Ok((Record::of(site)?.len() > next).then_some(())))?;
    let record = Record::of(site)?;
    for cycle in record.since(next) {
        ensure!(read(cycle, guest) == is, "{:?} instead of {is:?}", read(cycle, guest));
    }
    Ok(())
}

fn read(cycle: &crate::record::Cycle, guest: &Guest) -> (f64, f64) {
    let of = |meter| volume(cycle, meter, &guest.uuid).unwrap_or(f64::NAN);
    (of("disk.capacity"), of("vnic.count"))
}
