//! What a guest costs by the language that it is written in: every component that `cargo xtask guests` has built, on the example host.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use sandbox::Engine;
use workbench::bench::{Figures, Times, measure as figures_of};
use workbench::example;
use workbench::play::Terms;

/// How long the polls of each component are measured.
const EACH: Duration = Duration::from_secs(2);

/// The columns of the report.
const HEADER: &str = "| guest | size | compile | load compiled | start | poll, fresh | 99 % | poll, warm | 99 % | samples | memory |
|---|---|---|---|---|---|---|---|---|---|---|";

/// Measures and prints a table of its own.
pub fn measure() -> Result<()> {
    let engine = Engine::new()?;
    let host = example::host()?;
    let components = components()?;
    ensure!(!components.is_empty(), "there is no component in target/guests: run `cargo xtask guests`");
    let mut rows = Vec::new();
    for (name, path) in components {
        // One that cannot be measured does not hide the others.
        let row = match figures_of(&engine, &path, &host, &Terms::default(), EACH) {
            Ok(figures) => row(&name, &figures),
            Err(error) => format!("| {name} | {error} |"),
        };
        eprintln!("  {row}");
        rows.push(row);
    }
    println!("\n{HEADER}\n{}\n", rows.join("\n"));
    Ok(())
}

/// The components of `target/guests` with their names: Rust's lie there, those of other languages in folders of their own.
fn components() -> Result<Vec<(String, PathBuf)>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/guests");
    let mut found = Vec::new();
    collect(&folder, "rust", &mut found)?;
    for path in entries(&folder)?.into_iter().filter(|path| path.is_dir()) {
        let language = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        collect(&path, &language, &mut found)?;
    }
    found.sort();
    Ok(found)
}

fn collect(folder: &Path, language: &str, found: &mut Vec<(String, PathBuf)>) -> Result<()> {
    for path in
        entries(folder)?.into_iter().filter(|path| path.extension().is_some_and(|ending| ending == "wasm"))
    {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().replace('_', "-");
        found.push((format!("{language} {name}"), path));
    }
    Ok(())
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = folder
        .read_dir()
        .with_context(|| format!("{} cannot be read: run `cargo xtask guests`", folder.display()))?;
    Ok(entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?)
}

fn row(name: &str, figures: &Figures) -> String {
    let millis = |time: Duration| format!("{:.2} ms", time.as_secs_f64() * 1e3);
    let micros = |time: Duration| format!("{:.2} µs", time.as_secs_f64() * 1e6);
    let times = |times: &Times| format!("{} | {}", micros(times.median), micros(times.p99));
    format!(
        "| {name} | {} | {} | {} | {} | {} | {} | {:.1} | {} |",
        size(figures.bytes),
        millis(figures.compile),
        millis(figures.cached.time),
        millis(figures.start),
        times(&figures.fresh),
        times(&figures.warm),
        figures.samples,
        size(figures.memory),
    )
}

fn size(bytes: usize) -> String {
    const KIB: f64 = 1024.0;
    let kib = bytes as f64 / KIB;
    if kib < KIB { format!("{kib:.1} KiB") } else { format!("{:.1} MiB", kib / KIB) }
}
