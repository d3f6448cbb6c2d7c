//! `cargo xtask bench`: measures in the release profile, with the neighbours that the measurements need.

use anyhow::Result;

use crate::cargo::cargo;
use crate::guests;
use crate::progress::{self, Progress};
use crate::setup::{self, Need};

/// Builds and runs `tests/bench` with these arguments.
pub fn run(arguments: &[&str]) -> Result<()> {
    let progress = Progress::start();
    let toolchain = setup::install(Need::Demo, progress)?;
    guests::build(toolchain, progress)?;
    progress.step("Building in the release profile (twelve minutes the first time)");
    let bench = ["-p", "nephoscope-bench"];
    progress::run(cargo("build").arg("--release").args(bench))?;
    progress.step("Measuring");
    progress::run(cargo("run").args(["--quiet", "--release"]).args(bench).arg("--").args(arguments))
}
