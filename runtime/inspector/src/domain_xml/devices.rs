//! The disks and interfaces of a domain, as Ceilometer chooses them.

use roxmltree::Node;

use super::{MOST_DEVICES, MOST_PROPERTIES, XmlError, bounded, child, children, owned};
use crate::identity::{DiskDevice, VnicDevice};

/// The attributes in which a disk's source can stand, by the type of the disk.
const SOURCES: [&str; 5] = ["file", "dev", "name", "dir", "volume"];

/// Disks with a target and a source: an empty drive has nothing to report.
pub(super) fn disks(devices: Node<'_, '_>) -> Result<Vec<DiskDevice>, XmlError> {
    let disks = children(devices, "disk").filter_map(|disk| {
        let device = owned(child(disk, "target")?, "dev")?;
        let source = child(disk, "source")?;
        Some(DiskDevice { device, source: SOURCES.iter().find_map(|attribute| owned(source, attribute)) })
    });
    bounded("disks", MOST_DEVICES, disks)
}

/// Interfaces with a target and a MAC: without a target there is no device on the host to count at.
pub(super) fn vnics(devices: Node<'_, '_>) -> Result<Vec<VnicDevice>, XmlError> {
    let vnics = children(devices, "interface").filter_map(|vnic| {
        let name = owned(child(vnic, "target")?, "dev")?;
        let mac = owned(child(vnic, "mac")?, "address")?;
        Some((vnic, name, mac))
    });
    bounded("interfaces", MOST_DEVICES, vnics)?
        .into_iter()
        .map(|(vnic, name, mac)| {
            let filter = child(vnic, "filterref");
            let parameters = filter.map_or_else(|| Ok(Vec::new()), parameters)?;
            let port = child(vnic, "virtualport").and_then(|port| child(port, "parameters"));
            Ok(VnicDevice {
                name,
                mac,
                bridge: child(vnic, "source").and_then(|source| owned(source, "bridge")),
                filterref: filter.and_then(|filter| owned(filter, "filter")),
                interface_id: port.and_then(|port| owned(port, "interfaceid")),
                parameters,
            })
        })
        .collect()
}

/// A filter's parameters: names in lower case.
fn parameters(filter: Node<'_, '_>) -> Result<Vec<(String, String)>, XmlError> {
    let pairs = children(filter, "parameter")
        .filter_map(|node| Some((node.attribute("name")?.to_lowercase(), owned(node, "value")?)));
    bounded("filter parameters", MOST_PROPERTIES, pairs)
}
