//! `nephoscope collect`: the collector, and its API.

mod created;

use std::sync::Arc;
use std::time::Duration;

use api::{Server, Sink};
use config::CollectorFile;
use tokio::sync::oneshot;

use super::{refused, runtime, warn};
use crate::cli::CollectArguments;
use crate::signals::asked_to_stop;

use created::Created;

/// How long samples that are being created, and threads that still read, may take when the collector stops.
const CLOSE: Duration = Duration::from_secs(5);

pub fn collect(arguments: &CollectArguments) -> anyhow::Result<()> {
    let loaded = config::load_collector(&arguments.config).map_err(|faults| refused(&faults))?;
    warn(&loaded.warnings);
    let runtime = runtime()?;
    let outcome = runtime.block_on(run(loaded.value));
    // Threads that wait for a store which answers nothing do not hold up the end.
    runtime.shutdown_timeout(CLOSE);
    outcome
}

async fn run(file: CollectorFile) -> anyhow::Result<()> {
    let CollectorFile { collector: settings, api } = file;
    let Some(api) = api else {
        collector::run(settings, stop()).await?;
        return Ok(());
    };
    let created = match api.tokens.iter().any(|token| token.write) {
        true => Some(Arc::new(Created::start(&settings)?)),
        false => None,
    };
    let sink = created.clone().map(|created| created as Arc<dyn Sink>);
    let server = Server::bind(api, settings.store.clone(), sink).await?;
    // Whatever ends the collector ends the API, too: the sender is dropped.
    let (collecting, ended) = oneshot::channel::<()>();
    let served = tokio::spawn(server.run(async move {
        let _ = ended.await;
    }));
    let collected = collector::run(settings, stop()).await;
    drop(collecting);
    let served = served.await;
    if let Some(created) = created.and_then(Arc::into_inner) {
        created.close(CLOSE).await;
    }
    collected?;
    Ok(served?)
}

async fn stop() {
    if let Err(error) = asked_to_stop().await {
        tracing::warn!("signals cannot be handled: {error}");
        std::future::pending::<()>().await;
    }
}
