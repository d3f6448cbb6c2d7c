//! `nephoscope snapshot`: a host's readings to a file, and what such a file holds.

use std::io::Write as _;

use anyhow::Context;
use inspector::settings::StoppedDisks;
use inspector::{Group, Groups, Inspector, Reading, Settings, Snapshot};
use serde_json::json;

use super::table::Table;
use crate::cli::{RecordArguments, Report, ShowArguments};

/// Every group of readings.
const ALL: [Group; 6] = [Group::Memory, Group::Cpu, Group::Disks, Group::Vnics, Group::Perf, Group::RawStats];

pub fn record(arguments: &RecordArguments) -> anyhow::Result<()> {
    let uri = arguments.connect.clone();
    // Who replays it may want stopped instances reported.
    let settings = Settings { uri, stopped_disks: StoppedDisks::Read, ..Settings::default() };
    let inspector = Inspector::libvirt(settings);
    let snapshot = inspector.snapshot(&Groups::from(ALL)).context("the host could not be read")?;
    inspector::record(&snapshot, &arguments.file)?;
    eprintln!(
        "{} instances of {} written to {}",
        snapshot.instances.len(),
        snapshot.host,
        arguments.file.display()
    );
    Ok(())
}

pub fn show(arguments: &ShowArguments) -> anyhow::Result<()> {
    let snapshot = inspector::load(&arguments.file)?;
    let mut out = std::io::stdout().lock();
    match arguments.output {
        Report::Json => writeln!(out, "{:#}", json!(snapshot))?,
        Report::Text => write!(out, "{}", table(&snapshot))?,
    }
    Ok(())
}

fn table(snapshot: &Snapshot) -> Table<8> {
    let mut table = Table::new(["uuid", "name", "state", "memory", "cpu", "disks", "vnics", "display name"]);
    for instance in &snapshot.instances {
        let identity = &instance.identity;
        table.row([
            identity.uuid.clone(),
            identity.name.clone(),
            format!("{:?}", instance.power).to_lowercase(),
            cell(&instance.memory, |memory| format!("{} MiB", memory.maximum / 1024 / 1024)),
            cell(&instance.cpu, |cpu| format!("{} vCPU", cpu.current)),
            cell(&instance.disks, |disks| disks.len().to_string()),
            cell(&instance.vnics, |vnics| vnics.len().to_string()),
            identity.nova.as_ref().map(|nova| nova.display_name.clone()).unwrap_or_default(),
        ]);
    }
    table
}

fn cell<T>(reading: &Reading<T>, show: impl Fn(&T) -> String) -> String {
    match reading {
        Ok(value) => show(value),
        Err(missing) => missing.to_string(),
    }
}
