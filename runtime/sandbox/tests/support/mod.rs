//! Loads guests as these tests want them, and an instance for them to poll.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use inspector::identity::VnicDevice;
use inspector::snapshot::Memory;
use inspector::{Identity, Instance, Missing, Power};
use nephoscope_sandbox::{Capability, Engine, Guest, Isolation, Limits, LoadError, Spec};

pub const UUID: &str = "4e1c9c6e-5a1f-4c63-8d53-0d2f4a9f6f01";

/// A file of a module that is removed with its folder at the end of the test.
pub fn file(bytes: &[u8]) -> PathBuf {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let path = folder.join(format!("{}-{}.wasm", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed)));
    fs::write(&path, bytes).unwrap();
    path
}

/// Limits small enough that a test that runs into them is quick.
pub fn tight() -> Limits {
    Limits { memory: 4 * 1024 * 1024, cpu: std::time::Duration::from_millis(20), ..Limits::default() }
}

pub fn load(engine: &Engine, bytes: &[u8], grants: &[Capability]) -> Result<Guest, LoadError> {
    load_with(engine, bytes, grants, tight(), Isolation::Poll)
}

pub fn load_with(
    engine: &Engine,
    bytes: &[u8],
    grants: &[Capability],
    limits: Limits,
    isolation: Isolation,
) -> Result<Guest, LoadError> {
    let module = file(bytes);
    let spec = Spec {
        name: "tested".into(),
        module: module.clone(),
        grants: BTreeSet::from_iter(grants.iter().copied()),
        limits,
        settings: BTreeMap::from([("colour".into(), "blue".into())]),
        isolation,
    };
    let guest = Guest::load(engine, spec);
    fs::remove_file(module).unwrap();
    guest
}

/// A running instance with 512 MiB and one filtered vnic.
pub fn instance() -> Arc<Instance> {
    Arc::new(Instance {
        identity: Arc::new(Identity {
            uuid: UUID.into(),
            name: "instance-00000001".into(),
            vnics: vec![VnicDevice {
                name: "tap0".into(),
                filterref: Some("nova-filter-1".into()),
                ..VnicDevice::default()
            }],
            ..Identity::default()
        }),
        power: Power::Running,
        taken_at: 7,
        memory: Ok(Memory { maximum: 512 * 1024 * 1024, ..Memory::default() }),
        cpu: Err(Missing::NotAsked),
        disks: Err(Missing::Failed("libvirt did not answer".into())),
        vnics: Err(Missing::ShutOff),
        perf: Err(Missing::Unsupported),
        raw: Err(Missing::NotAsked),
    })
}
