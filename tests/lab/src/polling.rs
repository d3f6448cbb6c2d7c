//! The genuine Ceilometer's polling agent for compute nodes, which Nephoscope stands in for.
//!
//! It discovers instances by libvirt's metadata and publishes every meter that it has, [`INTERVAL`] after the former time. There is no
//! Keystone and no Nova: it gets on without them as long as it need not ask Nova for a flavor's id.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::process::{Kept, Mark};
use crate::{Ceilometer, Vhost};

/// The least that it takes.
const INTERVAL: Duration = Duration::from_secs(1);
/// Five seconds on an idle machine: a hundred Python packages are imported.
const START_LIMIT: Duration = Duration::from_secs(120);
/// It ends its cycle first.
const STOP_LIMIT: Duration = Duration::from_secs(60);

/// What it logs after each meter of each cycle.
const POLLED: &str = "Finished polling pollster";

/// A running polling agent; dropping it ends it.
#[derive(Debug)]
pub struct PollingAgent {
    kept: Kept,
    log: PathBuf,
}

impl Ceilometer {
    /// Starts the polling agent on a libvirt and a virtual host, with its files in `folder`, and waits until it has begun to poll.
    /// Lines of `options` are added to its configuration (`[compute]\nreport_stopped_instance_metrics = true`).
    pub fn polling_agent(
        &self,
        vhost: &Vhost,
        folder: &Path,
        uri: &str,
        options: &str,
    ) -> Result<PollingAgent> {
        fs::create_dir_all(folder)?;
        let log = folder.join("ceilometer.log");
        let configuration = folder.join("ceilometer.conf");
        let polling = folder.join("polling.yaml");
        fs::write(
            &configuration,
            format!(
                "[DEFAULT]\ntransport_url = {}\nlog_file = {}\nlibvirt_uri = {uri}\n[polling]\ncfg_file = {}\n\
                 [compute]\ninstance_discovery_method = libvirt_metadata\n[oslo_concurrency]\nlock_path = {}\n\
                 {options}\n",
                vhost.oslo_url(),
                log.display(),
                polling.display(),
                folder.display(),
            ),
        )?;
        fs::write(
            &polling,
            format!("sources:\n- name: all\n  interval: {}\n  meters: [\"*\"]\n", INTERVAL.as_secs()),
        )?;
        let mut command = Command::new(self.program("ceilometer-polling"));
        command
            .args(["--polling-namespaces", "compute", "--config-file"])
            .arg(configuration)
            .current_dir(folder)
            .env("HOME", folder);
        let kept = Kept::start(&command, &folder.join("output.log"))?;
        let mut agent = PollingAgent { kept, log };
        agent
            .until_logged(POLLED)
            .with_context(|| format!("the polling agent did not start; see {}", agent.log.display()))?;
        Ok(agent)
    }
}

impl PollingAgent {
    /// Waits until its log has this text.
    pub fn until_logged(&mut self, text: &str) -> Result<()> {
        let log = &self.log;
        self.kept.until(&format!("{text:?} in its log"), START_LIMIT, || {
            Ok(fs::read_to_string(log).is_ok_and(|lines| lines.contains(text)).then_some(()))
        })
    }

    /// Its log: what it skipped or could not poll stands there.
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
