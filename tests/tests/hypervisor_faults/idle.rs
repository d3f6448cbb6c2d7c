//! A host on which nothing changes, and then one thing does.

use std::fs;
use std::process::Command;

use anyhow::{Result, ensure};
use inspector::{Group, Groups, Inspector, Settings};
use lab::{Libvirtd, instances, output, until};
use nephoscope_tests::LIMIT;

const INSTANCES: usize = 1000;

#[test]
fn a_thousand_idle_instances_cost_no_xml_and_one_that_changes_costs_its_own() -> Result<()> {
    let libvirtd = Libvirtd::start()?;
    // The test driver behind a real daemon: its domains are everybody's while somebody is connected.
    let uri = |socket| format!("test+unix:///default?socket={}/run/{socket}", libvirtd.folder().display());
    let virsh = |script: &str| output(Command::new("virsh").args(["-q", "-c", &uri("libvirt-sock"), script]));
    let inspector = Inspector::libvirt(Settings { uri: uri("libvirt-sock-ro"), ..Settings::default() });
    let groups = Groups::from([Group::Memory, Group::Cpu]);
    let snapshot = || -> Result<(usize, u64)> {
        let before = inspector.health().xml_calls;
        let instances = inspector.snapshot(&groups)?.instances.len();
        Ok((instances, inspector.health().xml_calls - before))
    };
    // The driver's own domain.
    assert_eq!(snapshot()?, (1, 1));
    let mut script = String::new();
    for guest in instances(INSTANCES) {
        let file = libvirtd.folder().join("xml").join(format!("{}.xml", guest.name));
        fs::write(&file, guest.test_xml())?;
        script += &format!("create {}; ", file.display());
    }
    virsh(&script)?;
    assert_eq!(snapshot()?.0, INSTANCES + 1);
    // Their own events make them suspect once more, whenever they come.
    until("the last event", LIMIT, || Ok((snapshot()?.1 == 0).then_some(())))?;
    for _ in 0..5 {
        assert_eq!(snapshot()?, (INSTANCES + 1, 0));
    }

    let before = inspector.health().xml_calls;
    virsh("desc instance-0000002a --live --title changed")?;
    until("the change's event", LIMIT, || Ok((snapshot()?.1 > 0).then_some(())))?;
    let changed = inspector.snapshot(&groups)?;
    let named = |name: &str| changed.instances.iter().find(|instance| instance.identity.name == name);
    ensure!(named("instance-0000002a").is_some_and(|of| of.identity.xml.contains("<title>changed</title>")));
    assert_eq!(inspector.health().xml_calls - before, 1, "its own, and nobody else's");
    Ok(())
}
