//! Fuzz targets: each takes bytes that nobody wrote, gives them to what reads a stranger's bytes, and panics where that does what it must not.
//!
//! ```text
//!  seeds ──▶ libFuzzer ──bytes──▶ a target ──▶ the reader ──▶ what it takes must be as it promises; what it refuses costs nothing
//!              ▲                                  │
//!              └── coverage of the project's own crates
//! ```
//!
//! | target | what reads |
//! |---|---|
//! | `module` | the sandbox, a module: names, compilation, `meters`, a poll |
//! | `samples` | the sandbox, what a poll returned; then the wire form, both ways |
//! | `message` | the collector, a message's body |
//! | `domain-xml` | the inspector, a domain's XML |
//! | `pipeline` | pipeline files, collector files, case files |
//! | `recording` | a recorded snapshot |
//! | `trust` | pins, keys, signatures |
//! | `query` | the store, what a token asks for; what is found is of its projects |
//!
//! `cargo xtask fuzz TARGET` fuzzes one for as long as one likes; `cargo xtask test fuzz` all of them for some seconds. Without libFuzzer a test
//! gives every target its seeds.
#![forbid(unsafe_code)]

mod targets;

use std::path::{Path, PathBuf};

/// A fuzz target.
#[derive(Clone, Copy)]
pub struct Target {
    /// Its name.
    pub name: &'static str,
    /// What it does with bytes.
    pub run: fn(&[u8]),
}

/// All of them.
pub const TARGETS: [Target; 8] = [
    Target { name: "module", run: targets::module::run },
    Target { name: "samples", run: targets::samples::run },
    Target { name: "message", run: targets::message::run },
    Target { name: "domain-xml", run: targets::domain_xml::run },
    Target { name: "pipeline", run: targets::pipeline::run },
    Target { name: "recording", run: targets::recording::run },
    Target { name: "trust", run: targets::trusted::run },
    Target { name: "query", run: targets::query::run },
];

/// The folder of a target's seeds.
pub fn seeds(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(target)
}

/// The target of this name.
pub fn target(name: &str) -> Option<Target> {
    TARGETS.into_iter().find(|target| target.name == name)
}
