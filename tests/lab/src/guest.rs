//! What a domain shall be, and its XML for libvirt's qemu and test drivers.

use std::fmt::Write;

use crate::Nova;
use crate::nova::escape;

/// A domain to be.
#[derive(Clone, Debug)]
pub struct Guest {
    /// libvirt's name of the domain (`instance-00000001`).
    pub name: String,
    /// Its UUID, lower-case and hyphenated.
    pub uuid: String,
    /// `memory`: what `virsh dominfo` calls "Max memory", in KiB.
    pub maximum_kib: u64,
    /// `currentMemory`: the balloon's target, in KiB; at most the maximum.
    pub current_kib: u64,
    /// How many virtual CPUs.
    pub vcpus: u32,
    /// Nova's metadata; none for a plain libvirt host's domain.
    pub nova: Option<Nova>,
    /// Its disks.
    pub disks: Vec<Disk>,
    /// Its network interfaces.
    pub nics: Vec<Nic>,
    /// What a real guest runs; the test driver runs nothing.
    pub os: Os,
    /// In which state the domain is left.
    pub power: Power,
}

/// What a guest under qemu runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Os {
    /// Nothing: for a guest that is left paused. Half a second and 53 MB each.
    None,
    /// Debian's cloud kernel with a small initramfs that reports through the balloon and uses disks and interfaces.
    /// Balloon statistics come some seconds after its start; 190 MB each.
    Linux,
}

/// In which state a domain is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Power {
    /// Running.
    Running,
    /// Started, and never given the CPU.
    Paused,
    /// Defined, not started.
    ShutOff,
}

/// A disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disk {
    /// The target (`vda`).
    pub device: String,
    /// Its file, or the link to its block device; a relative one is made, sparse, in the private libvirtd's own folder.
    pub file: String,
    /// Its size, in bytes.
    pub bytes: u64,
    /// What is behind it.
    pub image: Image,
    /// What the guest takes it for.
    pub drive: Drive,
}

/// What is behind a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Image {
    /// A raw file.
    Raw,
    /// A qcow2 file.
    Qcow2,
    /// A block device; the private libvirtd makes a loop device over a raw file.
    Block,
    /// Nothing: an empty drive.
    None,
}

/// What a guest takes a disk for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drive {
    /// A disk, at virtio's bus.
    Disk,
    /// A CD-ROM drive, at the IDE bus (`hda`).
    Cdrom,
}

/// A network interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nic {
    /// The tap's name, 15 bytes at most (Nova's: `tap` and eleven characters of the port's id).
    pub tap: String,
    /// Its address.
    pub mac: String,
    /// Neutron's port id.
    pub port_id: String,
    /// What it is plugged into under qemu. The test driver plugs nothing and always tells of [`Plug::OpenVswitch`].
    pub plug: Plug,
    /// The network filter that it refers to.
    pub filter: Option<Filter>,
}

/// What an interface is plugged into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plug {
    /// Nothing: a tap that libvirt makes and nobody listens at.
    Tap,
    /// The integration bridge as Neutron's Open vSwitch agent has it, [`BRIDGE`].
    OpenVswitch,
}

/// Neutron's integration bridge.
pub const BRIDGE: &str = "br-int";

/// A reference to a network filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// The filter's name; the private libvirtd defines it, without rules.
    pub name: String,
    /// Its parameters: names of letters, digits and underscores, and values.
    pub parameters: Vec<(String, String)>,
}

/// The driver that the XML is for.
#[derive(Clone, Copy)]
pub(crate) enum Driver<'a> {
    /// libvirt's test driver.
    Test,
    /// qemu by its own emulation (TCG): works on any machine, virtual ones included.
    Qemu {
        /// Kernel and initial file system, for [`Os::Linux`].
        boot: Option<&'a crate::Linux>,
        /// Where relative files of disks are.
        disks: &'a std::path::Path,
    },
}

impl Guest {
    /// A paused guest without an OS, devices and metadata: the quickest to start. Its maximum is in KiB.
    pub fn paused(name: &str, uuid: &str, maximum_kib: u64) -> Guest {
        Guest {
            name: name.to_owned(),
            uuid: uuid.to_owned(),
            maximum_kib,
            current_kib: maximum_kib,
            vcpus: 1,
            nova: None,
            disks: Vec::new(),
            nics: Vec::new(),
            os: Os::None,
            power: Power::Paused,
        }
    }

    /// The domain's XML for the test driver, for a test that defines one itself.
    pub fn test_xml(&self) -> String {
        self.xml(Driver::Test)
    }

    pub(crate) fn xml(&self, driver: Driver) -> String {
        let kind = match driver {
            Driver::Test => "test",
            Driver::Qemu { .. } => "qemu",
        };
        let name = escape(&self.name);
        let mut xml =
            format!("<domain type=\"{kind}\">\n  <name>{name}</name>\n  <uuid>{}</uuid>\n", self.uuid);
        if let Some(nova) = &self.nova {
            let _ = writeln!(xml, "  <metadata>{}</metadata>", nova.xml());
        }
        let _ = write!(
            xml,
            "  <memory unit=\"KiB\">{}</memory>\n  <currentMemory unit=\"KiB\">{}</currentMemory>\n  \
             <vcpu>{}</vcpu>\n",
            self.maximum_kib, self.current_kib, self.vcpus
        );
        xml += &self.os(driver);
        xml += "  <devices>\n";
        if let Driver::Qemu { .. } = driver {
            xml += "    <emulator>/usr/bin/qemu-system-x86_64</emulator>\n";
        }
        for disk in &self.disks {
            xml += &disk.xml(driver);
        }
        for nic in &self.nics {
            xml += &nic.xml(driver);
        }
        if let Driver::Qemu { .. } = driver {
            xml += "    <memballoon model=\"virtio\"><stats period=\"1\"/></memballoon>\n";
            if self.os == Os::Linux {
                xml += "    <serial type=\"null\"/>\n";
            }
        }
        xml + "  </devices>\n" + &self.run_state(driver) + "</domain>\n"
    }

    /// The test driver's own element for the state in which a node file's domain begins.
    fn run_state(&self, driver: Driver) -> String {
        let state = match (driver, self.power) {
            (Driver::Qemu { .. }, _) | (_, Power::Running) => return String::new(),
            (_, Power::Paused) => 3,
            (_, Power::ShutOff) => 5,
        };
        format!(
            "  <test:runstate xmlns:test=\"http://libvirt.org/schemas/domain/test/1.0\">{state}</test:runstate>\n"
        )
    }

    fn os(&self, driver: Driver) -> String {
        let Driver::Qemu { boot, .. } = driver else {
            return "  <os><type arch=\"x86_64\">hvm</type></os>\n".to_owned();
        };
        let mut xml = "  <os><type arch=\"x86_64\" machine=\"pc\">hvm</type>".to_owned();
        if let (Os::Linux, Some(linux)) = (self.os, boot) {
            let _ = write!(
                xml,
                "<kernel>{}</kernel><initrd>{}</initrd><cmdline>console=ttyS0 quiet panic=-1</cmdline>",
                escape(&linux.kernel.to_string_lossy()),
                escape(&linux.initramfs.to_string_lossy())
            );
        }
        // Half of a TCG guest's memory would be the cache of translated code.
        xml + "</os>\n  <features><acpi/><tcg><tb-cache unit=\"MiB\">32</tb-cache></tcg></features>\n"
    }
}

impl Disk {
    /// A raw disk.
    pub fn raw(device: &str, file: &str, bytes: u64) -> Disk {
        Disk { device: device.into(), file: file.into(), bytes, image: Image::Raw, drive: Drive::Disk }
    }

    fn xml(&self, driver: Driver) -> String {
        let file = match driver {
            Driver::Test => self.file.clone(),
            Driver::Qemu { disks, .. } => disks.join(&self.file).to_string_lossy().into_owned(),
        };
        let (kind, format) = match self.image {
            Image::Block => ("block", "raw"),
            Image::Qcow2 => ("file", "qcow2"),
            Image::Raw | Image::None => ("file", "raw"),
        };
        let source = match self.image {
            Image::None => String::new(),
            Image::Block => format!("<source dev=\"{}\"/>", escape(&file)),
            Image::Raw | Image::Qcow2 => format!("<source file=\"{}\"/>", escape(&file)),
        };
        let (device, bus, end) = match self.drive {
            Drive::Disk => ("disk", "virtio", ""),
            Drive::Cdrom => ("cdrom", "ide", "<readonly/>"),
        };
        format!(
            "    <disk type=\"{kind}\" device=\"{device}\"><driver name=\"qemu\" type=\"{format}\"/>{source}\
             <target dev=\"{}\" bus=\"{bus}\"/>{end}</disk>\n",
            escape(&self.device)
        )
    }
}

impl Nic {
    fn xml(&self, driver: Driver) -> String {
        let (tap, mac) = (escape(&self.tap), escape(&self.mac));
        let plug = match driver {
            Driver::Test => Plug::OpenVswitch,
            Driver::Qemu { .. } => self.plug,
        };
        let filter = self.filter.as_ref().map(Filter::xml).unwrap_or_default();
        match plug {
            Plug::OpenVswitch => format!(
                "    <interface type=\"bridge\"><mac address=\"{mac}\"/><source bridge=\"{BRIDGE}\"/>\
                 <virtualport type=\"openvswitch\"><parameters interfaceid=\"{}\"/></virtualport>\
                 <target dev=\"{tap}\"/><model type=\"virtio\"/>{filter}</interface>\n",
                escape(&self.port_id)
            ),
            // A tap without a bridge, made by libvirtd in its private network namespace.
            Plug::Tap => format!(
                "    <interface type=\"ethernet\"><mac address=\"{mac}\"/><target dev=\"{tap}\"/>\
                 <model type=\"virtio\"/>{filter}</interface>\n"
            ),
        }
    }
}

impl Filter {
    fn xml(&self) -> String {
        let mut xml = format!("<filterref filter=\"{}\">", escape(&self.name));
        for (name, value) in &self.parameters {
            let _ = write!(xml, "<parameter name=\"{}\" value=\"{}\"/>", escape(name), escape(value));
        }
        xml + "</filterref>"
    }
}
