//! What one cycle makes of guests that behave badly without breaking a limit.

use std::path::Path;
use std::time::Duration;

use nephoscope_agent::cycle::{Host, Report};
use nephoscope_agent::outlets::Outlets;
use nephoscope_agent::{Means, Plan};
use serde_json::{Value, json};
use wat_guests::{GOOD, Meter, Wat};

const INSTANCES: usize = 12;

/// A host of libvirt's test driver with these guests; samples go to a file in the folder.
fn host(folder: &Path, guests: &[(&str, Wat<'_>, Value)], sources: Value) -> Host {
    host_of(folder, &lab::instances(INSTANCES), guests, sources)
}

fn host_of(
    folder: &Path,
    instances: &[lab::Guest],
    guests: &[(&str, Wat<'_>, Value)],
    sources: Value,
) -> Host {
    let node = folder.join("node.xml");
    std::fs::write(&node, lab::node_file(instances)).unwrap();
    let guests: Vec<Value> = guests
        .iter()
        .map(|(name, wat, more)| {
            std::fs::write(folder.join(format!("{name}.wasm")), wat.component()).unwrap();
            let mut guest = json!({ "name": name, "module": format!("{name}.wasm"), "grants": [] });
            guest.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            guest
        })
        .collect();
    let pipeline = json!({
        "libvirt": { "uri": format!("test://{}", node.display()) },
        // One thread: whoever takes its time takes it from the others.
        "polling": { "threads_to_process_pollsters": 1 },
        "guests": guests,
        "trust": { "policy": "any" },
        "sources": sources,
        "sinks": [{ "name": "file", "publishers": [format!("file://{}/samples.json?json", folder.display())] }],
    });
    let file = folder.join("pipeline.yaml");
    // JSON is YAML.
    std::fs::write(&file, pipeline.to_string()).unwrap();
    let plan = Plan::make(config::load_pipeline(&file).unwrap(), Means::default()).unwrap().value;
    let outlets = Outlets::start(&plan.pipeline).unwrap();
    Host::new(plan, outlets).unwrap()
}

fn cycle(host: &Host, source: usize) -> Report {
    host.cycle(&host.plan().sources[source]).unwrap()
}

async fn taken(host: Host, folder: &Path) -> Vec<Value> {
    assert_eq!(host.into_outlets().close(Duration::from_secs(30)).await, 0);
    let text = std::fs::read_to_string(folder.join("samples.json")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn of_meter<'a>(samples: &'a [Value], meter: &'a str) -> impl Iterator<Item = &'a Value> {
    samples.iter().filter(move |sample| sample["counter_name"] == meter)
}

const fn meter(name: &str) -> Meter<'_> {
    Meter { name, kind: wat_guests::Kind::Gauge, unit: "" }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_stays_below_its_limits_cannot_take_the_time_of_the_others() {
    let folder = tempfile::tempdir().unwrap();
    // Some hundred milliseconds of computing for each instance, which its limit allows. Ten guests share the nine seconds of a cycle: the
    // part of one is used up after a few polls, and what is left for the others is many times what a poll takes on a busy machine. With
    // two guests on two threads a part would be as long as the cycle, and which of them ends first a matter of chance.
    let spin = format!(
        "(block $done (loop $again
           (br_if $done (i64.ge_u (global.get $n) (i64.const 300000000)))
           (global.set $n (i64.add (global.get $n) (i64.const 1)))
           (br $again))) {GOOD}"
    );
    let slow = Wat {
        items: "(global $n (mut i64) (i64.const 0))",
        poll: &spin,
        meter: meter("slow"),
        ..Wat::default()
    };
    let names: Vec<String> = (1..10).map(|number| format!("honest{number}")).collect();
    let honest =
        names.iter().map(|name| (name.as_str(), Wat { meter: meter(name), ..Wat::default() }, json!({})));
    let guests: Vec<_> =
        std::iter::once(("slow", slow, json!({ "limits": { "cpu": "10s" } }))).chain(honest).collect();
    let host = host(folder.path(), &guests, json!([{ "name": "all", "interval": "10s", "meters": ["*"] }]));
    let report = cycle(&host, 0);
    assert!(report.to_string().contains("slow: set_aside"), "{report}");
    assert_eq!(report.left_out, 0, "{report}");
    let samples = taken(host, folder.path()).await;
    for name in &names {
        assert_eq!(of_meter(&samples, name).count(), INSTANCES, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_source_has_its_own_state_of_a_guest() {
    let folder = tempfile::tempdir().unwrap();
    let sources = json!([
        { "name": "often", "interval": "10s", "meters": ["polls"] },
        { "name": "seldom", "interval": "100s", "meters": ["polls"], "resources": [lab::instance(1).uuid] },
    ]);
    let host = counting(folder.path(), &lab::instances(INSTANCES), sources);
    for source in [0, 0, 0, 1] {
        cycle(&host, source);
    }
    let polls = taken(host, folder.path()).await;
    assert_eq!(volumes(&polls, &lab::instance(1)), [0, 1, 2, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_remembered_of_an_instance_that_is_off() {
    let folder = tempfile::tempdir().unwrap();
    let mut instances = lab::instances(3);
    instances[1].power = lab::Power::ShutOff;
    instances[2].power = lab::Power::Paused;
    let sources = json!([{ "name": "all", "interval": "10s", "meters": ["polls"] }]);
    let host = counting(folder.path(), &instances, sources);
    for _ in 0..3 {
        cycle(&host, 0);
    }
    let polls = taken(host, folder.path()).await;
    assert_eq!(volumes(&polls, &instances[0]), [0, 1, 2]);
    assert_eq!(volumes(&polls, &instances[1]), [0, 0, 0], "what its poll has set is gone by the next");
    assert_eq!(volumes(&polls, &instances[2]), [0, 1, 2], "its process is there");
}

/// A host with a guest that reports how often it was polled before, as far as it remembers.
fn counting(folder: &Path, instances: &[lab::Guest], sources: Value) -> Host {
    // Remembers a byte more at each poll, and reports how many there were.
    let count = format!(
        "(call $get (i32.const 0) (i32.const 1) (i32.const 8192))
         (i64.store (i32.const 1040) (i64.const 0))
         (if (i32.load8_u (i32.const 8192))
           (then (i64.store (i32.const 1040) (i64.extend_i32_u (i32.load (i32.const 8200))))))
         (drop (call $set (i32.const 0) (i32.const 1) (i32.const 4096)
           (i32.add (i32.wrap_i64 (i64.load (i32.const 1040))) (i32.const 1))))
         {GOOD}"
    );
    let counting = Wat {
        imports: r#"(import "nephoscope:meter/state@0.1.0" "get" (func $get (param i32 i32 i32)))
                    (import "nephoscope:meter/state@0.1.0" "set" (func $set (param i32 i32 i32 i32) (result i32)))"#,
        poll: &count,
        meter: meter("polls"),
        ..Wat::default()
    };
    host_of(folder, instances, &[("counting", counting, json!({ "grants": ["state"] }))], sources)
}

/// An instance's volumes, in their order.
fn volumes(samples: &[Value], instance: &lab::Guest) -> Vec<u64> {
    let of_it = samples.iter().filter(|sample| sample["resource_id"] == instance.uuid);
    of_it.map(|sample| sample["counter_volume"].as_u64().unwrap()).collect()
}
