//! Instances that are shut off: libvirt opens their images where it is asked for their disks, on whatever storage these are.

use anyhow::{Context, Result, bail};
use inspector::settings::StoppedDisks;
use inspector::snapshot::Field;
use inspector::{Group, Groups, Inspector, Instance, Missing, Settings};
use lab::{Disk, Guest, Libvirtd, Power};

use crate::{paused, start};

const BYTES: u64 = 8 << 20;

#[test]
fn nobody_asks_libvirt_for_a_stopped_instances_images_unless_they_are_wanted() -> Result<()> {
    let libvirtd = Libvirtd::start()?;
    let disks = vec![Disk::raw("vda", "vda.raw", BYTES)];
    let guest = Guest { disks, power: Power::ShutOff, ..paused(1) };
    start(&libvirtd, std::slice::from_ref(&guest))?;
    let read = |stopped_disks, groups: &[Group]| -> Result<Instance> {
        let settings = Settings { uri: libvirtd.uri_ro(), stopped_disks, ..Settings::default() };
        let mut snapshot =
            Inspector::libvirt(settings).snapshot(&groups.iter().copied().collect::<Groups>())?;
        let instance = snapshot.instances.pop().context("no instance")?;
        Ok((*instance).clone())
    };
    let named = |instance: &Instance, kind: &str| -> Result<usize> {
        let fields: &Vec<(String, Field)> = instance.raw.as_ref().map_err(Clone::clone)?;
        Ok(fields.iter().filter(|(name, _)| name.starts_with(kind)).count())
    };
    let all = [Group::Memory, Group::Cpu, Group::Disks, Group::RawStats];

    for groups in [&all[..], &[Group::Disks, Group::Memory]] {
        let skipped = read(StoppedDisks::Skipped, groups)?;
        assert_eq!(skipped.disks, Err(Missing::ShutOff));
        assert!(skipped.memory.is_ok_and(|memory| memory.maximum == guest.maximum_kib * 1024));
    }
    let skipped = read(StoppedDisks::Skipped, &all)?;
    assert!(skipped.cpu.as_ref().is_ok_and(|cpu| cpu.maximum == 1), "{:?}", skipped.cpu);
    assert_eq!(named(&skipped, "block.")?, 0, "{:?}", skipped.raw);

    let wanted = read(StoppedDisks::Read, &all)?;
    let Ok([disk]) = wanted.disks.as_deref() else { bail!("{:?}", wanted.disks) };
    assert_eq!(disk.capacity, Some(BYTES));
    assert!(named(&wanted, "block.")? > 0, "{:?}", wanted.raw);
    // But for the disks a stopped instance is the same to both.
    for kind in ["state.", "balloon.", "vcpu.", "net."] {
        assert_eq!(named(&skipped, kind)?, named(&wanted, kind)?, "{kind}");
    }
    Ok(())
}
