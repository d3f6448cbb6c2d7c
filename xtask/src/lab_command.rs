//! `cargo xtask lab up|down|status`: private neighbours for a developer to work with, until they are taken down.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use lab::{Broker, BrokerSettings, Disk, Guest, Libvirtd, Os, Power, instance};

use crate::paths;
use crate::progress::Progress;
use crate::setup::{self, Need};
use crate::state::State;

/// The small guests of the lab: two that run Linux, two that are paused, one that is shut off.
const LINUX: [usize; 2] = [1, 3];
const PAUSED: [usize; 2] = [4, 6];
const SHUT_OFF: usize = 5;

/// Starts broker, libvirtd and guests, and leaves them running.
pub fn up() -> Result<()> {
    let progress = Progress::start();
    if State::read(&state_file())?.is_running() {
        bail!("the lab is up already: `cargo xtask lab status`");
    }
    setup::apt::install(&setup::apt::packages(Need::Test), progress)?;
    let folder = folder();
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("failed to remove {}", folder.display()))?;
    }
    fs::create_dir_all(&folder)?;
    progress.step("Starting a private RabbitMQ");
    let settings = BrokerSettings { folder: Some(folder.join("rabbitmq")), tls: None, ..Default::default() };
    let broker = std::thread::spawn(move || Broker::start_with(&settings));
    progress.step("Starting a private libvirtd");
    let libvirtd = Libvirtd::start_in(&folder.join("libvirt"))?;
    for guest in guests() {
        progress.step(&format!("Starting the guest {}", guest.name));
        libvirtd.define_and_start(&guest)?;
    }
    let broker = broker.join().map_err(|_| anyhow::anyhow!("the thread that starts RabbitMQ panicked"))??;
    progress.step("The lab is up");

    let mut state = State {
        notes: format!(
            "AMQP:     {}\nlibvirt:  {}\n          {}\n\n  virsh -c '{}' list --all\n\nEnd it with `cargo xtask lab down`.",
            broker.url(),
            libvirtd.uri_ro(),
            libvirtd.uri(),
            libvirtd.uri(),
        ),
        ..State::default()
    };
    println!("\n{}", state.notes);
    state.add("libvirtd and its guests", libvirtd.leave()?);
    state.add("RabbitMQ", broker.leave()?);
    state.write(&state_file())
}

/// Ends what `up` has left.
pub fn down() -> Result<()> {
    let progress = Progress::start();
    let state = State::read(&state_file())?;
    if !state.is_running() {
        progress.step("The lab is not up");
    }
    state.end(&state_file())?;
    let folder = folder();
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("failed to remove {}", folder.display()))?;
    }
    progress.step("The lab is down");
    Ok(())
}

/// Says what runs and where.
pub fn status() -> Result<()> {
    let state = State::read(&state_file())?;
    if state.processes.is_empty() {
        println!("The lab is down; `cargo xtask lab up` brings it up.");
        return Ok(());
    }
    for (name, mark) in &state.processes {
        println!("{name}: {} (process {})", if mark.is_running() { "runs" } else { "has ended" }, mark.pid);
    }
    println!("\n{}", state.notes);
    Ok(())
}

fn guests() -> Vec<Guest> {
    let small = |n: usize, mib: u64| {
        let mut guest = instance(n);
        guest.maximum_kib = mib * 1024;
        guest.current_kib = mib * 1024;
        guest.vcpus = 1;
        guest.disks = vec![Disk::raw("vda", &format!("{}.raw", guest.name), 16 << 20)];
        guest
    };
    let linux = LINUX.map(|n| Guest { os: Os::Linux, ..small(n, 96) });
    let paused = PAUSED.map(|n| Guest { power: Power::Paused, ..small(n, 64 + n as u64) });
    let off = Guest { power: Power::ShutOff, ..small(SHUT_OFF, 128) };
    linux.into_iter().chain(paused).chain([off]).collect()
}

fn folder() -> PathBuf {
    paths::target().join("lab/up")
}

fn state_file() -> PathBuf {
    paths::target().join("lab/state.json")
}
