//! What stands beside the code and has to fit it: the ready pipelines, and the tables of all keys in the documentation.

use nephoscope_config as config;

use std::fs;

use config::{load_collector, load_pipeline, reference};

#[test]
fn the_pipelines_that_come_along_have_no_faults() {
    let house = tempfile::tempdir().unwrap();
    let pipelines = house.path().join("pipelines");
    fs::create_dir_all(house.path().join("target/guests")).unwrap();
    fs::create_dir(&pipelines).unwrap();
    for guest in ["mem_max", "instance", "disk", "network", "perf"] {
        fs::write(house.path().join(format!("target/guests/{guest}.wasm")), b"").unwrap();
    }
    let pin = trust::Sha256::of(b"");
    fs::write(house.path().join("target/guests/SHA256SUMS"), format!("{pin}  mem_max.wasm\n")).unwrap();
    fs::write(pipelines.join("host.json"), b"{}").unwrap();
    let mut loaded = 0;
    for entry in fs::read_dir("../../pipelines").unwrap() {
        let from = entry.unwrap().path();
        if from.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let to = pipelines.join(from.file_name().unwrap());
        fs::copy(&from, &to).unwrap();
    }
    for entry in fs::read_dir(&pipelines).unwrap() {
        let path = entry.unwrap().path();
        let warnings = match path.file_name().and_then(|name| name.to_str()) {
            Some("collector.yaml") => {
                load_collector(&path).unwrap_or_else(|faults| panic!("{faults}")).warnings
            }
            Some("polling.yaml" | "host.json") => continue,
            _ => load_pipeline(&path).unwrap_or_else(|faults| panic!("{faults}")).warnings,
        };
        assert!(warnings.is_empty(), "{warnings}");
        loaded += 1;
    }
    assert!(loaded >= 5, "{loaded} files");
}

/// `NEPHOSCOPE_BLESS=1` writes the tables of the reference anew.
#[test]
fn the_reference_has_every_key() {
    for (path, name, sections) in [
        ("../../docs/configuration.md", "pipeline", reference::pipeline_sections()),
        ("../../docs/configuration.md", "collector", reference::collector_sections()),
        ("../../docs/guests/testing.md", "case", reference::case_sections()),
    ] {
        let mut text = fs::read_to_string(path).unwrap();
        let (begin, end) = (format!("<!-- {name} keys -->\n"), format!("<!-- end of {name} keys -->"));
        let start = text.find(&begin).unwrap() + begin.len();
        let stop = text.find(&end).unwrap();
        let table = format!("\n{}", reference::markdown(&sections));
        if text[start..stop] == table {
            continue;
        }
        assert!(
            std::env::var_os("NEPHOSCOPE_BLESS").is_some(),
            "{path} has other keys than the decoder: run the test with NEPHOSCOPE_BLESS=1"
        );
        text.replace_range(start..stop, &table);
        fs::write(path, text).unwrap();
    }
}
