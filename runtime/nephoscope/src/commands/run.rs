//! `nephoscope run`: the agent.

use agent::guests::store::Store;
use agent::{End, Means, Mode, Plan};
use anyhow::Context;
use config::Pipeline;
use tokio::sync::watch;

use super::{refused, runtime, warn};
use crate::cli::RunArguments;
use crate::exit::Incomplete;
use crate::signals::asked_to_stop;

pub fn run(arguments: &RunArguments) -> anyhow::Result<()> {
    let mode = if arguments.once { Mode::Once } else { Mode::Service };
    let mut file = config::load_pipeline(&arguments.pipeline).map_err(|faults| refused(&faults))?;
    given_by_systemd(&mut file.value);
    let store = match mode {
        Mode::Service => Some(store(&file.value)?),
        Mode::Once => None,
    };
    let loaded = Plan::make(file, Means { store }).map_err(|faults| refused(&faults))?;
    warn(&loaded.warnings);
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

/// What systemd made for the agent holds where the file says nothing: `StateDirectory=` and `RuntimeDirectory=`.
fn given_by_systemd(pipeline: &mut Pipeline) {
    // Of several folders, with colons between them, the first.
    let folder = |name| {
        let folders = std::env::var_os(name)?;
        std::env::split_paths(&folders).next().filter(|folder| folder.is_absolute())
    };
    pipeline.state = pipeline.state.take().or_else(|| folder("STATE_DIRECTORY"));
    pipeline.socket =
        pipeline.socket.take().or_else(|| Some(folder("RUNTIME_DIRECTORY")?.join("agent.sock")));
}

fn store(pipeline: &Pipeline) -> anyhow::Result<Store> {
    let keep = pipeline.swap.keep;
    let store = match &pipeline.state {
        Some(folder) => Store::open(folder, keep),
        None => Store::temporary(keep),
    };
    store.context("the agent did not start")
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
