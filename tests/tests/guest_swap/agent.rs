//! An agent at work on a host of libvirt's test driver, guests in WebAssembly text, and what came of each cycle.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use lab::instances;
use nephoscope_tests::{Ended, Guest, Pipeline, Running, Site};
use serde_json::Value;
use wat_guests::{GOOD, Meter, VOLUME, Wat};

pub const INSTANCES: usize = 6;

/// A version of a guest: what it reports tells which one has polled.
#[derive(Clone, Copy)]
pub struct Version<'a> {
    pub meter: &'a str,
    pub volume: u64,
    /// What it does before it answers.
    pub first: &'a str,
    pub imports: &'a str,
}

impl<'a> Version<'a> {
    pub fn new(meter: &'a str, volume: u64) -> Self {
        Self { meter, volume, first: "", imports: "" }
    }

    pub fn component(&self) -> Vec<u8> {
        let Self { meter, volume, first, imports } = self;
        let poll = format!("{first} (i64.store (i32.const {}) (i64.const {volume})) {GOOD}", VOLUME + 8);
        let meter = Meter { name: meter, kind: wat_guests::Kind::Gauge, unit: "" };
        Wat { imports, poll: &poll, meter, ..Wat::default() }.component()
    }
}

/// Puts a module in a file's place as an operator should: whole, at once.
pub fn replace(path: &Path, module: &[u8]) -> Result<()> {
    let next = path.with_extension("next");
    fs::write(&next, module)?;
    Ok(fs::rename(next, path)?)
}

/// A site with an agent that polls often, swaps quickly, keeps its state and listens at a socket.
pub struct Agent {
    pub site: Site,
    pub pipeline: Pipeline,
    pub running: Option<Running>,
}

impl Agent {
    /// Writes the pipeline of these guests, each `name.wasm` of the site with the grant `state`; does not start it.
    pub fn new(guests: &[(&str, Version<'_>)], more: &str) -> Result<Self> {
        let site = Site::new()?;
        let uri = site.test_driver(&instances(INSTANCES))?;
        let described = guests.iter().map(|(name, version)| {
            Ok(Guest::new(name, site.write(&format!("{name}.wasm"), version.component())?, "state"))
        });
        let pipeline = Pipeline {
            guests: described.collect::<Result<_>>()?,
            sources: "\n  - {name: all, interval: 300ms, meters: [\"*\"]}".into(),
            more: format!("state: state\nsocket: agent.sock\n{more}"),
            ..Pipeline::mem_max(&uri, &[&site.file_sink()])
        };
        site.pipeline(&pipeline)?;
        Ok(Self { site, pipeline, running: None })
    }

    pub fn start(&mut self) -> Result<&mut Running> {
        Ok(self.running.insert(self.site.start(&["run", "pipeline.yaml"])?))
    }

    pub fn running(&mut self) -> Result<&mut Running> {
        self.running.as_mut().context("the agent does not run")
    }

    pub fn stop(&mut self) -> Result<Ended> {
        self.running.take().context("the agent does not run")?.stop()
    }

    /// Waits until a cycle has this volume of a meter for each instance.
    pub fn until_polled(&mut self, meter: &str, volume: u64) -> Result<()> {
        let Self { site, running, .. } = self;
        let running = running.as_mut().context("the agent does not run")?;
        running.until(&format!("{meter} = {volume} of all instances in one cycle"), || {
            let whole = |volumes: &&Vec<u64>| {
                volumes.len() == INSTANCES && volumes.iter().all(|found| *found == volume)
            };
            Ok(cycles(site, meter)?.values().find(whole).map(drop))
        })
    }

    /// Waits for a number of cycles from now on.
    pub fn until_cycles(&mut self, meter: &str, more: usize) -> Result<()> {
        let Self { site, running, .. } = self;
        let before = cycles(site, meter)?.len();
        let running = running.as_mut().context("the agent does not run")?;
        running.until("some more cycles", || Ok((cycles(site, meter)?.len() >= before + more).then_some(())))
    }

    pub fn cycles(&self, meter: &str) -> Result<BTreeMap<String, Vec<u64>>> {
        cycles(&self.site, meter)
    }

    /// An operator's command.
    pub fn guest(&self, arguments: &[&str]) -> Result<Ended> {
        let mut all = vec!["guest"];
        all.extend(arguments);
        all.extend(["--socket", "agent.sock"]);
        self.site.run(&all)
    }

    /// What `guest list` says of a guest.
    pub fn status(&self, name: &str) -> Result<Value> {
        let listed = self.guest(&["list", "--output", "json"])?.expect(0)?;
        let guests: Vec<Value> = serde_json::from_str(&listed.stdout)?;
        guests
            .into_iter()
            .find(|guest| guest["name"] == name)
            .with_context(|| format!("no {name}: {}", listed.stdout))
    }

    /// Waits until `guest list` says this state of a guest.
    pub fn until_state(&mut self, name: &str, state: &str) -> Result<Value> {
        let mut running = self.running.take().context("the agent does not run")?;
        let found = running.until(&format!("{name} to be {state}"), || {
            // The socket is there a moment after the agent.
            let Ok(status) = self.status(name) else { return Ok(None) };
            Ok((status["state"] == state).then_some(status))
        });
        self.running = Some(running);
        found
    }

    /// Every cycle but the last, which may be in the making, has one sample of each instance; and none was left out.
    pub fn is_whole(&self, meter: &str, log: &str) -> Result<()> {
        let cycles = self.cycles(meter)?;
        for (cycle, volumes) in cycles.iter().rev().skip(1) {
            ensure!(volumes.len() == INSTANCES, "{meter} at {cycle}: {volumes:?}");
        }
        let left_out = ["longer than the interval", "polls left out"].iter().any(|words| log.contains(words));
        ensure!(!left_out, "a cycle or a poll was left out:\n{log}");
        Ok(())
    }
}

/// The volumes of a meter by the cycle's timestamp.
fn cycles(site: &Site, meter: &str) -> Result<BTreeMap<String, Vec<u64>>> {
    let mut cycles: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for sample in site.taken()? {
        if sample["counter_name"] == meter {
            let cycle = sample["timestamp"].as_str().context("a timestamp")?.to_owned();
            cycles.entry(cycle).or_default().push(sample["counter_volume"].as_u64().context("a volume")?);
        }
    }
    Ok(cycles)
}
