//! `cargo xtask chaos`: faults on whole agents, brokers and collectors, and samples taken against samples stored.

use anyhow::Result;

use crate::cargo::cargo;
use crate::paths;
use crate::progress::{self, Progress};
use crate::root::as_root;
use crate::setup::{self, Need};

/// Builds and runs `tests/src/bin/chaos.rs` with these arguments.
pub fn run(arguments: &[&str]) -> Result<()> {
    let progress = Progress::start();
    setup::install(&[Need::Demo], progress)?;
    progress.step("Building (some minutes the first time)");
    progress::run(cargo("build").args(["--workspace", "--bin", "nephoscope", "--bin", "chaos"]))?;
    progress.step("Letting it happen");
    // Small disks are mounted, which needs root.
    progress::run(as_root("target/debug/chaos").current_dir(paths::root()).args(arguments))
}
