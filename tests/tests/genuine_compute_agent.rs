//! The genuine Ceilometer 27.0.0 compute agent and ours on the same libvirt: sample by sample equal, but for what is different
//! on purpose.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use lab::{Disk, Drive, Filter, Guest, Image, ImageMeta, Libvirtd, NovaVersion, Os, Plug, Power, instance};
use nephoscope_tests::genuine::compare;
use nephoscope_tests::{Genuine, Pipeline, Site};
use serde_json::Value;

/// What the genuine agent has and libvirt without performance counters gives.
const METERS: [&str; 30] = [
    "cpu",
    "disk.device.allocation",
    "disk.device.capacity",
    "disk.device.read.bytes",
    "disk.device.read.latency",
    "disk.device.read.requests",
    "disk.device.usage",
    "disk.device.write.bytes",
    "disk.device.write.latency",
    "disk.device.write.requests",
    "disk.ephemeral.size",
    "disk.root.size",
    "memory",
    "memory.available",
    "memory.resident",
    "memory.swap.in",
    "memory.swap.out",
    "memory.usage",
    "network.incoming.bytes",
    "network.incoming.bytes.delta",
    "network.incoming.packets",
    "network.incoming.packets.drop",
    "network.incoming.packets.error",
    "network.outgoing.bytes",
    "network.outgoing.bytes.delta",
    "network.outgoing.packets",
    "network.outgoing.packets.drop",
    "network.outgoing.packets.error",
    "power.state",
    "vcpus",
];

/// The key of ours that is `[compute]report_stopped_instance_metrics` of the genuine agent's.
const STOPPED_TOO: &str = ", report_stopped_instance_metrics: true";

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// Disks of every kind, under file names of this instance's.
fn disks(name: &str) -> Vec<Disk> {
    let file = |what: &str| format!("{name}-{what}");
    vec![
        // Of no whole number of sectors: qemu rounds the capacity up.
        Disk::raw("vda", &file("root.raw"), 5_000_000),
        Disk { image: Image::Qcow2, ..Disk::raw("vdb", &file("data.qcow2"), 64 << 20) },
        Disk { image: Image::Block, ..Disk::raw("vdc", &file("volume"), 10 << 20) },
        Disk { drive: Drive::Cdrom, ..Disk::raw("hda", &file("config.iso"), 5_000) },
        // Its headers make the file larger than what it holds.
        Disk { drive: Drive::Cdrom, image: Image::Qcow2, ..Disk::raw("hdb", &file("tiny.qcow2"), 65_536) },
        Disk { drive: Drive::Cdrom, image: Image::None, ..Disk::raw("hdc", "", 0) },
    ]
}

/// The n-th instance with disks of every kind, two interfaces and everything that Nova tells.
fn full(n: usize, power: Power) -> Guest {
    let mut guest = Guest { power, maximum_kib: 131_072, current_kib: 114_688, vcpus: 2, ..instance(n) };
    guest.disks = disks(&guest.name);
    if let [filtered, switched] = guest.nics.as_mut_slice() {
        filtered.filter = Some(Filter {
            name: format!("nova-{}-{}", guest.name, filtered.mac.replace(':', "")),
            parameters: pairs(&[("IP", "10.0.0.1"), ("DHCPSERVER", "10.0.0.2")]),
        });
        switched.plug = Plug::OpenVswitch;
    }
    guest
}

/// One that runs, one that is paused, one that is shut off; and instances whose metadata has what Nova may write at the edges.
fn host() -> Result<Libvirtd> {
    let libvirtd = Libvirtd::start()?;
    let mut running = Guest { os: Os::Linux, ..full(3, Power::Running) };
    let nova = running.nova.as_mut().context("nova's metadata")?;
    nova.flavor.extra_specs =
        Some(pairs(&[("hw:cpu_policy", "shared"), ("größe", "süß & <groß>"), ("none", "")]));
    nova.image_meta = Some(ImageMeta {
        uuid: nova.image.clone(),
        fields: pairs(&[
            ("containerFormat", "bare"),
            ("diskFormat", "qcow2"),
            ("minDisk", "1"),
            ("minRam", "0"),
        ]),
        properties: pairs(&[("os_distro", "debian"), ("hw_rng_model", ""), ("описание", "\u{1f52d}")]),
    });
    let mut paused = full(5, Power::Paused);
    let nova = paused.nova.as_mut().context("nova's metadata")?;
    nova.version = NovaVersion::V1_0;
    nova.image = None;
    nova.flavor.extra_specs = Some(Vec::new());
    // As of an instance that was booted from a volume.
    nova.image_meta = Some(ImageMeta {
        fields: pairs(&[("containerFormat", ""), ("diskFormat", "")]),
        ..ImageMeta::default()
    });
    let shut_off = full(7, Power::ShutOff);
    for guest in [&running, &paused, &shut_off] {
        libvirtd.define_and_start(guest)?;
    }
    for (n, metadata) in EDGES.iter().enumerate() {
        define(&libvirtd, n, metadata)?;
    }
    libvirtd.wait_for_balloon(&running.name)?;
    // From here on its memory statistics stand still, so that all three readings have to be the same.
    libvirtd.virsh(&["dommemstat", &running.name, "--period", "0", "--live"])?;
    Ok(libvirtd)
}

const NOVA_1_1: &str = "http://openstack.org/xmlns/libvirt/nova/1.1";
const NOVA_1_0: &str = "http://openstack.org/xmlns/libvirt/nova/1.0";

/// Metadata of instances that are shut off. `OWNER` stands for an owner, '1.1' and '1.0' for the namespaces of these versions.
const EDGES: [&str; 5] = [
    // Texts with everything that XML has for them, numbers with blanks, sizes that are missing, less disk than ephemeral disk.
    "<nova:instance xmlns:nova='1.1'><nova:name> a&#10;b &amp; &lt;c&gt; &quot;\u{1f52d}&quot;<!-- x -->d</nova:name>\
     <nova:flavor name='größe &amp; &quot;x&quot;' id='ü &lt;'><nova:memory> 512 </nova:memory><nova:disk>+5</nova:disk>\
     <nova:ephemeral>7</nova:ephemeral></nova:flavor>OWNER</nova:instance>",
    // Empty ones.
    "<nova:instance xmlns:nova='1.1'><nova:name/><nova:flavor name='' id='1'><nova:extraSpecs>\
     <nova:extraSpec name='a'>1</nova:extraSpec><nova:extraSpec name='a'/><nova:extraSpec name=''> </nova:extraSpec>\
     </nova:extraSpecs></nova:flavor>OWNER<nova:root type='image' uuid=''/><nova:image uuid=''><nova:minDisk/>\
     <nova:properties><nova:property name='b'/><nova:property name='min_disk'>9</nova:property>\
     <nova:property name='base_image_ref'>c</nova:property></nova:properties></nova:image></nova:instance>",
    // Other ways to write the namespace, and none.
    "<instance xmlns='1.1'><name>default</name><flavor name='f' id='2'><vcpus>3</vcpus></flavor>\
     <owner><user uuid='u'>x</user><project uuid='p'>y</project></owner></instance>",
    "<nova:instance xmlns:nova='1.1'><name>none</name><flavor name='f' id='2'><nova:vcpus>3</nova:vcpus>\
     <memory>64</memory></flavor>OWNER</nova:instance>",
    // Both versions, and more than one root.
    "<old:instance xmlns:old='1.0'><old:name>old</old:name></old:instance><nova:instance xmlns:nova='1.1'>\
     <nova:name>new</nova:name><nova:flavor name='f' id='2'/>OWNER<nova:root type='volume' uuid='v'/>\
     <nova:root type='image' uuid='i'/><nova:root type='image' uuid='j'/></nova:instance>",
];

fn uuid(n: usize) -> String {
    format!("0000000{n}-6e65-4068-8f73-0000000000ed")
}

/// Defines an instance of no devices that is shut off, with this metadata.
fn define(libvirtd: &Libvirtd, n: usize, metadata: &str) -> Result<()> {
    let owner = "<nova:owner><nova:user uuid='u'>x</nova:user><nova:project uuid='größe'>y</nova:project></nova:owner>";
    let metadata = metadata
        .replace("OWNER", owner)
        .replace("'1.1'", &format!("'{NOVA_1_1}'"))
        .replace("'1.0'", &format!("'{NOVA_1_0}'"));
    let xml = format!(
        "<domain type='qemu'><name>edge-{n}</name><uuid>{}</uuid><metadata>{metadata}</metadata>\
         <memory unit='KiB'>65536</memory><vcpu>1</vcpu><os><type arch='x86_64' machine='pc'>hvm</type></os></domain>",
        uuid(n)
    );
    libvirtd.define(&format!("edge-{n}"), &xml)
}

/// One cycle of ours over the host, with more keys of `polling`.
fn ours(libvirtd: &Libvirtd, polling: &str) -> Result<Vec<Value>> {
    let site = Site::new()?;
    let mut pipeline = Pipeline::compute(&libvirtd.uri_ro(), &[&site.file_sink()]);
    pipeline.polling += polling;
    site.pipeline(&pipeline)?;
    site.run_once()?.expect(0)?;
    site.taken()
}

#[test]
fn every_sample_is_equal_to_the_genuine_agents() -> Result<()> {
    let libvirtd = host()?;
    let mut genuine = Genuine::start(&libvirtd, "")?;
    let mut stopped_too = Genuine::start(&libvirtd, "[compute]\nreport_stopped_instance_metrics = true")?;

    let differences = compare(&mut genuine, || ours(&libvirtd, ""))?;
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    let last = genuine.last()?;
    let meters: BTreeSet<&str> = last.keys().map(|(meter, _)| meter.as_str()).collect();
    assert_eq!(meters, BTreeSet::from(METERS), "what was compared");

    let differences = compare(&mut stopped_too, || ours(&libvirtd, STOPPED_TOO))?;
    assert!(differences.is_empty(), "of stopped instances:\n{}", differences.join("\n"));
    let of_stopped: BTreeSet<String> = stopped_too
        .last()?
        .into_iter()
        .filter(|(_, sample)| sample["resource_metadata"]["state"] == "shutdown")
        .map(|((meter, _), _)| meter)
        .collect();
    let expected = [
        "disk.device.allocation",
        "disk.device.capacity",
        "disk.device.usage",
        "disk.ephemeral.size",
        "disk.root.size",
        "memory",
        "power.state",
        "vcpus",
    ];
    assert_eq!(of_stopped, BTreeSet::from(expected.map(str::to_owned)));
    genuine.stop()?;
    stopped_too.stop()
}

/// Polls again and again, until there are rates, and ends.
fn ours_for_a_while(libvirtd: &Libvirtd) -> Result<Vec<Value>> {
    let site = Site::new()?;
    site.pipeline(&Pipeline::compute(&libvirtd.uri_ro(), &[&site.file_sink()]))?;
    let mut agent = site.start(&["run", "pipeline.yaml"])?;
    agent.until("rates", || {
        let taken = site.taken()?;
        Ok(taken.iter().any(|sample| sample["counter_name"] == RATES[1]).then_some(()))
    })?;
    agent.stop()?.expect(0)?;
    site.taken()
}

/// Meters that the genuine agent has in its list and libvirt's inspector there does not implement.
const RATES: [&str; 2] = ["network.incoming.bytes.rate", "network.outgoing.bytes.rate"];

#[test]
fn ours_has_rates_which_the_genuine_agent_lacks_and_deltas_that_add_up() -> Result<()> {
    let libvirtd = Libvirtd::start()?;
    let guest = Guest { os: Os::Linux, ..full(3, Power::Running) };
    libvirtd.define_and_start(&guest)?;
    libvirtd.wait_for_balloon(&guest.name)?;
    let samples = ours_for_a_while(&libvirtd)?;
    let meters: BTreeSet<&str> =
        samples.iter().filter_map(|sample| sample["counter_name"].as_str()).collect();
    assert_eq!(meters, METERS.into_iter().chain(RATES).collect());
    for nic in &guest.nics {
        let of = |meter: &str| -> Vec<u64> {
            let of_it = |sample: &&Value| {
                sample["counter_name"] == meter && sample["resource_metadata"]["name"] == nic.tap
            };
            samples.iter().filter(of_it).filter_map(|sample| sample["counter_volume"].as_u64()).collect()
        };
        let (counts, deltas) = (of("network.incoming.bytes"), of("network.incoming.bytes.delta"));
        assert_eq!(counts.len(), deltas.len());
        assert!(counts.len() > 1);
        assert_eq!(
            counts.last().zip(counts.first()).map(|(last, first)| last - first),
            Some(deltas.iter().sum())
        );
    }
    Ok(())
}

/// Metadata that makes the genuine agent's discovery fail as a whole: it asks Nova for an id that is missing; a size is no number;
/// an owner has no id.
const SILENCING: [&str; 3] = [
    "<nova:instance xmlns:nova='1.1'><nova:name>old</nova:name><nova:flavor name='m1.old'/>OWNER</nova:instance>",
    "<nova:instance xmlns:nova='1.1'><nova:name>odd</nova:name><nova:flavor name='f' id='1'>\
     <nova:memory>lots</nova:memory></nova:flavor>OWNER</nova:instance>",
    "<nova:instance xmlns:nova='1.1'><nova:name>odd</nova:name><nova:flavor name='f' id='1'/>\
     <nova:owner><nova:user uuid='u'/><nova:project/></nova:owner></nova:instance>",
];

/// Metadata of instances that the genuine agent leaves out: without an owner, of no Nova.
const LEFT_OUT: [&str; 2] = [
    "<nova:instance xmlns:nova='1.1'><nova:name>odd</nova:name><nova:flavor name='f' id='1'/></nova:instance>",
    "<x:y xmlns:x='urn:other'/>",
];

fn resources(samples: &[Value]) -> BTreeSet<String> {
    samples.iter().filter_map(|sample| sample["resource_id"].as_str().map(str::to_owned)).collect()
}

#[test]
fn an_odd_instance_silences_the_genuine_agent_and_costs_ours_nothing() -> Result<()> {
    let libvirtd = Libvirtd::start()?;
    let (good, odd) = (uuid(0), uuid(1));
    define(&libvirtd, 0, EDGES[0])?;
    let mut genuine = Genuine::start(&libvirtd, "")?;
    let both = BTreeSet::from([good.clone(), odd.clone()]);
    let ours = || -> Result<Vec<Value>> { ours(&libvirtd, STOPPED_TOO) };

    for metadata in SILENCING {
        define(&libvirtd, 1, metadata)?;
        genuine.fails()?;
        let before = genuine.taken()?.len();
        genuine.fails()?;
        assert_eq!(genuine.taken()?.len(), before, "{metadata}");
        let ours = ours()?;
        assert_eq!(resources(&ours), both, "{metadata}");
        if metadata == SILENCING[0] {
            let of_odd = ours.iter().find(|sample| sample["resource_id"] == odd).context("no sample")?;
            assert_eq!(
                of_odd["resource_metadata"]["flavor"]["id"], "m1.old",
                "the name stands in for the id"
            );
        }
        libvirtd.virsh(&["undefine", "edge-1"])?;
    }
    for metadata in LEFT_OUT {
        define(&libvirtd, 1, metadata)?;
        genuine.polls()?;
        let before = genuine.taken()?.len();
        genuine.polls()?;
        assert_eq!(resources(&genuine.taken()?[before..]), BTreeSet::from([good.clone()]), "{metadata}");
        assert_eq!(resources(&ours()?), both, "{metadata}");
        libvirtd.virsh(&["undefine", "edge-1"])?;
    }
    genuine.stop()
}
