//! libvirtd itself stopped, killed and started again.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use lab::Libvirtd;
use lab::process::{Signal, signal};

use crate::meters::Meter;
use crate::record::Record;
use crate::{change, paused, site, start};

#[test]
fn a_stopped_libvirtd_costs_snapshots_and_not_the_agent() -> Result<()> {
    let libvirtd = Libvirtd::start()?;
    let guests = [paused(1), paused(2)];
    start(&libvirtd, &guests)?;
    let site = site(&libvirtd.uri_ro(), &[Meter::CpuTime])?;
    change(&site, &[("interval: 1s", "interval: 3s")])?;
    let mut agent = site.start(&["run", "pipeline.yaml"])?;
    agent.until("a cycle", || Ok((Record::of(&site)?.len() >= 1).then_some(())))?;

    let pid = libvirtd.pid().context("no daemon")?;
    signal(pid, Signal::STOP);
    agent.until_logged(&["ERROR", "no snapshot", "libvirt did not", "within"])?;
    agent.check()?;
    let before = Record::of(&site)?.len();
    signal(pid, Signal::CONT);
    agent.until("two cycles more", || Ok((Record::of(&site)?.len() >= before + 2).then_some(())))?;
    agent.stop()?.expect(0)?;
    let record = Record::of(&site)?;
    record.has_all_but(CUT, "mem.max", &guests)?;
    record.has_all_but(CUT, "cpu.time", &guests)
}

/// The cycles that may have been under way when the daemon was stopped and when it went on: they have what was read.
const CUT: usize = 2;

/// Beside the few seconds between two attempts, as long as a loaded machine takes.
const SOON: Duration = Duration::from_secs(30);

#[test]
fn a_libvirtd_that_was_away_is_found_again_within_seconds() -> Result<()> {
    let mut libvirtd = Libvirtd::start()?;
    let guests = [paused(1), paused(2)];
    start(&libvirtd, &guests)?;
    let site = site(&libvirtd.uri_ro(), &[Meter::CpuTime])?;
    let mut agent = site.start(&["run", "pipeline.yaml"])?;
    agent.until("a cycle", || Ok((Record::of(&site)?.len() >= 1).then_some(())))?;

    libvirtd.kill();
    agent.until_logged(&["ERROR", "no snapshot", "failed to open the libvirt connection"])?;
    let away = Instant::now();
    // Long enough for the waits between attempts to have grown to the longest.
    while away.elapsed() < Duration::from_secs(12) {
        agent.check()?;
        std::thread::sleep(Duration::from_millis(100));
    }
    let before = Record::of(&site)?.len();
    libvirtd.start_again()?;
    let there = Instant::now();
    agent.until("a cycle after the crash", || Ok((Record::of(&site)?.len() > before).then_some(())))?;
    ensure!(there.elapsed() < SOON, "{:?}", there.elapsed());
    agent.stop()?.expect(0)?;
    let record = Record::of(&site)?;
    record.has_all("mem.max", &guests)?;
    for guest in &guests {
        let times = record.volumes("cpu.time", &guest.uuid);
        assert!(times.is_sorted(), "{times:?}");
    }
    Ok(())
}
