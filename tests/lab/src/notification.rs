//! The genuine Ceilometer's notification agent, which takes in what polling agents publish.
//!
//! Its pipeline has one sink that writes each sample that it accepted as a line of JSON to a file.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::process::{Kept, Mark};
use crate::{Broker, Ceilometer, Vhost};

/// Three seconds on an idle machine: a hundred Python packages are imported.
const START_LIMIT: Duration = Duration::from_secs(90);
const SAMPLES_LIMIT: Duration = Duration::from_secs(30);
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// Ceilometer's default `[publisher] telemetry_secret`.
pub const DEFAULT_SECRET: &str = "change this for valid signing";

/// A running notification agent; dropping it ends it.
#[derive(Debug)]
pub struct NotificationAgent {
    kept: Kept,
    samples: PathBuf,
    log: PathBuf,
}

impl Ceilometer {
    /// Starts the notification agent on a virtual host, with its files in `folder`, and waits until it consumes. Lines of
    /// `options` are added to its configuration (`[oslo_messaging_rabbit]\nrabbit_quorum_queue = true`).
    pub fn notification_agent(
        &self,
        broker: &Broker,
        vhost: &Vhost,
        folder: &Path,
        options: &str,
    ) -> Result<NotificationAgent> {
        fs::create_dir_all(folder)?;
        let samples = folder.join("samples.json");
        let log = folder.join("ceilometer.log");
        let configuration = folder.join("ceilometer.conf");
        let pipeline = folder.join("pipeline.yaml");
        fs::write(
            &configuration,
            format!(
                "[DEFAULT]\ntransport_url = {url}\nlog_file = {}\n[notification]\nworkers = 1\npipelines = meter\n\
                 messaging_urls = {url}\n[oslo_concurrency]\nlock_path = {}\n[publisher]\n\
                 telemetry_secret = {DEFAULT_SECRET}\n{options}\n[DEFAULT]\npipeline_cfg_file = {}\n",
                log.display(),
                folder.display(),
                pipeline.display(),
                url = vhost.oslo_url(),
            ),
        )?;
        fs::write(
            &pipeline,
            format!(
                "sources:\n- name: all\n  meters: [\"*\"]\n  sinks: [file]\nsinks:\n- name: file\n  publishers:\n  \
                 - file://{}?json\n",
                samples.display()
            ),
        )?;
        let mut command = Command::new(self.program("ceilometer-agent-notification"));
        command.arg("--config-file").arg(configuration).current_dir(folder).env("HOME", folder);
        let mut kept = Kept::start(&command, &folder.join("output.log"))?;
        kept.until("a consumer of notifications.sample", START_LIMIT, || {
            let consumers = broker.rabbitmqctl(&["list_consumers", "-p", &vhost.name, "queue_name"])?;
            Ok(consumers.lines().any(|queue| queue == "notifications.sample").then_some(()))
        })
        .with_context(|| format!("the notification agent did not start; see {}", log.display()))?;
        Ok(NotificationAgent { kept, samples, log })
    }
}

impl NotificationAgent {
    /// The samples that have gone through its pipeline so far, in the order of their coming.
    pub fn samples(&self) -> Result<Vec<Value>> {
        let text = fs::read_to_string(&self.samples).unwrap_or_default();
        // The last line may be half written.
        let complete = text.rfind('\n').map_or("", |end| &text[..=end]);
        complete.lines().map(|line| serde_json::from_str(line).context("a line that is no JSON")).collect()
    }

    /// Waits until at least `count` samples have come.
    pub fn wait_for_samples(&mut self, count: usize) -> Result<Vec<Value>> {
        let samples = self.samples.clone();
        self.kept.until(&format!("the coming of {count} samples"), SAMPLES_LIMIT, || {
            let lines = fs::read(&samples).unwrap_or_default().iter().filter(|&&byte| byte == b'\n').count();
            Ok((lines >= count).then_some(()))
        })?;
        self.samples()
    }

    /// Its log: what it dropped or could not process stands there.
    pub fn log(&self) -> Result<String> {
        fs::read_to_string(&self.log).with_context(|| format!("failed to read {}", self.log.display()))
    }

    /// The agent's process.
    pub fn mark(&self) -> Option<Mark> {
        self.kept.mark()
    }

    /// Ends it in an orderly way.
    pub fn stop(self) -> Result<()> {
        self.kept.terminate(STOP_LIMIT)
    }
}
