//! The module that Go's bindings import is a copy: it must be that of the generator's release, or the bindings do not compile.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

#[test]
fn the_copy_is_that_of_the_generators_crate() {
    let source = generator().join("src/pkg");
    let copy = Path::new(env!("CARGO_MANIFEST_DIR")).join("go");
    for file in files(&source.join("wit")) {
        let name = file.strip_prefix(&source).unwrap();
        let copied = fs::read(copy.join(name)).unwrap_or_else(|error| panic!("{}: {error}", name.display()));
        assert!(copied == fs::read(&file).unwrap(), "{} differs", name.display());
    }
    assert_eq!(fs::read(copy.join("go.mod")).unwrap(), fs::read(source.join("go.mod")).unwrap());
}

/// Where cargo has the source of wit-bindgen-go.
fn generator() -> PathBuf {
    // What other systems would need is not there.
    let rustc = Command::new("rustc").arg("-vV").output().unwrap().stdout;
    let rustc = String::from_utf8(rustc).unwrap();
    let host = rustc.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let told = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--offline", "--locked", "--filter-platform", host])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&told.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let generator = packages.iter().find(|package| package["name"] == "wit-bindgen-go").unwrap();
    Path::new(generator["manifest_path"].as_str().unwrap()).parent().unwrap().to_owned()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { all.extend(files(&path)) } else { all.push(path) }
    }
    assert!(!all.is_empty());
    all
}
