//! Real qemu guests under a private libvirtd: bulk statistics, guests that are stopped, shut off or stuck.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use lab::process::{Signal, signal};
use lab::{Disk, Guest, Libvirtd, Os, Power, instance};
use nephoscope_tests::{Pipeline, Site};

/// mem.max by instance, in MiB.
fn mem_max(site: &Site) -> Result<BTreeMap<String, f64>> {
    let samples = site.taken()?;
    let by_instance: BTreeMap<String, f64> = samples
        .iter()
        .filter_map(|sample| {
            Some((sample["resource_id"].as_str()?.to_owned(), sample["counter_volume"].as_f64()?))
        })
        .collect();
    assert_eq!(by_instance.len(), samples.len(), "an instance twice");
    Ok(by_instance)
}

/// What `virsh dominfo` calls "Max memory", in MiB.
fn maximum(libvirtd: &Libvirtd, guest: &Guest) -> Result<f64> {
    let text = libvirtd.dominfo(&guest.name, "Max memory")?;
    let kib: f64 = text.strip_suffix(" KiB").context(text.clone())?.parse()?;
    Ok(kib / 1024.0)
}

fn paused(n: u32, maximum_kib: u64) -> Guest {
    Guest::paused(&format!("guest-{n}"), &format!("00000000-6e65-4068-8f73-{n:012x}"), maximum_kib)
}

#[test]
fn mem_max_of_each_guest_is_what_virsh_dominfo_says() -> Result<()> {
    let libvirtd = Libvirtd::start()?;
    // qemu rounds the second one up; so does dominfo.
    let mut guests = vec![paused(1, 65_536), paused(2, 70_000)];
    // The balloon's target is no maximum.
    guests.push(Guest { current_kib: 49_152, ..paused(3, 98_304) });
    let disk = Disk::raw("vda", "linux.raw", 8 << 20);
    let mut linux = Guest {
        maximum_kib: 131_072,
        current_kib: 114_688,
        vcpus: 1,
        os: Os::Linux,
        disks: vec![disk],
        ..instance(3)
    };
    linux.nics.truncate(1);
    guests.push(linux.clone());
    guests.push(Guest { power: Power::ShutOff, disks: Vec::new(), nics: Vec::new(), ..instance(5) });
    for guest in &guests {
        libvirtd.define_and_start(guest)?;
    }
    libvirtd.wait_for_balloon(&linux.name)?;

    let site = Site::new()?;
    site.pipeline(&Pipeline::mem_max(&libvirtd.uri_ro(), &[&site.file_sink()]))?;
    site.run_once()?.expect(0)?;
    let found = mem_max(&site)?;
    assert_eq!(found.len(), guests.len(), "{found:?}");
    for guest in &guests {
        assert_eq!(found.get(&guest.uuid), Some(&maximum(&libvirtd, guest)?), "{}", guest.name);
    }
    let samples = site.taken()?;
    let of = |guest: &Guest| {
        samples.iter().find(|sample| sample["resource_id"] == guest.uuid).context("no sample")
    };
    let nova = linux.nova.as_ref().context("nova's metadata")?;
    assert_eq!(of(&linux)?["project_id"], nova.owner.project_id);
    assert_eq!(of(&linux)?["resource_metadata"]["display_name"], nova.name);
    assert_eq!(of(&linux)?["resource_metadata"]["state"], "running");
    assert_eq!(of(&guests[0])?["resource_metadata"]["state"], "paused");
    assert_eq!(of(&guests[4])?["resource_metadata"]["state"], "shutdown");
    Ok(())
}

#[test]
fn a_stuck_qemu_keeps_no_other_guests_sample_from_arriving() -> Result<()> {
    let libvirtd = Libvirtd::start()?;
    let guests: Vec<Guest> = (1..=3).map(|n| paused(n, 65_536 + u64::from(n) * 1024)).collect();
    for guest in &guests {
        libvirtd.define_and_start(guest)?;
    }
    let stuck = libvirtd.guest_pid("guest-2")?;
    signal(stuck, Signal::STOP);
    let site = Site::new()?;
    site.pipeline(&Pipeline::mem_max(&libvirtd.uri_ro(), &[&site.file_sink()]))?;
    let mut agent = site.start(&["run", "pipeline.yaml"])?;
    // Again and again, not in the first cycle alone.
    agent.until("three samples of each of the others", || {
        let samples = site.taken()?;
        let count =
            |guest: &Guest| samples.iter().filter(|sample| sample["resource_id"] == guest.uuid).count();
        Ok((count(&guests[0]) >= 3 && count(&guests[2]) >= 3).then_some(()))
    })?;
    for sample in site.taken()? {
        let guest = guests.iter().find(|guest| sample["resource_id"] == guest.uuid).context("a stranger")?;
        assert_eq!(sample["counter_volume"].as_f64(), Some(guest.maximum_kib as f64 / 1024.0));
    }

    agent.until_logged(&["WARN", "does not answer in time", "guest-2"])?;

    // Its mem.max needs no answer and proves nothing.
    signal(stuck, Signal::CONT);
    agent.until_logged(&["INFO", "answers again", "guest-2"])?;
    agent.stop()?.expect(0)?;
    Ok(())
}

#[test]
fn the_agent_outlives_a_libvirtd_that_crashes() -> Result<()> {
    let mut libvirtd = Libvirtd::start()?;
    let guest = paused(1, 65_536);
    libvirtd.define_and_start(&guest)?;
    let site = Site::new()?;
    site.pipeline(&Pipeline::mem_max(&libvirtd.uri_ro(), &[&site.file_sink()]))?;
    let mut agent = site.start(&["run", "pipeline.yaml"])?;
    agent.until("a sample", || Ok((!site.taken()?.is_empty()).then_some(())))?;

    libvirtd.kill();
    agent.until_logged(&["ERROR", "no snapshot"])?;
    let before = site.taken()?.len();
    libvirtd.start_again()?;
    agent.until("a sample after the crash", || Ok((site.taken()?.len() > before).then_some(())))?;
    let samples = site.taken()?;
    assert_eq!(samples.last().and_then(|sample| sample["counter_volume"].as_f64()), Some(64.0));
    agent.stop()?.expect(0)?;
    Ok(())
}
