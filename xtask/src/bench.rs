//! `cargo xtask bench`: measures in the release profile, with the neighbours that the measurements need.

use std::process::Command;

use anyhow::Result;

use crate::cargo::cargo;
use crate::progress::{self, Progress};
use crate::root::as_root;
use crate::setup::{self, Need};
use crate::{guests, paths};

/// Whether these parts of `tests/bench` measure a private libvirtd; no part means all.
fn measures_libvirtd(arguments: &[&str]) -> bool {
    arguments.is_empty() || arguments.iter().any(|part| ["cycle", "real"].contains(part))
}

/// Builds and runs `tests/bench` with these arguments.
pub fn run(arguments: &[&str]) -> Result<()> {
    let progress = Progress::start();
    let with_libvirtd = measures_libvirtd(arguments);
    // PostgreSQL comes with what tests need, too.
    let with_test_needs = with_libvirtd || arguments.iter().any(|part| ["collect", "store"].contains(part));
    let needs: &[Need] = if with_test_needs { &[Need::Test] } else { &[Need::Demo, Need::Guests] };
    let toolchain = setup::install(needs, progress)?;
    guests::build_all(toolchain, progress)?;
    progress.step("Building in the release profile (twelve minutes the first time)");
    // Of the whole workspace, as everywhere: another choice of packages would compile wasmtime once more.
    progress::run(cargo("build").args([
        "--release",
        "--workspace",
        "--bin",
        "nephoscope-bench",
        "--bin",
        "nephoscope",
    ]))?;
    progress.step("Measuring");
    const PROGRAM: &str = "target/release/nephoscope-bench";
    // A private libvirtd needs root.
    let mut command = if with_libvirtd { as_root(PROGRAM) } else { Command::new(PROGRAM) };
    progress::run(command.current_dir(paths::root()).args(arguments))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_measures_a_libvirtd_needs_one() {
        for (arguments, needs) in [
            (&[][..], true),
            (&["poll"], false),
            (&["publish", "collect"], false),
            (&["poll", "cycle"], true),
            (&["real"], true),
        ] {
            assert_eq!(measures_libvirtd(arguments), needs, "{arguments:?}");
        }
    }
}
