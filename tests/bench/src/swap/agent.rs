//! An agent at work, and what its log and its samples say of time.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use lab::process::{Signal, signal};
use lab::{instances, node_file};
use sample::Timestamp;
use tempfile::TempDir;

/// How often it polls.
pub const INTERVAL: Duration = Duration::from_millis(100);
/// How long a file must have been quiet.
pub const DEBOUNCE: Duration = Duration::from_millis(200);
/// Every grant.
pub const ALL: &str =
    "instance, memory, cpu, disks, vnics, perf, raw-stats, domain-xml, state, settings, log";

const INSTANCES: usize = 100;
/// How long anything may take.
const LIMIT: Duration = Duration::from_secs(120);

/// The program that is measured, beside this one.
pub fn nephoscope() -> Result<PathBuf> {
    Ok(std::env::current_exe()?.with_file_name("nephoscope"))
}

/// A guest's component.
pub fn component(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/guests").join(name)
}

pub struct Agent {
    folder: TempDir,
    child: Child,
    /// How much of the log was looked at.
    read: usize,
}

impl Agent {
    /// Starts one with these guests: name, module, grants, and how often each is polled; waits for its first cycle.
    pub fn start(guests: &[(&str, &[u8], &str, Duration)]) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let path = |name: &str| folder.path().join(name);
        fs::write(path("node.xml"), node_file(&instances(INSTANCES)))?;
        let mut text = format!(
            "libvirt: {{uri: \"test://{}\"}}\ntrust: {{policy: any}}\nstate: state\npolling: {{start_jitter: 0s}}\nswap: {{debounce: {}ms}}\n\
             sinks: [{{name: out, publishers: [\"file://{}?json\"]}}]\nguests:\n",
            path("node.xml").display(),
            DEBOUNCE.as_millis(),
            path("samples.json").display()
        );
        let mut sources = String::from("sources:\n");
        for (name, module, grants, interval) in guests {
            fs::write(path(&format!("{name}.wasm")), module)?;
            text += &format!("  - {{name: {name}, module: {name}.wasm, grants: [{grants}]}}\n");
            let meters = if *name == "mem-max" { "[mem.max]" } else { "[\"!mem.max\"]" };
            sources +=
                &format!("  - {{name: {name}, interval: {}ms, meters: {meters}}}\n", interval.as_millis());
        }
        fs::write(path("pipeline.yaml"), text + &sources)?;
        let log = fs::File::create(path("log"))?;
        let child = Command::new(nephoscope()?)
            .args(["run", "pipeline.yaml"])
            .current_dir(folder.path())
            .env_remove("NEPHOSCOPE_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .context("failed to start nephoscope: `cargo xtask bench` builds it")?;
        let mut agent = Self { folder, child, read: 0 };
        agent.until(|line| line.contains(" polled "))?;
        Ok(agent)
    }

    /// Puts a module in a guest's place that differs from all before it in a section that means nothing; gives the time at which it was there.
    pub fn replace(&self, guest: &str, module: &[u8], number: usize) -> Result<i64> {
        let mut module = module.to_vec();
        // A custom section, `n`, whose content is the number.
        module.extend([0, 10, 1, b'n']);
        module.extend((number as u64).to_le_bytes());
        let (next, path) =
            (self.folder.path().join("next"), self.folder.path().join(format!("{guest}.wasm")));
        fs::write(&next, module)?;
        let now = Timestamp::now().micros();
        fs::rename(next, path)?;
        Ok(now)
    }

    /// How long after `since` the guest was swapped, and the first cycle after that ended.
    pub fn until_swapped(&mut self, guest: &str, since: i64) -> Result<(Duration, Duration)> {
        let word = format!("guest=\"{guest}\"");
        let swapped = self.until(|line| line.contains("polls in place of") && line.contains(&word))?;
        // The cycle that ran meanwhile ends with the old generation: the one that is looked for began later.
        let polled =
            self.until(|line| line.contains(" polled ") && began(line).is_some_and(|began| began > swapped))?;
        let after = |time: i64| Duration::from_micros(u64::try_from(time - since).unwrap_or(0));
        Ok((after(swapped), after(polled)))
    }

    /// The wall clock, as the agent's samples have it.
    pub fn now(&self) -> Result<i64> {
        Ok(Timestamp::now().micros())
    }

    /// When the cycles of mem.max began so far.
    pub fn cycles(&self) -> Result<BTreeSet<i64>> {
        let text = fs::read_to_string(self.folder.path().join("samples.json"))?;
        let mut times = BTreeSet::new();
        for line in text.lines() {
            // The last one may be half written.
            let Ok(sample) = serde_json::from_str::<serde_json::Value>(line) else { continue };
            if sample["counter_name"] == "mem.max" {
                let time = sample["timestamp"].as_str().context("a timestamp")?;
                times.insert(Timestamp::parse(time)?.micros());
            }
        }
        Ok(times)
    }

    /// The time of the next line of the log that fits.
    fn until(&mut self, fits: impl Fn(&str) -> bool) -> Result<i64> {
        let deadline = Instant::now() + LIMIT;
        loop {
            let log = fs::read_to_string(self.folder.path().join("log"))?;
            while let Some(end) = log[self.read..].find('\n') {
                let line = log[self.read..self.read + end].to_owned();
                self.read += end + 1;
                if fits(&line) {
                    let time = line.split_whitespace().next().unwrap_or_default();
                    return Ok(Timestamp::parse(time)?.micros());
                }
            }
            if Instant::now() >= deadline || self.child.try_wait()?.is_some() {
                bail!("what was waited for did not come:\n{log}");
            }
            thread::sleep(Duration::from_millis(2));
        }
    }
}

/// When the cycle began whose end this line tells.
fn began(line: &str) -> Option<i64> {
    let end = Timestamp::parse(line.split_whitespace().next()?).ok()?.micros();
    let millis = line.split_whitespace().find_map(|word| word.strip_prefix("ms="))?;
    Some(end - millis.parse::<i64>().ok()? * 1_000)
}

impl Drop for Agent {
    fn drop(&mut self) {
        signal(self.child.id(), Signal::TERM);
        let _ = self.child.wait();
    }
}
