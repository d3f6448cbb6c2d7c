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
    /// The file cannot be read.
    #[error("failed to read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: std::io::Error,
    },
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
    let bytes = std::fs::read(path).map_err(|source| ComponentizeError::Read { path: own(), source })?;
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
