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
use crate::poll::{guest, time};
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
    let (mut windows, mut took) = (Vec::new(), Vec::new());
    for number in 0..WINDOWS {
        let from = agent.now()?;
        thread::sleep(QUIET);
        let dropped = agent.replace("disk-fill", &python, number)?;
        let (swap, _) = agent.until_swapped("disk-fill", dropped)?;
        windows.push([(from, dropped), (dropped, agent.now()?)]);
        took.push(swap.saturating_sub(DEBOUNCE));
    }
    table.row("swap of a Python guest: file in place to swapped, beyond the debounce", spread(&mut took), "");
    // One grid of ticks for all windows: its phase is that of cycles which nothing held up.
    let cycles: Vec<i64> = agent.cycles()?.into_iter().collect();
    let (tick, first) = (INTERVAL.as_micros() as i64, cycles[0]);
    let within =
        |(from, until): (i64, i64)| cycles.iter().copied().filter(move |time| (from..until).contains(time));
    let offset = |time: i64| (time - first + tick / 2).rem_euclid(tick) - tick / 2;
    let mut phases: Vec<i64> = windows.iter().flat_map(|[quiet, _]| within(*quiet)).map(offset).collect();
    phases.sort_unstable();
    // A twentieth of them: one that came early is not what the others are late against.
    let phase = phases[phases.len() / 20];
    for (what, kind, goal) in
        [("without a swap", 0, ""), ("while a Python guest is swapped", 1, "as without")]
    {
        let (mut late, mut missed) = (Vec::new(), 0);
        for window in windows.iter().map(|window| window[kind]) {
            let times: Vec<i64> = within(window).collect();
            // Late against the last tick; what is early by less than two milliseconds is on time.
            late.extend(times.iter().map(|time| {
                let late = (time - first - phase).rem_euclid(tick);
                Duration::from_micros(if late > tick - 2_000 { 0 } else { late as u64 })
            }));
            missed += times.windows(2).filter(|pair| pair[1] - pair[0] > tick * 3 / 2).count();
        }
        table.row(
            format!("cycles {what}: late by p50 / p99 / worst; ticks missed of {}", late.len()),
            format!("{}; {missed}", quantiles(&mut late)),
            goal,
        );
    }
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
                // Once in this order and once in the other, so that a drift has no direction.
                let [first, second, third, fourth] =
                    [&with, &without, &without, &with].map(|guest| time(guest, 10_000).median.as_secs_f64());
                (first + fourth) / (second + third)
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
