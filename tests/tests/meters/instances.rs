//! Instances as a snapshot holds them: with every reading, and what the tests take away from it.

use std::sync::Arc;

use inspector::identity::{Flavor, Nova, VnicDevice};
use inspector::snapshot::{Cpu, Disk, Memory, Vcpu, Vnic};
use inspector::{Group, Groups, Identity, Instance, Missing, Power, Snapshot};

pub const MIB: u64 = 1 << 20;
/// A double would round it.
pub const ODD: u64 = (1 << 53) + 1;

/// The n-th instance's UUID; they stand in the order of their numbers.
pub fn uuid(n: usize) -> String {
    format!("{n:08x}-1f4e-4f8a-9c0d-2f0c5f3f8a11")
}

/// A running instance of nova's with two disks and two vnics, the second of them filtered, and with every reading.
pub fn whole(n: usize) -> Instance {
    let vnics = [plain_vnic(), filtered_vnic()];
    Instance {
        identity: Arc::new(Identity {
            uuid: uuid(n),
            name: format!("instance-{n:08x}"),
            nova: Some(Nova {
                display_name: format!("vm-{n}"),
                flavor: Some(Flavor {
                    name: "m1.small".into(),
                    vcpus: 2,
                    ram_mib: 2048,
                    disk_gib: 20,
                    ephemeral_gib: 30,
                    ..Flavor::default()
                }),
                ..Nova::default()
            }),
            project_id: Some("1f0e2d3c4b5a69788796a5b4c3d2e1f0".into()),
            user_id: Some("0f1e2d3c4b5a69788796a5b4c3d2e1f0".into()),
            vnics: vnics.iter().map(device).collect(),
            ..Identity::default()
        }),
        power: Power::Running,
        taken_at: 0,
        memory: Ok(Memory {
            maximum: 2048 * MIB,
            actual: Some(1024 * MIB),
            available: Some(1000 * MIB + MIB / 2),
            usable: Some(600 * MIB),
            unused: Some(100 * MIB),
            rss: Some(900 * MIB),
            swap_in: Some(0),
            swap_out: Some(3 * MIB),
            ..Memory::default()
        }),
        // vCPUs 1 and 2 are not plugged.
        cpu: Ok(Cpu {
            current: 2,
            maximum: 4,
            time: Some(1),
            vcpus: vec![vcpu(0, ODD, 1), vcpu(3, 100, 10)],
            ..Cpu::default()
        }),
        disks: Ok(vec![disk("vda"), Disk { capacity: Some(10), physical: Some(4096), ..disk("vdb") }]),
        vnics: Ok(vnics.into()),
        perf: Ok([("cpu_cycles", 11), ("instructions", 12), ("cache_references", 13), ("cache_misses", 14)]
            .map(|(event, count)| (event.to_owned(), count))
            .into()),
        raw: Err(Missing::NotAsked),
    }
}

/// The same as a snapshot holds it once it is shut off.
pub fn shut_off(n: usize) -> Instance {
    let sizes = |device| Disk {
        device,
        capacity: Some(100 * MIB),
        allocation: Some(MIB),
        physical: Some(2 * MIB),
        ..Disk::default()
    };
    Instance {
        power: Power::ShutOff,
        memory: Ok(Memory { maximum: 2048 * MIB, actual: Some(1024 * MIB), ..Memory::default() }),
        cpu: Ok(Cpu { current: 2, maximum: 4, ..Cpu::default() }),
        disks: Ok(vec![sizes("vda".into())]),
        vnics: Err(Missing::ShutOff),
        perf: Err(Missing::ShutOff),
        ..whole(n)
    }
}

/// A snapshot of them, to be recorded.
pub fn snapshot(instances: Vec<Instance>) -> Snapshot {
    Snapshot {
        host: "compute-1".into(),
        connection: "qemu:///system".into(),
        taken_at: 0,
        groups: Groups::from([Group::Memory, Group::Cpu, Group::Disks, Group::Vnics, Group::Perf]),
        instances: instances.into_iter().map(Arc::new).collect(),
        left_out: Vec::new(),
    }
}

fn vcpu(number: u32, time: u64, wait: u64) -> Vcpu {
    Vcpu { number, state: 1, time: Some(time), wait: Some(wait), delay: None }
}

fn disk(device: &str) -> Disk {
    Disk {
        device: device.into(),
        read_requests: Some(1),
        read_bytes: Some(ODD),
        read_time: Some(3),
        write_requests: Some(4),
        write_bytes: Some(5),
        write_time: Some(6),
        capacity: Some(100 * MIB),
        allocation: Some(MIB),
        physical: Some(2 * MIB),
        ..Disk::default()
    }
}

fn plain_vnic() -> Vnic {
    Vnic {
        name: "tap0".into(),
        mac: "fa:16:3e:00:00:01".into(),
        bridge: Some("br-int".into()),
        interface_id: Some("2b0405c7-5a5a-4c4c-8d8d-001122334455".into()),
        rx_bytes: Some(ODD),
        rx_packets: Some(2),
        rx_errors: Some(3),
        rx_drop: Some(4),
        tx_bytes: Some(5),
        tx_packets: Some(6),
        tx_errors: Some(7),
        tx_drop: Some(8),
        ..Vnic::default()
    }
}

fn filtered_vnic() -> Vnic {
    Vnic {
        name: "tap1".into(),
        mac: "fa:16:3e:00:00:02".into(),
        bridge: None,
        filterref: Some("nova-instance-1-fa163e000002".into()),
        interface_id: None,
        parameters: vec![("ip".into(), "10.0.0.2".into()), ("ip".into(), "10.0.0.3".into())],
        tx_drop: None,
        ..plain_vnic()
    }
}

fn device(vnic: &Vnic) -> VnicDevice {
    VnicDevice {
        name: vnic.name.clone(),
        mac: vnic.mac.clone(),
        bridge: vnic.bridge.clone(),
        filterref: vnic.filterref.clone(),
        interface_id: vnic.interface_id.clone(),
        parameters: vnic.parameters.clone(),
    }
}
