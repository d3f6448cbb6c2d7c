//! From the parts that a test writes to a component.

use std::path::Path;

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::{Resolve, UnresolvedPackageGroup};

use crate::{GOOD, SAMPLE, data};

/// A core module that declares one meter and whose `poll` runs `poll`, which ends in the address of the result.
/// `(call $ok (i32.const SAMPLE) (i32.const 1))` writes a result with one sample and gives its address.
#[derive(Clone, Copy, Debug)]
pub struct Wat<'a> {
    /// Imports, which WebAssembly wants first.
    pub imports: &'a str,
    /// Functions, globals, tables, data.
    pub items: &'a str,
    /// The meter that it declares.
    pub meter: Meter<'a>,
    /// Runs in `meters` before it answers.
    pub meters: &'a str,
    /// The body of `poll`.
    pub poll: &'a str,
}

/// A declared meter; its description is empty.
#[derive(Clone, Copy, Debug)]
pub struct Meter<'a> {
    /// At most 128 bytes.
    pub name: &'a str,
    /// How its volumes relate.
    pub kind: Kind,
    /// At most 128 bytes.
    pub unit: &'a str,
}

/// The contract's kinds, by their numbers there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A value at one moment.
    Gauge = 0,
    /// A change.
    Delta = 1,
    /// A counter.
    Cumulative = 2,
}

impl Default for Wat<'_> {
    fn default() -> Self {
        let meter = Meter { name: "m", kind: Kind::Gauge, unit: "" };
        Self { imports: "", items: "", meter, meters: "", poll: GOOD }
    }
}

impl Wat<'_> {
    /// The component.
    ///
    /// # Panics
    /// Where a part is no WebAssembly text: a fault of the test.
    pub fn component(&self) -> Vec<u8> {
        encode(&self.text())
    }

    /// The component, which may import the parts of WASI in `wasi.wit` as well.
    ///
    /// # Panics
    /// As [`Self::component`].
    pub fn component_with_wasi(&self) -> Vec<u8> {
        encode_in(&self.text(), "wasi")
    }

    fn text(&self) -> String {
        let Self { imports, items, meter, meters, poll } = self;
        let texts = data(0, meter.name.as_bytes()) + &data(128, meter.unit.as_bytes());
        let (kind, name, unit) = (meter.kind as u32, meter.name.len(), meter.unit.len());
        format!(
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
              {texts}
              (func $ok (param $samples i32) (param $count i32) (result i32)
                (i32.store8 (i32.const 512) (i32.const 0))
                (i32.store (i32.const 516) (local.get $samples))
                (i32.store (i32.const 520) (local.get $count))
                (i32.const 512))
              {items}
              (func (export "nephoscope:meter/pollster@0.1.0#meters") (result i32)
                {meters}
                ;; one record at 256: name, kind, unit, an empty description; the list of it at 284
                (i32.store (i32.const 256) (i32.const 0))
                (i32.store (i32.const 260) (i32.const {name}))
                (i32.store8 (i32.const 264) (i32.const {kind}))
                (i32.store (i32.const 268) (i32.const 128))
                (i32.store (i32.const 272) (i32.const {unit}))
                (i32.store (i32.const 284) (i32.const 256))
                (i32.store (i32.const 288) (i32.const 1))
                (i32.const 284))
              (func (export "nephoscope:meter/pollster@0.1.0#poll") (result i32)
                ;; the sample: the meter, count(42), no resource id, no metadata
                (i32.store (i32.const {SAMPLE}) (i32.const 0))
                (i32.store (i32.const 1028) (i32.const {name}))
                (i32.store8 (i32.const 1032) (i32.const 0))
                (i64.store (i32.const 1040) (i64.const 42))
                (i32.store8 (i32.const 1048) (i32.const 0))
                (i32.store (i32.const 1060) (i32.const 0))
                (i32.store (i32.const 1064) (i32.const 0))
                {poll}))"#
        )
    }
}

/// Makes a component of a core module in text form.
///
/// # Panics
/// Where it is no WebAssembly text, or does not fit the contract's world `full`.
pub fn encode(text: &str) -> Vec<u8> {
    encode_in(text, "full")
}

/// The parts of WASI that tests use, and the world `wasi` that has them beside the contract's `full`.
const WASI: &str = include_str!("wasi.wit");

fn encode_in(text: &str, world: &str) -> Vec<u8> {
    let mut module = wat::parse_str(text).unwrap_or_else(|error| panic!("{error}"));
    let mut resolve = Resolve::default();
    let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit/v0.1.0");
    let (contract, _) = resolve.push_dir(&wit).unwrap_or_else(|error| panic!("{error:#}"));
    let package = if world == "full" {
        contract
    } else {
        let group =
            UnresolvedPackageGroup::parse("wasi.wit", WASI).unwrap_or_else(|(_, error)| panic!("{error:?}"));
        resolve.push_group(group).unwrap_or_else(|error| panic!("{error:?}"))
    };
    let world = resolve.select_world(&[package], Some(world)).unwrap_or_else(|error| panic!("{error:#}"));
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)
        .and_then(|()| ComponentEncoder::default().validate(true).module(&module)?.encode())
        .unwrap_or_else(|error| panic!("{error:#}"))
}
