//! What a fresh machine lacks, installed: Debian's packages and the WebAssembly target.

pub mod apt;
pub mod wasm;

use anyhow::Result;

use crate::progress::Progress;

/// For what the machine is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// To build, and to run with a private broker on libvirt's test driver.
    Demo,
    /// The same, and a real hypervisor and the genuine Ceilometer.
    Test,
}

/// `cargo xtask setup`.
pub fn command(need: Need) -> Result<()> {
    let progress = Progress::start();
    install(need, progress)?;
    progress.step("Nothing is missing");
    Ok(())
}

/// Installs what is missing; says nothing when that is nothing.
pub fn install(need: Need, progress: Progress) -> Result<wasm::Toolchain> {
    apt::install(&apt::packages(need), progress)?;
    wasm::install(progress)
}
