//! `cargo xtask test`: what CI runs, in parts that can be run alone.
//!
//! All parts run even where one fails, so that one run tells everything; the summary at the end names each with its
//! outcome, its tests and its time.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use lab::{command_exists, output};

use crate::progress::{Progress, run as run_command};
use crate::setup::wasm::Toolchain;
use crate::setup::{self, Need};
use crate::{guests, paths};

/// Crates whose tests start real neighbours.
const END_TO_END: [&str; 2] = ["nephoscope-lab", "nephoscope-tests"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// Formatting and clippy.
    Lint,
    /// The crates' own tests, without neighbours.
    Unit,
    /// The guests' tests.
    Guests,
    /// Tests with real neighbours.
    EndToEnd,
    /// The documentation builds without warnings.
    Docs,
}

const PARTS: [(&str, Part); 5] = [
    ("lint", Part::Lint),
    ("unit", Part::Unit),
    ("guests", Part::Guests),
    ("e2e", Part::EndToEnd),
    ("docs", Part::Docs),
];

/// How many tests passed and failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    passed: u64,
    failed: u64,
}

/// Runs the named parts, or all.
pub fn run(names: &[&str]) -> Result<()> {
    let progress = Progress::start();
    let mut parts = Vec::new();
    for name in names {
        let Some(part) = PARTS.iter().find(|(known, _)| known == name) else {
            bail!("no part is called {name}; there are lint, unit, guests, e2e and docs");
        };
        parts.push(*part);
    }
    if parts.is_empty() {
        parts = PARTS.to_vec();
    }
    let needs_neighbours = parts.iter().any(|(_, part)| *part == Part::EndToEnd);
    let toolchain = setup::install(if needs_neighbours { Need::Test } else { Need::Demo }, progress)?;
    guests::build(toolchain, progress)?;

    let mut total = Count::default();
    let mut lines = Vec::new();
    let mut failed = Vec::new();
    for (name, part) in parts {
        progress.step(&format!("Part: {name}"));
        let start = Instant::now();
        let mut count = Count::default();
        let done = part.run(toolchain, &mut count);
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
    fn run(self, toolchain: Toolchain, count: &mut Count) -> Result<()> {
        match self {
            Part::Lint => {
                run_command(cargo("fmt").args(["--all", "--check"]))?;
                run_command(cargo("clippy").args(["--workspace", "--all-targets", "--", "-D", "warnings"]))?;
                run_command(
                    Command::new("cargo")
                        .current_dir(setup::wasm::guests())
                        .args(["fmt", "--all", "--check"]),
                )
            }
            Part::Unit => {
                let mut command = cargo("test");
                command.args(["--workspace", "--no-fail-fast"]);
                for name in END_TO_END {
                    command.args(["--exclude", name]);
                }
                run_tests(&mut command, count)
            }
            Part::Guests => {
                // On the host: what is tested is the authors' side, and a component has no test harness.
                let mut command = Toolchain::Usual.cargo("test");
                command.args(["--no-fail-fast", "--target-dir", "target", "--target", &host()?]);
                run_tests(&mut command, count)?;
                if toolchain == Toolchain::Usual {
                    let lint = ["--release", "--target-dir", "target", "--", "-D", "warnings"];
                    run_command(toolchain.cargo("clippy").args(lint))?;
                }
                Ok(())
            }
            Part::EndToEnd => {
                run_command(cargo("build").args(["-p", "nephoscope"]))?;
                let mut command = cargo("test");
                command.arg("--no-fail-fast");
                for name in END_TO_END {
                    command.args(["-p", name]);
                }
                if !rustix::process::geteuid().is_root() && command_exists("sudo") {
                    // A private libvirtd needs root: the tests' programs run through sudo, the compiler does not.
                    command.args(["--config", "target.'cfg(unix)'.runner = ['sudo', '-E']"]);
                }
                run_tests(&mut command, count)
            }
            Part::Docs => run_command(
                cargo("doc").args(["--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"),
            ),
        }
    }
}

fn cargo(subcommand: &str) -> Command {
    let mut command = Command::new("cargo");
    command.current_dir(paths::root()).arg(subcommand);
    command
}

/// The triple of the machine that compiles.
fn host() -> Result<String> {
    let told = output(Command::new("rustc").arg("-vV"))?;
    let host = told.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc does not name its host")?.to_owned())
}

/// Runs `cargo test`, passing its output on, and adds its result lines up.
fn run_tests(command: &mut Command, count: &mut Count) -> Result<()> {
    let mut child = command.stdout(Stdio::piped()).spawn().context("failed to start cargo")?;
    let output = child.stdout.take().context("cargo has no output")?;
    for line in BufReader::new(output).split(b'\n') {
        let line = line?;
        let line = String::from_utf8_lossy(&line);
        println!("{line}");
        if let Some(result) = result_of(&line) {
            count.passed += result.passed;
            count.failed += result.failed;
        }
    }
    let status = child.wait()?;
    if !status.success() {
        bail!("cargo test ended with {status}");
    }
    Ok(())
}

/// Reads "test result: ok. 4 passed; 0 failed; …".
fn result_of(line: &str) -> Option<Count> {
    let numbers = line.strip_prefix("test result: ")?.split_once(". ")?.1;
    let number =
        |ending: &str| numbers.split("; ").find_map(|part| part.strip_suffix(ending)?.trim().parse().ok());
    Some(Count { passed: number(" passed")?, failed: number(" failed")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn result_lines_of_cargo_test_are_added_up() {
        let line = "test result: FAILED. 12 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.37s";
        assert_eq!(result_of(line), Some(Count { passed: 12, failed: 3 }));
        assert_eq!(result_of("test result_lines ... ok"), None);
    }
}
