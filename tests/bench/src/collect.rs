//! Samples per second from the queue to the store, signatures checked and every message acknowledged after its commit.

use std::sync::Arc;
use std::time::{Duration, Instant};

use amqp::lapin::options::QueueDeclareOptions;
use anyhow::{Result, ensure};
use collector::Settings;
use sample::signature::Secret;
use store::{Sqlite, Store};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

use crate::publish::publish;
use crate::samples::Samples;
use crate::table::Table;

const SAMPLES: usize = 300_000;

pub fn measure(table: &mut Table) -> Result<()> {
    let folder = tempfile::tempdir_in(crate::disk())?;
    let path = folder.path().join("samples.db");
    let sqlite = Arc::new(Sqlite::new(&path));
    of("SQLite", sqlite, "≥ 60,000", table)?;
    let server = lab::Postgres::with(&crate::store::POSTGRES)?;
    of("PostgreSQL", store::at(&server.url())?, "≥ 40,000", table)
}

fn of(name: &str, store: Arc<dyn Store>, goal: &str, table: &mut Table) -> Result<()> {
    let broker = lab::Broker::start()?;
    let vhost = broker.default_vhost();
    let runtime = Runtime::new()?;
    let samples = Samples::new()?;
    runtime.block_on(publish(&vhost.url(), &samples, SAMPLES))?;
    let brokers = vec![amqp::Broker::new(vhost.url().parse()?)];
    let settings = Settings::new(brokers, store.clone(), Secret::new(publisher::CEILOMETER_SECRET));
    let (stop, stopped) = oneshot::channel::<()>();
    let started = Instant::now();
    let collector = runtime.spawn(collector::run(settings, async {
        let _ = stopped.await;
    }));
    runtime.block_on(emptied(&vhost.url()))?;
    // It commits and acknowledges what it has before it ends.
    let _ = stop.send(());
    let summary = runtime.block_on(collector)??;
    let took = started.elapsed();
    ensure!(summary.stored == SAMPLES as u64 + 1, "not all were stored: {summary:?}");
    let rate = SAMPLES as f64 / took.as_secs_f64();
    table.row(format!("samples/s collected, verified and stored ({name})"), format!("{rate:.0}"), goal);
    Ok(())
}

/// Until the broker has handed out everything. It is asked over a connection of ours, which costs it nothing: `rabbitmqctl` would take
/// one of two cores.
async fn emptied(url: &str) -> Result<()> {
    let link = amqp::connect(&[amqp::Broker::new(url.parse()?)], "bench").await?;
    let channel = link.create_channel().await?;
    let started = Instant::now();
    loop {
        let options = QueueDeclareOptions { passive: true, ..Default::default() };
        let queue = channel.queue_declare("notifications.sample".into(), options, Default::default()).await?;
        if queue.message_count() == 0 {
            return Ok(());
        }
        ensure!(started.elapsed() < Duration::from_secs(300), "the collector did not finish");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
