//! What of an instance seldom changes, read from its domain XML and cached.

use serde::{Deserialize, Serialize};

/// An instance's names, owner, flavor and devices.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    /// The UUID, lower-case and hyphenated.
    pub uuid: String,
    /// libvirt's domain name (`instance-0000002a`).
    pub name: String,
    /// Nova's metadata, where the domain has it.
    pub nova: Option<Nova>,
    /// The project that samples are reported under: nova's owner, or the one that is configured for plain libvirt hosts.
    pub project_id: Option<String>,
    /// The user that samples are reported under: nova's owner, or the one that is configured for plain libvirt hosts.
    pub user_id: Option<String>,
    /// `os/type/@arch`.
    pub architecture: Option<String>,
    /// `os/type`.
    pub os_type: Option<String>,
    /// `devices/disk` with a target and a source, in the order of the XML.
    pub disks: Vec<DiskDevice>,
    /// `devices/interface` with a target and a MAC, in the order of the XML.
    pub vnics: Vec<VnicDevice>,
    /// The domain's XML (without security information).
    pub xml: String,
}

/// Nova's metadata element (`http://openstack.org/xmlns/libvirt/nova/1.1`, or `/1.0`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Nova {
    /// `nova:name`: the display name.
    pub display_name: String,
    /// `nova:flavor`.
    pub flavor: Option<Flavor>,
    /// `nova:owner/nova:user/@uuid`.
    pub user_id: Option<String>,
    /// `nova:owner/nova:user`: the user's name.
    pub user_name: Option<String>,
    /// `nova:owner/nova:project/@uuid`.
    pub project_id: Option<String>,
    /// `nova:owner/nova:project`: the project's name.
    pub project_name: Option<String>,
    /// `nova:root[@type='image']/@uuid`.
    pub image_ref: Option<String>,
    /// `nova:image`, from Nova 2025.2 on.
    pub image: Option<Image>,
}

/// Nova's flavor; sizes in Nova's own units.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flavor {
    /// `@id`, from Nova 2025.2 on.
    pub id: Option<String>,
    /// `@name`.
    pub name: String,
    /// `vcpus`.
    pub vcpus: u32,
    /// `memory`, in MiB.
    pub ram_mib: u64,
    /// `disk`, in GiB.
    pub disk_gib: u64,
    /// `ephemeral`, in GiB.
    pub ephemeral_gib: u64,
    /// `swap`, in MiB.
    pub swap_mib: u64,
    /// `extraSpecs/extraSpec`: names and values; none where the element is missing.
    pub extra_specs: Option<Vec<(String, String)>>,
}

/// Nova's image element.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// `@uuid`.
    pub uuid: Option<String>,
    /// `containerFormat`, `diskFormat`, `minDisk`, `minRam` and the properties, as Ceilometer's `image_meta` has them: texts.
    pub meta: Vec<(String, String)>,
}

/// A disk of the XML.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskDevice {
    /// `target/@dev`.
    pub device: String,
    /// `source`: its file, dev, name, dir or volume attribute.
    pub source: Option<String>,
}

/// A network interface of the XML.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VnicDevice {
    /// `target/@dev`.
    pub name: String,
    /// `mac/@address`.
    pub mac: String,
    /// `source/@bridge`.
    pub bridge: Option<String>,
    /// `filterref/@filter`.
    pub filterref: Option<String>,
    /// `virtualport/parameters/@interfaceid`.
    pub interface_id: Option<String>,
    /// `filterref/parameter`: names in lower case, values as they stand.
    pub parameters: Vec<(String, String)>,
}
