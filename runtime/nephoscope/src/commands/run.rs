//! `nephoscope run`: the agent.

use agent::guests::store::Store;
use std::path::PathBuf;

use agent::{End, Means, Mode, Plan, chain};
use anyhow::Context;
use config::Pipeline;
use sandbox::{Cache, Compiler};
use tokio::sync::watch;

use super::{refused, runtime, warn};
use crate::cli::{COMPILE, RunArguments};
use crate::exit::Incomplete;
use crate::signals::asked_to_stop;

pub fn run(arguments: &RunArguments) -> anyhow::Result<()> {
    let mode = if arguments.once { Mode::Once } else { Mode::Service };
    let mut file = config::load_pipeline(&arguments.pipeline).map_err(|faults| refused(&faults))?;
    given_by_systemd(&mut file.value);
    let means = means(&file.value, mode)?;
    let loaded = Plan::make(file, means).map_err(|faults| refused(&faults))?;
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
    pipeline.state = pipeline.state.take().or_else(|| folder_of("STATE_DIRECTORY"));
    pipeline.socket =
        pipeline.socket.take().or_else(|| Some(folder_of("RUNTIME_DIRECTORY")?.join("agent.sock")));
}

/// Of several folders, with colons between them, the first.
fn folder_of(variable: &str) -> Option<PathBuf> {
    let folders = std::env::var_os(variable)?;
    std::env::split_paths(&folders).next().filter(|folder| folder.is_absolute())
}

/// A service keeps its guests' generations, and compiles beside its polls. Where the operator gave it a folder, it keeps what it has compiled.
fn means(pipeline: &Pipeline, mode: Mode) -> anyhow::Result<Means> {
    const FAILED: &str = "the agent did not start";
    let keep = pipeline.swap.keep;
    let (store, compiler) = match (mode, &pipeline.state) {
        (Mode::Once, _) => (None, None),
        (Mode::Service, Some(folder)) => {
            (Some(Store::open(folder, keep).context(FAILED)?), Some(compiler()?))
        }
        (Mode::Service, None) => (Some(Store::temporary(keep).context(FAILED)?), Some(compiler()?)),
    };
    let folder =
        folder_of("CACHE_DIRECTORY").or_else(|| pipeline.state.clone()).map(|folder| folder.join("compiled"));
    let cache = folder.and_then(|folder| match Cache::open(&folder) {
        Ok(cache) => Some(cache),
        Err(error) => {
            tracing::warn!("compiled code is not kept: {}", chain(&error));
            None
        }
    });
    Ok(Means { store, cache, compiler })
}

/// This program, as a child that compiles one module.
fn compiler() -> anyhow::Result<Compiler> {
    Compiler::own(&[COMPILE]).context("the agent cannot start itself to compile modules: is /proc mounted?")
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
