//! The Rust toolchain that builds guests: the WebAssembly target of rustup, or Debian's compiler with the source of its
//! standard library.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Result, bail};
use lab::{command_exists, output};

use super::apt;
use crate::cargo::forget_own_package;
use crate::paths;
use crate::progress::Progress;

/// The target of guests in Rust.
pub const TARGET: &str = "wasm32-unknown-unknown";

/// rustup waits long for a server that it cannot reach.
const RUSTUP_LIMIT_SECONDS: &str = "180";

/// One version of a compiler, its source and its linker. Debian 12 gets new ones through its security archive.
const DEBIAN: [&str; 5] = ["rustc-web", "cargo-web", "rust-web-src", "rust-web-llvm", "lld-22"];

/// Where the target's standard library comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Toolchain {
    /// Compiled already, beside the usual compiler.
    Usual,
    /// Built with the guests, by Debian's compiler.
    Debian,
}

/// Finds a toolchain that builds guests, or installs one.
pub fn install(progress: Progress) -> Result<Toolchain> {
    if usual_has_target() {
        return Ok(Toolchain::Usual);
    }
    if command_exists("rustup") {
        progress.step(&format!("Adding the target {TARGET} to rustup's toolchain"));
        // Its exit status and its list of targets are not believed: the library itself is looked for.
        let _ = Command::new("timeout")
            .args([RUSTUP_LIMIT_SECONDS, "rustup", "target", "add", TARGET])
            .current_dir(guests())
            .status();
        if usual_has_target() {
            return Ok(Toolchain::Usual);
        }
    }
    if !apt::is_debian() {
        bail!(
            "the Rust toolchain lacks the target {TARGET}: `rustup target add {TARGET}`, or your system's package"
        );
    }
    progress.step(&format!("rustup has no {TARGET} to give: Debian's own compiler builds the guests"));
    apt::install_names(&DEBIAN, progress)?;
    if !Path::new("/usr/bin/cargo").exists() || !Path::new("/usr/bin/rustc").exists() {
        bail!("Debian's rustc-web and cargo-web have no /usr/bin/rustc and /usr/bin/cargo");
    }
    Ok(Toolchain::Debian)
}

impl Toolchain {
    /// A cargo command for the guests' workspace, with this workspace's own settings kept out of it.
    pub fn cargo(self, subcommand: &str) -> Command {
        let mut command = match self {
            Toolchain::Usual => Command::new("cargo"),
            // By its path: rustup's stands first in PATH.
            Toolchain::Debian => Command::new("/usr/bin/cargo"),
        };
        command
            .arg(subcommand)
            .current_dir(guests())
            .env_remove("CARGO_TARGET_DIR")
            .env_remove("RUSTFLAGS")
            .env_remove("CARGO_ENCODED_RUSTFLAGS");
        forget_own_package(&mut command);
        if self == Toolchain::Debian {
            command.env("RUSTC", "/usr/bin/rustc").env("RUSTC_BOOTSTRAP", "1").env_remove("RUSTC_WRAPPER");
        }
        command
    }

    /// The arguments that make cargo build for the target.
    pub fn target_arguments(self) -> Vec<&'static str> {
        match self {
            Toolchain::Usual => vec!["--target", TARGET],
            Toolchain::Debian => vec!["--target", TARGET, "-Zbuild-std=std,panic_abort"],
        }
    }
}

/// The workspace of the guests in Rust.
pub fn guests() -> PathBuf {
    paths::root().join("guests/rust")
}

fn usual_has_target() -> bool {
    let Ok(folder) = output(
        Command::new("rustc")
            .args(["--print", "target-libdir", "--target", TARGET])
            .current_dir(guests())
            .stderr(Stdio::null()),
    ) else {
        return false;
    };
    let has_library = |entry: std::fs::DirEntry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        name.starts_with("libstd-") && name.ends_with(".rlib")
    };
    std::fs::read_dir(folder.trim()).is_ok_and(|entries| entries.filter_map(Result::ok).any(has_library))
}
