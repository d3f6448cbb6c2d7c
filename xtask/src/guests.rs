//! Building the guests: from `guests/rust` to components in `target/guests`, where the pipelines look for them.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::paths;
use crate::progress::{Progress, run};
use crate::setup::wasm;

/// `cargo xtask guests`.
pub fn command() -> Result<()> {
    let progress = Progress::start();
    let toolchain = wasm::install(progress)?;
    for component in build(toolchain, progress)? {
        progress.step(&format!("{}", component.display()));
    }
    Ok(())
}

/// Builds all guests and gives the paths of their components.
pub fn build(toolchain: wasm::Toolchain, progress: Progress) -> Result<Vec<PathBuf>> {
    progress.step("Building the guests");
    run(toolchain
        .cargo("build")
        .args(["--quiet", "--release", "--target-dir", "target"])
        .args(toolchain.target_arguments()))
    .context("failed to build the guests")?;
    let folder = paths::target().join("guests");
    fs::create_dir_all(&folder)?;
    let mut components = Vec::new();
    for entry in fs::read_dir(wasm::guests().join("target").join(wasm::TARGET).join("release"))? {
        let built = entry?.path();
        if built.extension().is_none_or(|ending| ending != "wasm") {
            continue;
        }
        let name = built.file_name().context("a component without a name")?.to_owned();
        let component = folder.join(&name);
        // An agent may be looking at the folder: it finds a whole component, and none that has not changed.
        let bytes = fs::read(&built)?;
        if fs::read(&component).ok().as_deref() != Some(&bytes) {
            let partial = folder.join(format!(".{}.partial", name.to_string_lossy()));
            fs::write(&partial, bytes)?;
            fs::rename(partial, &component)?;
        }
        components.push(component);
    }
    if components.is_empty() {
        bail!("the guests' build has made no component");
    }
    components.sort();
    Ok(components)
}
