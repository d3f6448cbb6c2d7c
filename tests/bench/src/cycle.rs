//! A whole cycle of all of Ceilometer's meters, from libvirt to the broker's last confirm: libvirt's test driver in the agent's own
//! process and behind a private libvirtd, and real qemu guests.
//!
//! Each host is polled in a process of its own, for a peak of memory never shrinks, and so that its computing time is the agent's
//! alone.

use std::process::Command;
use std::time::{Duration, Instant};

use agent::cycle::Host;
use agent::outlets::Outlets;
use agent::{Means, Plan};
use anyhow::{Context, Result, ensure};
use inspector::{Bare, Groups};
use lab::{Disk, Guest, Libvirtd, Os, instance};
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::guests::{Module, pipeline_guests};
use crate::table::Table;

/// Instances of the test driver. Their disks and interfaces are one and two, and two and one, in turn.
const SIZES: [usize; 4] = [10, 100, 1_000, 5_000];
/// Cycles of which the median counts, after the first, which opens the connection and reads every XML.
const CYCLES: usize = 9;
/// Real guests: all but two are paused, which costs qemu nothing and a monitor as much as ever.
const REAL: usize = 12;
/// How long the broker may take to confirm a cycle's samples.
const CONFIRMED: Duration = Duration::from_secs(120);

/// What one host's cycles took.
struct Measured(Value);

/// The test driver, in process and through libvirtd.
pub fn measure(table: &mut Table) -> Result<()> {
    let broker = lab::Broker::start()?;
    let folder = tempfile::tempdir()?;
    let libvirtd = Libvirtd::start()?;
    let mut per_sample = Vec::new();
    for size in SIZES {
        let node = folder.path().join(format!("{size}.xml"));
        std::fs::write(&node, lab::node_file(&lab::instances(size)))?;
        let socket = libvirtd.folder().join("run/libvirt-sock-ro");
        for (how, uri) in [
            ("in process", format!("test://{}", node.display())),
            ("through libvirtd", format!("test+unix://{}?socket={}", node.display(), socket.display())),
        ] {
            let measured = Measured::of(&broker, &uri)?;
            measured.show(table, &format!("{size} instances {how}"), size, how == "in process");
            if how == "in process" {
                per_sample.push((size, measured.figure("cpu_us")));
            }
        }
    }
    let at = |size| per_sample.iter().find(|(known, _)| *known == size).map_or(f64::NAN, |(_, cpu)| *cpu);
    table.row(
        "CPU per sample at 5000 instances to that at 100",
        format!("{:.2}", at(5_000) / at(100)),
        "≤ 1.20",
    );
    Ok(())
}

/// Real guests, beside one bulk call for all of them.
pub fn measure_real(table: &mut Table) -> Result<()> {
    let broker = lab::Broker::start()?;
    let libvirtd = Libvirtd::start()?;
    let guests: Vec<Guest> = (1..=REAL).map(real_guest).collect();
    for guest in &guests {
        libvirtd.define_and_start(guest)?;
    }
    for guest in guests.iter().filter(|guest| guest.os == Os::Linux) {
        libvirtd.wait_for_balloon(&guest.name)?;
    }
    let measured = Measured::of(&broker, &libvirtd.uri_ro())?;
    let what = format!("{REAL} qemu guests");
    measured.show(table, &what, 0, false);
    table.row(
        format!("cycle at {what} to one bare bulk call"),
        format!("{:.2}", measured.figure("libvirt_ms") / measured.figure("bare_ms")),
        "≤ 1.2",
    );
    Ok(())
}

fn real_guest(n: usize) -> Guest {
    let mut guest = instance(n);
    (guest.maximum_kib, guest.current_kib, guest.vcpus) = (98_304, 98_304, 1);
    guest.nics.truncate(1);
    guest.disks =
        ["vda", "vdb"].map(|device| Disk::raw(device, &format!("{n}-{device}.raw"), 8 << 20)).to_vec();
    if n <= 2 {
        guest.os = Os::Linux;
    } else {
        guest.power = lab::Power::Paused;
    }
    guest
}

impl Measured {
    /// Polls a host in a process of its own, into a virtual host of its own.
    fn of(broker: &lab::Broker, uri: &str) -> Result<Self> {
        let vhost = broker.vhost()?;
        let output = Command::new(std::env::current_exe()?).args(["one-host", uri, &vhost.url()]).output()?;
        ensure!(output.status.success(), "{uri}: {}", String::from_utf8_lossy(&output.stderr));
        broker.rabbitmqctl(&["delete_vhost", &vhost.name])?;
        Ok(Self(serde_json::from_slice(&output.stdout)?))
    }

    fn figure(&self, key: &str) -> f64 {
        self.0[key].as_f64().unwrap_or(f64::NAN)
    }

    fn show(&self, table: &mut Table, host: &str, size: usize, has_goal: bool) {
        let [cycle, libvirt, bare, confirmed] =
            ["cycle_ms", "libvirt_ms", "bare_ms", "confirmed_ms"].map(|key| self.figure(key));
        let goal = |goal: &'static str, holds| if has_goal && holds { goal } else { "" };
        table.row(
            format!("cycle at {host}: samples"),
            format!("{}, first {:.0} ms", self.0["samples"], self.figure("first_ms")),
            "",
        );
        table.row(
            format!("cycle at {host}: time (libvirt's part; bare calls; to the last confirm)"),
            format!("{cycle:.1} ms ({libvirt:.1}; {bare:.1}; {confirmed:.1})"),
            goal("≤ 300 ms", size == 1_000),
        );
        table.row(
            format!("cycle at {host}: CPU per sample, signed and published (without libvirt's part)"),
            format!("{:.2} µs ({:.2} µs)", self.figure("cpu_us"), self.figure("own_cpu_us")),
            goal("≤ 6 µs", true),
        );
        table.row(
            format!("cycle at {host}: peak memory"),
            format!("{:.1} MiB", self.figure("peak_mib")),
            if size == 1_000 { "≤ 60 MiB" } else { "" },
        );
    }
}

/// Runs the cycles of one host and prints what they took, as JSON.
pub fn one(uri: &str, broker: &str) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let pipeline = folder.path().join("pipeline.yaml");
    let text = json!({
        "libvirt": { "uri": uri },
        "guests": pipeline_guests(&Module::ALL)?,
        "trust": { "policy": "any" },
        "sources": [{ "name": "all", "interval": 300, "meters": ["*"] }],
        // The queue holds the cycle of the largest host: what is measured is the work, not what is dropped.
        "sinks": [{ "name": "mq", "publishers": [{ "amqp": { "url": broker, "max_queue_length": 65_536 } }] }],
    });
    // JSON is YAML.
    std::fs::write(&pipeline, text.to_string())?;
    let plan = Plan::make(config::load_pipeline(&pipeline)?, Means::default())?.value;
    let groups = plan.roster().sources[0].groups.clone();
    let runtime = Runtime::new()?;
    let host = {
        let _runtime = runtime.enter();
        let outlets = Outlets::start(&plan.pipeline)?;
        Host::new(plan, outlets)?
    };
    let started = Instant::now();
    host.cycle(&host.plan().sources[0])?;
    let first = started.elapsed();
    ensure!(runtime.block_on(host.outlets().flush(CONFIRMED)), "the first cycle was not confirmed");
    let (mut cycles, mut libvirt, mut confirmed, mut samples) = (Vec::new(), Vec::new(), Vec::new(), 0);
    let cpu = process_cpu();
    for _ in 0..CYCLES {
        let started = Instant::now();
        let report = host.cycle(&host.plan().sources[0])?;
        ensure!(report.failures() + report.refusals() == 0, "polls failed: {report}");
        ensure!(runtime.block_on(host.outlets().flush(CONFIRMED)), "a cycle was not confirmed");
        confirmed.push(started.elapsed());
        cycles.push(report.took);
        libvirt.push(report.inspected);
        samples += report.samples;
    }
    let cpu = process_cpu() - cpu;
    let peak = peak_mib()?;
    let inspecting = inspecting(&host)?;
    let lost = runtime.block_on(host.into_outlets().close(Duration::from_secs(30)));
    ensure!(lost == 0, "{lost} samples were lost");
    let per_sample = |time: Duration| time.as_secs_f64() * 1e6 / samples as f64;
    println!(
        "{}",
        json!({
            "samples": samples / CYCLES,
            "first_ms": ms(vec![first]),
            "cycle_ms": ms(cycles),
            "libvirt_ms": ms(libvirt),
            "confirmed_ms": ms(confirmed),
            "bare_ms": bare(uri, &groups)?,
            "cpu_us": per_sample(cpu),
            "own_cpu_us": per_sample(cpu.saturating_sub(inspecting)),
            "peak_mib": peak,
        })
    );
    Ok(())
}

/// Computing time of as many snapshots as there are cycles, alone.
fn inspecting(host: &Host) -> Result<Duration> {
    let cpu = process_cpu();
    for _ in 0..CYCLES {
        host.inspect(&host.plan().sources[0])?;
    }
    Ok(process_cpu() - cpu)
}

fn bare(uri: &str, groups: &Groups) -> Result<f64> {
    let bare = Bare::open(uri)?;
    bare.calls(groups)?;
    let times = (0..CYCLES).map(|_| bare.calls(groups)).collect::<Result<Vec<_>, _>>()?;
    Ok(ms(times))
}

/// The median, in milliseconds.
fn ms(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times.get(times.len() / 2).map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
}

/// Computing time of this process so far.
pub fn process_cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// The peak of this process's resident memory.
fn peak_mib() -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .context("no VmHWM in /proc/self/status")?;
    let kib: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib / 1024.0)
}
