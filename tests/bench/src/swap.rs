//! What a swap takes and what it costs the polls meanwhile; what limits cost; what a start takes with and without compiled code.
//!
//! A swap is measured on the real program: an agent that polls 100 instances of libvirt's test driver every 100 ms, whose own log says when a
//! generation was swapped and when a cycle ended.

mod agent;

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use sandbox::{Engine, Guest, Isolation};

use crate::guests::Module;
use crate::poll::{Time, guest, time};
use crate::table::Table;
use agent::{Agent, DEBOUNCE, INTERVAL, component, nephoscope};

/// Swaps that are timed.
const SWAPS: usize = 25;

/// Windows with a swap of the Python guest, and as many without.
const WINDOWS: usize = 6;

/// How long a window without a swap is.
const QUIET: Duration = Duration::from_secs(8);

pub fn measure(table: &mut Table) -> Result<()> {
    drop_to_poll(table)?;
    jitter(table)?;
    limits(table)?;
    start(table)
}

/// From the moment that a file is in its place to the log's word.
fn drop_to_poll(table: &mut Table) -> Result<()> {
    let module = std::fs::read(Module::MEM_MAX.path()?)?;
    let mut agent = Agent::start(&[("mem-max", &module, "memory", INTERVAL)])?;
    let (mut swapped, mut polled) = (Vec::new(), Vec::new());
    for number in 0..SWAPS {
        let dropped = agent.replace("mem-max", &module, number)?;
        let (swap, poll) = agent.until_swapped("mem-max", dropped)?;
        swapped.push(swap.saturating_sub(DEBOUNCE));
        polled.push(poll.saturating_sub(DEBOUNCE));
    }
    table.row(
        "swap of a Rust guest: file in place to swapped, beyond the debounce",
        spread(&mut swapped),
        "≤ 100 ms",
    );
    table.row(
        format!(
            "the same to the end of the first cycle on it, a tick of {} ms included",
            INTERVAL.as_millis()
        ),
        spread(&mut polled),
        "",
    );
    Ok(())
}

/// How late cycles begin, with and without a swap of the Python guest.
fn jitter(table: &mut Table) -> Result<()> {
    let rust = std::fs::read(Module::MEM_MAX.path()?)?;
    let python = std::fs::read(component("python/disk-fill.wasm"))?;
    let hour = Duration::from_secs(3_600);
    let mut agent =
        Agent::start(&[("mem-max", &rust, "memory", INTERVAL), ("disk-fill", &python, agent::ALL, hour)])?;
    let (mut quiet, mut swapping, mut took) = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..WINDOWS {
        let from = agent.now()?;
        thread::sleep(QUIET);
        quiet.extend(agent.lateness(from, agent.now()?)?);
        let dropped = agent.replace("disk-fill", &python, number)?;
        let (swap, _) = agent.until_swapped("disk-fill", dropped)?;
        swapping.extend(agent.lateness(dropped, agent.now()?)?);
        took.push(swap.saturating_sub(DEBOUNCE));
    }
    table.row("swap of a Python guest: file in place to swapped, beyond the debounce", spread(&mut took), "");
    table.row("lateness of cycles without a swap: p50 / p99 / worst", quantiles(&mut quiet), "");
    table.row(
        "lateness of cycles while a Python guest is swapped: p50 / p99 / worst",
        quantiles(&mut swapping),
        "as without",
    );
    Ok(())
}

/// The same polls with and without limits, in turn.
fn limits(table: &mut Table) -> Result<()> {
    let module = Module::MEM_MAX.path()?;
    let (bounded, free) = (Engine::new()?, Engine::without_limits()?);
    for (what, isolation) in [("fresh", Isolation::Poll), ("warm", Isolation::Cycle)] {
        let load = |engine: &Engine| -> Result<Guest> { guest(engine, &module, isolation) };
        let (with, without) = (load(&bounded)?, load(&free)?);
        let mut ratios: Vec<f64> = (0..5)
            .map(|_| {
                let Time { median: with, .. } = time(&with, 10_000);
                let Time { median: without, .. } = time(&without, 10_000);
                with.as_secs_f64() / without.as_secs_f64()
            })
            .collect();
        ratios.sort_by(f64::total_cmp);
        table.row(
            format!("{what} poll of mem.max with limits to one without any"),
            format!("{:.2}", ratios[2]),
            "",
        );
    }
    Ok(())
}

/// A whole process that loads six guests, Python and JavaScript among them: the first time, and with what it then has compiled.
fn start(table: &mut Table) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let guests = [
        ("instance", "instance.wasm"),
        ("disk", "disk.wasm"),
        ("network", "network.wasm"),
        ("perf", "perf.wasm"),
        ("disk-fill", "python/disk-fill.wasm"),
        ("vnic-errors", "javascript/vnic-errors.wasm"),
    ];
    let described: Vec<String> = guests
        .iter()
        .map(|(name, file)| {
            format!(
                "  - {{name: {name}, module: \"{}\", grants: [{}]}}",
                component(file).display(),
                agent::ALL
            )
        })
        .collect();
    let pipeline = folder.path().join("pipeline.yaml");
    std::fs::write(
        &pipeline,
        format!(
            "libvirt: {{uri: \"test:///default\"}}\ntrust: {{policy: any}}\nguests:\n{}\nsources: [{{name: all, interval: 60, meters: [\"*\"]}}]\n\
             sinks: [{{name: out, publishers: [\"file:///dev/null?json\"]}}]\n",
            described.join("\n")
        ),
    )?;
    let run = || -> Result<Duration> {
        let started = Instant::now();
        let done = Command::new(nephoscope()?)
            .arg("check")
            .arg(&pipeline)
            .env("XDG_CACHE_HOME", folder.path())
            .output()
            .context("failed to run nephoscope")?;
        let took = started.elapsed();
        ensure!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
        Ok(took)
    };
    let first = run()?;
    let mut again: Vec<Duration> = (0..9).map(|_| run()).collect::<Result<_>>()?;
    table.row(
        format!("start with {} guests, Python and JavaScript among them: first", guests.len()),
        millis(first),
        "",
    );
    table.row("the same again, from compiled code", spread(&mut again), "milliseconds");
    Ok(())
}

/// Median and worst.
fn spread(times: &mut [Duration]) -> String {
    times.sort();
    let worst = times.last().copied().unwrap_or_default();
    format!("{}, worst {}", millis(times[times.len() / 2]), millis(worst))
}

fn quantiles(times: &mut [Duration]) -> String {
    times.sort();
    let at = |part: usize| times[(times.len() * part / 100).min(times.len() - 1)];
    format!("{} / {} / {}", millis(at(50)), millis(at(99)), millis(at(100)))
}

fn millis(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}
