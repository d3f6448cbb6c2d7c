//! qemus that are stopped: they hang as on dead storage, with their monitors open and no answer.

use std::fs;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use inspector::settings::Deadlines;
use inspector::{ControlState, Group, Groups, Inspector, Missing, Settings};
use lab::process::{Signal, signal};
use lab::{Disk, Guest, Libvirtd, output};
use nephoscope_tests::Running;
use nephoscope_tests::program::lines;

use crate::meters::Meter;
use crate::record::{Record, volume};
use crate::{change, maximum_mib, paused, site, start};

#[test]
fn a_stopped_qemu_loses_its_monitors_readings_alone_and_comes_back() -> Result<()> {
    let libvirtd = Libvirtd::start()?;
    let guests = [paused(1), paused(2), paused(3)];
    start(&libvirtd, &guests)?;
    let (hung, others) = (&guests[1], [guests[0].clone(), guests[2].clone()]);
    let site = site(&libvirtd.uri_ro(), &[Meter::CpuTime, Meter::VnicCount])?;
    // Longer than a call's deadline: the cycle that finds the qemu stuck is a whole one as well.
    change(&site, &[("interval: 1s", "interval: 8s")])?;
    let mut agent = site.start(&["run", "pipeline.yaml"])?;
    agent.until("two whole cycles", || Ok((Record::of(&site)?.len() >= 2).then_some(())))?;

    let pid = libvirtd.guest_pid(&hung.name)?;
    signal(pid, Signal::STOP);
    agent.until_logged(&["WARN", "does not answer in time", &hung.name, &hung.uuid, "since="])?;
    // The last cycle that is written is none of the record, and may be one from before.
    let found = Record::of(&site)?.len() + 1;
    agent.until("three cycles more", || Ok((Record::of(&site)?.len() >= found + 3).then_some(())))?;
    agent.until_logged(&[
        "WARN",
        "instances do not answer",
        &format!("{} ({}) since 2", hung.name, hung.uuid),
    ])?;
    let record = Record::of(&site)?;
    for cycle in record.since(found) {
        assert_eq!(volume(cycle, "cpu.time", &hung.uuid), None, "what qemu does not say is not known");
        assert_eq!(volume(cycle, "mem.max", &hung.uuid), Some(maximum_mib(2)), "needs no monitor");
        assert_eq!(volume(cycle, "vnic.count", &hung.uuid), Some(0.0), "needs no monitor");
    }
    record.has_all("mem.max", &guests)?;
    record.has_all("cpu.time", &others)?;
    record.has_all("vnic.count", &guests)?;

    // Another client asks libvirtd, and is told since when without waiting for the monitor itself.
    let deadlines = Deadlines { call: Duration::from_secs(1), ..Deadlines::default() };
    let probing = Inspector::libvirt(Settings { uri: libvirtd.uri_ro(), deadlines, ..Settings::default() });
    let probe = probing.probe(&Groups::from([Group::Memory, Group::Cpu, Group::Vnics]))?;
    let of = |guest: &Guest| probe.instances.iter().find(|of| of.uuid == guest.uuid).context("not probed");
    let control = of(hung)?.control.clone()?;
    assert_eq!((control.state, of(hung)?.name.as_str()), (ControlState::Occupied, "guest-2"));
    ensure!(control.lasting.as_secs() >= 2, "{control:?}: as long as the agent has waited");
    let [(Group::Cpu, Missing::Failed(why))] = of(hung)?.without.as_slice() else { bail!("{:?}", of(hung)?) };
    ensure!(why.contains("a call into its monitor has not returned"), "{why}");
    let aside = probing.health().set_aside;
    ensure!(aside.len() == 1 && aside[0].name == "guest-2" && aside[0].lasting.as_secs() >= 2, "{aside:?}");
    for other in &others {
        assert_eq!((of(other)?.control.clone()?.state, of(other)?.without.len()), (ControlState::Ok, 0));
    }
    assert_eq!(lines(&agent.log(), &["does not answer in time"]).len(), 1, "it is asked once");

    signal(pid, Signal::CONT);
    agent.until_logged(&["INFO", "answers again", &hung.name, &hung.uuid])?;
    let back = record.len();
    agent.until("the CPU time of the guest that goes on", || {
        let record = Record::of(&site)?;
        Ok(record.since(back).any(|cycle| volume(cycle, "cpu.time", &hung.uuid).is_some()).then_some(()))
    })?;
    let ended = agent.stop()?.expect(0)?;
    assert_eq!(lines(&ended.stderr, &["left out"]), Vec::<&str>::new(), "no cycle is late for it");
    let times = Record::of(&site)?.volumes("cpu.time", &hung.uuid);
    assert!(times.is_sorted() && times[0] > 0.0, "{times:?}");
    assert_eq!(lines(&ended.stderr, &["no snapshot"]), Vec::<&str>::new());
    first_to_ask(&libvirtd, &guests[2])
}

#[test]
fn a_qemu_that_hangs_in_another_clients_call_is_missed_at_once_and_set_aside() -> Result<()> {
    let libvirtd = Libvirtd::start()?;
    let image = |n: u32| Disk::raw("vda", &format!("{n}.raw"), 8 << 20);
    let guests = [1, 2].map(|n| Guest { disks: vec![image(n)], ..paused(n) });
    start(&libvirtd, &guests)?;
    let [hung, other] = &guests;
    let site = site(&libvirtd.uri_ro(), &[Meter::DiskCapacity])?;
    // Longer than a call's deadline: the second cycle with the other's call finds it late.
    change(&site, &[("interval: 1s", "interval: 8s")])?;
    let mut agent = site.start(&["run", "pipeline.yaml"])?;
    let polled = |agent: &Running| lines(&agent.log(), &["polled"]).len();
    agent.until("a cycle", || Ok((Record::of(&site)?.len() >= 1).then_some(())))?;
    // Between two cycles, so that the other client is the first to ask.
    let cycles = polled(&agent);
    while polled(&agent) == cycles {
        agent.check()?;
        thread::sleep(Duration::from_millis(20));
    }

    let pid = libvirtd.guest_pid(&hung.name)?;
    signal(pid, Signal::STOP);
    let ended = thread::scope(|scope| -> Result<_> {
        let nova = scope.spawn(|| libvirtd.virsh(&["domstats", &hung.name]));
        let seen = (|| {
            agent.until_logged(&["ERROR", "its monitor is busy with another client's call", &hung.uuid])?;
            agent.until_logged(&["WARN", "monitors are busy", "count=1", &hung.name, &hung.uuid])?;
            agent.until_logged(&["WARN", "polled; readings failed: disks 1", "failed failed 1"])?;
            agent.until_logged(&["WARN", "does not answer another client in time", &hung.name, "since="])?;
            agent.until_logged(&["ERROR", "a call into its monitor has not returned", &hung.uuid])
        })();
        signal(pid, Signal::CONT);
        let statistics = nova.join().map_err(|_| anyhow::anyhow!("the other client panicked"))??;
        ensure!(statistics.contains("balloon.rss"), "{statistics}");
        seen?;
        agent.until_logged(&["INFO", "answers again", &hung.name, &hung.uuid])?;
        let back = Record::of(&site)?.len();
        agent.until("the disk of the guest that goes on", || {
            let record = Record::of(&site)?;
            let has = |cycle: &_| volume(cycle, "disk.capacity", &hung.uuid).is_some();
            Ok(record.since(back).any(has).then_some(()))
        })?;
        agent.stop()?.expect(0)
    })?;
    assert_eq!(lines(&ended.stderr, &["an instance does not answer in time"]), Vec::<&str>::new());
    let record = Record::of(&site)?;
    record.has_all("mem.max", &guests)?;
    record.has_all("disk.capacity", std::slice::from_ref(other))?;
    let capacities = record.volumes("disk.capacity", &hung.uuid);
    ensure!(capacities.len() + 2 <= record.len(), "{capacities:?} of {} cycles", record.len());
    ensure!(capacities.iter().all(|bytes| *bytes == (8 << 20) as f64), "{capacities:?}");
    Ok(())
}

/// Where nobody else asked a qemu that hangs, the probe itself waits for its deadline and says what it did not get.
fn first_to_ask(libvirtd: &Libvirtd, guest: &Guest) -> Result<()> {
    let pid = libvirtd.guest_pid(&guest.name)?;
    signal(pid, Signal::STOP);
    let deadlines = Deadlines { call: Duration::from_secs(1), ..Deadlines::default() };
    let probing = Inspector::libvirt(Settings { uri: libvirtd.uri_ro(), deadlines, ..Settings::default() });
    let probe = probing.probe(&Groups::from([Group::Memory, Group::Cpu, Group::Vnics]))?;
    signal(pid, Signal::CONT);
    let probed = probe.instances.iter().find(|probed| probed.uuid == guest.uuid).context("not probed")?;
    let [(Group::Cpu, Missing::Failed(why))] = probed.without.as_slice() else { bail!("{probed:?}") };
    ensure!(why.contains("no answer in time"), "{why}");
    assert_eq!(probed.control.clone()?.state, ControlState::Occupied);
    let aside = probing.health().set_aside;
    ensure!(aside.len() <= 1 && aside.iter().all(|aside| aside.name == guest.name), "{aside:?}");
    Ok(())
}

/// libvirtd's default of `max_workers` is 20; the inspector holds 8 of them at most, one more for the host's calls.
const MOST_BUSY: u64 = 9;

/// More than may be stuck.
const STOPPED: u32 = 12;

#[test]
fn many_stopped_qemus_take_no_more_than_their_share_of_libvirtd() -> Result<()> {
    let libvirtd = Libvirtd::start()?;
    let guests: Vec<Guest> = (1..=STOPPED + 2).map(paused).collect();
    start(&libvirtd, &guests)?;
    let (stopped, healthy) = guests.split_at(STOPPED as usize);
    let pids: Vec<u32> =
        stopped.iter().map(|guest| libvirtd.guest_pid(&guest.name)).collect::<Result<_>>()?;
    pids.iter().for_each(|pid| signal(*pid, Signal::STOP));
    let site = site(&libvirtd.uri_ro(), &[Meter::CpuTime])?;
    change(&site, &[("interval: 1s", "interval: 3s")])?;
    let mut agent = site.start(&["run", "pipeline.yaml"])?;
    let done = AtomicBool::new(false);
    let nova = || -> Result<u32> {
        let mut rounds = 0;
        while !done.load(Ordering::Relaxed) {
            for guest in healthy {
                let statistics = libvirtd.virsh(&["domstats", &guest.name])?;
                ensure!(statistics.contains("balloon.current"), "{statistics}");
            }
            let list = libvirtd.virsh(&["list", "--all", "--uuid"])?;
            ensure!(guests.iter().all(|guest| list.contains(&guest.uuid)), "{list}");
            rounds += 1;
        }
        Ok(rounds)
    };
    let watch = |agent: &mut Running, log: &str| -> Result<u64> {
        let (mut most, log) = (0, site.path(log));
        agent.until("eight that are set aside, and cycles with them", || {
            most = most.max(busy(&libvirtd)?);
            let log = fs::read_to_string(&log)?;
            let reminded = lines(&log, &["instances do not answer", "count=8", "and 5 more"]).len();
            Ok((reminded >= 4).then_some(()))
        })?;
        Ok(most)
    };
    // An agent that is started again finds the calls that the one before has left in libvirtd.
    let twice = |agent: &mut Running| -> Result<u64> {
        let first = watch(agent, "run-0.log")?;
        std::mem::replace(agent, site.start(&["run", "pipeline.yaml"])?).kill()?;
        Ok(first.max(watch(agent, "run-1.log")?))
    };
    let (most, rounds) = thread::scope(|scope| {
        let nova = scope.spawn(nova);
        let most = twice(&mut agent);
        done.store(true, Ordering::Relaxed);
        (most, nova.join())
    });
    let (most, rounds) = (most?, rounds.map_err(|_| anyhow::anyhow!("the other client panicked"))??);
    // The other client's own call may be among them.
    ensure!((8..=MOST_BUSY + 1).contains(&most), "{most} of libvirtd's workers were busy");
    ensure!(rounds >= 3, "the other client got {rounds} rounds");
    let record = Record::of(&site)?;
    record.has_all("mem.max", &guests)?;

    pids.iter().for_each(|pid| signal(*pid, Signal::CONT));
    let before = record.len();
    agent.until("the CPU time of everybody", || {
        let record = Record::of(&site)?;
        let whole = |cycle: &_| guests.iter().all(|guest| volume(cycle, "cpu.time", &guest.uuid).is_some());
        Ok(record.since(before).any(whole).then_some(()))
    })?;
    let ended = agent.stop()?.expect(0)?;
    assert_eq!(lines(&ended.stderr, &["answers again"]).len(), 8);
    assert_eq!(busy(&libvirtd)?, 0);
    Ok(())
}

/// How many of libvirtd's workers are at a call, by its administrators' interface, which has workers of its own.
fn busy(libvirtd: &Libvirtd) -> Result<u64> {
    let socket = libvirtd.folder().join("run/libvirt-admin-sock");
    let uri = format!("libvirtd:///system?socket={}", socket.display());
    let text = output(Command::new("virt-admin").args(["-c", &uri, "srv-threadpool-info", "libvirtd"]))?;
    let number = |name: &str| -> Result<u64> {
        let line = text.lines().find_map(|line| line.split_once(':').filter(|(key, _)| key.trim() == name));
        Ok(line.with_context(|| format!("no {name} in:\n{text}"))?.1.trim().parse()?)
    };
    Ok(number("nWorkers")?.saturating_sub(number("freeWorkers")?))
}
