//! What a fresh machine lacks, installed: Debian's packages, the WebAssembly target, and the toolchains of the guests that are not in
//! Rust.

pub mod apt;
pub mod room;
pub mod toolchains;
pub mod wasm;

use anyhow::Result;

use crate::progress::Progress;

/// For what the machine is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// To build nephoscope, and the guests of every language.
    Guests,
    /// To build nephoscope and the guests in Rust, and to run with a private broker on libvirt's test driver.
    Demo,
    /// All of that, and a real hypervisor and the genuine Ceilometer.
    Test,
}

/// `cargo xtask setup`.
pub fn command(need: Need) -> Result<()> {
    let progress = Progress::start();
    install(&[need], progress)?;
    progress.step("Nothing is missing");
    Ok(())
}

/// Installs what is missing; says nothing when that is nothing.
pub fn install(needs: &[Need], progress: Progress) -> Result<wasm::Toolchain> {
    for need in needs {
        apt::install(&apt::packages(*need), progress)?;
    }
    if needs.iter().any(|need| *need != Need::Demo) {
        toolchains::install(progress)?;
    }
    wasm::install(progress)
}
