//! Working as an author does, with the tools that `cargo xtask guests` has installed: Rust's in the system, the others in `target/toolchains`.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use lab::Toolchains;

use crate::{program, root};

/// The target of guests in Rust.
const TARGET: &str = "wasm32-unknown-unknown";

/// What belongs to the build of the tests.
const OWN: [&str; 3] = ["RUSTFLAGS", "CARGO_TARGET_DIR", "CARGO_ENCODED_RUSTFLAGS"];

/// Runs a line of shell in a project's folder, as an author would who has installed the tools and `nephoscope`; gives all that it printed.
///
/// # Errors
/// It fails; with what it printed.
pub fn author(folder: &Path, line: &str) -> Result<String> {
    let beside = program::path().parent().context("the program is in no folder")?.to_owned();
    let tools = Toolchains::of(&root().join("target/toolchains"))
        .context("the authors' tools are missing: `cargo xtask guests` installs them")?;
    let mut command = Command::new("bash");
    command.args(["-c", &format!("set -eu\nexec 2>&1\n{line}")]).current_dir(folder).stdin(Stdio::null());
    tools.equip(&mut command, &beside)?;
    for variable in OWN {
        command.env_remove(variable);
    }
    // What cargo has told the test about its own package would be told to another cargo, or another build script.
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("CARGO_PKG_"))
    {
        command.env_remove(name);
    }
    let ran = command.output()?;
    let output = String::from_utf8_lossy(&ran.stdout).into_owned();
    ensure!(ran.status.success(), "{line}: {}\n{output}", ran.status);
    Ok(output)
}

/// How a guest in Rust is built here: `cargo build --release`, or, where rustup could not bring the target, the same with Debian's compiler and
/// the source of its library.
pub fn cargo_build() -> String {
    let usual = Command::new("rustc").args(["--print", "target-libdir", "--target", TARGET]).output();
    let library = usual.ok().and_then(|output| String::from_utf8(output.stdout).ok()).unwrap_or_default();
    let has_library = fs::read_dir(library.trim()).is_ok_and(|entries| {
        entries.filter_map(Result::ok).any(|entry| entry.file_name().to_string_lossy().starts_with("libstd-"))
    });
    if has_library {
        return "cargo build --quiet --release".to_owned();
    }
    let debian = "RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 /usr/bin/cargo build --quiet --release";
    format!("{debian} --target {TARGET} -Zbuild-std=std,panic_abort")
}
