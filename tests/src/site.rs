//! The folder of one test, and what is run in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, ensure};
use lab::node_file;
use serde_json::Value;
use tempfile::TempDir;

use crate::pipeline::to_file;
use crate::{Ended, Pipeline, Running};

/// A folder of its own: files, runs, a store. Removed with it.
#[derive(Debug)]
pub struct Site {
    folder: TempDir,
    runs: AtomicU32,
}

impl Site {
    /// An empty one.
    ///
    /// # Errors
    /// No folder could be made.
    pub fn new() -> Result<Site> {
        let folder = tempfile::Builder::new().prefix("nephoscope-test-").tempdir()?;
        Ok(Site { folder, runs: AtomicU32::new(0) })
    }

    /// A path in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, name: &str, contents: impl AsRef<[u8]>) -> Result<PathBuf> {
        let path = self.path(name);
        fs::write(&path, contents).with_context(|| format!("failed to write {}", path.display()))?;
        Ok(path)
    }

    /// Writes a node file of these guests for libvirt's test driver, and gives its connection URI.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn test_driver(&self, guests: &[lab::Guest]) -> Result<String> {
        Ok(format!("test://{}", self.write("node.xml", node_file(guests))?.display()))
    }

    /// Writes the pipeline to `pipeline.yaml`.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn pipeline(&self, pipeline: &Pipeline) -> Result<()> {
        self.write("pipeline.yaml", pipeline.yaml()).map(drop)
    }

    /// The publisher that writes to `samples.json` here, which [`Site::taken`] reads.
    pub fn file_sink(&self) -> String {
        to_file(&self.path("samples.json"))
    }

    /// What the publisher of [`Site::file_sink`] has written so far: signed sample dicts.
    ///
    /// # Errors
    /// A line that is no JSON.
    pub fn taken(&self) -> Result<Vec<Value>> {
        let text = fs::read_to_string(self.path("samples.json")).unwrap_or_default();
        // The last line may be half written.
        let complete = text.rfind('\n').map_or("", |end| &text[..end]);
        complete.lines().map(|line| serde_json::from_str(line).context("a line that is no JSON")).collect()
    }

    /// Runs the program to its end.
    ///
    /// # Errors
    /// It does not start or not end; any exit code is fine.
    pub fn run(&self, arguments: &[&str]) -> Result<Ended> {
        self.start(arguments)?.wait()
    }

    /// Runs one cycle of `pipeline.yaml`.
    ///
    /// # Errors
    /// As of [`Site::run`].
    pub fn run_once(&self) -> Result<Ended> {
        self.run(&["run", "pipeline.yaml", "--once"])
    }

    /// Starts the program.
    ///
    /// # Errors
    /// It does not start.
    pub fn start(&self, arguments: &[&str]) -> Result<Running> {
        self.start_with(arguments, &[])
    }

    /// Starts the program with variables in its environment.
    ///
    /// # Errors
    /// It does not start.
    pub fn start_with(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Result<Running> {
        let number = self.runs.fetch_add(1, Ordering::Relaxed);
        Running::start(self.folder.path(), &format!("run-{number}"), arguments, environment)
    }

    /// Starts a collector of this broker's virtual host, with its store here, and waits until it collects.
    ///
    /// # Errors
    /// It does not.
    pub fn collector(&self, url: &str) -> Result<Running> {
        self.collector_with(&format!("amqp: {{url: \"{url}\"}}"))
    }

    /// The same, with other YAML for everything but the store.
    ///
    /// # Errors
    /// It does not collect.
    pub fn collector_with(&self, yaml: &str) -> Result<Running> {
        let mut collector = self.start_collector(yaml)?;
        collector.until_logged(&["collecting", "notifications.sample"])?;
        Ok(collector)
    }

    /// The same, without waiting for anything.
    ///
    /// # Errors
    /// It does not start.
    pub fn start_collector(&self, yaml: &str) -> Result<Running> {
        self.write("collector.yaml", format!("{yaml}\nstore: samples.db\n"))?;
        self.start(&["collect", "collector.yaml"])
    }

    /// What `nephoscope sample list --output json` with these arguments shows of the store.
    ///
    /// # Errors
    /// The command fails.
    pub fn samples(&self, arguments: &[&str]) -> Result<Vec<Value>> {
        let listed = self.sample_list(&[&["--output", "json"], arguments].concat())?.expect(0)?;
        let samples: Value = serde_json::from_str(&listed.stdout).context("no JSON")?;
        samples.as_array().cloned().context("no list of samples")
    }

    /// Runs `nephoscope sample list` over the store.
    ///
    /// # Errors
    /// It does not start or not end.
    pub fn sample_list(&self, arguments: &[&str]) -> Result<Ended> {
        self.run(&[&["sample", "list", "--store", "samples.db"], arguments].concat())
    }

    /// Every sample of the store, once there are at least `count`.
    ///
    /// # Errors
    /// They do not come.
    pub fn stored(&self, collector: &mut Running, count: usize) -> Result<Vec<Value>> {
        let samples = collector.until(&format!("{count} samples in the store"), || {
            let samples = self.samples(&["-l", ALL])?;
            Ok((samples.len() >= count).then_some(samples))
        })?;
        ensure!(samples.len() < ALL.parse()?, "more samples than one list shows");
        Ok(samples)
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// The most samples that one list shows.
pub const ALL: &str = "10000";
