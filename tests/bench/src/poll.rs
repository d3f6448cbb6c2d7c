//! A poll of `mem.max`: fresh (a new instance of the component each time), warm (the same one again), and one host call.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use inspector::snapshot::Memory;
use inspector::{Identity, Instance, Missing, Power};
use sandbox::{Capability, Engine, Guest, Isolation, Limits, Outcome, Spec};
use wat_guests::Wat;

use crate::guests::Module;
use crate::table::Table;

/// Polls per run, and runs.
const POLLS: u32 = 20_000;
const RUNS: usize = 15;
/// Host calls in one poll of the guest that makes nothing else.
const CALLS: u32 = 1_000;

pub fn measure(table: &mut Table) -> Result<()> {
    let engine = Engine::new()?;
    let module = Module::MEM_MAX.path()?;
    let started = Instant::now();
    let fresh = guest(&engine, &module, Isolation::Poll)?;
    table.row("load mem.max (compile, link, meters)", micros(started.elapsed()), "");
    let warm = guest(&engine, &module, Isolation::Cycle)?;
    table.row("poll of mem.max, fresh instance", time(&fresh, POLLS).to_string(), "≤ 10 µs");
    table.row("poll of mem.max, warm instance", time(&warm, POLLS).to_string(), "≤ 1 µs");
    for (what, capability, import, call) in HOST_CALLS {
        table.row(format!("host call {what}"), host_call(&engine, capability, import, call)?, "");
    }
    Ok(())
}

const HOST_CALLS: [(&str, Capability, &str, &str); 3] = [
    (
        "instance.taken-at (a number)",
        Capability::Instance,
        r#"(import "nephoscope:meter/instance@0.1.0" "taken-at" (func $call (result i64)))"#,
        "(drop (call $call))",
    ),
    (
        "memory.inspect (a record of 14)",
        Capability::Memory,
        r#"(import "nephoscope:meter/memory@0.1.0" "inspect" (func $call (param i32)))"#,
        "(call $call (i32.const 8192))",
    ),
    (
        "instance.id (a string)",
        Capability::Instance,
        r#"(import "nephoscope:meter/instance@0.1.0" "id" (func $call (param i32)))"#,
        // The string is put into the same place each time, or the guest would grow.
        "(global.set $free (i32.const 65536)) (call $call (i32.const 8192))",
    ),
];

/// Nanoseconds of one call: a poll with a thousand of them less a poll with none.
fn host_call(engine: &Engine, capability: Capability, import: &str, call: &str) -> Result<String> {
    let poll = |calls: u32| -> Result<Duration> {
        let items = format!(
            "(func $calls (local $n i32)
               (block $done (loop $again
                 (br_if $done (i32.ge_u (local.get $n) (i32.const {calls})))
                 {call}
                 (local.set $n (i32.add (local.get $n) (i32.const 1)))
                 (br $again))))"
        );
        let wat = Wat {
            imports: import,
            items: &items,
            poll: "(call $calls) (call $ok (i32.const 1024) (i32.const 1))",
            ..Wat::default()
        };
        let folder = tempfile::tempdir()?;
        let module = folder.path().join("calls.wasm");
        std::fs::write(&module, wat.component())?;
        let spec = Spec { grants: BTreeSet::from([capability]), ..spec(&module, Isolation::Cycle) };
        Ok(time(&Guest::load(engine, spec)?, POLLS / 100).best)
    };
    let each = poll(CALLS)?.saturating_sub(poll(0)?) / CALLS;
    Ok(format!("{} ns", each.as_nanos()))
}

pub fn guest(engine: &Engine, module: &Path, isolation: Isolation) -> Result<Guest> {
    Ok(Guest::load(engine, spec(module, isolation))?)
}

fn spec(module: &Path, isolation: Isolation) -> Spec {
    Spec {
        name: "measured".into(),
        module: module.to_owned(),
        grants: BTreeSet::from([Capability::Memory]),
        limits: Limits::default(),
        settings: BTreeMap::new(),
        isolation,
    }
}

/// Time per poll: the median of some runs, and the best of them, which is what a machine that is not disturbed takes.
pub struct Time {
    pub median: Duration,
    pub best: Duration,
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, best run {}", micros(self.median), micros(self.best))
    }
}

pub fn time(guest: &Guest, polls: u32) -> Time {
    let instance = instance();
    let mut runs: Vec<Duration> = (0..RUNS)
        .map(|_| {
            let mut session = guest.session(&Arc::default());
            let started = Instant::now();
            for _ in 0..polls {
                let outcome = session.poll(&instance);
                assert!(
                    matches!(outcome, Outcome::Samples { ref samples, .. } if samples.len() == 1),
                    "{outcome:?}"
                );
            }
            started.elapsed() / polls
        })
        .collect();
    runs.sort();
    Time { median: runs[RUNS / 2], best: runs[0] }
}

fn micros(time: Duration) -> String {
    format!("{:.2} µs", time.as_secs_f64() * 1e6)
}

fn instance() -> Arc<Instance> {
    Arc::new(Instance {
        identity: Arc::new(Identity {
            uuid: "4e1c9c6e-5a1f-4c63-8d53-0d2f4a9f6f01".into(),
            ..Identity::default()
        }),
        power: Power::Running,
        taken_at: 0,
        memory: Ok(Memory { maximum: 512 * 1024 * 1024, ..Memory::default() }),
        cpu: Err(Missing::NotAsked),
        disks: Err(Missing::NotAsked),
        vnics: Err(Missing::NotAsked),
        perf: Err(Missing::NotAsked),
        raw: Err(Missing::NotAsked),
    })
}
