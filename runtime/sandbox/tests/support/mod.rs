//! Guests written in WebAssembly text, made into components, so that these tests need no guest toolchain.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use inspector::identity::VnicDevice;
use inspector::snapshot::Memory;
use inspector::{Identity, Instance, Missing, Power};
use nephoscope_sandbox::state::State;
use nephoscope_sandbox::{Capability, Engine, Guest, Isolation, Limits, LoadError, Spec};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

pub const UUID: &str = "4e1c9c6e-5a1f-4c63-8d53-0d2f4a9f6f01";

/// Where the template puts one good sample of the meter `m` with the volume 42 and the instance's own resource id.
pub const SAMPLE: u32 = 1024;
/// Where the sample's volume lies: the discriminant, and the payload 8 bytes on.
pub const VOLUME: u32 = SAMPLE + 8;
/// Where the sample's resource id lies: the discriminant, then pointer and length.
pub const RESOURCE: u32 = SAMPLE + 24;
/// Free for texts of the test.
pub const SCRATCH: u32 = 2048;

/// A core module that declares the gauge `m` and whose `poll` runs `body`, which ends in the address of the result.
/// `(call $ok (i32.const SAMPLE) (i32.const 1))` writes a result with one sample and gives its address.
pub struct Wat<'a> {
    pub imports: &'a str,
    pub items: &'a str,
    pub meters: &'a str,
    pub poll: &'a str,
}

impl Default for Wat<'_> {
    fn default() -> Self {
        Self { imports: "", items: "", meters: "", poll: GOOD }
    }
}

/// A poll that returns the one good sample.
pub const GOOD: &str = "(call $ok (i32.const 1024) (i32.const 1))";

impl Wat<'_> {
    /// The component.
    pub fn component(&self) -> Vec<u8> {
        let Self { imports, items, meters, poll } = self;
        let text = format!(
            r#"(module
              {imports}
              (memory (export "memory") 2)
              (global $free (mut i32) (i32.const 65536))
              (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                (local $at i32)
                (local.set $at (global.get $free))
                (global.set $free (i32.and (i32.add (i32.add (global.get $free) (local.get 3)) (i32.const 15)) (i32.const -16)))
                (if (i32.gt_u (global.get $free) (i32.mul (memory.size) (i32.const 65536)))
                  (then (if (i32.eq (memory.grow (i32.const 16)) (i32.const -1)) (then unreachable))))
                (local.get $at))
              (data (i32.const 0) "m")
              (func $ok (param $samples i32) (param $count i32) (result i32)
                (i32.store8 (i32.const 512) (i32.const 0))
                (i32.store (i32.const 516) (local.get $samples))
                (i32.store (i32.const 520) (local.get $count))
                (i32.const 512))
              {items}
              (func (export "nephoscope:meter/pollster@0.1.0#meters") (result i32)
                {meters}
                ;; one record at 256: name "m", gauge, unit "", description ""
                (i32.store (i32.const 256) (i32.const 0))
                (i32.store (i32.const 260) (i32.const 1))
                (i32.store (i32.const 284) (i32.const 256))
                (i32.store (i32.const 288) (i32.const 1))
                (i32.const 284))
              (func (export "nephoscope:meter/pollster@0.1.0#poll") (result i32)
                ;; the sample: meter "m", count(42), no resource id, no metadata
                (i32.store (i32.const 1024) (i32.const 0))
                (i32.store (i32.const 1028) (i32.const 1))
                (i32.store8 (i32.const 1032) (i32.const 0))
                (i64.store (i32.const 1040) (i64.const 42))
                (i32.store8 (i32.const 1048) (i32.const 0))
                (i32.store (i32.const 1060) (i32.const 0))
                (i32.store (i32.const 1064) (i32.const 0))
                {poll}))"#
        );
        encode(&text)
    }
}

/// Makes a component of a core module in text form.
pub fn encode(text: &str) -> Vec<u8> {
    let mut module = wat::parse_str(text).unwrap_or_else(|error| panic!("{error}"));
    let mut resolve = Resolve::default();
    let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit/v0.1.0");
    let (package, _) = resolve.push_dir(&wit).unwrap();
    let world = resolve.select_world(&[package], Some("full")).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    ComponentEncoder::default().validate(true).module(&module).unwrap().encode().unwrap()
}

/// A data segment at [`SCRATCH`].
pub fn text_at_scratch(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        write!(escaped, "\\{byte:02x}").unwrap();
    }
    format!("(data (i32.const {SCRATCH}) \"{escaped}\")")
}

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
    let guest = Guest::load(engine, spec, Arc::new(State::default()));
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
