//! A component of what a compiler made: a core module, or WebAssembly text.

use std::path::{Path, PathBuf};

use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
};
use wasmparser::{Parser, Payload};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};

use crate::world::World;

/// Why no component can be made.
#[derive(Debug, thiserror::Error)]
pub enum ComponentizeError {
    /// The file cannot be read, or is larger than a module may be.
    #[error(transparent)]
    Read(#[from] sandbox::LoadError),
    /// It is neither WebAssembly nor its text.
    #[error("{} is no WebAssembly: {reason}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// The parser's words, for a text with line and column.
        reason: String,
    },
    /// It is a component already.
    #[error("{} is a component already: there is nothing to do", path.display())]
    IsComponent {
        /// The file.
        path: PathBuf,
    },
    /// It does not say for which world it was compiled.
    #[error(
        "{} does not say for which world it was compiled: name its WIT folder with --wit, or link the \
         `…_component_type.o` of its bindings",
        path.display()
    )]
    NoWorld {
        /// The file.
        path: PathBuf,
    },
    /// It says so itself, and a world was named beside: the component would be of both.
    #[error("{} carries its world already: leave --wit out", path.display())]
    HasWorld {
        /// The file.
        path: PathBuf,
    },
    /// It does not fit its world.
    #[error("{} does not fit its world: {reason}", path.display())]
    Encode {
        /// The file.
        path: PathBuf,
        /// What is missing or of another type.
        reason: String,
    },
}

/// Makes a component. `world` is for modules whose compiler did not put the world's type into them.
///
/// # Errors
/// The file is no core module, or one that does not fit its world.
pub fn componentize(path: &Path, world: Option<&World>) -> Result<Vec<u8>, ComponentizeError> {
    let own = || path.to_owned();
    let bytes = sandbox::module::bytes(path)?;
    let parse = |reason: String| ComponentizeError::Parse { path: own(), reason };
    let mut module = wat::Parser::new()
        .parse_bytes(Some(path), &bytes)
        .map_err(|error| parse(error.to_string()))?
        .into_owned();
    let found = survey(&module).map_err(|error| parse(error.to_string()))?;
    if found.is_component {
        return Err(ComponentizeError::IsComponent { path: own() });
    }
    let encode =
        |error: anyhow::Error| ComponentizeError::Encode { path: own(), reason: format!("{error:#}") };
    match world {
        Some(_) if found.has_world => return Err(ComponentizeError::HasWorld { path: own() }),
        Some(world) => embed_component_metadata(&mut module, &world.resolve, world.id, StringEncoding::UTF8)
            .map_err(encode)?,
        None if !found.has_world => return Err(ComponentizeError::NoWorld { path: own() }),
        None => {}
    }
    let mut encoder = ComponentEncoder::default().validate(true).module(&module).map_err(encode)?;
    if found.wants_wasi {
        encoder = encoder
            .adapter(WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER)
            .map_err(encode)?;
    }
    encoder.encode().map_err(encode)
}

/// What matters of a module.
#[derive(Default)]
struct Survey {
    is_component: bool,
    has_world: bool,
    wants_wasi: bool,
}

fn survey(module: &[u8]) -> wasmparser::Result<Survey> {
    let mut found = Survey::default();
    for payload in Parser::new(0).parse_all(module) {
        match payload? {
            Payload::Version { encoding: wasmparser::Encoding::Component, .. } => {
                found.is_component = true;
                return Ok(found);
            }
            Payload::CustomSection(section) => {
                found.has_world |= section.name().starts_with("component-type");
            }
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    found.wants_wasi |= import?.module == WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME;
                }
            }
            _ => {}
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;
    use wit_component::{DecodedWasm, decode};

    use super::*;

    /// A module of the world that [`folder`] holds.
    const RUNS: &str = r#"(module (func (export "run") (result i32) (i32.const 7)))"#;

    /// A folder with a world in `wit`, and this file.
    fn folder(file: &str, content: impl AsRef<[u8]>) -> (TempDir, PathBuf, World) {
        let folder = tempfile::tempdir().unwrap();
        let wit = folder.path().join("wit");
        fs::create_dir(&wit).unwrap();
        fs::write(wit.join("world.wit"), "package author:tried;\nworld tried { export run: func() -> u32; }")
            .unwrap();
        let path = folder.path().join(file);
        fs::write(&path, content).unwrap();
        let world = World::read(&wit, None).unwrap();
        (folder, path, world)
    }

    /// What a component imports and exports, by name.
    fn names(component: &[u8]) -> (Vec<String>, Vec<String>) {
        let DecodedWasm::Component(resolve, id) = decode(component).unwrap() else { panic!("a WIT package") };
        let world = &resolve.worlds[id];
        let imports = world.imports.keys().map(|key| resolve.name_world_key(key));
        let exports = world.exports.keys().map(|key| resolve.name_world_key(key));
        (imports.collect(), exports.collect())
    }

    fn module_with_its_world(world: &World) -> Vec<u8> {
        let mut module = wat::parse_str(RUNS).unwrap();
        embed_component_metadata(&mut module, &world.resolve, world.id, StringEncoding::UTF8).unwrap();
        module
    }

    #[test]
    fn text_becomes_a_component_of_its_world() {
        let (_folder, path, world) = folder("runs.wat", RUNS);
        let component = componentize(&path, Some(&world)).unwrap();
        assert_eq!(names(&component), (vec![], vec!["run".to_owned()]));
    }

    #[test]
    fn a_binary_module_does_too() {
        let (_folder, path, world) = folder("runs.wasm", wat::parse_str(RUNS).unwrap());
        let component = componentize(&path, Some(&world)).unwrap();
        assert_eq!(names(&component), (vec![], vec!["run".to_owned()]));
    }

    #[test]
    fn a_module_that_carries_its_world_takes_no_other() {
        let (_folder, path, world) = folder("runs.wasm", "");
        fs::write(&path, module_with_its_world(&world)).unwrap();
        let component = componentize(&path, None).unwrap();
        assert_eq!(names(&component), (vec![], vec!["run".to_owned()]));
        let error = componentize(&path, Some(&world)).unwrap_err();
        assert!(matches!(&error, ComponentizeError::HasWorld { path: named } if *named == path), "{error:?}");
        assert!(error.to_string().ends_with("carries its world already: leave --wit out"), "{error}");
    }

    #[test]
    fn a_module_that_says_no_world_is_told_how_to() {
        let (_folder, path, _) = folder("runs.wat", RUNS);
        let error = componentize(&path, None).unwrap_err();
        assert!(matches!(&error, ComponentizeError::NoWorld { path: named } if *named == path), "{error:?}");
        assert!(error.to_string().contains("--wit"), "{error}");
    }

    #[test]
    fn a_component_has_nothing_to_become() {
        let (_folder, path, world) = folder("runs.wat", RUNS);
        let component = componentize(&path, Some(&world)).unwrap();
        for content in [component.as_slice(), b"(component)"] {
            fs::write(&path, content).unwrap();
            for world in [None, Some(&world)] {
                let error = componentize(&path, world).unwrap_err();
                assert!(matches!(error, ComponentizeError::IsComponent { .. }), "{error:?}");
            }
        }
    }

    #[test]
    fn what_is_no_webassembly_is_said_to_be_none() {
        let (_folder, path, world) = folder("guest.txt", "");
        let header = b"\0asm\x01\0\0\0".as_slice();
        let cut = &[header, &[1, 5, 1]].concat();
        for content in [b"".as_slice(), b"hello", b"(module", &header[..6], cut, b"\xff\xfe\xfd"] {
            fs::write(&path, content).unwrap();
            let error = componentize(&path, Some(&world)).unwrap_err();
            assert!(matches!(error, ComponentizeError::Parse { .. }), "{content:?}: {error:?}");
        }
    }

    #[test]
    fn a_fault_in_a_text_is_shown_by_line_and_column() {
        let (_folder, path, world) = folder("runs.wat", "(module\n  (func (result i32) (i32.const)))");
        let error = componentize(&path, Some(&world)).unwrap_err().to_string();
        assert!(error.contains("runs.wat:2:32"), "{error}");
    }

    #[test]
    fn a_module_of_another_world_is_told_what_it_lacks() {
        for (text, words) in [
            (r#"(module (func (export "walk") (result i32) (i32.const 7)))"#, "export of function `run`"),
            (
                r#"(module (func (export "run") (result i64) (i64.const 7)))"#,
                "type mismatch for function `run`",
            ),
            (
                r#"(module (import "env" "now" (func)) (func (export "run") (result i32) (i32.const 7)))"#,
                "`env`",
            ),
        ] {
            let (_folder, path, world) = folder("other.wat", text);
            let error = componentize(&path, Some(&world)).unwrap_err();
            assert!(matches!(error, ComponentizeError::Encode { .. }), "{error:?}");
            assert!(error.to_string().contains(words), "{error}");
        }
    }

    #[test]
    fn a_module_for_preview_1_gets_the_adapter() {
        let text = r#"(module
            (import "wasi_snapshot_preview1" "random_get" (func (param i32 i32) (result i32)))
            (memory (export "memory") 1)
            (func (export "run") (result i32) (call 0 (i32.const 0) (i32.const 8))))"#;
        let (_folder, path, world) = folder("random.wat", text);
        let (imports, exports) = names(&componentize(&path, Some(&world)).unwrap());
        assert!(imports.iter().any(|name| name.starts_with("wasi:random/random@0.2.")), "{imports:?}");
        assert!(imports.iter().all(|name| name.starts_with("wasi:")), "{imports:?}");
        assert_eq!(exports, ["run"]);
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named() {
        let (folder, _, world) = folder("runs.wat", RUNS);
        let path = folder.path().join("gone.wasm");
        let error = componentize(&path, Some(&world)).unwrap_err();
        assert!(matches!(error, ComponentizeError::Read(_)), "{error:?}");
        assert!(error.to_string().contains("gone.wasm"), "{error}");
    }
}
