//! `nephoscope guest new`: a project of each language builds at once, its cases pass, and it runs in an agent.
//!
//! `cargo xtask guests` brings the tools.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use nephoscope_tests::toolchains::{author, cargo_build};
use nephoscope_tests::{Site, root};
use serde_json::Value;

/// Where the component of every language but Rust is.
const COMPONENT: &str = "build/my-meter.wasm";

/// Makes a project, builds it, and follows what the command says to do next.
fn try_out(language: &str, build: &str, component: &str) -> Result<()> {
    let site = Site::new()?;
    let made = site.run(&["guest", "new", "--lang", language, "my-meter", "--meter", "my.own"])?.expect(0)?;
    let project = site.path("my-meter");
    for step in ["nephoscope guest test cases", "nephoscope run pipeline.yaml --once", component] {
        ensure!(made.stdout.contains(step), "it does not say {step}:\n{}", made.stdout);
    }
    // Rust's is built as this machine can.
    ensure!(language == "rust" || made.stdout.contains(build), "it does not say {build}:\n{}", made.stdout);
    author(&project, build)?;
    let tested = author(&project, "nephoscope guest test cases")?;
    ensure!(tested.contains("cases passed"), "{tested}");

    let published = author(&project, "nephoscope --log error run pipeline.yaml --once")?;
    let samples: Vec<Value> = published.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let host: Value = serde_json::from_slice(&fs::read(project.join("host.json"))?)?;
    let instances = host["instances"].as_array().context("no instances")?;
    let memory = |instance: &Value| instance["memory"]["Ok"]["maximum"].as_u64();
    ensure!(
        !samples.is_empty() && samples.len() == instances.iter().filter_map(memory).count(),
        "{published}"
    );
    for sample in samples {
        let instance =
            instances.iter().find(|instance| instance["identity"]["uuid"] == sample["resource_id"]);
        let bytes = instance.and_then(memory).context("a sample of no instance")?;
        assert_eq!(sample["counter_name"], "my.own");
        assert_eq!(sample["counter_volume"].as_f64(), Some(bytes as f64 / 1_048_576.0));
    }
    Ok(())
}

#[test]
fn a_project_in_rust_builds_at_once() -> Result<()> {
    try_out("rust", &cargo_build(), "target/wasm32-unknown-unknown/release/my_meter.wasm")
}

#[test]
fn a_project_in_webassembly_text_builds_at_once() -> Result<()> {
    try_out("wat", "make", COMPONENT)
}

#[test]
fn a_project_in_c_builds_at_once() -> Result<()> {
    try_out("c", "make", COMPONENT)
}

#[test]
fn a_project_in_cpp_builds_at_once() -> Result<()> {
    try_out("cpp", "make", COMPONENT)
}

#[test]
fn a_project_in_go_builds_at_once() -> Result<()> {
    try_out("go", "make", COMPONENT)
}

#[test]
fn a_project_in_zig_builds_at_once() -> Result<()> {
    try_out("zig", "python3 -m ziglang build", COMPONENT)
}

#[test]
fn a_project_in_javascript_builds_at_once() -> Result<()> {
    try_out("javascript", "npm ci && npm run build", COMPONENT)
}

#[test]
fn a_project_in_typescript_builds_at_once() -> Result<()> {
    try_out("typescript", "npm ci && npm run build", COMPONENT)
}

#[test]
fn a_project_in_python_builds_at_once() -> Result<()> {
    try_out("python", "make", COMPONENT)
}

#[test]
fn nothing_is_overwritten_and_bad_names_are_refused() -> Result<()> {
    let site = Site::new()?;
    site.run(&["guest", "new", "--lang", "wat", "my-meter"])?.expect(0)?;
    let readme = site.path("my-meter/README.md");
    fs::write(&readme, "mine")?;
    let again = site.run(&["guest", "new", "--lang", "c", "my-meter"])?.expect(2)?;
    again.line(&["my-meter exists", "--into"])?;
    assert_eq!(fs::read_to_string(&readme)?, "mine");
    for (name, words) in [("My_Meter", "such as `my-meter`"), ("match", "`my-match` could")] {
        let refused = site.run(&["guest", "new", "--lang", "rust", name])?.expect(2)?;
        refused.line(&[words])?;
        assert!(!site.path(name).exists());
    }
    site.run(&["guest", "new", "--lang", "rust", "a", "--meter", "a b"])?.expect(2)?.line(&["a meter"])?;
    site.run(&["guest", "new", "--lang", "cobol", "a"])?.expect(2)?.line(&["possible values", "zig"])?;
    Ok(())
}

#[test]
fn every_language_with_guests_has_a_template() -> Result<()> {
    let help = Site::new()?.run(&["guest", "new", "--help"])?.expect(0)?.stdout;
    let folders = fs::read_dir(root().join("guests"))?.filter_map(Result::ok).map(|entry| entry.path());
    let languages: BTreeSet<String> = folders
        .filter(|path| path.is_dir())
        .filter_map(|path| path.file_name().map(|name| name.to_string_lossy().into_owned()))
        .collect();
    let (_, offered) = help.split_once("[possible values: ").context("no list of languages")?;
    let (offered, _) = offered.split_once(']').context("a list without an end")?;
    let offered: BTreeSet<String> = offered.split(',').map(|name| name.trim().to_owned()).collect();
    assert_eq!(offered, languages);
    for language in languages {
        assert!(Path::new(root()).join("guests").join(&language).join("mem-max").is_dir(), "{language}");
    }
    Ok(())
}
