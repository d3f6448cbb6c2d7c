//! Guests that die, vanish and appear while they are polled.

use std::thread;
use std::time::Duration;

use anyhow::{Result, ensure};
use lab::process::{Signal, signal};
use lab::{Disk, Guest, Libvirtd, until};
use nephoscope_tests::LIMIT;
use nephoscope_tests::program::lines;

use crate::meters::Meter;
use crate::record::Record;
use crate::{DEADLINES, NO_GUEST_TAKES, change, cpu_time, faults, paused, site, start, tell_apart};

/// Runs of the guests that come and go.
const RUNS: u64 = 6;

#[test]
fn guests_that_die_vanish_and_appear_leave_the_others_and_the_truth_alone() -> Result<()> {
    let libvirtd = Libvirtd::start()?;
    let stay = [paused(1), paused(2)];
    let [killed, destroyed, undefined] = [with_disk(3), with_disk(4), with_disk(5)];
    start(&libvirtd, &stay)?;
    let site = site(&libvirtd.uri_ro(), &[Meter::CpuTime, Meter::DiskCapacity, Meter::VnicCount])?;
    // A cycle takes milliseconds; the deaths are to fall into some of them. The deadlines are the default ones: libvirt tells
    // nobody of a guest while it starts. And a guest's part of a cycle is long enough for a machine that is busy with other tests.
    let places = ("start_jitter: 0s", "start_jitter: 0s, threads_to_process_pollsters: 32");
    change(&site, &[("interval: 1s", "interval: 500ms"), (DEADLINES, ""), places])?;
    tell_apart(&libvirtd)?;
    let mut agent = site.start(&["run", "pipeline.yaml"])?;
    agent.until("a cycle", || Ok((Record::of(&site)?.len() >= 1).then_some(())))?;
    for run in 0..RUNS {
        for (guest, how) in
            [(&killed, How::Killed), (&destroyed, How::Destroyed), (&undefined, How::Undefined)]
        {
            libvirtd.define_and_start(guest)?;
            let pid = libvirtd.guest_pid(&guest.name)?;
            // Another moment of a cycle each time.
            thread::sleep(Duration::from_millis(250 + 37 * run));
            ensure!(cpu_time(pid)? < NO_GUEST_TAKES, "a guest that used as much as the daemon");
            how.end(&libvirtd, guest, pid, run)?;
        }
    }
    let ended = agent.stop()?.expect(0)?;

    let record = Record::of(&site)?;
    ensure!(record.len() as u64 >= RUNS, "{} cycles", record.len());
    // A cycle that libvirt made late has no polls, or, where it so happens, some of them.
    let late = lines(&ended.stderr, &["polls left out"]);
    let cut = late.iter().filter(|line| !line.contains(" polls=0 ")).count();
    record.has_all_but(cut, "mem.max", &stay)?;
    record.has_all_but(cut, "cpu.time", &stay)?;
    record.has_all_but(cut, "vnic.count", &stay)?;
    for guest in &stay {
        let times = record.volumes("cpu.time", &guest.uuid);
        assert!(times.is_sorted(), "{times:?}");
    }
    for guest in [&killed, &destroyed, &undefined] {
        let times = record.volumes("cpu.time", &guest.uuid);
        ensure!(!times.is_empty(), "no cycle met a run of {}", guest.name);
        for time in times {
            ensure!(time > 0.0 && time < NO_GUEST_TAKES, "{time} ns are no CPU time of {}", guest.name);
        }
        for maximum in record.volumes("mem.max", &guest.uuid) {
            assert_eq!(maximum, guest.maximum_kib as f64 / 1024.0);
        }
        for capacity in record.volumes("disk.capacity", &guest.uuid) {
            ensure!(capacity == 0.0 || capacity == guest.disks[0].bytes as f64, "{capacity}");
        }
    }
    assert_eq!(faults(&ended.stderr), Vec::<&str>::new());
    Ok(())
}

/// How a guest ends.
#[derive(Clone, Copy)]
enum How {
    Killed,
    Destroyed,
    Undefined,
}

impl How {
    fn end(self, libvirtd: &Libvirtd, guest: &Guest, pid: u32, run: u64) -> Result<()> {
        match self {
            Self::Killed => {
                // Every other time while a call is in its monitor.
                if run.is_multiple_of(2) {
                    signal(pid, Signal::STOP);
                    until("a call into it", LIMIT, || {
                        Ok(libvirtd.virsh(&["domcontrol", &guest.name])?.contains("occupied").then_some(()))
                    })?;
                }
                signal(pid, Signal::KILL);
                until("libvirtd's knowledge of its end", LIMIT, || {
                    Ok((libvirtd.dominfo(&guest.name, "State")? == "shut off").then_some(()))
                })
            }
            Self::Destroyed => libvirtd.virsh(&["destroy", &guest.name]).map(drop),
            Self::Undefined => {
                libvirtd.virsh(&["undefine", &guest.name])?;
                libvirtd.virsh(&["destroy", &guest.name]).map(drop)
            }
        }
    }
}

fn with_disk(n: u32) -> Guest {
    let disk = Disk::raw("vda", &format!("{n}.raw"), u64::from(n) << 20);
    Guest { disks: vec![disk], ..paused(n) }
}
