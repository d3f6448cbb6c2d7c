//! Snapshots of libvirt's embedded test driver: the whole way through libvirt's client library, without a daemon.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nephoscope_inspector::settings::StoppedDisks;
use nephoscope_inspector::{
    self as inspector, ControlState, Group, Groups, Inspector, Instance, Missing, Power, Settings, Snapshot,
};

const WEB: &str = "b9c03180-1f4e-4f8a-9c0d-2f0c5f3f8a11";
const BOX: &str = "0d1c2b3a-4f5e-4d6c-8b7a-99a8b7c6d5e4";
const OFF: &str = "c1c03180-1f4e-4f8a-9c0d-2f0c5f3f8a12";

const GIB: u64 = 1 << 30;

fn every_group() -> Groups {
    Groups::from([Group::Memory, Group::Cpu, Group::Disks, Group::Vnics, Group::Perf, Group::RawStats])
}

fn settings(uri: &str) -> Settings {
    Settings {
        uri: uri.to_owned(),
        default_project: Some("lab".to_owned()),
        default_user: Some("operator".to_owned()),
        ..Settings::default()
    }
}

fn small() -> Inspector {
    let node = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/nodes/small.xml");
    Inspector::libvirt(settings(&format!("test://{}", node.display())))
}

fn instance<'a>(snapshot: &'a Snapshot, uuid: &str) -> &'a Instance {
    snapshot.instances.iter().find(|instance| instance.identity.uuid == uuid).unwrap()
}

/// A node file with this many running domains of nova.
fn host(count: usize) -> tempfile::NamedTempFile {
    let mut node = String::from("<node>");
    for number in 0..count {
        write!(
            node,
            "<domain type='test'><name>instance-{number:08x}</name>\
             <uuid>00000000-0000-4000-8000-{number:012x}</uuid>\
             <metadata><nova:instance xmlns:nova='http://openstack.org/xmlns/libvirt/nova/1.1'>\
             <nova:name>vm {number}</nova:name><nova:flavor name='m1.tiny'><nova:memory>512</nova:memory>\
             <nova:disk>1</nova:disk><nova:swap>0</nova:swap><nova:ephemeral>0</nova:ephemeral>\
             <nova:vcpus>1</nova:vcpus></nova:flavor><nova:owner><nova:user uuid='u'>u</nova:user>\
             <nova:project uuid='p'>p</nova:project></nova:owner></nova:instance></metadata>\
             <memory unit='KiB'>524288</memory><vcpu>1</vcpu><os><type arch='x86_64'>hvm</type></os><devices>\
             <disk type='file' device='disk'><source file='/d{number}'/><target dev='vda' bus='virtio'/></disk>\
             <interface type='bridge'><mac address='fa:16:3e:00:{:02x}:{:02x}'/><source bridge='br0'/>\
             <target dev='tap{number}'/></interface></devices></domain>",
            number / 256,
            number % 256,
        )
        .unwrap();
    }
    node.push_str("</node>");
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), node).unwrap();
    file
}

#[test]
fn a_snapshot_has_every_instance_in_the_order_of_the_uuids() {
    let snapshot = small().snapshot(&every_group()).unwrap();
    let uuids: Vec<_> = snapshot.instances.iter().map(|instance| instance.identity.uuid.as_str()).collect();
    assert_eq!(uuids, [BOX, WEB, OFF]);
    assert!(!snapshot.host.is_empty());
    assert!(snapshot.connection.starts_with("test:///"));
    assert!(snapshot.taken_at > 0);
    assert!(snapshot.instances.iter().all(|instance| instance.taken_at >= snapshot.taken_at));
}

#[test]
fn a_running_instance_is_read_by_single_calls() {
    let snapshot = small().snapshot(&every_group()).unwrap();
    let web = instance(&snapshot, WEB);
    assert_eq!(web.power, Power::Running);
    assert_eq!(web.identity.project_id.as_deref(), Some("1f0e2d3c4b5a69788796a5b4c3d2e1f0"));
    assert_eq!(web.identity.nova.as_ref().unwrap().display_name, "wéb");
    let memory = web.memory.as_ref().unwrap();
    assert_eq!(memory.maximum, 2 * GIB);
    assert!(memory.actual.is_some() && memory.unused.is_some(), "{memory:?}");
    let cpu = web.cpu.as_ref().unwrap();
    assert_eq!((cpu.current, cpu.maximum), (2, 4));
    assert!(cpu.time.is_some());
    let [vda] = web.disks.as_ref().unwrap().as_slice() else { panic!("one disk with a source") };
    assert_eq!((vda.device.as_str(), vda.flush_requests), ("vda", None));
    assert!(vda.read_bytes.is_some() && vda.capacity.is_some(), "{vda:?}");
    let [tap] = web.vnics.as_ref().unwrap().as_slice() else { panic!("one interface") };
    assert_eq!((tap.name.as_str(), tap.mac.as_str()), ("tap2b0405c7-5a", "fa:16:3e:11:22:33"));
    assert_eq!(web.perf, Err(Missing::Unsupported));
    let raw = web.raw.as_ref().unwrap();
    assert!(raw.iter().any(|(name, _)| name == "state.state"), "all that this driver has in bulk");
}

#[test]
fn an_instance_that_is_shut_off_keeps_its_sizes_only() {
    let snapshot = small().snapshot(&every_group()).unwrap();
    let off = instance(&snapshot, OFF);
    assert_eq!(off.power, Power::ShutOff);
    let memory = off.memory.as_ref().unwrap();
    assert_eq!((memory.maximum, memory.unused), (4 * GIB, None));
    let cpu = off.cpu.as_ref().unwrap();
    assert_eq!((cpu.current, cpu.time, cpu.vcpus.len()), (2, None, 0));
    assert_eq!((&off.vnics, &off.disks), (&Err(Missing::ShutOff), &Err(Missing::ShutOff)));
}

#[test]
fn the_disks_of_an_instance_that_is_shut_off_are_read_where_that_is_wanted() {
    let node = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/nodes/small.xml");
    let uri = format!("test://{}", node.display());
    let inspector = Inspector::libvirt(Settings { stopped_disks: StoppedDisks::Read, ..settings(&uri) });
    let snapshot = inspector.snapshot(&Groups::from([Group::Disks])).unwrap();
    assert!(instance(&snapshot, OFF).disks.is_ok());
}

#[test]
fn a_plain_domain_is_the_configured_owners() {
    let snapshot = small().snapshot(&Groups::from([Group::Memory])).unwrap();
    let plain = instance(&snapshot, BOX);
    assert_eq!(plain.identity.nova, None);
    assert_eq!(plain.identity.project_id.as_deref(), Some("lab"));
    assert_eq!(plain.identity.user_id.as_deref(), Some("operator"));
}

#[test]
fn what_is_not_asked_for_is_not_read() {
    let snapshot = small().snapshot(&Groups::from([Group::Memory])).unwrap();
    let web = instance(&snapshot, WEB);
    assert!(web.memory.is_ok());
    assert_eq!(web.cpu, Err(Missing::NotAsked));
    assert_eq!(web.disks, Err(Missing::NotAsked));
    assert_eq!(web.vnics, Err(Missing::NotAsked));
    assert_eq!(web.perf, Err(Missing::NotAsked));
    assert_eq!(web.raw, Err(Missing::NotAsked));
    let snapshot = small().snapshot(&Groups::new()).unwrap();
    assert_eq!(instance(&snapshot, WEB).memory, Err(Missing::NotAsked));
    assert_eq!(instance(&snapshot, WEB).power, Power::Running);
}

#[test]
fn an_identity_is_the_same_object_while_nothing_changed() {
    let inspector = small();
    let groups = Groups::from([Group::Memory]);
    let (first, second) = (inspector.snapshot(&groups).unwrap(), inspector.snapshot(&groups).unwrap());
    assert!(first.taken_at <= second.taken_at);
    for (one, other) in first.instances.iter().zip(&second.instances) {
        assert!(Arc::ptr_eq(&one.identity, &other.identity));
    }
}

#[test]
fn the_default_host_of_the_test_driver_is_read() {
    let snapshot = Inspector::libvirt(settings("test:///default")).snapshot(&every_group()).unwrap();
    let [only] = snapshot.instances.as_slice() else { panic!("one domain") };
    assert_eq!(only.identity.uuid, "6695eb01-f6a4-8304-79aa-97f2502e193f");
    assert_eq!(only.memory.as_ref().unwrap().maximum, 8 * GIB);
}

#[test]
fn a_probe_tells_of_every_instance_what_it_does_not_give_and_why() {
    let probe = small().probe(&every_group()).unwrap();
    let uuids: Vec<_> = probe.instances.iter().map(|instance| instance.uuid.as_str()).collect();
    assert_eq!(uuids, [BOX, WEB, OFF]);
    assert_eq!(probe.snapshot.instances.len(), 3);
    let of = |uuid| probe.instances.iter().find(|instance| instance.uuid == uuid).unwrap();
    let web = of(WEB);
    assert_eq!((web.name.as_str(), web.power), ("instance-00000001", Power::Running));
    assert_eq!(web.without, [(Group::Perf, Missing::Unsupported)]);
    let control = web.control.as_ref().unwrap();
    assert_eq!((control.state, control.lasting), (ControlState::Ok, Duration::ZERO));
    let off = of(OFF);
    assert_eq!(off.power, Power::ShutOff);
    assert!(off.without.contains(&(Group::Vnics, Missing::ShutOff)), "{off:?}");
    assert_eq!(off.control, Err(Missing::ShutOff));
}

#[test]
fn an_instance_whose_xml_is_refused_is_left_out_by_name() {
    let node = format!(
        "<node><domain type='test'><name>large</name><uuid>{BOX}</uuid><memory>524288</memory><vcpu>1</vcpu>\
         <os><type>hvm</type></os><devices><disk type='file'><source file='/{}'/><target dev='vda'/></disk>\
         </devices></domain></node>",
        "d".repeat(20_000)
    );
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), node).unwrap();
    let inspector = Inspector::libvirt(settings(&format!("test://{}", file.path().display())));
    let probe = inspector.probe(&Groups::from([Group::Memory])).unwrap();
    assert_eq!(probe.snapshot.instances.len(), 0);
    let [out] = probe.snapshot.left_out.as_slice() else { panic!("one that is left out") };
    assert_eq!((out.uuid.as_str(), out.name.as_str(), out.power), (BOX, "large", Power::Running));
    assert!(out.why.contains("a tag of more than"), "{}", out.why);
    let [probed] = probe.instances.as_slice() else { panic!("one instance") };
    assert_eq!((&probed.uuid, probed.left_out.as_ref()), (&out.uuid, Some(&out.why)));
    assert!(probed.control.is_ok());
    assert_eq!(inspector.health().left_out, 1);
}

#[test]
fn a_recorded_host_is_replayed_with_the_same_values() {
    let taken = small().snapshot(&every_group()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("host.json");
    inspector::record(&taken, &path).unwrap();
    let replayed = Inspector::replay(&path).unwrap().snapshot(&every_group()).unwrap();
    assert!(replayed.taken_at > taken.taken_at);
    assert_eq!(replayed.instances.len(), taken.instances.len());
    for (one, other) in taken.instances.iter().zip(&replayed.instances) {
        assert_eq!(one.identity, other.identity);
        assert_eq!(one.memory, other.memory);
        assert_eq!(one.cpu, other.cpu);
        assert_eq!(one.disks, other.disks);
        assert_eq!(one.vnics, other.vnics);
        assert_eq!(one.raw, other.raw);
    }
}

#[test]
fn a_connection_that_cannot_be_opened_is_tried_again_with_back_off() {
    let inspector = Inspector::libvirt(settings("test:///nowhere/node.xml"));
    let groups = Groups::from([Group::Memory]);
    let first = inspector.snapshot(&groups).unwrap_err();
    assert!(matches!(first, inspector::InspectError::Open { .. }), "{first:?}");
    let second = inspector.snapshot(&groups).unwrap_err();
    assert!(matches!(second, inspector::InspectError::BackOff { .. }), "{second:?}");
    let nul = Inspector::libvirt(settings("test:///\0")).snapshot(&groups).unwrap_err();
    assert!(matches!(nul, inspector::InspectError::Open { .. }), "{nul:?}");
}

#[test]
fn snapshots_from_many_threads_are_taken_one_after_the_other() {
    let inspector = Arc::new(small());
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let inspector = Arc::clone(&inspector);
            std::thread::spawn(move || inspector.snapshot(&every_group()).unwrap().instances.len())
        })
        .collect();
    for thread in threads {
        assert_eq!(thread.join().unwrap(), 3);
    }
    assert_eq!(inspector.health().connections, 1);
    assert_eq!(inspector.health().set_aside, []);
}

#[test]
fn a_host_of_a_thousand_instances_is_read_in_a_fraction_of_a_second() {
    let node = host(1000);
    let inspector = Inspector::libvirt(settings(&format!("test://{}", node.path().display())));
    let memory = Groups::from([Group::Memory]);
    let first = inspector.snapshot(&memory).unwrap();
    assert_eq!(first.instances.len(), 1000);
    let fastest = |groups: &Groups| {
        let took = |_| {
            let started = Instant::now();
            let snapshot = inspector.snapshot(groups).unwrap();
            assert_eq!(snapshot.instances.len(), 1000);
            started.elapsed()
        };
        (0..3).map(took).min().unwrap()
    };
    let (small, large) = (fastest(&memory), fastest(&every_group()));
    println!("1,000 instances: memory {small:?}, every group {large:?}");
    assert!(small < Duration::from_millis(500), "{small:?}");
    assert!(large < Duration::from_secs(2), "{large:?}");
}
