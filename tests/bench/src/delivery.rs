//! What each setting of delivery costs, in samples per second to the broker's last confirm: the spool and its `fsync`, the window of
//! messages that await confirmation, their size, and the kind of queue.

use std::path::Path;
use std::time::Duration;

use amqp::{Broker, Flags};
use anyhow::{Result, ensure};
use publisher::spool::{self, Fsync};
use publisher::{AmqpSettings, BATCH_SIZE, Publisher, Settings, Target, WINDOW};
use tokio::runtime::Runtime;

use crate::publish::send;
use crate::samples::Samples;
use crate::table::Table;

/// Samples of one run.
const SAMPLES: usize = 100_000;
/// Of small messages, which take longer.
const FEW: usize = 20_000;
const RUNS: usize = 3;
/// How long an idle spool is watched.
const IDLE: Duration = Duration::from_secs(5);

/// One way to deliver.
struct Way {
    name: String,
    spool: Option<Fsync>,
    window: usize,
    batch_size: usize,
    flags: Flags,
    samples: usize,
}

impl Way {
    fn new(name: impl Into<String>) -> Self {
        let (window, batch_size) = (WINDOW, BATCH_SIZE);
        Self { name: name.into(), spool: None, window, batch_size, flags: Flags::default(), samples: SAMPLES }
    }
}

fn ways() -> Vec<Way> {
    let spooled = |name: &str, fsync| Way { spool: Some(fsync), ..Way::new(name) };
    let durable = Flags { durable: true, ..Flags::default() };
    let quorum = Flags { quorum: true, ..Flags::default() };
    let mut ways = vec![
        Way::new("memory alone"),
        spooled("spool, fsync: commit (default)", Fsync::Commit),
        spooled("spool, fsync: checkpoint", Fsync::Checkpoint),
        spooled("spool, fsync: never", Fsync::Never),
        Way { flags: durable, ..Way::new("memory alone, amqp_durable_queues") },
        Way { flags: quorum, ..Way::new("memory alone, rabbit_quorum_queue") },
        Way { flags: quorum, ..spooled("spool and rabbit_quorum_queue", Fsync::Commit) },
    ];
    for window in [1, 8, 512] {
        ways.push(Way { window, ..Way::new(format!("memory alone, max_unconfirmed: {window}")) });
    }
    for batch_size in [1, 10, 200] {
        let samples = if batch_size < BATCH_SIZE { FEW } else { SAMPLES };
        ways.push(Way { batch_size, samples, ..Way::new(format!("memory alone, batch_size: {batch_size}")) });
    }
    ways
}

pub fn measure(table: &mut Table) -> Result<()> {
    let broker = lab::Broker::start()?;
    let runtime = Runtime::new()?;
    let samples = Samples::new()?;
    let folder = tempfile::Builder::new().prefix("nephoscope-bench-").tempdir_in(crate::disk())?;
    let ways = ways();
    // In turn, so that a machine that is slower for a while is so for all.
    let mut rates = vec![Vec::new(); ways.len()];
    for run in 0..RUNS {
        for (number, (way, rates)) in ways.iter().zip(&mut rates).enumerate() {
            let vhost = broker.vhost()?;
            let spool = folder.path().join(format!("{number}-{run}.spool"));
            let settings = settings(way, &vhost.url(), &spool)?;
            rates.push(runtime.block_on(send(settings, &samples, way.samples))?);
            broker.rabbitmqctl(&["delete_vhost", &vhost.name])?;
        }
    }
    let median = |rates: &mut Vec<f64>| {
        rates.sort_by(f64::total_cmp);
        rates[rates.len() / 2]
    };
    let first = median(&mut rates[0]);
    for (way, rates) in ways.iter().zip(&mut rates) {
        let rate = median(rates);
        let goal = if way.name.contains("(default)") { "≥ 60 %" } else { "" };
        table.row(
            format!("samples/s: {}", way.name),
            format!("{rate:.0} ({:.0} %)", 100.0 * rate / first),
            goal,
        );
    }
    bytes(table, &runtime, &samples, folder.path())?;
    idle(table, &runtime, &samples, &broker, folder.path())
}

fn settings(way: &Way, url: &str, spool: &Path) -> Result<Settings> {
    let amqp = AmqpSettings {
        brokers: vec![Broker::new(url.parse()?)],
        window: way.window,
        flags: way.flags,
        ..AmqpSettings::default()
    };
    let spool = way.spool.map(|fsync| spool::Settings {
        fsync,
        backlog_rate: 0,
        ..spool::Settings::new(spool.into())
    });
    Ok(Settings { batch_size: way.batch_size, spool, ..Settings::new(Target::Amqp(amqp)) })
}

/// Of samples that wait for a broker which is away.
fn bytes(table: &mut Table, runtime: &Runtime, samples: &Samples, folder: &Path) -> Result<()> {
    let way = Way { spool: Some(Fsync::Never), ..Way::new("") };
    let nobody = format!("amqp://127.0.0.1:{}/", lab::free_port()?);
    let settings = settings(&way, &nobody, &folder.join("bytes.spool"))?;
    let stats = runtime.block_on(async {
        let publisher = Publisher::start(settings)?;
        let source = std::sync::Arc::from("bench");
        let far = std::time::Instant::now() + Duration::from_secs(60);
        for from in (0..SAMPLES).step_by(BATCH_SIZE) {
            publisher.publish(&source, samples.batch(BATCH_SIZE, from));
            tokio::task::block_in_place(|| publisher.pace(far));
        }
        tokio::task::block_in_place(|| publisher.kept(far));
        anyhow::Ok(publisher.close(Duration::ZERO).await)
    })?;
    ensure!(stats.lost_samples() == 0, "samples were lost: {stats:?}");
    table.row(
        "bytes per sample in the spool",
        format!("{:.0}", stats.spool_bytes as f64 / SAMPLES as f64),
        "",
    );
    Ok(())
}

/// Computing time of a publisher that has nothing to do, with a spool.
fn idle(
    table: &mut Table,
    runtime: &Runtime,
    samples: &Samples,
    broker: &lab::Broker,
    folder: &Path,
) -> Result<()> {
    let mut shares = Vec::new();
    for spool in [None, Some(Fsync::Commit)] {
        let way = Way { spool, ..Way::new("") };
        let vhost = broker.vhost()?;
        let settings = settings(&way, &vhost.url(), &folder.join("idle.spool"))?;
        let share = runtime.block_on(async {
            let publisher = Publisher::start(settings)?;
            publisher.publish(&std::sync::Arc::from("bench"), samples.batch(BATCH_SIZE, 0));
            ensure!(publisher.flush(Duration::from_secs(30)).await, "the broker did not confirm");
            tokio::time::sleep(Duration::from_secs(1)).await;
            let before = crate::cycle::process_cpu();
            tokio::time::sleep(IDLE).await;
            let computed = crate::cycle::process_cpu() - before;
            publisher.close(Duration::from_secs(5)).await;
            Ok(computed.as_secs_f64() / IDLE.as_secs_f64() * 1e6)
        })?;
        shares.push(share);
    }
    table.row(
        "idle, µs of computing a second: without a spool, with one",
        format!("{:.0}, {:.0}", shares[0], shares[1]),
        "",
    );
    Ok(())
}
