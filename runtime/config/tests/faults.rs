//! Golden files: what is said of each file of `tests/faults`, word for word.
//!
//! `NEPHOSCOPE_BLESS=1 cargo test -p nephoscope-config` writes the outputs anew; look at the difference.

use std::fmt::Debug;
use std::fs;
use std::path::Path;

use nephoscope_config as config;

use config::{Faults, Loaded};

fn outcome<T: Debug>(loaded: Result<Loaded<T>, Faults>) -> String {
    match loaded {
        Ok(loaded) if loaded.warnings.is_empty() => "usable\n".to_owned(),
        Ok(loaded) => {
            assert!(!loaded.warnings.is_fatal());
            format!("usable\n{}\n", loaded.warnings)
        }
        Err(faults) => {
            assert!(faults.is_fatal(), "refused without an error: {faults}");
            format!("{faults}\n")
        }
    }
}

#[test]
fn every_fault_is_told_with_its_place_and_what_would_be_right() {
    let folder = Path::new("tests/faults");
    let bless = std::env::var_os("NEPHOSCOPE_BLESS").is_some();
    let mut wrong = Vec::new();
    let mut cases = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        cases += 1;
        let name = path.file_stem().unwrap().to_str().unwrap();
        let got = if name.starts_with("collector") {
            outcome(config::load_collector(&path))
        } else if name.starts_with("cases") {
            outcome(config::load_cases(&path))
        } else {
            outcome(config::load_pipeline(&path))
        };
        assert!(!got.contains("hunter2"), "a secret shows in {name}:\n{got}");
        let got = got.replace("tests/faults/", "");
        let golden = path.with_extension("txt");
        if bless {
            fs::write(&golden, got).unwrap();
        } else if fs::read_to_string(&golden).unwrap_or_default() != got {
            wrong.push(format!("{}:\n{got}", golden.display()));
        }
    }
    assert!(wrong.is_empty(), "other than in the golden files:\n{}", wrong.join("\n"));
    assert!(cases > 40, "{cases} cases");
}

#[test]
fn faults_for_programs_are_json() {
    let faults = config::load_pipeline("tests/faults/top-level-list.yaml").unwrap_err();
    let expected = serde_json::json!([{
        "file": "tests/faults/top-level-list.yaml",
        "line": 1,
        "column": 1,
        "severity": "error",
        "message": "expected a pipeline file (a mapping), found a list",
    }]);
    assert_eq!(faults.to_json(), expected);
    let faults = config::load_pipeline("tests/faults/missing.yaml").unwrap_err();
    assert_eq!(faults.to_json()[0]["line"], serde_json::Value::Null);
}
