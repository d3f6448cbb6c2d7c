//! `nephoscope run`: the agent.

use agent::{End, Mode};
use anyhow::Context;
use tokio::sync::watch;

use super::{plan, refused, runtime, warn};
use crate::cli::RunArguments;
use crate::exit::Incomplete;
use crate::signals::asked_to_stop;

pub fn run(arguments: &RunArguments) -> anyhow::Result<()> {
    let loaded = plan(&arguments.pipeline).map_err(|faults| refused(&faults))?;
    warn(&loaded.warnings);
    let mode = if arguments.once { Mode::Once } else { Mode::Service };
    let end = runtime()?.block_on(async {
        let (stop, stopping) = watch::channel(false);
        tokio::spawn(async move {
            match asked_to_stop().await {
                Ok(()) => drop(stop.send(true)),
                Err(error) => {
                    tracing::warn!("signals cannot be handled, so SIGTERM ends without delivering: {error}");
                    // Keeps the agent running: a sender that is gone means stop.
                    std::future::pending::<()>().await;
                }
            }
        });
        agent::run(loaded.value, mode, stopping).await
    });
    let end = end.context("the agent did not start")?;
    tracing::info!(samples = end.samples, "ended");
    whole(&end, mode)
}

/// In one cycle, everything that is missing is an exit code; a service has logged it when it happened.
fn whole(end: &End, mode: Mode) -> anyhow::Result<()> {
    let mut missing = Vec::new();
    if mode == Mode::Once && end.failed_cycles > 0 {
        missing.push(format!("{} sources could not be polled", end.failed_cycles));
    }
    if mode == Mode::Once && end.failures > 0 {
        missing.push(format!("{} polls failed or samples were refused", end.failures));
    }
    if mode == Mode::Once && end.unread > 0 {
        missing.push(format!("{} readings of instances failed", end.unread));
    }
    if end.undelivered > 0 {
        missing.push(format!("{} samples could not be delivered and are lost", end.undelivered));
    }
    if missing.is_empty() { Ok(()) } else { Err(Incomplete(missing.join("; ")).into()) }
}
