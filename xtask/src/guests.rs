//! Building the guests into `target/guests`, where pipelines and tests look for them:
//!
//! ```text
//!  guests/rust                 one workspace      ──cargo──▶ target/guests/<guest>.wasm
//!  guests/<language>/<guest>   a project of each  ──its own build──▶ its build/<guest>.wasm ──▶ target/guests/<language>/<guest>.wasm
//!                                                                            all of them ──▶ target/guests/SHA256SUMS
//! ```

mod inputs;
mod pins;
pub mod project;
pub mod rust;
#[cfg(test)]
pub mod scratch;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::Path;

use anyhow::{Context, Result, bail};

use self::project::Project;
use crate::cargo::cargo;
use crate::paths;
use crate::progress::{Progress, run};
use crate::setup::{Need, apt, toolchains, wasm};

/// As an argument, and as the folder of `guests/`.
const RUST: &str = "rust";

/// `cargo xtask guests [LANGUAGE...]`.
pub fn command(languages: &[&str]) -> Result<()> {
    let progress = Progress::start();
    let mut projects = project::find(&paths::root().join("guests"))?;
    if !languages.is_empty() {
        let known: BTreeSet<&str> = projects.iter().map(|project| project.language.as_str()).collect();
        if let Some(unknown) = languages.iter().find(|name| **name != RUST && !known.contains(**name)) {
            let known: Vec<&str> = known.into_iter().collect();
            bail!("no guests are in {unknown}; there are guests in {RUST}, {}", known.join(", "));
        }
        projects.retain(|project| languages.contains(&project.language.as_str()));
    }
    if languages.is_empty() || languages.contains(&RUST) {
        for component in rust::build(wasm::install(progress)?, progress)? {
            progress.step(&format!("{}", component.display()));
        }
    }
    if !projects.is_empty() {
        apt::install(&apt::packages(Need::Guests), progress)?;
        build(&projects, progress)?;
    }
    Ok(())
}

/// Builds the guests of all languages.
pub fn build_all(toolchain: wasm::Toolchain, progress: Progress) -> Result<()> {
    rust::build(toolchain, progress)?;
    build(&project::find(&paths::root().join("guests"))?, progress)
}

/// Builds those projects that have changed since their last build, all of them also where one fails.
fn build(projects: &[Project], progress: Progress) -> Result<()> {
    let toolchains = toolchains::install(progress)?;
    let common = inputs::common(&paths::root())?;
    let folder = paths::target().join("guests");
    fs::create_dir_all(&folder)?;
    // Two builds in one project's folder would spoil each other's.
    let lock = File::create(folder.join(".lock"))?;
    if lock.try_lock().is_err() {
        progress.step("Waiting for another build of the guests");
        lock.lock()?;
    }
    project::remove_others(&folder, &project::find(&paths::root().join("guests"))?)?;
    let mut changed = Vec::new();
    for project in projects {
        let stamp = inputs::stamp(&project.folder, common)?;
        if !project.is_built(&folder, &stamp) {
            changed.push((project, stamp));
        }
    }
    if changed.is_empty() {
        return pins::write(&folder);
    }
    progress.step("Building nephoscope, which makes bindings and components");
    run(cargo("build").args(["--quiet", "--workspace", "--bin", "nephoscope"]))?;
    let nephoscope = paths::binary("nephoscope")?;
    let mut failed = Vec::new();
    for (project, stamp) in changed {
        let start = progress.seconds();
        match project.build(&folder, &stamp, &toolchains, &nephoscope) {
            Ok(bytes) => progress.step(&format!(
                "{}: {} in {:.1} s",
                project.name(),
                size(bytes),
                progress.seconds() - start
            )),
            Err(error) => {
                progress.step(&format!("{}: FAILED\n{error:#}", project.name()));
                failed.push(project.name());
            }
        }
    }
    pins::write(&folder)?;
    if !failed.is_empty() {
        bail!("failed to build the guests {}", failed.join(", "));
    }
    Ok(())
}

/// Puts a component where it is looked for. An agent may be looking at the folder: it finds a whole component, and none that
/// has not changed.
fn place(bytes: &[u8], component: &Path) -> Result<()> {
    if fs::read(component).ok().as_deref() == Some(bytes) {
        return Ok(());
    }
    let name = component.file_name().context("a component without a name")?.to_string_lossy();
    let partial = component.with_file_name(format!(".{name}.partial"));
    fs::write(&partial, bytes)?;
    fs::rename(partial, component).with_context(|| format!("failed to write {}", component.display()))
}

fn size(bytes: usize) -> String {
    match bytes {
        0..100_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}
