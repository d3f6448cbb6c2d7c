//! `cargo xtask bench`: measures in the release profile, with the neighbours that the measurements need.

use std::process::Command;

use anyhow::Result;

use crate::cargo::cargo;
use crate::progress::{self, Progress};
use crate::setup::{self, Need};
use crate::{guests, paths};

/// Builds and runs `tests/bench` with these arguments.
pub fn run(arguments: &[&str]) -> Result<()> {
    let progress = Progress::start();
    let toolchain = setup::install(Need::Demo, progress)?;
    guests::build(toolchain, progress)?;
    progress.step("Building in the release profile (twelve minutes the first time)");
    // Of the whole workspace, as everywhere: another choice of packages would compile wasmtime once more.
    progress::run(cargo("build").args(["--release", "--workspace", "--bin", "nephoscope-bench"]))?;
    progress.step("Measuring");
    progress::run(Command::new("target/release/nephoscope-bench").current_dir(paths::root()).args(arguments))
}
