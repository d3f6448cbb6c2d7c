//! The guests in Rust: a cargo workspace of their own.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use super::{pins, place};
use crate::paths;
use crate::progress::{Progress, run};
use crate::setup::wasm;

/// The guest that the tests attack with, and the folder that it lies in.
const HOSTILE: &str = "hostile";

/// Builds all of them and gives the paths of their components.
pub fn build(toolchain: wasm::Toolchain, progress: Progress) -> Result<Vec<PathBuf>> {
    progress.step("Building the guests in Rust");
    run(toolchain
        .cargo("build")
        .args(["--quiet", "--release", "--target-dir", "target"])
        .args(toolchain.target_arguments()))
    .context("failed to build the guests in Rust")?;
    let folder = paths::target().join("guests");
    fs::create_dir_all(&folder)?;
    let mut components = Vec::new();
    for entry in fs::read_dir(wasm::guests().join("target").join(wasm::TARGET).join("release"))? {
        let built = entry?.path();
        if built.extension().is_none_or(|ending| ending != "wasm") {
            continue;
        }
        // What is hostile lies apart, and is not pinned with the others.
        let is_hostile = built.file_stem().is_some_and(|name| name == HOSTILE);
        let folder = if is_hostile { paths::target().join(HOSTILE) } else { folder.clone() };
        fs::create_dir_all(&folder)?;
        let component = folder.join(built.file_name().context("a component without a name")?);
        place(&fs::read(&built)?, &component)?;
        components.push(component);
    }
    if components.is_empty() {
        bail!("the guests' build has made no component");
    }
    components.sort();
    pins::write(&folder)?;
    Ok(components)
}
