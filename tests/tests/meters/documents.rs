//! What is written of the meters is what the guests declare, and the ready pipelines run them.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;

use anyhow::{Context, Result, ensure};
use nephoscope_tests::{Site, root};
use serde_json::Value;

use super::instances::{snapshot, whole};

/// Files of `pipelines` that are no pipelines: the collector's, and one of Ceilometer's that a pipeline names.
const OTHERS: [&str; 2] = ["collector.yaml", "polling.yaml"];

/// `pipelines` as it is, beside the modules, and with the recording that one of them names.
fn pipelines() -> Result<(Site, Vec<String>)> {
    let site = Site::new()?;
    symlink(root().join("target"), site.path("target"))?;
    fs::create_dir(site.path("pipelines"))?;
    inspector::record(&snapshot(vec![whole(1)]), &site.path("pipelines/host.json"))?;
    let mut names = Vec::new();
    for entry in fs::read_dir(root().join("pipelines"))? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).context("no name")?.to_owned();
        if name.ends_with(".yaml") {
            fs::copy(&path, site.path("pipelines").join(&name))?;
            names.push(name);
        }
    }
    names.retain(|name| !OTHERS.contains(&name.as_str()));
    names.sort();
    ensure!(names.len() >= 5, "{names:?}");
    Ok((site, names))
}

#[test]
fn check_accepts_every_ready_pipeline_without_a_warning() -> Result<()> {
    let (site, names) = pipelines()?;
    for name in names {
        let checked = site.run(&["check", &format!("pipelines/{name}")])?.expect(0)?;
        assert!(!checked.stdout.contains(": warning:"), "{}", checked.stdout);
    }
    Ok(())
}

#[test]
fn the_ready_pipeline_polls_all_of_ceilometers_meters_as_its_packaged_file_does() -> Result<()> {
    let (site, _) = pipelines()?;
    let plan = plan(&site, "ceilometer.yaml")?;
    let [source] = plan["sources"].as_array().context("no list")?.as_slice() else { panic!("one source") };
    assert_eq!(source["interval_seconds"].as_f64(), Some(300.0));
    assert_eq!(source["meters"].as_array().map(Vec::len), Some(36));
    Ok(())
}

#[test]
fn the_table_of_meters_is_what_the_guests_declare() -> Result<()> {
    let (site, _) = pipelines()?;
    let mut declared = BTreeMap::new();
    for name in ["ceilometer.yaml", "mem-max.yaml"] {
        for guest in plan(&site, name)?["guests"].as_array().context("no list")? {
            for meter in guest["meters"].as_array().context("no list")? {
                let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                let row = [text(&meter["kind"]), text(&meter["unit"]), text(&guest["name"])];
                declared.insert(text(&meter["name"]), row);
            }
        }
    }
    let text = fs::read_to_string(root().join("docs/meters.md"))?;
    let mut documented = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        // Of the other table a row has fewer cells.
        let ["", meter, kind, unit, _resource, _source, guest, ""] = cells[..] else { continue };
        let meter = meter.trim_matches('`').to_owned();
        let row = [kind, unit, guest].map(str::to_owned);
        assert_eq!(documented.insert(meter, row), None, "twice: {line}");
    }
    assert_eq!(documented, declared);
    Ok(())
}

fn plan(site: &Site, name: &str) -> Result<Value> {
    let checked = site.run(&["check", &format!("pipelines/{name}"), "--output", "json"])?.expect(0)?;
    let report: Value = serde_json::from_str(&checked.stdout)?;
    Ok(report["plan"].clone())
}
