//! The guests that are projects of their own: `guests/<language>/<guest>`, recognised by the file that its language builds by.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use lab::Toolchains;

use super::place;
use crate::setup::toolchains;

/// The commands that build a project with one of these files in it.
const MARKERS: [(&str, &[&[&str]]); 3] = [
    ("build.zig", &[&["zig", "build"]]),
    ("package.json", &[&["npm", "ci", "--no-audit", "--no-fund"], &["npm", "run", "build"]]),
    ("Makefile", &[&["make", "--no-print-directory"]]),
];

/// A guest's project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Project {
    /// As the folder is called: `go`.
    pub language: String,
    /// As the folder is called, and its component: `mem-max`.
    pub guest: String,
    /// Where it is.
    pub folder: PathBuf,
    commands: &'static [&'static [&'static str]],
}

/// The projects beneath `guests`, in the order of their names.
pub fn find(guests: &Path) -> Result<Vec<Project>> {
    let mut projects = Vec::new();
    for language in folders(guests)? {
        for folder in folders(&language)? {
            let Some((_, commands)) = MARKERS.iter().find(|(marker, _)| folder.join(marker).is_file()) else {
                continue;
            };
            let project = Project { language: name(&language), guest: name(&folder), folder, commands };
            // An SDK of JavaScript has a package.json, and is no guest.
            if project.guest != "sdk" {
                projects.push(project);
            }
        }
    }
    Ok(projects)
}

/// Removes the components of projects that are no longer there.
pub fn remove_others(target: &Path, projects: &[Project]) -> Result<()> {
    if !target.is_dir() {
        return Ok(());
    }
    for language in folders(target)? {
        for entry in fs::read_dir(&language)? {
            let file = entry?.path();
            let guest = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let mut those = projects.iter().filter(|project| project.language == name(&language));
            if file.is_file() && !those.any(|project| project.guest == guest) {
                fs::remove_file(&file).with_context(|| format!("failed to remove {}", file.display()))?;
            }
        }
    }
    Ok(())
}

impl Project {
    /// `go/mem-max`.
    pub fn name(&self) -> String {
        format!("{}/{}", self.language, self.guest)
    }

    /// Whether the component in `target` was built from what the stamp stands for.
    pub fn is_built(&self, target: &Path, stamp: &str) -> bool {
        self.file(target, "wasm").is_file()
            && fs::read_to_string(self.file(target, "stamp")).is_ok_and(|built| built == stamp)
    }

    /// Builds it, copies its component to `target` and gives its bytes. An error holds what the build has said.
    pub fn build(&self, target: &Path, stamp: &str, tools: &Toolchains, nephoscope: &Path) -> Result<usize> {
        fs::create_dir_all(target.join(&self.language))?;
        // What an earlier toolchain or nephoscope has generated is not seen by make, and what is copied is to come from this build.
        let build = self.folder.join("build");
        if let Err(error) = fs::remove_dir_all(&build)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            return Err(error).with_context(|| format!("failed to remove {}", build.display()));
        }
        let built = build.join(format!("{}.wasm", self.guest));
        let log = self.file(target, "log");
        let output = File::create(&log).with_context(|| format!("failed to write {}", log.display()))?;
        for words in self.commands {
            let status = toolchains::command(tools, words, &self.folder, nephoscope)?
                .stdin(Stdio::null())
                .stdout(output.try_clone()?)
                .stderr(output.try_clone()?)
                .status()
                .with_context(|| format!("failed to start {}", words[0]))?;
            if !status.success() {
                let said = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
                bail!("{said}`{}` in {} ended with {status}", words.join(" "), self.folder.display());
            }
        }
        let bytes = fs::read(&built).with_context(|| format!("the build has made no {}", built.display()))?;
        place(&bytes, &self.file(target, "wasm"))?;
        fs::write(self.file(target, "stamp"), stamp)?;
        Ok(bytes.len())
    }

    fn file(&self, target: &Path, ending: &str) -> PathBuf {
        target.join(&self.language).join(format!("{}.{ending}", self.guest))
    }
}

fn folders(parent: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(parent).with_context(|| format!("failed to read {}", parent.display()))?;
    let mut folders: Vec<PathBuf> =
        entries.filter_map(Result::ok).map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    Ok(folders)
}

fn name(folder: &Path) -> String {
    folder.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guests::scratch::Scratch;

    #[test]
    fn a_project_is_known_by_what_builds_it() {
        let guests = Scratch::new("projects");
        for file in ["c/mem-max/Makefile", "javascript/mem-max/package.json", "zig/disk-flush/build.zig"] {
            guests.write(file, "");
        }
        for file in
            ["rust/Cargo.toml", "rust/mem-max/Cargo.toml", "javascript/sdk/package.json", "toolchains.txt"]
        {
            guests.write(file, "");
        }
        let projects = find(guests.path()).unwrap();
        let names: Vec<String> = projects.iter().map(Project::name).collect();
        assert_eq!(names, ["c/mem-max", "javascript/mem-max", "zig/disk-flush"]);
        let programs: Vec<&str> = projects.iter().map(|project| project.commands[0][0]).collect();
        assert_eq!(programs, ["make", "npm", "zig"]);
    }

    #[test]
    fn a_component_counts_as_built_while_its_stamp_is_that_of_its_inputs() {
        let folder = Scratch::new("built");
        folder.write("guests/go/mem-max/Makefile", "");
        let project = find(&folder.path().join("guests")).unwrap().remove(0);
        let target = folder.path().join("target");
        assert!(!project.is_built(&target, "1"));
        folder.write("target/go/mem-max.stamp", "1");
        assert!(!project.is_built(&target, "1"), "its component was removed");
        folder.write("target/go/mem-max.wasm", "");
        assert!(project.is_built(&target, "1"));
        assert!(!project.is_built(&target, "2"));
    }

    #[test]
    fn what_is_left_of_a_removed_project_goes() {
        let folder = Scratch::new("others");
        folder.write("guests/go/mem-max/Makefile", "");
        for file in ["network.wasm", "go/mem-max.wasm", "go/old.wasm", "go/old.stamp", "c/mem-max.wasm"] {
            folder.write(&format!("target/{file}"), "");
        }
        let target = folder.path().join("target");
        remove_others(&target, &find(&folder.path().join("guests")).unwrap()).unwrap();
        let is_left = |file: &str| target.join(file).exists();
        assert!(is_left("network.wasm") && is_left("go/mem-max.wasm"));
        assert!(!is_left("go/old.wasm") && !is_left("go/old.stamp") && !is_left("c/mem-max.wasm"));
    }
}
