//! A cycle of mem.max and the memory it takes, at 100 and 1,000 instances of libvirt's test driver.
//!
//! Each size runs in a process of its own: a peak of memory never shrinks.

use std::process::Command;
use std::time::{Duration, Instant};

use agent::Plan;
use agent::cycle::Host;
use agent::outlets::Outlets;
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::poll::module;
use crate::table::Table;

const SIZES: [usize; 2] = [100, 1_000];
/// Cycles of which the median counts, after the first, which opens the connection and reads every XML.
const CYCLES: usize = 15;

pub fn measure(table: &mut Table) -> Result<()> {
    for size in SIZES {
        let output =
            Command::new(std::env::current_exe()?).args(["one-cycle", &size.to_string()]).output()?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let measured: Value = serde_json::from_slice(&output.stdout)?;
        let figure = |key: &str| measured[key].as_f64().unwrap_or(f64::NAN);
        table.row(
            format!("cycle at {size} instances (libvirt's part)"),
            format!("{:.1} ms ({:.1} ms)", figure("cycle_ms"), figure("libvirt_ms")),
            "",
        );
        table.row(format!("first cycle at {size} instances"), format!("{:.0} ms", figure("first_ms")), "");
        table.row(format!("peak memory at {size} instances"), format!("{:.1} MiB", figure("peak_mib")), "");
    }
    Ok(())
}

/// Runs the cycles of one size and prints what they took, as JSON.
pub fn one(instances: usize) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let node = folder.path().join("node.xml");
    std::fs::write(&node, lab::node_file(&lab::instances(instances)))?;
    let pipeline = folder.path().join("pipeline.yaml");
    let text = json!({
        "libvirt": { "uri": format!("test://{}", node.display()) },
        "guests": [{ "name": "mem-max", "module": module()?, "grants": ["memory"] }],
        "sources": [{ "name": "memory", "interval": 60, "meters": ["mem.max"] }],
        // A sink that costs what signing and encoding cost, and nothing of a broker's.
        "sinks": [{ "name": "file", "publishers": [format!("file://{}/samples.json?json", folder.path().display())] }],
    });
    // JSON is YAML.
    std::fs::write(&pipeline, text.to_string())?;
    let plan = Plan::make(config::load_pipeline(&pipeline)?)?.value;
    let runtime = Runtime::new()?;
    let host = {
        let _runtime = runtime.enter();
        let outlets = Outlets::start(&plan.pipeline)?;
        Host::new(plan, outlets)?
    };
    let started = Instant::now();
    host.cycle(&host.plan().sources[0])?;
    let first = started.elapsed();
    let mut cycles = Vec::new();
    let mut libvirt = Vec::new();
    for _ in 0..CYCLES {
        let report = host.cycle(&host.plan().sources[0])?;
        ensure!(report.samples == instances, "{} samples of {instances} instances", report.samples);
        cycles.push(report.took);
        libvirt.push(report.inspected);
    }
    let lost = runtime.block_on(host.into_outlets().close(Duration::from_secs(30)));
    ensure!(lost == 0, "{lost} samples were lost");
    let ms = |mut times: Vec<Duration>| {
        times.sort();
        times[times.len() / 2].as_secs_f64() * 1e3
    };
    println!(
        "{}",
        json!({
            "first_ms": first.as_secs_f64() * 1e3,
            "cycle_ms": ms(cycles),
            "libvirt_ms": ms(libvirt),
            "peak_mib": peak_mib()?,
        })
    );
    Ok(())
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
