//! `cargo xtask chaos`: faults on whole agents, brokers and collectors, and samples taken against samples stored.

use std::process::Command;

use anyhow::Result;
use lab::command_exists;

use crate::cargo::cargo;
use crate::paths;
use crate::progress::{self, Progress};
use crate::setup::{self, Need};

/// Builds and runs `tests/src/bin/chaos.rs` with these arguments.
pub fn run(arguments: &[&str]) -> Result<()> {
    let progress = Progress::start();
    setup::install(&[Need::Demo], progress)?;
    progress.step("Building (some minutes the first time)");
    progress::run(cargo("build").args(["--workspace", "--bin", "nephoscope", "--bin", "chaos"]))?;
    progress.step("Letting it happen");
    const PROGRAM: &str = "target/debug/chaos";
    // Small disks are mounted, which needs root.
    let mut command = if !rustix::process::geteuid().is_root() && command_exists("sudo") {
        let mut command = Command::new("sudo");
        command.args(["-E", PROGRAM]);
        command
    } else {
        Command::new(PROGRAM)
    };
    progress::run(command.current_dir(paths::root()).args(arguments))
}
