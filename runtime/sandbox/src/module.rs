//! A component that is compiled: what it imports and exports is known, none of it has run.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use wasmtime::component::Component;

use crate::capability::{self, Capability, Demand};
use crate::contract::{PACKAGE, VERSION};
use crate::engine::Engine;
use crate::guest::LoadError;
use crate::limits;

/// A compiled component.
pub struct Module {
    pub(crate) component: Component,
    pub(crate) demand: Demand,
}

impl Module {
    /// Reads and compiles a file.
    ///
    /// # Errors
    /// It cannot be read, or is no component.
    pub fn read(engine: &Engine, path: &Path) -> Result<Self, LoadError> {
        Self::compile(engine, &bytes(path)?, path)
    }

    /// Compiles what a file holds; errors name the path.
    ///
    /// # Errors
    /// It is no component.
    pub fn compile(engine: &Engine, bytes: &[u8], path: &Path) -> Result<Self, LoadError> {
        let component = engine.compile(bytes).map_err(|source| LoadError::NotAComponent {
            path: path.to_owned(),
            hint: hint(bytes),
            source,
        })?;
        let demand = capability::demanded(&component);
        Ok(Self { component, demand })
    }

    /// The interfaces of the contract of which it imports functions: the grants that it needs.
    pub fn capabilities(&self) -> &BTreeSet<Capability> {
        &self.demand.capabilities
    }

    /// Imports that this runtime does not offer.
    pub fn unknown_imports(&self) -> &[String] {
        &self.demand.unknown
    }

    /// The interfaces of WASI that it imports.
    pub fn wasi_imports(&self) -> &[String] {
        &self.demand.wasi
    }

    /// What it exports, by name.
    pub fn exports(&self) -> Vec<String> {
        let component = self.component.component_type();
        component.exports(self.component.engine()).map(|(name, _)| name.to_owned()).collect()
    }

    /// Whether it exports this contract's `pollster`; the types of its functions are not compared yet.
    pub fn is_pollster(&self) -> bool {
        self.exports().iter().any(|name| *name == pollster())
    }
}

/// The name of the export that makes a component a guest.
pub fn pollster() -> String {
    format!("{PACKAGE}/pollster@{VERSION}")
}

/// Reads a module's file, up to [`limits::MODULE_BYTES`].
///
/// # Errors
/// It cannot be read, or is larger.
pub fn bytes(path: &Path) -> Result<Vec<u8>, LoadError> {
    let read = |source| LoadError::Read { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    // A pipe would be waited for, a device never ends.
    let regular = |path: &Path| match path.metadata()?.is_file() {
        true => File::open(path),
        false => Err(std::io::Error::other("it is no regular file")),
    };
    // One byte more than allowed tells a file that is too large, however it grows while it is read.
    regular(path)
        .and_then(|file| file.take(limits::MODULE_BYTES + 1).read_to_end(&mut bytes))
        .map_err(read)?;
    if bytes.len() as u64 > limits::MODULE_BYTES {
        return Err(LoadError::TooLarge { path: path.to_owned() });
    }
    Ok(bytes)
}

/// What a file that does not load looks like.
pub(crate) fn hint(bytes: &[u8]) -> &'static str {
    match bytes {
        [b'\0', b'a', b's', b'm', 1, 0, 0, 0, ..] => {
            ": it is a core module; make a component of it (`nephoscope guest componentize`)"
        }
        [b'\0', b'a', b's', b'm', ..] => ": it is damaged, or of a WebAssembly newer than this runtime",
        [] => ": it is empty",
        text if text.trim_ascii_start().starts_with(b"(") => {
            ": it is WebAssembly text; make a component of it (`nephoscope guest componentize`)"
        }
        _ => ": it does not begin as WebAssembly does",
    }
}
