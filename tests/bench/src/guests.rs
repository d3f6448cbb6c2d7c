//! The guests that are measured, as `cargo xtask bench` has built them.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Value, json};

/// A guest of `guests/rust`.
pub struct Module {
    name: &'static str,
    file: &'static str,
    grants: &'static [&'static str],
}

impl Module {
    /// `mem.max`.
    pub const MEM_MAX: Module = Module { name: "mem-max", file: "mem_max.wasm", grants: &["memory"] };

    /// The guests of Ceilometer's 36 meters.
    pub const ALL: [Module; 4] = [
        Module {
            name: "instance",
            file: "instance.wasm",
            grants: &["instance", "memory", "cpu", "settings", "log"],
        },
        Module { name: "disk", file: "disk.wasm", grants: &["instance", "disks", "settings", "log"] },
        Module { name: "network", file: "network.wasm", grants: &["instance", "vnics", "state"] },
        Module { name: "perf", file: "perf.wasm", grants: &["perf"] },
    ];

    /// Its component.
    pub fn path(&self) -> Result<PathBuf> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/guests").join(self.file);
        path.canonicalize()
            .with_context(|| format!("{} is missing: run `cargo xtask guests`", path.display()))
    }
}

/// The guests as a pipeline file names them.
pub fn pipeline_guests(modules: &[Module]) -> Result<Value> {
    let guest = |module: &Module| -> Result<Value> {
        Ok(json!({ "name": module.name, "module": module.path()?, "grants": module.grants }))
    };
    Ok(Value::Array(modules.iter().map(guest).collect::<Result<_>>()?))
}
