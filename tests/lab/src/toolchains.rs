//! The authors' tools for guests that are not in Rust, as `cargo xtask guests` installs them:
//!
//! ```text
//!  target/toolchains/venv     Zig (for C and C++ too), Go, componentize-py, Node.js
//!  target/toolchains/cache    what pip, Zig, Go and npm keep between builds
//! ```

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

/// What the tools' own folders are: variables of the environment, and folders beneath the cache's.
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

/// What a build takes from its author, and must not take from whoever runs this: `CC=gcc` knows no WebAssembly.
const FOREIGN: [&str; 11] = [
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
];

/// The installed tools.
#[derive(Clone, Debug)]
pub struct Toolchains {
    /// Where their programs are.
    programs: Vec<PathBuf>,
    cache: PathBuf,
}

impl Toolchains {
    /// Those in a folder: `target/toolchains`.
    ///
    /// # Errors
    /// They are not installed there.
    pub fn of(folder: &Path) -> Result<Toolchains> {
        let venv = folder.join("venv");
        let library = venv.join("lib");
        let packages = fs::read_dir(&library)
            .with_context(|| format!("failed to read {}", library.display()))?
            .filter_map(Result::ok)
            .map(|entry| entry.path().join("site-packages"))
            .find(|packages| packages.is_dir())
            .with_context(|| format!("{} has no site-packages", library.display()))?;
        // `zig` and `gofmt` are not among those that pip links into `bin`.
        let programs = vec![packages.join("ziglang"), packages.join("go/bin"), venv.join("bin")];
        Ok(Toolchains { programs, cache: folder.join("cache") })
    }

    /// Makes a command one of an author's who has these tools, and `nephoscope`, which lies in the folder `beside`.
    ///
    /// # Errors
    /// A folder cannot be in `PATH`.
    pub fn equip(&self, command: &mut Command, beside: &Path) -> Result<()> {
        let usual = std::env::var_os("PATH").unwrap_or_default();
        let own = [beside.to_owned()].into_iter().chain(self.programs.iter().cloned());
        let path = std::env::join_paths(own.chain(std::env::split_paths(&usual)))
            .context("a folder of the toolchains cannot be in PATH")?;
        command.env("PATH", path).envs(GO);
        command.envs(CACHES.map(|(variable, name)| (variable, self.cache.join(name))));
        for variable in FOREIGN {
            command.env_remove(variable);
        }
        Ok(())
    }
}
