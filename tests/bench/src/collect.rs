//! Samples per second from the queue to the store, signatures checked and every message acknowledged after its commit.

use std::sync::Arc;
use std::time::{Duration, Instant};

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
    // An empty queue without unacknowledged messages: everything is committed.
    loop {
        let queues = broker.rabbitmqctl(&["list_queues", "-q", "-p", &vhost.name, "name", "messages"])?;
        let left = queues.lines().find_map(|line| line.strip_prefix("notifications.sample\t"));
        if left.is_some_and(|left| left.trim() == "0") {
            break;
        }
        ensure!(started.elapsed() < Duration::from_secs(300), "the collector did not finish: {queues}");
    }
    let took = started.elapsed();
    let _ = stop.send(());
    let summary = runtime.block_on(collector)??;
    ensure!(summary.stored == SAMPLES as u64 + 1, "not all were stored: {summary:?}");
    let rate = SAMPLES as f64 / took.as_secs_f64();
    table.row(format!("samples/s collected, verified and stored ({name})"), format!("{rate:.0}"), goal);
    Ok(())
}
