//! What case files mean.

use nephoscope_config as config;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use config::cases::{CaseFile, Expect, Line, LogLevel, Recorded, Sample, Skip};
use config::{Faults, load_cases};
use inspector::identity::Identity;
use inspector::snapshot::{Cpu, Disk, Field, Memory, Vcpu, Vnic};
use inspector::{Instance, Missing, Power};
use sample::Volume;
use serde_json::json;

fn load(text: &str) -> CaseFile {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.yaml");
    fs::write(&path, text).unwrap();
    load_cases(&path).unwrap_or_else(|faults| panic!("{faults}")).value
}

/// An instance with one of each device.
fn instance() -> Instance {
    let vnic = |name: &str, drop| Vnic { name: name.into(), rx_drop: drop, ..Vnic::default() };
    let disk = |device: &str, read| Disk { device: device.into(), read_bytes: read, ..Disk::default() };
    Instance {
        identity: Arc::new(Identity {
            uuid: "u".into(),
            project_id: Some("p".into()),
            ..Identity::default()
        }),
        power: Power::Running,
        taken_at: 5,
        memory: Ok(Memory { maximum: 1 << 30, actual: Some(1 << 29), ..Memory::default() }),
        cpu: Ok(Cpu {
            current: 2,
            maximum: 4,
            vcpus: vec![Vcpu { number: 0, wait: Some(1), ..Vcpu::default() }],
            ..Cpu::default()
        }),
        disks: Ok(vec![disk("vda", Some(1)), disk("vdb", None)]),
        vnics: Ok(vec![vnic("tap0", Some(7))]),
        perf: Ok(vec![("cpu_cycles".into(), 1), ("instructions".into(), 2)]),
        raw: Err(Missing::Unsupported),
    }
}

/// The instance after the change, and what was wrong with that.
fn changed(from: Instance, change: &str) -> (Instance, Faults) {
    let file = load(&format!("cases: [{{name: a, polls: [{{instance: x, change: {change}}}]}}]"));
    let mut instance = from;
    let mut faults = Faults::default();
    file.cases[0].polls[0].change.apply(&mut instance, &mut faults);
    (instance, faults)
}

fn good(change: &str) -> Instance {
    let (instance, faults) = changed(instance(), change);
    assert!(faults.is_empty(), "{faults}");
    instance
}

#[test]
fn every_key_reaches_its_place() {
    let path = Path::new("tests/settings/cases.yaml");
    let file = load_cases(path).unwrap_or_else(|faults| panic!("{faults}")).value;
    assert_eq!(file.guest.unwrap().value, Path::new("tests/settings/../build/x.wasm"));
    assert_eq!(file.limits.cpu, Some(Duration::from_secs(1)));
    let case = &file.cases[0];
    let setting = |key: &str, text: &str| (key.to_owned(), text.to_owned());
    assert_eq!(case.name.value, "everything");
    assert_eq!(
        case.settings,
        BTreeMap::from([setting("direction", "incoming"), setting("verbose", "true")]),
        "the case's own go over the file's"
    );
    let [first, second, third, fourth] = &case.polls[..] else { panic!("four polls") };
    assert_eq!((&first.snapshot.value, first.instance.as_str()), (&Recorded::Example, "web-1"));
    assert_eq!((first.place.line, first.instance.place.column), (10, 19));
    let Some(Expect::Samples(samples)) = &first.expect else { panic!("{:?}", first.expect) };
    let sample = |volume, resource_id: Option<&str>, metadata: serde_json::Value| Sample {
        meter: "network.drops".into(),
        volume,
        resource_id: resource_id.map(str::to_owned),
        metadata: metadata.as_object().unwrap().clone(),
    };
    let metadata = json!({
        "name": "tap0", "mtu": 1500, "quoted": "1500", "load": 0.5, "up": true, "gone": null, "offset": -1,
        "parameters": {"bridge": "br0", "vlan": 7},
    });
    assert_eq!(
        samples,
        &[
            sample(Volume::Count(u64::MAX), None, json!({})),
            sample(Volume::Signed(5), Some("x-tap0"), metadata),
            sample(Volume::Real(5.0), None, json!({})),
        ]
    );
    assert_eq!(first.log, Some(vec![Line { level: LogLevel::Warn, text: "full".into() }]));
    assert_eq!(
        (second.after, &second.snapshot.value),
        (Some(Duration::from_secs(60)), &Recorded::ExampleLater)
    );
    assert_eq!(second.expect, Some(Expect::Skipped(Skip::ShutOff)));
    assert_eq!(second.log, Some(vec![]));
    assert_eq!(third.snapshot.value, Recorded::File("tests/settings/own.json".into()));
    assert_eq!(third.expect, Some(Expect::Failed("no such".into())));
    assert_eq!(third.refused, ["not of the polled instance"]);
    assert_eq!(fourth.expect, Some(Expect::Permanent(String::new())));
    assert_eq!(file.cases[1].settings, BTreeMap::from([setting("direction", "both")]));
    assert_eq!(
        file.cases[1].polls[0].expect,
        Some(Expect::Samples(vec![])),
        "an empty list is a good answer"
    );
}

#[test]
fn what_a_change_does_not_name_stays() {
    let changed = good("{memory: {maximum: 9007199254740993, rss: 5}}");
    let memory = changed.memory.unwrap();
    assert_eq!((memory.maximum, memory.actual, memory.rss), (9_007_199_254_740_993, Some(1 << 29), Some(5)));
    assert_eq!(changed.cpu, instance().cpu);
    assert_eq!(changed.power, Power::Running);
}

#[test]
fn null_removes_a_counter_a_device_or_an_owner() {
    let changed =
        good("{memory: {actual: null}, disks: {vdb: null}, perf: {cpu_cycles: null}, project_id: null}");
    assert_eq!(changed.memory.unwrap().actual, None);
    assert_eq!(changed.disks.unwrap().iter().map(|disk| disk.device.as_str()).collect::<Vec<_>>(), ["vda"]);
    assert_eq!(changed.perf.unwrap(), [("instructions".to_owned(), 2)]);
    assert_eq!(changed.identity.project_id, None);
}

#[test]
fn devices_are_changed_by_name_or_replaced_by_a_list() {
    let changed = good("{disks: {vda: {read_bytes: 18446744073709551615}}, cpu: {vcpus: {0: {wait: 9}}}}");
    let disks = changed.disks.unwrap();
    assert_eq!((disks[0].read_bytes, disks.len()), (Some(u64::MAX), 2));
    assert_eq!(changed.cpu.unwrap().vcpus[0].wait, Some(9));
    let changed = good("{disks: [{device: sda, capacity: 5}], vnics: []}");
    assert_eq!(changed.disks.unwrap(), [Disk { device: "sda".into(), capacity: Some(5), ..Disk::default() }]);
    assert_eq!(changed.vnics.unwrap(), []);
}

#[test]
fn a_filterref_that_is_given_is_a_resource_of_the_instance() {
    let changed = good("{vnics: {tap0: {filterref: port-1, parameters: {bridge: br0}}}}");
    assert_eq!(changed.identity.vnics[0].filterref.as_deref(), Some("port-1"));
    assert_eq!(changed.identity.vnics[0].parameters, [("bridge".to_owned(), "br0".to_owned())]);
    assert_eq!(changed.vnics.unwrap()[0].rx_drop, Some(7));
    let changed = good("{vnics: [{name: tap1, mac: m, parameters: [[vlan, '7']]}]}");
    assert_eq!(changed.vnics.unwrap()[0].parameters, [("vlan".to_owned(), "7".to_owned())]);
}

#[test]
fn a_reading_can_be_made_missing_and_a_missing_one_be_given() {
    let now = good(
        "{memory: shut-off, cpu: {failed: no answer}, raw_stats: {a: 1, b: -1, c: '1', d: true, e: 1.0}}",
    );
    assert_eq!(now.memory, Err(Missing::ShutOff));
    assert_eq!(now.cpu, Err(Missing::Failed("no answer".into())));
    let fields =
        [Field::Unsigned(1), Field::Signed(-1), Field::Text("1".into()), Field::Flag(true), Field::Real(1.0)];
    assert_eq!(now.raw.unwrap().into_iter().map(|(_, field)| field).collect::<Vec<_>>(), fields);
    let shut_off = Instance { memory: Err(Missing::ShutOff), ..instance() };
    let (given, faults) = changed(shut_off, "{memory: {maximum: 7}}");
    assert!(faults.is_empty(), "{faults}");
    assert_eq!(given.memory.unwrap(), Memory { maximum: 7, ..Memory::default() });
}

#[test]
fn what_the_instance_does_not_have_is_a_fault() {
    let (_, faults) = changed(instance(), "{disks: {vdx: {read_bytes: 5}}, cpu: {vcpus: {7: null}}}");
    let messages: Vec<_> = faults.iter().map(|fault| fault.message.as_str()).collect();
    assert_eq!(
        messages,
        ["the instance has no disk `vdx`; it has vda, vdb", "the instance has no vcpu `7`; it has 0"]
    );
    assert!(faults.iter().all(|fault| fault.place.line == 1));
    let gone = Instance { memory: Err(Missing::NotFound), disks: Err(Missing::ShutOff), ..instance() };
    let (unchanged, faults) = changed(gone, "{memory: {rss: 5}, disks: {vda: {}}}");
    let messages: Vec<_> = faults.iter().map(|fault| fault.message.as_str()).collect();
    assert_eq!(
        messages,
        [
            "the instance has no `memory` (the instance vanished), so `maximum` must be given",
            "the instance has no disk `vda`; it has none"
        ]
    );
    assert_eq!(unchanged.memory, Err(Missing::NotFound));
}
