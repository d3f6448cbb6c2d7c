//! The authors' tools, as `cargo xtask guests` has installed them: Rust's in the system, the others in `target/toolchains`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::{program, root};

/// The target of guests in Rust.
const TARGET: &str = "wasm32-unknown-unknown";

/// Where the tools keep what they have made and fetched, beneath the cache's folder.
const CACHES: [(&str, &str); 5] = [
    ("XDG_CACHE_HOME", ""),
    ("XDG_CONFIG_HOME", "config"),
    ("ZIG_GLOBAL_CACHE_DIR", "zig"),
    ("GOPATH", "go"),
    ("npm_config_cache", "npm"),
];

/// What a build takes from its author, and must not take from whoever runs the tests: `CC=gcc` knows no WebAssembly.
const FOREIGN: [&str; 14] = [
    "CC",
    "CXX",
    "CFLAGS",
    "CXXFLAGS",
    "WARNINGS",
    "ZIG",
    "NEPHOSCOPE",
    "GOROOT",
    "PYTHONPATH",
    "NODE_OPTIONS",
    "VIRTUAL_ENV",
    "RUSTFLAGS",
    "CARGO_TARGET_DIR",
    "CARGO_ENCODED_RUSTFLAGS",
];

/// The folders of the tools' programs; none where they are not installed.
pub fn toolchain_path() -> Option<Vec<PathBuf>> {
    let venv = root().join("target/toolchains/venv");
    let packages = fs::read_dir(venv.join("lib"))
        .ok()?
        .filter_map(Result::ok)
        .map(|entry| entry.path().join("site-packages"))
        .find(|packages| packages.is_dir())?;
    Some(vec![packages.join("ziglang"), packages.join("go/bin"), venv.join("bin")])
}

/// Runs a line of shell in a project's folder, as an author would who has installed the tools and `nephoscope`; gives all that it printed.
///
/// # Errors
/// It fails; with what it printed.
pub fn author(folder: &Path, line: &str) -> Result<String> {
    let beside = program::path().parent().context("the program is in no folder")?.to_owned();
    let usual = std::env::var_os("PATH").unwrap_or_default();
    let folders = [beside].into_iter().chain(toolchain_path().unwrap_or_default());
    let path = std::env::join_paths(folders.chain(std::env::split_paths(&usual)))?;
    let mut command = Command::new("bash");
    command.args(["-c", &format!("set -eu\nexec 2>&1\n{line}")]).current_dir(folder).stdin(Stdio::null());
    command.env("PATH", path).env("GOPROXY", "off").env("GOTOOLCHAIN", "local");
    for variable in FOREIGN {
        command.env_remove(variable);
    }
    // What cargo has told the test about its own package would be told to another cargo, or another build script.
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("CARGO_PKG_"))
    {
        command.env_remove(name);
    }
    for (variable, name) in CACHES {
        command.env(variable, root().join("target/toolchains/cache").join(name));
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
