//! The genuine Ceilometer 9.0.7 (Pike), from PyPI, in a virtual environment of the cache: the last release with a collector,
//! and so the judge of what older ones are sent. It is of Python 2's time and runs on Python 3 with libraries that are
//! younger than it and older than today's.
//!
//! Its collector verifies each sample's signature, drops what is forged, and records the rest with its file dispatcher.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::ceilometer::{installed, sign};
use crate::process::Kept;
use crate::{Broker, Vhost, free_port, output};

/// With a newer oslo.utils, which lacks `fnmatch`, it does not start; this oslo.messaging is content with the older one.
const PACKAGES: [&str; 3] = ["ceilometer==9.0.7", "oslo.messaging==14.2.0", "oslo.utils==4.13.0"];
const PINS: &str = include_str!("../assets/ceilometer-9.0.7.txt");
const SAMPLES: &str = include_str!("../assets/pike-samples.py");
const PYTHON2: &str = include_str!("../assets/pike-python2.py");
const RPC: &str = include_str!("../assets/pike-rpc.py");

/// Three seconds on an idle machine: a hundred Python packages are imported.
const START_LIMIT: Duration = Duration::from_secs(90);
const SAMPLES_LIMIT: Duration = Duration::from_secs(60);
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// An installed genuine Ceilometer of Pike.
#[derive(Clone, Debug)]
pub struct Pike {
    folder: PathBuf,
}

/// A running collector; dropping it ends it.
#[derive(Debug)]
pub struct PikeCollector {
    kept: Kept,
    python: PathBuf,
    recorded: PathBuf,
    log: PathBuf,
}

impl Pike {
    /// The one of the cache, installed where it is missing: needs `python3-venv`, `python3-dev`, a C compiler and a network.
    pub fn get() -> Result<Pike> {
        Ok(Pike { folder: installed("ceilometer-9.0.7", &PACKAGES, PINS)? })
    }

    /// Starts its own `ceilometer-collector` on a virtual host, with its files in `folder`, and waits until it consumes
    /// `metering.sample`. Lines of `options` are added to its configuration.
    pub fn collector(
        &self,
        broker: &Broker,
        vhost: &Vhost,
        folder: &Path,
        options: &str,
    ) -> Result<PikeCollector> {
        self.collector_of(broker, vhost, folder, options, "metering.sample")
    }

    /// The same, where the options have it consume another queue.
    pub fn collector_of(
        &self,
        broker: &Broker,
        vhost: &Vhost,
        folder: &Path,
        options: &str,
        queue: &str,
    ) -> Result<PikeCollector> {
        let configuration = configuration(vhost, folder, options)?;
        let mut command = Command::new(self.folder.join("bin/ceilometer-collector"));
        command.arg("--config-file").arg(configuration);
        self.start(&mut command, broker, vhost, folder, queue)
    }

    /// Starts a collector that serves casts instead, by oslo.messaging's RPC server, and waits until it consumes `metering`.
    pub fn rpc_collector(
        &self,
        broker: &Broker,
        vhost: &Vhost,
        folder: &Path,
        options: &str,
    ) -> Result<PikeCollector> {
        let configuration = configuration(vhost, folder, options)?;
        let mut command = Command::new(self.folder.join("bin/python"));
        command.args(["-c", RPC]).arg(configuration);
        self.start(&mut command, broker, vhost, folder, "metering")
    }

    /// What its own `compute_signature` makes of each message where numbers print as they do on Python 2, which its collectors
    /// ran on. A list, which prints in another way there, is an error.
    pub fn signatures_on_python_2(&self, messages: &[Value], secret: &str) -> Result<Vec<String>> {
        sign(&self.folder.join("bin/python"), PYTHON2, messages, secret)
    }

    fn start(
        &self,
        command: &mut Command,
        broker: &Broker,
        vhost: &Vhost,
        folder: &Path,
        queue: &str,
    ) -> Result<PikeCollector> {
        command.current_dir(folder).env("HOME", folder);
        let log = folder.join("ceilometer.log");
        let mut kept = Kept::start(command, &folder.join("output.log"))?;
        kept.until(&format!("a consumer of {queue}"), START_LIMIT, || {
            let consumers = broker.rabbitmqctl(&["list_consumers", "-p", &vhost.name, "queue_name"])?;
            Ok(consumers.lines().any(|name| name == queue).then_some(()))
        })
        .with_context(|| format!("the collector did not start; see {}", log.display()))?;
        let python = self.folder.join("bin/python");
        Ok(PikeCollector { kept, python, recorded: folder.join("samples"), log })
    }
}

fn configuration(vhost: &Vhost, folder: &Path, options: &str) -> Result<PathBuf> {
    fs::create_dir_all(folder)?;
    let path = folder.join("ceilometer.conf");
    fs::write(
        &path,
        format!(
            "[DEFAULT]\ntransport_url = {}\nlog_file = {}\nmeter_dispatchers = file\n[collector]\n\
             udp_address = 127.0.0.1\nudp_port = {}\n[dispatcher_file]\nfile_path = {}\n[oslo_concurrency]\nlock_path = {}\n{options}\n",
            vhost.oslo_url(),
            folder.join("ceilometer.log").display(),
            // It has another door, for datagrams, that today's oslo.config does not let be closed.
            free_port()?,
            folder.join("samples").display(),
            folder.display(),
        ),
    )?;
    Ok(path)
}

impl PikeCollector {
    /// The samples that its file dispatcher has recorded so far, in the order of their coming.
    pub fn samples(&self) -> Result<Vec<Value>> {
        recorded(&self.python, &self.recorded)
    }

    /// Waits until at least `count` samples have come.
    pub fn wait_for_samples(&mut self, count: usize) -> Result<Vec<Value>> {
        let (python, file) = (&self.python, &self.recorded);
        let found = self.kept.until(&format!("the coming of {count} samples"), SAMPLES_LIMIT, || {
            let samples = recorded(python, file)?;
            Ok((samples.len() >= count).then_some(samples))
        });
        found.with_context(|| format!("its log:\n{}", self.log().unwrap_or_default()))
    }

    /// Its log: what it dropped stands there.
    pub fn log(&self) -> Result<String> {
        fs::read_to_string(&self.log).with_context(|| format!("failed to read {}", self.log.display()))
    }

    /// Ends it in an orderly way.
    pub fn stop(self) -> Result<()> {
        self.kept.terminate(STOP_LIMIT)
    }
}

/// The samples of a file that its file dispatcher writes.
fn recorded(python: &Path, file: &Path) -> Result<Vec<Value>> {
    let lines = output(Command::new(python).args(["-c", SAMPLES]).arg(file))?;
    lines.lines().map(|line| serde_json::from_str(line).context("a line that is no JSON")).collect()
}
