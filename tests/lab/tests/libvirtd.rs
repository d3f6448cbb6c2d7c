//! The private libvirtd with guests, and node files for the test driver.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use lab::process::{Mark, Signal, signal};
use lab::{Disk, Guest, Libvirtd, Nic, Os, Power, instance, instances, node_file, output, until};

#[test]
fn guests_start_answer_and_end_with_their_libvirtd() -> Result<()> {
    let mut libvirtd = Libvirtd::start()?;
    let mut bare = Guest::paused("bare", "00000000-6e65-4068-8f73-000000000001", 65_536);
    bare.disks.push(Disk::raw("vda", "bare.raw", 8 << 20));
    libvirtd.define_and_start(&bare)?;
    let mut linux = Guest {
        maximum_kib: 131_072,
        current_kib: 114_688,
        vcpus: 1,
        os: Os::Linux,
        disks: vec![Disk::raw("vda", "linux.raw", 8 << 20)],
        ..instance(3)
    };
    linux.nics.truncate(1);
    libvirtd.define_and_start(&linux)?;
    let off = Guest { power: Power::ShutOff, disks: vec![], nics: Vec::<Nic>::new(), ..instance(5) };
    libvirtd.define_and_start(&off)?;

    assert_eq!(libvirtd.dominfo("bare", "Max memory")?, "65536 KiB");
    assert_eq!(libvirtd.dominfo("bare", "State")?, "paused");
    assert_eq!(libvirtd.dominfo(&off.name, "State")?, "shut off");
    assert_eq!(libvirtd.dominfo(&linux.name, "State")?, "running");
    let metadata =
        libvirtd.virsh(&["metadata", &linux.name, "http://openstack.org/xmlns/libvirt/nova/1.1"])?;
    assert!(metadata.contains("datenbank-süd"), "{metadata}");

    libvirtd.wait_for_balloon(&linux.name)?;
    assert_eq!(libvirtd.dominfo(&linux.name, "Max memory")?, "131072 KiB");
    until("the balloon's target", Duration::from_secs(30), || {
        Ok((libvirtd.dominfo(&linux.name, "Used memory")? == "114688 KiB").then_some(()))
    })?;
    until("the disk's use", Duration::from_secs(30), || {
        let statistics = libvirtd.virsh(&["domblkstat", &linux.name, "vda"])?;
        Ok((!statistics.contains("wr_req 0\n")).then_some(()))
    })?;
    libvirtd.virsh(&["domifstat", &linux.name, &linux.nics[0].tap])?;

    // A read-only client reads, and changes nothing.
    let read =
        |words: &[&str]| output(Command::new("virsh").args(["-r", "-c", &libvirtd.uri_ro()]).args(words));
    assert!(read(&["list", "--all"])?.contains(&linux.name));
    assert!(read(&["destroy", "bare"]).is_err());

    let guest = Mark::of(libvirtd.guest_pid(&linux.name)?).context("the guest does not run")?;
    libvirtd.kill();
    assert!(guest.is_running(), "the guest went with the daemon");
    libvirtd.start_again()?;
    assert_eq!(libvirtd.dominfo(&linux.name, "State")?, "running");

    // Even one that is stopped, and where nobody asks the daemon to.
    signal(guest.pid, Signal::STOP);
    drop(libvirtd);
    until("the guest's end", Duration::from_secs(5), || Ok((!guest.is_running()).then_some(())))
}

#[test]
fn a_node_file_of_a_thousand_instances_opens_in_the_test_driver() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("node.xml");
    let mut guests = instances(1000);
    guests[6].power = Power::Paused;
    guests[7].power = Power::ShutOff;
    std::fs::write(&file, node_file(&guests))?;
    let uri = format!("test://{}", file.display());
    // One client for all, because each opens a test driver of its own.
    let script = "list --all; dominfo instance-00000004; domstate instance-00000007; domstate instance-00000008; \
                  metadata instance-0000000a http://openstack.org/xmlns/libvirt/nova/1.1; \
                  domblklist instance-00000002; domiflist instance-00000001";
    let text = output(Command::new("virsh").args(["-c", &uri, script]).env("LC_ALL", "C.UTF-8"))?;
    assert_eq!(text.lines().filter(|line| line.contains(" instance-")).count(), 1000 + 1);
    let fourth = instance(4);
    assert!(text.contains(&format!("Max memory:     {} KiB", fourth.maximum_kib)));
    assert!(text.contains(&format!("Used memory:    {} KiB", fourth.current_kib)));
    assert_ne!(fourth.maximum_kib, fourth.current_kib);
    assert!(text.contains("\npaused\n") && text.contains("\nshut off\n"), "{text}");
    assert!(text.contains("🔭 nephoscope"));
    assert!(text.contains("disk.eph0"));
    assert!(text.contains(&instance(1).nics[1].tap));
    Ok(())
}

#[test]
fn the_demos_node_file_is_the_first_dozen_instances() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../pipelines/demo/node.xml");
    let committed = std::fs::read_to_string(file).unwrap_or_default();
    // No assert_eq: it would print both whole files.
    assert!(
        committed == node_file(&instances(12)),
        "{file} differs: `cargo run -p nephoscope-lab --example node-file`"
    );
}
