//! libvirt and its qemus stopped, killed and changed under a running agent: what must arrive does, what cannot be known is not made
//! up, and all of it heals by itself.
//!
//! Everything is real: a private libvirtd per test, qemu guests (most of them paused, without an OS), signals, the program itself.

mod churn;
mod daemon;
mod devices;
mod idle;
mod meters;
mod migration;
mod record;
mod stopped;
mod stuck;

use std::fs;

use anyhow::{Context, Result, ensure};
use lab::{Guest, Libvirtd, until};
use nephoscope_tests::{LIMIT, Pipeline, Site};

/// Short ones, so that what hangs is known soon; but a qemu that is well answers within a call's also where the machine is loaded.
const DEADLINES: &str = ", deadlines: {call: 3s, sweep: 6s, snapshot: 30s}";

/// A paused guest: half a second to start.
fn paused(n: u32) -> Guest {
    Guest::paused(&format!("guest-{n}"), &format!("00000000-6e65-4068-8f73-{n:012x}"), maximum_kib(n))
}

/// The n-th paused guest's memory: another one for each.
const fn maximum_kib(n: u32) -> u64 {
    65_536 + 1024 * n as u64
}

/// The n-th paused guest's mem.max.
fn maximum_mib(n: u32) -> f64 {
    maximum_kib(n) as f64 / 1024.0
}

/// Starts them.
fn start(libvirtd: &Libvirtd, guests: &[Guest]) -> Result<()> {
    guests.iter().try_for_each(|guest| libvirtd.define_and_start(guest))
}

/// More CPU time than any paused guest takes, nanoseconds.
const NO_GUEST_TAKES: f64 = 2.5e9;

/// Nanoseconds in one of `/proc`'s ticks.
const TICK: f64 = 1e7;

/// Keeps a daemon busy until its own CPU time cannot be taken for a guest's.
fn tell_apart(libvirtd: &Libvirtd) -> Result<()> {
    let daemon = libvirtd.pid().context("no daemon")?;
    let calls = "domcapabilities; ".repeat(20);
    until("a daemon with a CPU time of its own", LIMIT, || {
        libvirtd.virsh(&[&calls])?;
        Ok((cpu_time(daemon)? > NO_GUEST_TAKES).then_some(()))
    })
}

/// The CPU time of a process, nanoseconds.
fn cpu_time(pid: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, fields) = stat.rsplit_once(')').context("no command")?;
    let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<f64>).sum::<Result<f64, _>>()?;
    Ok(ticks * TICK)
}

/// The lines of a log that tell of faults. That a cycle was late is none: libvirt answers nobody about a domain while it starts its
/// qemu, which takes a second where the machine is loaded.
fn faults(log: &str) -> Vec<&str> {
    let is_fault = |line: &&str| line.contains(" ERROR ") || line.contains(" WARN ");
    let is_late =
        |line: &&str| line.contains("polls left out") || line.contains("took longer than the interval");
    log.lines().filter(is_fault).filter(|line| !is_late(line)).collect()
}

/// Replaces words of a site's pipeline.
fn change(site: &Site, words: &[(&str, &str)]) -> Result<()> {
    let mut text = fs::read_to_string(site.path("pipeline.yaml"))?;
    for (from, to) in words {
        ensure!(text.contains(from), "no {from} in {text}");
        text = text.replace(from, to);
    }
    site.write("pipeline.yaml", text).map(drop)
}

/// A folder with a pipeline of `mem-max` and these guests on a libvirtd, with short deadlines.
fn site(uri: &str, guests: &[meters::Meter]) -> Result<Site> {
    let site = Site::new()?;
    let mut pipeline = Pipeline::mem_max(uri, &[&site.file_sink()]);
    pipeline.host = format!("libvirt: {{uri: \"{uri}\"{DEADLINES}}}");
    for meter in guests {
        pipeline.guests.push(meter.guest(&site)?);
    }
    site.pipeline(&pipeline)?;
    Ok(site)
}
