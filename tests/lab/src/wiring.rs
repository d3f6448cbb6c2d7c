//! What the interfaces of a private libvirtd's guests need to be there: network filters, and Neutron's integration bridge.
//!
//! A filter has no rules, so that libvirt calls none of the firewall's programs for it. The bridge is one that libvirt makes;
//! libvirt plugs a port of Open vSwitch by a program, of which the private libvirtd has one in its `PATH` that does nothing: the port
//! stays a tap like any other, whose counters are what libvirt reads.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result};

use crate::Libvirtd;
use crate::guest::{BRIDGE, Filter, Nic, Plug};
use crate::nova::escape;

/// Open vSwitch's client.
const VSCTL: &str = "#!/bin/sh\nexit 0\n";

/// Puts the programs into a folder that is to be in a libvirtd's `PATH`.
pub(crate) fn programs(folder: &Path) -> Result<()> {
    let vsctl = folder.join("ovs-vsctl");
    fs::write(&vsctl, VSCTL).with_context(|| format!("failed to write {}", vsctl.display()))?;
    Ok(fs::set_permissions(&vsctl, fs::Permissions::from_mode(0o755))?)
}

/// Makes what the interface needs and is not there yet.
pub(crate) fn prepare(libvirtd: &Libvirtd, nic: &Nic) -> Result<()> {
    if let Some(filter) = &nic.filter {
        define(libvirtd, filter)?;
    }
    match nic.plug {
        Plug::Tap => Ok(()),
        Plug::OpenVswitch => make_bridge(libvirtd),
    }
}

fn define(libvirtd: &Libvirtd, filter: &Filter) -> Result<()> {
    let known = libvirtd.virsh(&["nwfilter-list"])?;
    if known.lines().any(|line| line.split_whitespace().nth(1) == Some(&filter.name)) {
        return Ok(());
    }
    let xml = format!("<filter name=\"{}\" chain=\"root\"/>\n", escape(&filter.name));
    create(libvirtd, "nwfilter-define", "filter.xml", &xml)
}

/// An address is what libvirt wants of a bridge that no firewall's program is called for; nobody answers at it, in a
/// network namespace without a way out.
fn make_bridge(libvirtd: &Libvirtd) -> Result<()> {
    if libvirtd.virsh(&["net-list", "--name"])?.lines().any(|line| line.trim() == BRIDGE) {
        return Ok(());
    }
    let xml = format!(
        "<network><name>{BRIDGE}</name><forward mode=\"open\"/><bridge name=\"{BRIDGE}\" stp=\"off\"/>\
         <dns enable=\"no\"/><ip address=\"192.0.2.1\" prefix=\"24\"/></network>\n"
    );
    create(libvirtd, "net-create", "bridge.xml", &xml)
}

fn create(libvirtd: &Libvirtd, command: &str, name: &str, xml: &str) -> Result<()> {
    let file = libvirtd.folder().join("xml").join(name);
    fs::write(&file, xml).with_context(|| format!("failed to write {}", file.display()))?;
    libvirtd.virsh(&[command, &file.to_string_lossy()]).map(drop)
}
