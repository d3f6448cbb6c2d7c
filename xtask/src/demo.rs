//! `cargo xtask demo`: the whole way of a sample on one machine.
//!
//! ```text
//!  libvirt's test driver ──▶ nephoscope run ──▶ private RabbitMQ ──▶ nephoscope collect ──▶ nephoscope sample list
//! ```
//!
//! The agent and the collector run on the pipelines of `pipelines/`, rendered into `target/demo` with the private
//! broker's address and with paths of their own. All that was started ends with this command, on Ctrl-C too, unless it is
//! to be kept.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use lab::process::Kept;
use lab::{Broker, BrokerSettings, output};
use serde_json::Value;

use crate::cargo::cargo;
use crate::progress::{Progress, run as run_command};
use crate::setup::{self, Need};
use crate::state::State;
use crate::{guests, paths};

/// What becomes of the processes when the table has been shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtTheEnd {
    /// They end.
    Stop,
    /// They run on until `cargo xtask demo --stop`.
    Keep,
}

/// The demo's node file has a dozen instances; two cycles of them.
const INSTANCES: usize = 12;
const CYCLES: usize = 2;
/// Two seconds a cycle and a few for the start, on a machine that does something else beside.
const SAMPLES_LIMIT: Duration = Duration::from_secs(90);

/// Runs the demo.
pub fn run(at_the_end: AtTheEnd) -> Result<()> {
    let progress = Progress::start();
    let folder = paths::target().join("demo");
    fs::create_dir_all(paths::target())?;
    let lock = File::create(paths::target().join("demo.lock"))?;
    if lock.try_lock().is_err() {
        bail!("another demo is running");
    }
    let toolchain = setup::install(&[Need::Demo], progress)?;
    end_what_was_kept(progress)?;
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("failed to remove {}", folder.display()))?;
    }
    fs::create_dir_all(&folder)?;

    progress.step("Starting a private RabbitMQ");
    let settings = BrokerSettings { folder: Some(folder.join("rabbitmq")), tls: None, ..Default::default() };
    let broker = std::thread::spawn(move || Broker::start_with(&settings));
    progress.step("Building nephoscope (some minutes the first time)");
    // nephoscope of the whole workspace, not the package nephoscope: another choice of packages would unite features otherwise,
    // and the tests would compile wasmtime once more.
    run_command(cargo("build").args(["--workspace", "--bin", "nephoscope"]))?;
    guests::rust::build(toolchain, progress)?;
    let broker = broker.join().map_err(|_| anyhow::anyhow!("the thread that starts RabbitMQ panicked"))??;
    progress.step(&format!("RabbitMQ answers on 127.0.0.1:{}", broker.port()));

    let demo = Demo { nephoscope: paths::binary("nephoscope")?, store: folder.join("samples.db"), folder };
    demo.render(&broker)?;
    progress.step("Starting the collector and the agent");
    let mut collector = demo.start("collect", "collector")?;
    let mut agent = demo.start("run", "demo")?;
    progress.step(&format!("Waiting for {CYCLES} cycles of {INSTANCES} instances"));
    agent.until("the coming of the samples", SAMPLES_LIMIT, || {
        collector.check()?;
        Ok((demo.count() >= INSTANCES * CYCLES).then_some(()))
    })?;
    progress.step("They are there");

    demo.show(at_the_end)?;
    if at_the_end == AtTheEnd::Stop {
        return Ok(());
    }
    let mut state = State::default();
    state.add("agent", [agent.leave()?]);
    state.add("collector", [collector.leave()?]);
    state.add("RabbitMQ", broker.leave()?);
    state.write(&state_file())
}

/// `cargo xtask demo --stop`.
pub fn stop() -> Result<()> {
    let progress = Progress::start();
    if !end_what_was_kept(progress)? {
        progress.step("No demo is running");
    }
    Ok(())
}

fn end_what_was_kept(progress: Progress) -> Result<bool> {
    let state = State::read(&state_file())?;
    let was_running = state.is_running();
    if was_running {
        progress.step("Ending the demo that was kept");
    }
    state.end(&state_file())?;
    Ok(was_running)
}

fn state_file() -> PathBuf {
    paths::target().join("demo-state.json")
}

struct Demo {
    nephoscope: PathBuf,
    store: PathBuf,
    folder: PathBuf,
}

impl Demo {
    /// Writes the pipelines with what is particular to this run.
    fn render(&self, broker: &Broker) -> Result<()> {
        let root = paths::root();
        let address = ("amqp://guest:guest@127.0.0.1:5672/", broker.url());
        let node = format!("test://{}", root.join("pipelines/demo/node.xml").display());
        let guests = root.join("target/guests").display().to_string();
        self.render_one("demo", &[address.clone(), ("test:///default", node), ("../target/guests", guests)])?;
        self.render_one("collector", &[address, ("../target/samples.db", self.store.display().to_string())])
    }

    fn render_one(&self, name: &str, replacements: &[(&str, String)]) -> Result<()> {
        let source = paths::root().join(format!("pipelines/{name}.yaml"));
        let mut text =
            fs::read_to_string(&source).with_context(|| format!("failed to read {}", source.display()))?;
        for (default, particular) in replacements {
            if !text.contains(default) {
                bail!("{} has no \"{default}\" that the demo could replace", source.display());
            }
            text = text.replace(default, particular);
        }
        fs::write(self.file(name), text)?;
        Ok(())
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.yaml"))
    }

    fn start(&self, command: &str, name: &str) -> Result<Kept> {
        let mut process = Command::new(&self.nephoscope);
        process.arg(command).arg(self.file(name)).current_dir(&self.folder);
        Kept::start(&process, &self.folder.join(format!("{name}.log")))
    }

    fn samples(&self) -> Command {
        let mut command = Command::new(&self.nephoscope);
        command.args(["--log", "error", "sample", "list", "-m", "mem.max", "--store"]).arg(&self.store);
        command
    }

    /// How many samples the store has; none while there is no store yet.
    fn count(&self) -> usize {
        let list = output(self.samples().args(["-l", "1000", "--output", "json"])).unwrap_or_default();
        serde_json::from_str::<Value>(&list).ok().and_then(|list| Some(list.as_array()?.len())).unwrap_or(0)
    }

    fn show(&self, at_the_end: AtTheEnd) -> Result<()> {
        let program = relative(&self.nephoscope);
        let store = relative(&self.store);
        let limit = INSTANCES.to_string();
        println!("\n$ {program} sample list -m mem.max -l {limit} --store {store}");
        run_command(self.samples().args(["-l", &limit]))?;
        let query = format!("resource_id={}", lab::instance(1).uuid);
        println!("\n$ {program} sample list -m mem.max -q {query} --store {store}");
        run_command(self.samples().args(["-q", &query]))?;
        println!("\n$ {program} statistics -m mem.max --store {store}");
        let mut statistics = Command::new(&self.nephoscope);
        run_command(statistics.args(["statistics", "-m", "mem.max", "--store"]).arg(&self.store))?;
        let folder = relative(&self.folder);
        println!(
            "\nThat was libvirt's test driver, a pollster in a sandbox (guests/rust/mem-max), RabbitMQ, the collector and its \
             store.\nFrom here:"
        );
        let ways = [
            (format!("{folder}/demo.yaml, collector.yaml"), "what ran; the logs are beside them"),
            (format!("{program} check pipelines/mem-max.yaml"), "what would run on this host's own libvirt"),
            ("README.md".to_owned(), "a meter of your own"),
        ];
        for (way, what) in ways {
            println!("  {way:<55} {what}");
        }
        match at_the_end {
            AtTheEnd::Keep => println!(
                "\nAll of it goes on running. Look at it with the commands above and `tail -f {folder}/demo.log`;\n\
                 end it with `cargo xtask demo --stop`."
            ),
            AtTheEnd::Stop => println!("\n`cargo xtask demo --keep` leaves it running."),
        }
        Ok(())
    }
}

/// A path as the user would type it.
fn relative(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(here).unwrap_or(path).display().to_string()
}
