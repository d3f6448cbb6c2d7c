//! Loading compiled code: the one place of `unsafe`.

use std::path::Path;
use std::time::{Duration, Instant};

use wasmtime::component::Component;

use crate::engine::Engine;
use crate::module::Module;

/// A load from compiled form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CachedLoad {
    /// Bytes of the compiled form.
    pub bytes: usize,
    /// The time that loading it took.
    pub time: Duration,
}

/// Serialises a compiled component and loads it again: a measurement.
///
/// # Errors
/// wasmtime's, where it cannot be serialised, or written to a temporary file.
pub fn measure(engine: &Engine, module: &Module) -> wasmtime::Result<CachedLoad> {
    let compiled = module.component.serialize()?;
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(file.path(), &compiled)?;
    let started = Instant::now();
    let loaded = load(engine.wasmtime(), file.path())?;
    let time = started.elapsed();
    drop(loaded);
    Ok(CachedLoad { bytes: compiled.len(), time })
}

/// Maps a file of compiled code into memory. The file must be what wasmtime has made of a module that it had validated, in this process or in
/// a child of it, and nobody but this user may be able to change it.
#[allow(unsafe_code)]
pub(crate) fn load(engine: &wasmtime::Engine, path: &Path) -> wasmtime::Result<Component> {
    // SAFETY: the file is machine code, and whoever could choose or change it could run anything. Callers have it from a folder that is this
    // user's alone, with a digest that was taken when it was written (`cache`), or have made it a moment ago (`compile`, `measure`: a temporary
    // file, which only this user can open). wasmtime refuses what is of another version, target or engine.
    unsafe { Component::deserialize_file(engine, path) }
}
