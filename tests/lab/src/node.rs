//! Nova-like instances, and node files of them for libvirt's test driver (`test:///path/to/node.xml`).
//!
//! The n-th instance is always the same, so that a test can compute what it expects to read.

use crate::guest::Driver;
use crate::{Disk, Flavor, Guest, Nic, Nova, NovaVersion, Os, Owner, Plug, Power};

const MIB: u64 = 1024;
const GIB: u64 = 1024 * 1024 * 1024;

/// Display names as tenants give them; the n-th instance takes the n-th, and goes round.
const NAMES: [&str; 12] = [
    "web-1",
    "web-2",
    "datenbank-süd",
    "Überwachung",
    "キャッシュ",
    "build <runner> & \"cache\"",
    "мониторинг",
    "vpn-gateway",
    "tenant's vm",
    "🔭 nephoscope",
    "batch-α",
    "mail",
];

/// Name, MiB of memory, GiB of disk, GiB ephemeral, MiB of swap, vCPUs.
const FLAVORS: [(&str, u64, u64, u64, u64, u32); 5] = [
    ("m1.tiny", 512, 1, 0, 0, 1),
    ("m1.small", 2048, 20, 0, 0, 1),
    ("m1.medium", 4096, 40, 10, 0, 2),
    ("c2.large", 8192, 80, 0, 512, 4),
    ("r3.xlarge", 65_536, 160, 100, 2048, 8),
];

/// How many projects the instances are spread over.
const PROJECTS: usize = 3;

/// The n-th nova-like instance, from 1 on: running, one or two disks, one or two interfaces.
pub fn instance(n: usize) -> Guest {
    let (flavor, memory, disk, ephemeral, swap, vcpus) = FLAVORS[n % FLAVORS.len()];
    let uuid = uuid(n, 0);
    let project = n % PROJECTS;
    let mut disks = vec![Disk::raw("vda", &format!("/var/lib/nova/instances/{uuid}/disk"), disk * GIB)];
    if ephemeral > 0 {
        disks.push(Disk::raw("vdb", &format!("/var/lib/nova/instances/{uuid}/disk.eph0"), ephemeral * GIB));
    }
    let display_name = match NAMES[n.saturating_sub(1) % NAMES.len()] {
        name if n <= NAMES.len() => name.to_owned(),
        name => format!("{name} {n}"),
    };
    Guest {
        name: format!("instance-{n:08x}"),
        uuid,
        maximum_kib: memory * MIB,
        // Every fourth has a balloon that holds a quarter back: the maximum is not what it has now.
        current_kib: if n.is_multiple_of(4) { memory * MIB / 4 * 3 } else { memory * MIB },
        vcpus,
        nova: Some(Nova {
            version: if n.is_multiple_of(6) { NovaVersion::V1_0 } else { NovaVersion::V1_1 },
            name: display_name,
            flavor: Flavor {
                id: Some((n % FLAVORS.len() + 1).to_string()),
                name: flavor.to_owned(),
                memory,
                disk: disk + ephemeral,
                swap,
                ephemeral,
                vcpus,
                extra_specs: None,
            },
            owner: Owner {
                user_id: format!("{:032x}", 0x75_5e_00 + project),
                user_name: ["admin", "betrieb-süd", "équipe"][project].to_owned(),
                project_id: format!("{:032x}", 0x70_70_00 + project),
                project_name: ["research", "web", "größe"][project].to_owned(),
            },
            image: Some(self::uuid(n % 2, 2)),
            image_meta: None,
        }),
        disks,
        nics: (0..1 + n % 2).map(|nic| self::nic(n, nic)).collect(),
        os: Os::None,
        power: Power::Running,
    }
}

/// The first `count` instances.
pub fn instances(count: usize) -> Vec<Guest> {
    (1..=count).map(instance).collect()
}

/// A node file for libvirt's test driver.
pub fn node_file(guests: &[Guest]) -> String {
    let domains: String = guests.iter().map(|guest| guest.xml(Driver::Test)).collect();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<node>\n<cpu><mhz>3000</mhz><model>x86_64</model><active>64</active>\
         <nodes>2</nodes><sockets>2</sockets><cores>16</cores><threads>2</threads></cpu>\n\
         <memory>1073741824</memory>\n{domains}</node>\n"
    )
}

fn nic(n: usize, nic: usize) -> Nic {
    let port_id = uuid(n, 10 + nic);
    Nic {
        tap: format!("tap{}", &port_id[..11]),
        mac: format!("fa:16:3e:{:02x}:{:02x}:{:02x}", nic, n / 256 % 256, n % 256),
        port_id,
        plug: Plug::Tap,
        filter: None,
    }
}

/// A version 4 UUID that tells what and which it is of, and never changes. The first eight digits differ between any two.
fn uuid(n: usize, kind: usize) -> String {
    format!("{:08x}-6e65-4068-8f73-{:012x}", n << 5 | kind, (kind << 32) + n)
}
