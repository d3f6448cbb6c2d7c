//! Samples per second, signed and published with confirms.

use std::sync::Arc;
use std::time::{Duration, Instant};

use amqp::Broker;
use anyhow::{Result, ensure};
use publisher::{AmqpSettings, Publisher, Settings, Target};
use tokio::runtime::Runtime;

use crate::samples::Samples;
use crate::table::Table;

/// Samples of one run; about 320 MB in the broker.
const SAMPLES: usize = 200_000;
const RUNS: usize = 3;
/// Batches that are handed over before the publisher is waited for: as many as its queue holds, so that none is dropped.
const AHEAD: usize = 1_000;

pub fn measure(table: &mut Table) -> Result<()> {
    let broker = lab::Broker::start()?;
    let runtime = Runtime::new()?;
    let samples = Samples::new()?;
    let mut rates = Vec::new();
    for _ in 0..RUNS {
        let vhost = broker.vhost()?;
        rates.push(runtime.block_on(publish(&vhost.url(), &samples, SAMPLES))?);
        broker.rabbitmqctl(&["delete_vhost", &vhost.name])?;
    }
    rates.sort_by(f64::total_cmp);
    table.row("samples/s signed, published and confirmed", format!("{:.0}", rates[RUNS / 2]), "≥ 100,000");
    Ok(())
}

/// Publishes so many samples; gives samples per second, to the last confirm.
pub async fn publish(url: &str, samples: &Samples, count: usize) -> Result<f64> {
    let amqp = AmqpSettings { brokers: vec![Broker::new(url.parse()?)], ..AmqpSettings::default() };
    send(Settings::new(Target::Amqp(amqp)), samples, count).await
}

/// The same by these settings.
pub async fn send(settings: Settings, samples: &Samples, count: usize) -> Result<f64> {
    let size = settings.batch_size;
    let publisher = Publisher::start(Settings { queue: AHEAD, ..settings })?;
    let source = Arc::from("bench");
    // The connection and the declarations are not what is measured.
    publisher.publish(&source, samples.batch(1, 0));
    ensure!(publisher.flush(Duration::from_secs(30)).await, "the broker did not confirm a first sample");
    let started = Instant::now();
    let mut sent = 0;
    while sent < count {
        for _ in 0..AHEAD / 2 {
            if sent < count {
                publisher.publish(&source, samples.batch(size, sent));
                sent += size;
            }
        }
        while publisher.stats().waiting > (AHEAD / 2) as u64 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    ensure!(publisher.flush(Duration::from_secs(120)).await, "the broker did not confirm everything");
    let took = started.elapsed();
    let stats = publisher.close(Duration::from_secs(5)).await;
    ensure!(
        stats.lost_samples() == 0 && stats.confirmed == count as u64 + 1,
        "not all were confirmed: {stats:?}"
    );
    Ok(count as f64 / took.as_secs_f64())
}
