//! A command per file.

pub mod check;
pub mod collect;
pub mod guest;
pub mod meter;
mod place;
mod probe;
pub mod resource;
pub mod run;
pub mod sample;
pub mod snapshot;
pub mod statistics;
mod table;
pub mod token;

use std::path::Path;

use agent::{Means, Plan};
use config::{Faults, Loaded};

use crate::compiled;
use crate::exit::BadFile;

/// A runtime with a few threads; polls run on threads of their own.
fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?)
}

/// Loads a pipeline file and its guests, as they are in their files.
fn plan(path: &Path) -> Result<Loaded<Plan>, Faults> {
    let means = Means { cache: compiled::of_author(), ..Means::default() };
    config::load_pipeline(path).and_then(|pipeline| Plan::make(pipeline, means))
}

/// Prints every fault; the error then says only that nothing was started.
fn refused(faults: &Faults) -> anyhow::Error {
    eprintln!("{faults}");
    BadFile.into()
}

/// Logs what an operator should know about a file that can be used.
fn warn(faults: &Faults) {
    for fault in faults.iter() {
        tracing::warn!("{fault}");
    }
}
