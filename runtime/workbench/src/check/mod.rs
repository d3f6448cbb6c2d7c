//! Checking: what a file is, what it would read, which meters it has, and everything that is wrong with it.
//!
//! ```text
//!  bytes ──▶ form ──▶ compiled: imports, exports ──▶ started: meters, memory ──▶ custom
//!    └─ each step that fails leaves findings; the next one is taken where it still can be ─┘
//! ```
//!
//! A finding says what is wrong and how to mend it. The component runs with every grant that it wants, for nothing can be read while it
//! declares its meters.

mod custom;
mod form;
mod start;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sample::Meter;
use sandbox::module::{self, is_pollster, pollster};
use sandbox::{Capability, Engine, LoadError, Module, capability, world};
use trust::Sha256;

pub use form::Form;

use crate::play::Terms;

/// A module that is larger is worth a word: every agent compiles it when it starts.
const LARGE: usize = 10 * 1024 * 1024;

/// What a check has found out; what could not be found out is absent.
#[derive(Debug, Default)]
pub struct Report {
    /// The file.
    pub path: PathBuf,
    /// Its size.
    pub bytes: Option<usize>,
    /// Its digest, in hexadecimal digits.
    pub sha256: Option<Sha256>,
    /// What it is.
    pub form: Option<Form>,
    /// The contract's `pollster` that it exports: `nephoscope:meter/pollster@0.1.0`, or another version of it.
    pub pollster: Option<String>,
    /// The grants that it needs.
    pub grants: BTreeSet<Capability>,
    /// Interfaces of WASI that it imports.
    pub wasi: Vec<String>,
    /// The meters that it declares, as far as they can be used.
    pub meters: Vec<Meter>,
    /// How long it took to compile.
    pub compile: Option<Duration>,
    /// How long it took to start and to declare its meters.
    pub start: Option<Duration>,
    /// The linear memory that it then had in use, in bytes.
    pub memory: Option<usize>,
    /// What is wrong, and what is worth a word: faults first.
    pub findings: Vec<Finding>,
}

/// Something to mend, or to think about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How grave.
    pub severity: Severity,
    /// What is wrong.
    pub what: String,
    /// How to mend it.
    pub remedy: String,
}

/// Whether the component can be used in spite of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It is refused, on these terms at least.
    Fault,
    /// It works; somebody will wonder.
    Warning,
}

impl Severity {
    /// The word of the outputs: `error`, as of configuration files.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fault => "error",
            Self::Warning => "warning",
        }
    }
}

impl Report {
    /// Whether an agent would load it.
    pub fn is_usable(&self) -> bool {
        self.findings.iter().all(|finding| finding.severity == Severity::Warning)
    }

    fn fault(&mut self, what: impl Into<String>, remedy: impl Into<String>) {
        self.find(Severity::Fault, what.into(), remedy.into());
    }

    fn warn(&mut self, what: impl Into<String>, remedy: impl Into<String>) {
        self.find(Severity::Warning, what.into(), remedy.into());
    }

    fn find(&mut self, severity: Severity, what: String, remedy: String) {
        self.findings.push(Finding { severity, what, remedy });
    }
}

/// Checks a file on these terms.
pub fn check(engine: &Engine, path: &Path, terms: &Terms) -> Report {
    let mut report = Report { path: path.to_owned(), ..Report::default() };
    examine(engine, path, terms, &mut report);
    report.findings.sort_by_key(|finding| finding.severity);
    report
}

fn examine(engine: &Engine, path: &Path, terms: &Terms, report: &mut Report) {
    let bytes = match module::bytes(path) {
        Ok(bytes) => bytes,
        Err(error) => return unreadable(report, &error),
    };
    report.bytes = Some(bytes.len());
    report.sha256 = Some(Sha256::of(&bytes));
    let form = Form::of(&bytes);
    report.form = Some(form);
    if form != Form::Component {
        let (what, remedy) = form.fault(path);
        return report.fault(what, remedy);
    }
    let started = Instant::now();
    let module = match Module::compile(engine, &bytes, path) {
        Ok(module) => module,
        Err(error) => {
            let what = format!("it cannot be compiled: {}", cause(&error));
            return report.fault(
                what,
                "it was cut off or changed after it was built, or needs a feature of WebAssembly that this runtime lacks: build it \
                 anew, without proposals beyond WebAssembly 2.0 and the component model of WASI 0.2",
            );
        }
    };
    let took = started.elapsed();
    report.compile = Some(took);
    if bytes.len() > LARGE {
        report.warn(
            format!("it has {} MiB", bytes.len() / 1024 / 1024),
            format!(
                "that works, and every agent compiles it when it starts, which took {:.1} s here",
                took.as_secs_f64()
            ),
        );
    }
    report.grants = module.capabilities().clone();
    report.wasi = module.wasi_imports().to_vec();
    let is_linked = compare_imports(&module, terms, report);
    let is_guest = compare_exports(&module, report);
    if is_linked && is_guest {
        start::start(engine, &module, terms, report);
        custom::compare(report);
    }
}

fn unreadable(report: &mut Report, error: &LoadError) {
    match error {
        LoadError::Read { source, .. } => {
            report.fault(format!("it cannot be read: {source}"), "name the file that the build has written");
        }
        other => report.fault(
            other.to_string(),
            "strip debug information from it, or leave out what the guest does not use",
        ),
    }
}

/// Whether all that it imports can be linked. Missing grants do not hinder the check.
fn compare_imports(module: &Module, terms: &Terms, report: &mut Report) -> bool {
    let (package, version) = capability::CONTRACT;
    let mut versions = BTreeSet::new();
    for import in module.unknown_imports() {
        let of_contract = import.strip_prefix(package).and_then(|rest| rest.strip_prefix('/'));
        match of_contract.and_then(|interface| interface.split_once('@')) {
            Some((_, other)) if !world::is_compatible(other) => drop(versions.insert(other)),
            Some((interface, _)) => report.fault(
                format!("it imports {import}: the contract has no interface `{interface}`"),
                format!("it has {}", capability::names()),
            ),
            None if import.starts_with("wasi:") => report.fault(
                format!("it imports {import}, which this runtime does not offer"),
                "a guest has no network, and no WASI beyond 0.2's cli, clocks, filesystem, io, random and sockets, all of them closed",
            ),
            None => report.fault(
                format!("it imports {import}, which this runtime does not offer"),
                format!("import interfaces of {package}@{version} and of WASI 0.2 alone; link what else the code needs into it"),
            ),
        }
    }
    for other in versions {
        report.fault(
            format!("it imports version {other} of the contract, and this runtime has {package}@{version}"),
            format!("build it with the WIT of {version} and bindings generated from that, or use the Nephoscope that has {other}"),
        );
    }
    if let Some(granted) = &terms.grants {
        let beyond: Vec<_> = report.grants.difference(granted).copied().collect();
        if !beyond.is_empty() {
            report.fault(
                format!("it imports {}, which it is not granted", capability::join(beyond)),
                "grant it if the guest may read that; else take the calls out of the guest: what no code calls is not imported",
            );
        }
        let idle: Vec<_> = granted.difference(&report.grants).copied().collect();
        if !idle.is_empty() {
            report.warn(
                format!("it is granted {}, which it does not import", capability::join(idle)),
                "leave that out of the grants",
            );
        }
    }
    module.unknown_imports().is_empty()
}

/// Whether it exports the contract's `pollster`.
fn compare_exports(module: &Module, report: &mut Report) -> bool {
    let exports = module.exports();
    let (package, version) = capability::CONTRACT;
    report.pollster = exports.iter().find(|name| name.starts_with(&format!("{package}/pollster@"))).cloned();
    match &report.pollster {
        Some(found) if is_pollster(found) => return true,
        Some(found) => {
            let what = format!("it exports {found}, and this runtime calls {}", pollster());
            report
                .fault(what, format!("build it with the WIT of {version} and bindings generated from that"));
        }
        None => {
            let what = match exports.as_slice() {
                [] => "it exports nothing: it is no guest".to_owned(),
                some => format!(
                    "it exports {}, and no `pollster`: it was built for another world",
                    some.join(", ")
                ),
            };
            report
                .fault(what, format!("build it as a library for a world that has `export {};`", pollster()));
        }
    }
    false
}

/// What an error of loading came from, on one line.
fn cause(error: &LoadError) -> String {
    match error {
        LoadError::NotAComponent { source, .. } | LoadError::Contract { source, .. } => {
            let text = format!("{source:#}");
            // wasmtime's own words take several lines where it knows much.
            text.split_whitespace().collect::<Vec<_>>().join(" ")
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
