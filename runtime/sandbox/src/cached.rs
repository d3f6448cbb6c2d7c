//! What loading a component takes where a cache holds its compiled form: a measurement, and the one place of `unsafe`.

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

/// Serialises a compiled component and loads it again.
///
/// # Errors
/// wasmtime's, where it cannot be serialised.
pub fn measure(engine: &Engine, module: &Module) -> wasmtime::Result<CachedLoad> {
    let compiled = module.component.serialize()?;
    let started = Instant::now();
    let loaded = deserialize(engine, &compiled)?;
    let time = started.elapsed();
    drop(loaded);
    Ok(CachedLoad { bytes: compiled.len(), time })
}

/// `compiled` must be what [`Component::serialize`] has given in this process: [`measure`] alone calls this.
#[allow(unsafe_code)]
fn deserialize(engine: &Engine, compiled: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: the bytes are native code, and whoever could choose them could run anything. These were made by wasmtime itself a moment
    // ago, from a module that it had validated, have not left this process's memory, and are refused by an engine of other settings.
    unsafe { Component::deserialize(engine.wasmtime(), compiled) }
}
