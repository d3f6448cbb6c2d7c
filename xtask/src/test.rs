//! `cargo xtask test`: what CI runs, in parts that can be run alone.
//!
//! All parts run even where one fails, so that one run tells everything; the summary at the end names each with its
//! outcome, its tests and its time.

pub mod programs;
mod sdks;

use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use lab::{command_exists, output};

use self::programs::{Count, Counted};
use crate::cargo::cargo;
use crate::progress::{Progress, run as run_command};
use crate::setup::wasm::Toolchain;
use crate::setup::{self, Need, toolchains};
use crate::{fuzz, guests};

/// What all parts take on the disk, toolchains included.
const GIB: u64 = 12;

/// Crates whose tests start real neighbours.
const END_TO_END: [&str; 2] = ["nephoscope-lab", "nephoscope-tests"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// Formatting and clippy.
    Lint,
    /// The crates' own tests, without neighbours.
    Unit,
    /// The tests of the guests' SDKs, and what else checks their sources.
    Guests,
    /// Tests with real neighbours.
    EndToEnd,
    /// The fuzz targets, some seconds each.
    Fuzz,
    /// The documentation builds without warnings.
    Docs,
}

const PARTS: [(&str, Part); 6] = [
    ("lint", Part::Lint),
    ("unit", Part::Unit),
    ("guests", Part::Guests),
    ("e2e", Part::EndToEnd),
    ("fuzz", Part::Fuzz),
    ("docs", Part::Docs),
];

/// Runs the named parts, or all.
pub fn run(names: &[&str]) -> Result<()> {
    let progress = Progress::start();
    let mut parts = Vec::new();
    for name in names {
        let Some(part) = PARTS.iter().find(|(known, _)| known == name) else {
            bail!("no part is called {name}; there are lint, unit, guests, e2e, fuzz and docs");
        };
        parts.push(*part);
    }
    if parts.is_empty() {
        parts = PARTS.to_vec();
    }
    let has = |wanted| parts.iter().any(|(_, part)| *part == wanted);
    if has(Part::EndToEnd) {
        setup::room::require(GIB)?;
    }
    // The guests' toolchains are a gigabyte: who lints waits for none of them.
    let needs_guests = has(Part::Guests) || has(Part::EndToEnd);
    let needs: &[Need] = match (has(Part::EndToEnd) || has(Part::Fuzz), needs_guests) {
        (true, _) => &[Need::Test],
        (false, true) => &[Need::Demo, Need::Guests],
        (false, false) => &[Need::Demo],
    };
    let toolchain = setup::install(needs, progress)?;
    if needs_guests {
        guests::build_all(toolchain, progress)?;
    }

    let mut total = Count::default();
    let mut lines = Vec::new();
    let mut failed = Vec::new();
    for (name, part) in parts {
        progress.step(&format!("Part: {name}"));
        let start = Instant::now();
        let mut count = Count::default();
        let done = part.run(toolchain, progress, &mut count);
        let seconds = start.elapsed().as_secs_f32();
        let outcome = match done {
            Ok(()) => "ok".to_owned(),
            Err(error) => {
                failed.push(name);
                format!("FAILED: {error:#}")
            }
        };
        total.passed += count.passed;
        total.failed += count.failed;
        lines.push(format!(
            "{name:<7} {:4} passed {:3} failed {seconds:7.1} s  {outcome}",
            count.passed, count.failed
        ));
    }
    println!("\n{}", lines.join("\n"));
    let seconds = progress.seconds();
    let verdict = if failed.is_empty() { "ok" } else { "FAILED" };
    println!(
        "test summary: {verdict}. {} passed; {} failed; finished in {seconds:.1} s",
        total.passed, total.failed
    );
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    Ok(())
}

impl Part {
    fn run(self, toolchain: Toolchain, progress: Progress, count: &mut Count) -> Result<()> {
        match self {
            Part::Lint => {
                run_command(cargo("fmt").args(["--all", "--check"]))?;
                run_command(cargo("clippy").args(["--workspace", "--all-targets", "--", "-D", "warnings"]))?;
                run_command(Toolchain::Usual.cargo("fmt").args(["--all", "--check"]))
            }
            Part::Unit => {
                let programs = programs::compile(|package| !END_TO_END.contains(&package))?;
                let done = programs::run(&programs, &[], count);
                let examples = cargo("test").args(["--workspace", "--doc", "--no-fail-fast"]).counted(count);
                done.and(examples)
            }
            Part::Guests => {
                let rust = rust(toolchain, count);
                // The bindings that they look at are made by it.
                run_command(cargo("build").args(["--quiet", "--workspace", "--bin", "nephoscope"]))?;
                let others = sdks::run(&toolchains::install(progress)?, count);
                rust.and(others)
            }
            Part::EndToEnd => {
                run_command(cargo("build").args(["--workspace", "--bin", "nephoscope"]))?;
                let programs = programs::compile(|package| END_TO_END.contains(&package))?;
                // A private libvirtd needs root: the tests' programs run through sudo, the compiler does not.
                let needs_sudo = !rustix::process::geteuid().is_root() && command_exists("sudo");
                programs::run(&programs, if needs_sudo { &["sudo", "-E"] } else { &[] }, count)
            }
            Part::Fuzz => fuzz::short(progress, count),
            Part::Docs => run_command(
                cargo("doc").args(["--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"),
            ),
        }
    }
}

/// The tests of the Rust SDK, and of the guests in Rust.
fn rust(toolchain: Toolchain, count: &mut Count) -> Result<()> {
    // On the host: what is tested is the authors' side, and a component has no test harness.
    let mut command = Toolchain::Usual.cargo("test");
    command.args(["--no-fail-fast", "--target-dir", "target", "--target", &host()?]);
    command.counted(count)?;
    if toolchain == Toolchain::Usual {
        let lint = ["--release", "--target-dir", "target", "--", "-D", "warnings"];
        run_command(toolchain.cargo("clippy").args(lint))?;
    }
    Ok(())
}

/// The triple of the machine that compiles.
fn host() -> Result<String> {
    let told = output(Command::new("rustc").arg("-vV"))?;
    let host = told.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc does not name its host")?.to_owned())
}
