//! `SHA256SUMS` beside the guests that were built here: the pins of the pipelines in `pipelines/`.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use lab::output;

use super::place;

/// The name that such files have by custom.
const FILE: &str = "SHA256SUMS";

/// Writes the pins of every component in the folder and its subfolders, named from there.
pub fn write(folder: &Path) -> Result<()> {
    let mut components = components(folder, Path::new(""))?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            components.extend(self::components(&entry.path(), Path::new(&entry.file_name()))?);
        }
    }
    if components.is_empty() {
        return Ok(());
    }
    components.sort();
    let sums = output(Command::new("sha256sum").current_dir(folder).arg("--").args(components))?;
    place(sums.as_bytes(), &folder.join(FILE))
}

/// The components that lie in a folder, below a name that it has.
fn components(folder: &Path, name: &Path) -> Result<Vec<PathBuf>> {
    let files = fs::read_dir(folder)?.map(|entry| Ok(name.join(entry?.file_name())));
    let files: Vec<PathBuf> = files.collect::<Result<_>>()?;
    // A name with a dot in front is a component that is being written.
    let is_component = |path: &PathBuf| {
        path.extension() == Some(OsStr::new("wasm"))
            && path.file_name().is_some_and(|name| !name.as_encoded_bytes().starts_with(b"."))
    };
    Ok(files.into_iter().filter(is_component).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guests::scratch::Scratch;

    #[test]
    fn every_component_is_pinned_by_its_name_from_there() {
        let scratch = Scratch::new("pins");
        let folder = scratch.path();
        for file in ["b.wasm", "a.wasm", "c/x.wasm", ".b.wasm.partial", ".y.wasm", "c/notes.txt"] {
            scratch.write(file, file);
        }
        write(folder).unwrap();
        let sums = fs::read_to_string(folder.join(FILE)).unwrap();
        let lines: Vec<_> = sums.lines().map(|line| line.split_once("  ").unwrap()).collect();
        assert_eq!(lines.iter().map(|(_, name)| *name).collect::<Vec<_>>(), ["a.wasm", "b.wasm", "c/x.wasm"]);
        assert!(lines.iter().all(|(sum, _)| sum.len() == 64));
        assert!(output(Command::new("sha256sum").current_dir(folder).args(["--check", FILE])).is_ok());
    }
}
