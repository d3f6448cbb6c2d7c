//! The genuine Ceilometer's polling agent polls the guests of the private libvirtd.

use anyhow::Result;
use lab::{Broker, Ceilometer, Disk, Filter, Guest, Image, Libvirtd, Plug, Power, instance};

#[test]
fn the_polling_agent_polls_guests_with_disks_of_every_kind() -> Result<()> {
    let ceilometer = Ceilometer::get()?;
    let libvirtd = Libvirtd::start()?;
    let mut guest = Guest { power: Power::Paused, maximum_kib: 65_536, current_kib: 65_536, ..instance(1) };
    guest.disks = vec![
        Disk::raw("vda", "root.raw", 5_000_000),
        Disk { image: Image::Qcow2, ..Disk::raw("vdb", "data.qcow2", 64 << 20) },
        Disk { image: Image::Block, ..Disk::raw("vdc", "volume", 10 << 20) },
    ];
    guest.nics[0].filter =
        Some(Filter { name: "nova-base".into(), parameters: vec![("IP".into(), "10.0.0.1".into())] });
    guest.nics[1].plug = Plug::OpenVswitch;
    libvirtd.define_and_start(&guest)?;
    let broker = Broker::start()?;
    let vhost = broker.vhost()?;
    let folder = tempfile::tempdir()?;
    let mut agent =
        ceilometer.polling_agent(&vhost, folder.path(), &libvirtd.uri_ro(), "[DEFAULT]\nhost = compute-1")?;
    for meter in ["power.state", "disk.device.capacity", "network.incoming.bytes"] {
        agent.until_logged(&format!("Finished polling pollster {meter} "))?;
    }
    let log = agent.log()?;
    assert!(!log.contains("Traceback"), "{log}");
    agent.stop()?;
    Ok(())
}
