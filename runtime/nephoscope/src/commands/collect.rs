//! `nephoscope collect`: the collector.

use super::{refused, runtime, warn};
use crate::cli::CollectArguments;
use crate::signals::asked_to_stop;

pub fn collect(arguments: &CollectArguments) -> anyhow::Result<()> {
    let loaded = config::load_collector(&arguments.config).map_err(|faults| refused(&faults))?;
    warn(&loaded.warnings);
    runtime()?.block_on(async {
        let stop = async {
            if let Err(error) = asked_to_stop().await {
                tracing::warn!("signals cannot be handled: {error}");
                std::future::pending::<()>().await;
            }
        };
        collector::run(loaded.value.collector, stop).await
    })?;
    Ok(())
}
