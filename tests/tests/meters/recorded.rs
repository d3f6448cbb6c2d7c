//! One cycle of the program on recorded instances: what is sampled of them, in every power state and with readings missing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::{Context, Result};
use inspector::identity::Identity;
use inspector::snapshot::{Cpu, Memory};
use inspector::{Instance, Missing, Power};
use nephoscope_tests::program::lines;
use nephoscope_tests::{Ended, Guest, Pipeline, Site, guest};
use serde_json::{Value, json};

use super::instances::{MIB, ODD, shut_off, snapshot, uuid, whole};

/// The guests as the pipeline `ceilometer.yaml` has them.
pub fn guests(settings: &str) -> Vec<Guest> {
    let with = |name, grants, settings: &str| Guest {
        settings: settings.into(),
        ..Guest::new(name, guest(name), grants)
    };
    vec![
        with("instance", "instance, memory, cpu, settings, log", settings),
        with("disk", "instance, disks, settings, log", settings),
        with("network", "instance, vnics, state", ""),
        with("perf", "perf", ""),
    ]
}

/// Polls these instances once.
fn polled(instances: Vec<Instance>, settings: &str, code: i32) -> Result<(Ended, Vec<Value>)> {
    let site = Site::new()?;
    inspector::record(&snapshot(instances), &site.path("host.json"))?;
    let pipeline = Pipeline {
        host: "inspector: replay\nsnapshot: host.json".into(),
        guests: guests(settings),
        ..Pipeline::mem_max("", &[&site.file_sink()])
    };
    site.pipeline(&pipeline)?;
    let ended = site.run_once()?.expect(code)?;
    Ok((ended, site.taken()?))
}

/// The meters that the n-th instance has.
fn meters(samples: &[Value], n: usize) -> BTreeSet<&str> {
    let of = samples.iter().filter(|sample| sample["resource_metadata"]["instance_id"] == uuid(n));
    of.filter_map(|sample| sample["counter_name"].as_str()).collect()
}

const SHUT_OFF: [&str; 2] = ["disk.ephemeral.size", "disk.root.size"];

#[test]
fn a_running_instance_has_every_meter_under_its_own_resource() -> Result<()> {
    let (_, samples) = polled(vec![whole(1)], "", 0)?;
    let id = uuid(1);
    let disk = |device: &str| format!("{id}-{device}");
    let tap = format!("instance-00000001-{id}-tap0");
    let filter = "nova-instance-1-fa163e000002".to_owned();
    let mut expected = vec![
        ("power.state", "gauge", "", id.clone(), json!(1)),
        ("cpu", "cumulative", "ns", id.clone(), json!(ODD + 111)),
        ("vcpus", "gauge", "vcpu", id.clone(), json!(2)),
        ("memory", "gauge", "MiB", id.clone(), json!(1024.0)),
        ("memory.available", "gauge", "MiB", id.clone(), json!(1000.5)),
        ("memory.usage", "gauge", "MiB", id.clone(), json!(400.5)),
        ("memory.resident", "gauge", "MiB", id.clone(), json!(900.0)),
        ("memory.swap.in", "cumulative", "MiB", id.clone(), json!(0.0)),
        ("memory.swap.out", "cumulative", "MiB", id.clone(), json!(3.0)),
        ("disk.root.size", "gauge", "GiB", id.clone(), json!(-10)),
        ("disk.ephemeral.size", "gauge", "GiB", id.clone(), json!(30)),
        ("perf.cpu.cycles", "gauge", "", id.clone(), json!(11)),
        ("perf.instructions", "gauge", "", id.clone(), json!(12)),
        ("perf.cache.references", "gauge", "", id.clone(), json!(13)),
        ("perf.cache.misses", "gauge", "", id.clone(), json!(14)),
        ("disk.device.capacity", "gauge", "B", disk("vda"), json!(100 * MIB)),
        ("disk.device.usage", "gauge", "B", disk("vda"), json!(2 * MIB)),
        // A CD-ROM's image, whose capacity libvirt rounds down.
        ("disk.device.capacity", "gauge", "B", disk("vdb"), json!(4096)),
        ("disk.device.usage", "gauge", "B", disk("vdb"), json!(4096)),
        // The filtered vnic's driver does not count them.
        ("network.outgoing.packets.drop", "cumulative", "packet", tap.clone(), json!(8)),
    ];
    for device in ["vda", "vdb"] {
        expected.extend([
            ("disk.device.read.requests", "cumulative", "request", disk(device), json!(1)),
            ("disk.device.read.bytes", "cumulative", "B", disk(device), json!(ODD)),
            ("disk.device.read.latency", "cumulative", "ns", disk(device), json!(3)),
            ("disk.device.write.requests", "cumulative", "request", disk(device), json!(4)),
            ("disk.device.write.bytes", "cumulative", "B", disk(device), json!(5)),
            ("disk.device.write.latency", "cumulative", "ns", disk(device), json!(6)),
            ("disk.device.allocation", "gauge", "B", disk(device), json!(MIB)),
        ]);
    }
    for vnic in [tap, filter] {
        expected.extend([
            ("network.incoming.bytes", "cumulative", "B", vnic.clone(), json!(ODD)),
            ("network.incoming.bytes.delta", "delta", "B", vnic.clone(), json!(0)),
            ("network.incoming.packets", "cumulative", "packet", vnic.clone(), json!(2)),
            ("network.incoming.packets.drop", "cumulative", "packet", vnic.clone(), json!(4)),
            ("network.incoming.packets.error", "cumulative", "packet", vnic.clone(), json!(3)),
            ("network.outgoing.bytes", "cumulative", "B", vnic.clone(), json!(5)),
            ("network.outgoing.bytes.delta", "delta", "B", vnic.clone(), json!(0)),
            ("network.outgoing.packets", "cumulative", "packet", vnic.clone(), json!(6)),
            ("network.outgoing.packets.error", "cumulative", "packet", vnic, json!(7)),
        ]);
    }
    let lines = |samples: &mut dyn Iterator<Item = Value>| -> Vec<String> {
        let mut lines: Vec<String> = samples.map(|sample| sample.to_string()).collect();
        lines.sort();
        lines
    };
    let expected = expected
        .into_iter()
        .map(|(meter, kind, unit, resource, volume)| json!([meter, kind, unit, resource, volume]));
    let found = samples.iter().map(|sample| {
        let keys = ["counter_name", "counter_type", "counter_unit", "resource_id", "counter_volume"];
        Value::Array(keys.map(|key| sample[key].clone()).into())
    });
    assert_eq!(lines(&mut { found }), lines(&mut { expected }));
    Ok(())
}

#[test]
fn parts_of_an_instance_add_their_own_metadata() -> Result<()> {
    let (_, samples) = polled(vec![whole(1)], "", 0)?;
    let of = |meter: &str, end: &str| -> Result<&Value> {
        let mut found = samples.iter().filter(|sample| sample["counter_name"] == meter);
        let sample = found.find(|sample| sample["resource_id"].as_str().is_some_and(|id| id.ends_with(end)));
        Ok(&sample.context(meter.to_owned())?["resource_metadata"])
    };
    assert_eq!(of("cpu", "")?["cpu_number"], 2);
    assert_eq!(of("vcpus", "")?.get("cpu_number"), None);
    assert_eq!(of("disk.device.usage", "vdb")?["disk_name"], "vdb");
    let tap = of("network.incoming.bytes", "-tap0")?;
    assert_eq!((&tap["name"], &tap["vnic_name"]), (&json!("tap0"), &json!("tap0")));
    assert_eq!((&tap["mac"], &tap["fref"]), (&json!("fa:16:3e:00:00:01"), &Value::Null));
    let port = json!({"interfaceid": "2b0405c7-5a5a-4c4c-8d8d-001122334455", "bridge": "br-int"});
    assert_eq!((&tap["parameters"], &tap["display_name"]), (&port, &json!("vm-1")));
    let filtered = of("network.incoming.bytes", "fa163e000002")?;
    let filter = json!("nova-instance-1-fa163e000002");
    assert_eq!((&filtered["name"], &filtered["vnic_name"]), (&json!("tap1"), &filter));
    assert_eq!(filtered["fref"], filter);
    assert_eq!(filtered["parameters"], json!({"ip": "10.0.0.3", "interfaceid": null, "bridge": null}));
    Ok(())
}

#[test]
fn every_power_state_has_its_number_and_only_shut_off_has_next_to_nothing() -> Result<()> {
    let states = [
        Power::NoState,
        Power::Running,
        Power::Blocked,
        Power::Paused,
        Power::Shutdown,
        Power::ShutOff,
        Power::Crashed,
        Power::Suspended,
    ];
    let in_state = |(n, power)| match power {
        Power::ShutOff => shut_off(n),
        _ => Instance { power, ..whole(n) },
    };
    let (_, samples) = polled(states.into_iter().enumerate().map(in_state).collect(), "", 0)?;
    let state_of = |sample: &Value| {
        Some((sample["resource_id"].as_str()?.to_owned(), sample["counter_volume"].as_u64()?))
    };
    let power = samples.iter().filter(|sample| sample["counter_name"] == "power.state");
    let found: BTreeMap<String, u64> = power.filter_map(state_of).collect();
    let expected = (0..8).filter(|n| *n != 5).map(|n| (uuid(n), n as u64)).collect();
    assert_eq!(found, expected);
    for n in 0..8 {
        let meters = meters(&samples, n);
        if n == 5 {
            assert_eq!(meters, BTreeSet::from(SHUT_OFF));
        } else {
            assert_eq!(meters.len(), 34, "all but the rates: {meters:?}");
        }
    }
    Ok(())
}

#[test]
fn stopped_instances_are_reported_where_the_operator_wants_it() -> Result<()> {
    let (_, samples) = polled(vec![shut_off(1), whole(2)], "report_stopped_instance_metrics: true", 0)?;
    let volumes: BTreeMap<&str, &Value> = samples
        .iter()
        .filter(|sample| sample["resource_metadata"]["instance_id"] == uuid(1))
        .filter_map(|sample| Some((sample["counter_name"].as_str()?, &sample["counter_volume"])))
        .collect();
    let expected = BTreeMap::from([
        ("disk.root.size", json!(-10)),
        ("disk.ephemeral.size", json!(30)),
        ("power.state", json!(5)),
        ("vcpus", json!(2)),
        // The maximum, not what the balloon would leave it.
        ("memory", json!(2048.0)),
        ("disk.device.capacity", json!(100 * MIB)),
        ("disk.device.allocation", json!(MIB)),
        ("disk.device.usage", json!(2 * MIB)),
    ]);
    assert_eq!(volumes, expected.iter().map(|(meter, volume)| (*meter, volume)).collect());
    assert_eq!(meters(&samples, 2).len(), 34, "a running one is polled as ever");
    Ok(())
}

#[test]
fn a_reading_that_failed_costs_its_own_meters_and_is_in_the_log() -> Result<()> {
    let failed = |what: &str| Missing::Failed(format!("no answer about {what}"));
    let instances = vec![
        Instance { disks: Err(failed("disks")), ..whole(1) },
        Instance { memory: Err(failed("memory")), ..whole(2) },
        Instance { cpu: Err(Missing::NoData), ..whole(3) },
    ];
    let (ended, samples) = polled(instances, "", 3)?;
    let all: BTreeSet<&str> = meters(&samples, 1).union(&meters(&samples, 2)).copied().collect();
    assert_eq!(all.len(), 34);
    let lost = |n: usize| -> Vec<&str> { all.difference(&meters(&samples, n)).copied().collect() };
    assert!(lost(1).len() == 9 && lost(1).iter().all(|meter| meter.starts_with("disk.device.")));
    assert!(lost(2).len() == 6 && lost(2).iter().all(|meter| meter.starts_with("memory")), "{:?}", lost(2));
    assert_eq!(lost(3), ["cpu", "vcpus"]);
    ended.line(&["WARN", "no answer about disks", "guest=\"disk\"", &uuid(1)])?;
    ended.line(&["WARN", "no answer about memory", "guest=\"instance\"", &uuid(2)])?;
    ended.line(&["WARN polled; readings failed: memory 1, disks 1 source="])?;
    ended.line(&["2 readings of instances failed"])?;
    Ok(())
}

/// As many as a guest may write in a cycle.
const LOUD: usize = 10;

#[test]
fn readings_that_fail_everywhere_are_counted_and_not_told_of_one_by_one() -> Result<()> {
    let failed = || Missing::Failed("no answer".into());
    let hung = |n| Instance { cpu: Err(failed()), disks: Err(failed()), ..whole(n) };
    let (ended, samples) = polled((1..=LOUD + 2).map(hung).collect(), "", 3)?;
    assert!(meters(&samples, LOUD + 2).contains("power.state"));
    ended.line(&["WARN polled; readings failed: cpu 12, disks 12 source="])?;
    for (guest, reading) in [("disk", "disks"), ("instance", "cpu")] {
        let guest = format!("guest=\"{guest}\"");
        let told = lines(&ended.stderr, &["WARN", "no samples of the reading", reading, &guest]);
        assert_eq!(told.len(), LOUD, "{told:?}");
        ended.line(&[
            "WARN",
            "2 more warnings and errors of this cycle are logged at level debug",
            &guest,
        ])?;
    }
    Ok(())
}

#[test]
fn a_poll_without_any_sample_has_the_outcome_of_its_reading() -> Result<()> {
    let plain = |instance: Instance| {
        let identity = Identity { nova: None, ..(*instance.identity).clone() };
        Instance { identity: Arc::new(identity), ..instance }
    };
    let failed = || Missing::Failed("no answer".into());
    let hung =
        Instance { disks: Err(failed()), vnics: Err(failed()), perf: Err(failed()), ..plain(whole(1)) };
    let (ended, samples) = polled(vec![hung, plain(shut_off(2))], "", 3)?;
    let expected =
        ["cpu", "memory", "memory.available", "memory.resident", "memory.swap.in", "memory.swap.out"];
    let rest = ["memory.usage", "power.state", "vcpus"];
    assert_eq!(meters(&samples, 1), expected.into_iter().chain(rest).collect());
    assert_eq!(meters(&samples, 2), BTreeSet::new(), "a plain domain has no flavor");
    for guest in ["disk", "network", "perf"] {
        ended.line(&["ERROR", "it reported: no answer", &format!("guest=\"{guest}\""), &uuid(1)])?;
        ended.line(&["WARN polled", &format!("{guest}: failed failed 1, skipped shut_off 1")])?;
    }
    ended.line(&["instance: skipped shut_off 1"])?;
    Ok(())
}

#[test]
fn what_libvirt_does_not_report_is_not_sampled() -> Result<()> {
    let bare = Instance {
        // Before the balloon's driver is loaded, and on an emulator without the scheduler's times.
        memory: Ok(Memory { maximum: MIB, actual: Some(MIB), rss: Some(MIB), ..Memory::default() }),
        cpu: Ok(Cpu { current: 1, maximum: 1, time: Some(77), ..Cpu::default() }),
        disks: Ok(Vec::new()),
        vnics: Ok(Vec::new()),
        perf: Ok(Vec::new()),
        ..whole(1)
    };
    let (_, samples) = polled(vec![bare], "", 0)?;
    let expected = ["cpu", "memory", "memory.resident", "power.state", "vcpus"];
    assert_eq!(meters(&samples, 1), expected.into_iter().chain(SHUT_OFF).collect());
    let cpu = samples.iter().find(|sample| sample["counter_name"] == "cpu").context("no cpu")?;
    assert_eq!(cpu["counter_volume"], 77);
    Ok(())
}
