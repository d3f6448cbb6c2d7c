//! `nephoscope guest test`: an author's cases.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use config::cases::CaseFile;
use config::{Faults, Place};
use sandbox::{Engine, Limits, Module};
use serde_json::json;
use workbench::cases::{Prepared, Recordings, prepare};
use workbench::play::{Player, Terms};

use super::test_report;
use crate::cli::{Report, TestArguments};
use crate::commands::refused;
use crate::compiled;
use crate::exit::{BadFile, WrongArgument};

/// A file that can be run.
struct Ready {
    prepared: Prepared,
    module: Arc<Module>,
    limits: Limits,
    name: String,
}

pub fn test(arguments: &TestArguments) -> anyhow::Result<()> {
    let files = find(&arguments.cases)?;
    let engine = Engine::with(compiled::of_author(), None).context("failed to start the sandbox")?;
    let mut faults = Faults::default();
    let ready = ready(&engine, &files, arguments.guest.as_deref(), &mut faults);
    if faults.is_fatal() {
        if arguments.output == Report::Json {
            println!("{:#}", json!({"faults": faults.to_json()}));
            return Err(BadFile.into());
        }
        return Err(refused(&faults));
    }
    let (mut total, mut failed) = (0, 0);
    let mut report = Vec::new();
    for ready in &ready {
        let file = ready.prepared.file();
        let ran = ready.prepared.run(&engine, &ready.module, &ready.name, &ready.limits);
        total += ran.len();
        failed += ran.iter().filter(|case| !case.passed()).count();
        match arguments.output {
            Report::Text => print!("{}", test_report::text(&file.path, &ran)),
            Report::Json => report.push(test_report::json(&file.path, &ready.name, &ran)),
        }
    }
    if arguments.output == Report::Json {
        println!("{:#}", json!({"files": report, "passed": total - failed, "failed": failed}));
    } else if failed == 0 {
        println!("{total} {} passed", if total == 1 { "case" } else { "cases" });
    }
    if failed > 0 {
        bail!("{failed} of {total} cases failed");
    }
    Ok(())
}

/// The case files: those that were named, and all of folders that were.
fn find(paths: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let entries = fs::read_dir(path).with_context(|| format!("failed to read {}", path.display()))?;
        let mut found = Vec::new();
        for entry in entries {
            let file = entry.with_context(|| format!("failed to read {}", path.display()))?.path();
            if file.extension().is_some_and(|ending| ending == "yaml" || ending == "yml") {
                found.push(file);
            }
        }
        if found.is_empty() {
            return Err(
                WrongArgument::of(format!("there is no case file (*.yaml) in {}", path.display())).into()
            );
        }
        found.sort();
        files.extend(found);
    }
    Ok(files)
}

/// Reads all files, their recordings and their components; nothing has run then but start-up and `meters`.
fn ready(engine: &Engine, files: &[PathBuf], guest: Option<&Path>, faults: &mut Faults) -> Vec<Ready> {
    let mut recordings = Recordings::default();
    let mut modules = Modules { engine, compiled: BTreeMap::new() };
    let mut ready = Vec::new();
    for path in files {
        let file = match config::load_cases(path) {
            Ok(loaded) => loaded.value,
            Err(others) => {
                faults.append(others);
                continue;
            }
        };
        let module = modules.of(&file, guest, faults);
        let limits = agent::plan::limits(&file.limits);
        let Some(prepared) = prepare(file, &mut recordings, faults) else { continue };
        let Some((module, path, place)) = module else { continue };
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        // One try before anything is said: what the first case cannot load, the others cannot.
        let settings = prepared.file().cases.first().map(|case| case.settings.clone()).unwrap_or_default();
        let terms = Terms { limits: limits.clone(), settings, ..Terms::default() };
        if let Err(error) = Player::new(engine, &module, &name, &terms) {
            faults.error(&place, format!("{:#}", anyhow::Error::from(error)));
            continue;
        }
        ready.push(Ready { prepared, module, limits, name });
    }
    ready
}

/// The compiled components, each once.
struct Modules<'a> {
    engine: &'a Engine,
    compiled: BTreeMap<PathBuf, Option<Arc<Module>>>,
}

impl Modules<'_> {
    /// The component of a file's cases, its path, and where that was given.
    fn of(
        &mut self,
        file: &CaseFile,
        argument: Option<&Path>,
        faults: &mut Faults,
    ) -> Option<(Arc<Module>, PathBuf, Place)> {
        let whole = |path: &Path| Place::file(path.to_string_lossy().into());
        let (path, place) = match (argument, &file.guest) {
            (Some(path), _) => (path.to_owned(), whole(path)),
            (None, Some(guest)) => (guest.value.clone(), guest.place.clone()),
            (None, None) => {
                let message = "no guest: name the component's file with the key `guest`, or on the command line with --guest";
                faults.error(&whole(&file.path), message);
                return None;
            }
        };
        let engine = self.engine;
        let module = self.compiled.entry(path.clone()).or_insert_with(|| match Module::read(engine, &path) {
            Ok(module) => Some(Arc::new(module)),
            Err(error) => {
                let hint = if path.exists() { "" } else { "; build it first" };
                faults.error(&place, format!("{:#}{hint}", anyhow::Error::from(error)));
                None
            }
        });
        Some((Arc::clone(module.as_ref()?), path, place))
    }
}
