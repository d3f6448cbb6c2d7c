//! The processes that faults happen to.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use lab::{Broker, Cluster, Proxy, SmallDisk, instances, until};
use sample::Timestamp;
use wat_guests::{GOOD, Meter, Wat};

use super::account::{Account, Run};
use super::fault::Chance;
use crate::{Guest, Pipeline, Running, Site};

/// Instances of the host.
const INSTANCES: usize = 5;
/// How often they are polled.
const INTERVAL: &str = "100ms";
/// How long everything may take to arrive after a fault: a broker's start, back-offs, and a machine that compiles beside.
const SETTLED: Duration = Duration::from_secs(180);
/// The spool's disk, where it has one of its own.
const SPOOL_DISK: u64 = 24 << 20;
/// The store's.
const STORE_DISK: u64 = 48 << 20;

/// What kind of world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// One broker, behind a proxy for the agent and another for the collector.
    Single,
    /// The same, with small disks for spool and store.
    SmallDisks,
    /// Three brokers with a quorum queue; agent and collector know all of them.
    Cluster,
}

/// The broker, or several.
#[derive(Debug)]
pub(super) enum Brokers {
    Single(Box<Broker>),
    Cluster(Box<Cluster>),
}

/// An agent, brokers and a collector that run.
#[derive(Debug)]
pub struct World {
    pub(super) agent: Option<Running>,
    pub(super) collector: Option<Running>,
    pub(super) brokers: Brokers,
    /// Between the agent and the broker, and between the collector and the broker; none before a cluster.
    pub(super) proxies: Vec<Proxy>,
    /// The spool's and the store's, where they have some.
    pub(super) disks: Vec<SmallDisk>,
    pub(super) chance: Chance,
    collector_yaml: String,
    store: PathBuf,
    runs: Vec<Run>,
    site: Site,
}

/// A guest that counts its polls of each instance, in its `state`.
pub fn sequence() -> Vec<u8> {
    let state = "nephoscope:meter/state@0.1.0";
    let imports = format!(
        r#"(import "{state}" "get" (func $get (param i32 i32 i32)))
           (import "{state}" "set" (func $set (param i32 i32 i32 i32) (result i32)))"#
    );
    let poll = format!(
        "(call $get (i32.const 2048) (i32.const 1) (i32.const 2064))
         (if (i32.load8_u (i32.const 2064))
           (then (i64.store (i32.const 2080) (i64.load (i32.load (i32.const 2068))))))
         (i64.store (i32.const 2080) (i64.add (i64.load (i32.const 2080)) (i64.const 1)))
         (drop (call $set (i32.const 2048) (i32.const 1) (i32.const 2080) (i32.const 8)))
         (i64.store (i32.const 1040) (i64.load (i32.const 2080)))
         {GOOD}"
    );
    let items = wat_guests::text_at_scratch("n");
    let meter = Meter { name: "sequence", kind: wat_guests::Kind::Cumulative, unit: "poll" };
    Wat { imports: &imports, items: &items, meter, poll: &poll, ..Wat::default() }.component()
}

impl World {
    /// Starts all of it, and waits until a first sample is stored. The seed decides what happens from now on, as far as it is chance.
    ///
    /// # Errors
    /// Something does not start.
    pub fn start(setting: Setting, seed: u64) -> Result<World> {
        let site = Site::new()?;
        let (brokers, proxies, urls) = match setting {
            Setting::Cluster => {
                let cluster = Cluster::start(3)?;
                let vhost = cluster.vhost()?;
                let urls = cluster.urls_of(&vhost);
                (Brokers::Cluster(Box::new(cluster)), Vec::new(), [urls.clone(), urls])
            }
            Setting::Single | Setting::SmallDisks => {
                let broker = Broker::start()?;
                let proxies = vec![Proxy::start(broker.port())?, Proxy::start(broker.port())?];
                let url = |proxy: &Proxy| vec![format!("amqp://guest:guest@127.0.0.1:{}/%2f", proxy.port())];
                let urls = [url(&proxies[0]), url(&proxies[1])];
                (Brokers::Single(Box::new(broker)), proxies, urls)
            }
        };
        let disks = match setting {
            Setting::SmallDisks => vec![SmallDisk::mount(SPOOL_DISK)?, SmallDisk::mount(STORE_DISK)?],
            _ => Vec::new(),
        };
        let flags = match setting {
            Setting::Cluster => "rabbit_quorum_queue: true",
            _ => "amqp_durable_queues: true",
        };
        let [agent_urls, collector_urls] = urls;
        let list = |urls: &[String]| format!("[\"{}\"]", urls.join("\", \""));
        let module = site.write("sequence.wasm", sequence())?;
        let uri = site.test_driver(&instances(INSTANCES))?;
        let amqp = format!(
            "{{amqp: {{urls: {}, {flags}, heartbeat: 5s, confirm_timeout: 3s, connect_timeout: 3s}}}}",
            list(&agent_urls)
        );
        let spool = match disks.first() {
            Some(disk) => format!("spool: {{folder: \"{}\"}}", disk.path().join("spool").display()),
            None => String::new(),
        };
        let pipeline = Pipeline {
            guests: vec![Guest::new("sequence", module, "state")],
            sources: format!("\n  - name: all\n    interval: {INTERVAL}\n    meters: [\"*\"]"),
            more: format!("state: \"{}\"\n{spool}", site.path("state").display()),
            ..Pipeline::mem_max(&uri, &[&amqp])
        };
        site.pipeline(&pipeline)?;
        let store = match disks.get(1) {
            Some(disk) => disk.path().join("samples.db"),
            None => site.path("samples.db"),
        };
        let collector_yaml = format!(
            "amqp: {{urls: {}, {flags}, heartbeat: 5s, connect_timeout: 3s}}\nstore: \"{}\"\n",
            list(&collector_urls),
            store.display()
        );
        let mut world = World {
            agent: None,
            collector: None,
            brokers,
            proxies,
            disks,
            chance: Chance::new(seed),
            collector_yaml,
            store,
            runs: Vec::new(),
            site,
        };
        world.start_collector()?;
        world.start_agent()?;
        world.settle(true)?;
        Ok(world)
    }

    pub(super) fn start_agent(&mut self) -> Result<()> {
        self.runs.push(Run { started: Timestamp::now().micros(), cycles: 0 });
        self.agent = Some(self.site.start(&["run", "pipeline.yaml"])?);
        Ok(())
    }

    pub(super) fn start_collector(&mut self) -> Result<()> {
        self.site.write("collector.yaml", &self.collector_yaml)?;
        self.collector = Some(self.site.start(&["collect", "collector.yaml"])?);
        Ok(())
    }

    pub(super) fn kill_agent(&mut self) -> Result<()> {
        if let (Some(agent), Some(run)) = (self.agent.take(), self.runs.last_mut()) {
            run.cycles = Run::cycles_of(&agent.kill()?.stderr);
        }
        Ok(())
    }

    pub(super) fn kill_collector(&mut self) -> Result<()> {
        if let Some(collector) = self.collector.take() {
            collector.kill()?;
        }
        Ok(())
    }

    /// The runs as they are at this moment.
    fn present(&self) -> Vec<Run> {
        let mut runs = self.runs.clone();
        if let (Some(agent), Some(run)) = (&self.agent, runs.last_mut()) {
            run.cycles = Run::cycles_of(&agent.log());
        }
        runs
    }

    /// Waits until all that was taken by now is stored; with `some`, that is something of this run of the agent.
    ///
    /// # Errors
    /// It is not, after a long time; with the account and the logs.
    pub fn settle(&mut self, some: bool) -> Result<Account> {
        let mut runs = self.present();
        if let (true, Some(run)) = (some, runs.last_mut()) {
            run.cycles = run.cycles.max(1);
        }
        let mut last = None;
        let settled = until("the store to have what was taken", SETTLED, || {
            for running in [&mut self.agent, &mut self.collector].into_iter().flatten() {
                running.check()?;
            }
            // There is none before the collector has made it.
            let account = Account::of(&self.store, &runs, INSTANCES).ok();
            last = account.or(last);
            Ok(account.filter(Account::is_whole))
        });
        settled.map_err(|error| {
            let log = |running: &Option<Running>| running.as_ref().map(Running::log).unwrap_or_default();
            let tail = |text: String| {
                let lines: Vec<&str> = text.lines().filter(|line| !line.contains(" polled")).collect();
                lines[lines.len().saturating_sub(40)..].join("\n")
            };
            let (agent, collector) = (tail(log(&self.agent)), tail(log(&self.collector)));
            let account = last.map_or_else(|| "nothing is stored".to_owned(), |account| account.to_string());
            error.context(format!("{account}\nthe agent's log:\n{agent}\nthe collector's:\n{collector}"))
        })
    }

    /// Ends the agent and the collector in order, and gives the last account.
    ///
    /// # Errors
    /// One of them does not end well, or something is missing.
    pub fn end(mut self) -> Result<Account> {
        if let (Some(agent), Some(run)) = (self.agent.take(), self.runs.last_mut()) {
            run.cycles = Run::cycles_of(&agent.stop()?.expect(0)?.stderr);
        }
        self.settle(false)?;
        if let Some(collector) = self.collector.take() {
            collector.stop()?.expect(0)?;
        }
        let account = Account::of(&self.store, &self.runs, INSTANCES)?;
        if !account.is_whole() {
            bail!("at the end: {account}");
        }
        Ok(account)
    }

    pub(super) fn broker(&mut self) -> Result<&mut Broker> {
        match &mut self.brokers {
            Brokers::Single(broker) => Ok(broker),
            Brokers::Cluster(_) => bail!("there are several brokers"),
        }
    }

    pub(super) fn cluster(&mut self) -> Result<&mut Cluster> {
        match &mut self.brokers {
            Brokers::Cluster(cluster) => Ok(cluster),
            Brokers::Single(_) => bail!("there is one broker"),
        }
    }

    pub(super) fn disk(&self, at: usize) -> Result<&SmallDisk> {
        self.disks.get(at).context("this world has no small disks")
    }
}
