//! What a build depends on, as a stamp: when it is the same as at the last build, so is the component.

use std::collections::BTreeSet;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::setup::toolchains;

/// What people and `guest test` read, and no build.
const BESIDE: [&str; 2] = ["README.md", "cases"];

/// Far more than a project has: who gets here has built into a folder that is not ignored.
const FILES: usize = 10_000;
/// A symbolic link may lead to a folder above.
const DEPTH: usize = 16;

/// What makes bindings and components in nephoscope; the libraries beneath are in Cargo.lock.
const MAKERS: [&str; 4] = [
    "runtime/workbench/go",
    "runtime/workbench/src/bindings.rs",
    "runtime/workbench/src/componentize.rs",
    "runtime/workbench/src/world.rs",
];

/// What all builds depend on beside their own files: the toolchains, and what makes bindings and components in nephoscope.
#[derive(Clone, Copy, Debug)]
pub struct Common(u64);

/// The common inputs of the builds in this workspace.
pub fn common(root: &Path) -> Result<Common> {
    let mut hasher = DefaultHasher::new();
    toolchains::PINS.hash(&mut hasher);
    read(&root.join("Cargo.lock"))?.hash(&mut hasher);
    for source in MAKERS.map(|source| root.join(source)) {
        let mut files = BTreeSet::new();
        if source.is_dir() {
            collect(&source, &BTreeSet::new(), DEPTH, &mut files)?;
        } else {
            files.insert(source);
        }
        for file in files {
            read(&file)?.hash(&mut hasher);
        }
    }
    Ok(Common(hasher.finish()))
}

/// The stamp of a project: changes with each of its files, those behind symbolic links included, but for its cases, its README and what its
/// `.gitignore` names.
pub fn stamp(project: &Path, common: Common) -> Result<String> {
    // Another Rust may hash otherwise: then everything is built once more.
    let mut hasher = DefaultHasher::new();
    common.0.hash(&mut hasher);
    let mut files = BTreeSet::new();
    collect(project, &ignored(project), DEPTH, &mut files)?;
    for file in files {
        file.strip_prefix(project).unwrap_or(&file).hash(&mut hasher);
        read(&file)?.hash(&mut hasher);
    }
    Ok(format!("{:016x}", hasher.finish()))
}

/// The names of what does not count. Of git's patterns those are understood that are a name: `/build/`, `__pycache__/`.
fn ignored(project: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(project.join(".gitignore")).unwrap_or_default();
    let names = text.lines().map(|line| line.trim().trim_matches('/'));
    names.chain(BESIDE).map(str::to_owned).collect()
}

fn collect(
    folder: &Path,
    ignored: &BTreeSet<String>,
    depth: usize,
    files: &mut BTreeSet<PathBuf>,
) -> Result<()> {
    if depth == 0 {
        bail!("{} is too deep: does a symbolic link lead upwards?", folder.display());
    }
    let entries = fs::read_dir(folder).with_context(|| format!("failed to read {}", folder.display()))?;
    for entry in entries {
        let entry = entry?;
        if ignored.contains(&*entry.file_name().to_string_lossy()) {
            continue;
        }
        let path = entry.path();
        if path.is_dir() {
            collect(&path, ignored, depth - 1, files)?;
        } else {
            files.insert(path);
        }
        if files.len() > FILES {
            bail!("{} has more than {FILES} files that its .gitignore does not name", folder.display());
        }
    }
    Ok(())
}

fn read(file: &Path) -> Result<Vec<u8>> {
    fs::read(file).with_context(|| format!("failed to read {}", file.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::guests::scratch::Scratch;

    const COMMON: Common = Common(1);

    fn project(name: &str) -> (Scratch, PathBuf) {
        let folder = Scratch::new(name);
        folder.write("go/mem-max/main.go", "package main");
        folder.write("go/mem-max/.gitignore", "/build/\n__pycache__/\n");
        folder.write("go/sdk/sdk.go", "package sdk");
        let project = folder.path().join("go/mem-max");
        symlink("../sdk", project.join("sdk")).unwrap();
        (folder, project)
    }

    #[test]
    fn a_stamp_changes_with_every_file_of_the_project_and_behind_its_links() {
        let (folder, project) = project("stamp");
        let before = stamp(&project, COMMON).unwrap();
        assert_eq!(stamp(&project, COMMON).unwrap(), before);
        let mut seen = BTreeSet::from([before]);
        for (file, text) in [
            ("go/mem-max/main.go", "package main // changed"),
            ("go/sdk/sdk.go", "package sdk // changed"),
            ("go/mem-max/wit/world.wit", ""),
            ("go/mem-max/wit/other.wit", ""),
        ] {
            folder.write(file, text);
            assert!(seen.insert(stamp(&project, COMMON).unwrap()), "{file}");
        }
        assert!(seen.insert(stamp(&project, Common(2)).unwrap()), "the toolchains");
    }

    #[test]
    fn what_a_build_makes_or_does_not_read_does_not_count() {
        let (folder, project) = project("ignored");
        let before = stamp(&project, COMMON).unwrap();
        folder.write("go/mem-max/build/mem-max.wasm", "");
        folder.write("go/sdk/__pycache__/sdk.pyc", "");
        folder.write("go/mem-max/cases/more.yaml", "");
        folder.write("go/mem-max/README.md", "");
        assert_eq!(stamp(&project, COMMON).unwrap(), before);
    }

    #[test]
    fn a_link_upwards_is_an_error_and_no_endless_walk() {
        let (_folder, project) = project("upwards");
        symlink("..", project.join("up")).unwrap();
        assert!(stamp(&project, COMMON).is_err());
    }
}
