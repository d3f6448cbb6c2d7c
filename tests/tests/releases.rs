//! Guests that were built for a released contract go on working, to the bit.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use nephoscope_tests::root;
use sandbox::{Engine, GuestSample, Module, Outcome, world};
use serde_json::{Value, json};
use workbench::play::{self, Player, Terms};

/// The moments of each release's folder, in their order.
const MOMENTS: [&str; 2] = ["host.json", "host-later.json"];

#[test]
fn guests_of_every_release_make_what_they_made_then() -> Result<()> {
    let engine = Engine::new()?;
    let releases = folders(&root().join("tests/releases"))?;
    ensure!(releases.iter().any(|release| release.ends_with("0.1.0")), "the first release is missing");
    for release in releases {
        let modules = files(&release, "wasm")?;
        ensure!(modules.len() >= 3, "{} has lost its guests", release.display());
        for module in modules {
            let made = made(&engine, &release, &module).with_context(|| module.display().to_string())?;
            let expected = module.with_extension("expected.json");
            // For a new release's folder; what is there is never written again.
            if !expected.exists() && std::env::var_os("NEPHOSCOPE_BLESS").is_some() {
                fs::write(&expected, format!("{made:#}\n"))?;
            }
            let expected: Value = serde_json::from_slice(&fs::read(&expected)?)?;
            assert_eq!(made, expected, "{}", module.display());
        }
    }
    Ok(())
}

/// What a guest declares, and what it makes of each moment's instances.
fn made(engine: &Engine, release: &Path, path: &Path) -> Result<Value> {
    let bytes = fs::read(path)?;
    world::check(&bytes, path)?;
    let module = Module::compile(engine, &bytes, path)?;
    let player = Player::new(engine, &module, "released", &Terms::default())?;
    let meters: Vec<Value> = player
        .meters()
        .iter()
        .map(|meter| {
            json!({ "name": meter.name, "kind": meter.kind.as_str(), "unit": meter.unit, "description": meter.description })
        })
        .collect();
    let grants: Vec<_> = module.capabilities().iter().map(|grant| grant.as_str()).collect();
    let mut moments = Vec::new();
    let mut samples = 0;
    for moment in MOMENTS {
        let snapshot = inspector::load(&release.join(moment))?;
        let polls = player.play(&snapshot, |_| true);
        ensure!(polls.len() == snapshot.instances.len(), "an instance was left out");
        let polls: Vec<Value> = polls
            .iter()
            .map(|polled| {
                let outcome = match &polled.outcome {
                    Outcome::Samples { samples: some, refused } => {
                        samples += some.len();
                        let refused: Vec<_> = refused.iter().map(ToString::to_string).collect();
                        json!({ "samples": some.iter().map(|one| sample(&player, one)).collect::<Vec<_>>(), "refused": refused })
                    }
                    Outcome::Skipped(skip) => json!({ "skipped": skip.label() }),
                    Outcome::Permanent(text) => json!({ "permanent": text }),
                    Outcome::Failed(failure) => json!({ "failed": failure.to_string() }),
                };
                json!({ "instance": play::name(&polled.instance), "outcome": outcome })
            })
            .collect();
        moments.push(json!({ "moment": moment, "polls": polls }));
    }
    ensure!(samples > 0, "it made no sample");
    Ok(json!({ "meters": meters, "grants": grants, "moments": moments }))
}

fn sample(player: &Player, sample: &GuestSample) -> Value {
    json!({
        "meter": player.meters()[sample.meter].name,
        "volume": play::exact(sample.volume),
        "resource_id": sample.resource_id,
        "metadata": sample.metadata.as_ref().map(|metadata| metadata.fields()),
    })
}

fn folders(folder: &Path) -> Result<Vec<PathBuf>> {
    Ok(entries(folder)?.into_iter().filter(|path| path.is_dir()).collect())
}

fn files(folder: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    let has = |path: &PathBuf| path.extension().is_some_and(|found| found == extension);
    Ok(entries(folder)?.into_iter().filter(has).collect())
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let paths: std::io::Result<Vec<_>> = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect();
    let mut paths = paths?;
    paths.sort();
    Ok(paths)
}
