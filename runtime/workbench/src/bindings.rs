//! Generated sources, for languages whose own tools do not read WIT.
//!
//! The generators are wit-bindgen's; Zig and C++ use those of C. Go's are two modules, and expect a third:
//!
//! | module | what it is | an author's `go.mod` has |
//! |---|---|---|
//! | `bindings` | packages of the world's interfaces, and `bindings/wit_exports`, which exports the guest | `replace bindings => ./build/bindings` |
//! | `go.bytecodealliance.org/pkg` | what they import; its authors publish it, and a copy is written here so that a build asks no server | `replace go.bytecodealliance.org/pkg => ./build/bindings/pkg` |
//! | `nephoscope` | the SDK; the exports call the author's code through its package `export_nephoscope_meter_pollster` | `replace nephoscope => ./sdk` |

use std::fs;
use std::path::{Path, PathBuf};

use include_dir::{Dir, include_dir};
use wit_bindgen_core::{Files, WorldGenerator};

use crate::world::World;

/// A language that has bindings here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// C, for C++ and Zig too: `<world>.h`, `<world>.c`, and `<world>_component_type.o`, which carries the world's type.
    C,
    /// Go: packages of a module that is named in `go.mod`.
    Go,
}

/// The module of Go that generated bindings import; see `go/README.md`.
static GO_RUNTIME: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/go");

/// The module that Go's bindings are, and the one that has what they call.
const GO_BINDINGS: &str = "bindings";
const GO_SDK: &str = "nephoscope";

/// Why there are no bindings.
#[derive(Debug, thiserror::Error)]
pub enum BindingsError {
    /// The generator cannot cope with the world.
    #[error("no bindings can be generated for the world {world}: {reason}")]
    Generate {
        /// The world.
        world: String,
        /// The generator's words.
        reason: String,
    },
    /// A file cannot be written.
    #[error("failed to write {}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: std::io::Error,
    },
}

/// Writes the bindings of a world into a folder, and gives the files' paths. What the folder holds beside them stays.
///
/// # Errors
/// The generator refuses the world, or a file cannot be written.
pub fn write(language: Language, mut world: World, folder: &Path) -> Result<Vec<PathBuf>, BindingsError> {
    let name = world.name().to_owned();
    let mut generator: Box<dyn WorldGenerator> = match language {
        Language::C => wit_bindgen_c::Opts::default().build(),
        Language::Go => wit_bindgen_go::Opts {
            pkg_name: Some(GO_BINDINGS.into()),
            export_pkg_name: Some(GO_SDK.into()),
            // By whatever `gofmt` is in PATH: the bindings are to be the same everywhere.
            format: wit_bindgen_go::Format::False,
            ..wit_bindgen_go::Opts::default()
        }
        .build(),
    };
    let mut files = Files::default();
    generator
        .generate(&mut world.resolve, world.id, &mut files)
        .map_err(|error| BindingsError::Generate { world: name, reason: format!("{error:#}") })?;
    if language == Language::Go {
        add(&GO_RUNTIME, &mut files);
        let requirement = wit_bindgen_go::remote_pkg_version();
        let module = format!("module {GO_BINDINGS}\n\ngo 1.25\n\nrequire {requirement}\n");
        files.push("go.mod", module.as_bytes());
    }
    let mut written = Vec::new();
    for (name, contents) in files.iter() {
        let path = folder.join(name);
        write_file(&path, contents)?;
        written.push(path);
    }
    Ok(written)
}

/// Adds what Go's bindings import.
fn add(folder: &Dir<'_>, files: &mut Files) {
    for file in folder.files() {
        files.push(&format!("pkg/{}", file.path().display()), file.contents());
    }
    folder.dirs().for_each(|folder| add(folder, files));
}

/// Writes a file that is new or has changed: a build tool looks at times.
fn write_file(path: &Path, contents: &[u8]) -> Result<(), BindingsError> {
    if fs::read(path).is_ok_and(|there| there == contents) {
        return Ok(());
    }
    let failed = |source| BindingsError::Write { path: path.to_owned(), source };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    fs::write(path, contents).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contract() -> World {
        World::read(Path::new("../../wit/v0.1.0"), Some("full")).unwrap()
    }

    #[test]
    fn c_has_a_header_a_source_and_the_type() {
        let folder = tempfile::tempdir().unwrap();
        let written = write(Language::C, contract(), folder.path()).unwrap();
        let names: Vec<_> = written.iter().filter_map(|path| path.file_name()?.to_str()).collect();
        assert_eq!(names, ["full.c", "full.h", "full_component_type.o"]);
        let header = fs::read_to_string(folder.path().join("full.h")).unwrap();
        assert!(header.contains("nephoscope_meter_memory_inspect"), "{header}");
    }

    #[test]
    fn go_is_a_module_beside_the_one_that_it_imports() {
        let folder = tempfile::tempdir().unwrap();
        write(Language::Go, contract(), folder.path()).unwrap();
        for file in ["wit_exports/wit_exports.go", "pkg/go.mod", "pkg/wit/types/option.go"] {
            assert!(folder.path().join(file).exists(), "{file}");
        }
        let module = fs::read_to_string(folder.path().join("go.mod")).unwrap();
        assert!(module.starts_with("module bindings\n"), "{module}");
        let exports = fs::read_to_string(folder.path().join("wit_exports/wit_exports.go")).unwrap();
        assert!(exports.contains("\"nephoscope/export_nephoscope_meter_pollster\""), "{exports}");
    }

    #[test]
    fn what_has_not_changed_is_not_written_again() {
        let folder = tempfile::tempdir().unwrap();
        write(Language::C, contract(), folder.path()).unwrap();
        let time = || fs::metadata(folder.path().join("full.h")).unwrap().modified().unwrap();
        let before = time();
        write(Language::C, contract(), folder.path()).unwrap();
        assert_eq!(time(), before);
    }
}
