//! `cargo xtask fuzz TARGET`, and the part `fuzz` of the tests: the fuzz targets of `tests/fuzz` under libFuzzer.
//!
//! The stable toolchain is enough. Only the project's own crates are compiled for coverage, by a wrapper of rustc for the workspace's members: what they
//! depend on, wasmtime above all, is shared with every other build.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::cargo::cargo;
use crate::paths;
use crate::progress::{Progress, run as run_command};
use crate::setup;
use crate::test::programs::Count;

/// The targets, as `tests/fuzz` names them.
const TARGETS: [&str; 8] =
    ["module", "samples", "message", "domain-xml", "pipeline", "recording", "trust", "query"];

/// Seconds that a target has in the tests.
const SHORT: u32 = 8;

/// Fuzzes one target until it finds something or is stopped; further arguments are libFuzzer's.
pub fn command(arguments: &[&str]) -> Result<()> {
    let [target, more @ ..] = arguments else { bail!("which target? There are {}", TARGETS.join(", ")) };
    if !TARGETS.contains(target) {
        bail!("no target is called {target}; there are {}", TARGETS.join(", "));
    }
    let progress = Progress::start();
    setup::install(&[setup::Need::Test], progress)?;
    let program = build(progress)?;
    // Files are inputs to be run once; beside folders libFuzzer would take them for corpora.
    let has_files = more.iter().any(|argument| Path::new(argument).is_file());
    let mut command = if has_files { alone(&program, target) } else { fuzzing(&program, target)? };
    run_command(command.args(more))
}

/// Gives each target some seconds.
pub fn short(progress: Progress, count: &mut Count) -> Result<()> {
    let program = build(progress)?;
    let mut found = Vec::new();
    for target in TARGETS {
        progress.step(&format!("Fuzzing {target} for {SHORT} s"));
        let log = folder().join(format!("{target}.log"));
        fs::create_dir_all(folder())?;
        let file = fs::File::create(&log)?;
        let status = fuzzing(&program, target)?
            .args(["-seed=1", &format!("-max_total_time={SHORT}")])
            .stdout(file.try_clone()?)
            .stderr(file)
            .status()?;
        let said = fs::read_to_string(&log)?;
        if status.success() {
            count.passed += 1;
            let done = said.lines().rev().find(|line| line.starts_with("Done ")).unwrap_or("no end is told");
            println!("{target}: {done}");
        } else {
            count.failed += 1;
            let end: Vec<&str> = said.lines().rev().take(40).collect();
            println!("{}", end.into_iter().rev().collect::<Vec<_>>().join("\n"));
            found.push(target);
        }
    }
    if !found.is_empty() {
        bail!(
            "found something: {}; again with `cargo xtask fuzz TARGET FILE`, the file being in {}",
            found.join(", "),
            folder().display()
        );
    }
    Ok(())
}

fn build(progress: Progress) -> Result<PathBuf> {
    progress.step("Building the fuzz targets");
    let wrapper = paths::root().join("tests/fuzz/instrument");
    run_command(
        cargo("build")
            .args(["--quiet", "--workspace", "--features", "nephoscope-fuzz/libfuzzer", "--bin", "fuzz"])
            .env("RUSTC_WORKSPACE_WRAPPER", wrapper),
    )?;
    paths::binary("fuzz")
}

fn folder() -> PathBuf {
    paths::target().join("fuzz")
}

/// libFuzzer on a target, without any input.
fn alone(program: &Path, target: &str) -> Command {
    let mut command = Command::new(program);
    command.env("FUZZ_TARGET", target);
    command
}

/// libFuzzer on a target: what it finds interesting is kept for the next time, what breaks the target is written to a file.
fn fuzzing(program: &Path, target: &str) -> Result<Command> {
    let corpus = folder().join(target);
    fs::create_dir_all(&corpus).with_context(|| format!("failed to make {}", corpus.display()))?;
    let mut command = alone(program, target);
    command
        .arg(&corpus)
        .arg(paths::root().join("tests/fuzz/seeds").join(target))
        .args(["-timeout=60", "-rss_limit_mb=4096", "-max_len=65536", "-print_final_stats=1"])
        .arg(format!("-artifact_prefix={}/{target}-", folder().display()));
    Ok(command)
}
