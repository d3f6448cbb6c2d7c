//! A poll of `mem.max`: fresh (a new instance of the component each time), warm (the same one again), and one host call.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use inspector::snapshot::Memory;
use inspector::{Identity, Instance, Missing, Power};
use sandbox::state::State;
use sandbox::{Capability, Engine, Guest, Isolation, Limits, Outcome, Spec};

/// Polls per run, and runs of which the median counts.
const POLLS: u32 = 20_000;
const RUNS: usize = 9;

pub fn measure() -> anyhow::Result<()> {
    let engine = Engine::new()?;
    let module = PathBuf::from("guests/rust/target/wasm32-unknown-unknown/release/mem_max.wasm");
    for isolation in [Isolation::Poll, Isolation::Cycle] {
        let guest = guest(&engine, module.clone(), isolation)?;
        println!("{isolation:?}: {:.2} µs", median(&guest).as_nanos() as f64 / 1000.0);
    }
    Ok(())
}

fn guest(engine: &Engine, module: PathBuf, isolation: Isolation) -> anyhow::Result<Guest> {
    let spec = Spec {
        name: "mem-max".into(),
        module,
        grants: BTreeSet::from([Capability::Instance, Capability::Memory]),
        limits: Limits::default(),
        settings: BTreeMap::new(),
        isolation,
    };
    Ok(Guest::load(engine, spec, Arc::new(State::default()))?)
}

fn median(guest: &Guest) -> Duration {
    let instance = instance();
    let mut runs: Vec<Duration> = (0..RUNS)
        .map(|_| {
            let mut session = guest.session();
            let started = Instant::now();
            for _ in 0..POLLS {
                assert!(matches!(session.poll(&instance), Outcome::Samples { samples, .. } if samples.len() == 1));
            }
            started.elapsed() / POLLS
        })
        .collect();
    runs.sort();
    runs[RUNS / 2]
}

fn instance() -> Arc<Instance> {
    Arc::new(Instance {
        identity: Arc::new(Identity { uuid: "4e1c9c6e-5a1f-4c63-8d53-0d2f4a9f6f01".into(), ..Identity::default() }),
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
