//! What `network` remembers, through the sandbox as the agent uses it: counters that begin anew, a swap of the guest, its quota; and that
//! no guest of these needs a second page of memory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::Result;
use inspector::Instance;
use inspector::snapshot::Vnic;
use nephoscope_tests::guest;
use sample::Volume;
use sandbox::state::State;
use sandbox::{Capability, Engine, Guest, Isolation, Limits, Outcome, Spec};

use super::instances::whole;

const SECOND: u64 = 1_000_000_000;
const PAGE_BYTES: usize = 64 * 1024;

fn load(engine: &Engine, name: &str, limits: Limits) -> Result<Guest> {
    let spec = Spec {
        name: name.into(),
        module: guest(name),
        grants: BTreeSet::from(Capability::ALL),
        limits,
        settings: BTreeMap::new(),
        isolation: Isolation::Poll,
    };
    Ok(Guest::load(engine, spec)?)
}

/// An instance whose vnics have these names and bytes received, when the clock says so many seconds.
fn at(seconds: u64, vnics: &[(&str, u64)]) -> Arc<Instance> {
    let instance = whole(1);
    let vnic = |(name, rx_bytes): &(&str, u64)| Vnic {
        name: (*name).into(),
        mac: "m".into(),
        rx_bytes: Some(*rx_bytes),
        ..Vnic::default()
    };
    let vnics = Ok(vnics.iter().map(vnic).collect());
    Arc::new(Instance { taken_at: seconds * SECOND, vnics, ..instance })
}

/// Delta and rate of each vnic, in the order of the poll.
fn changes(guest: &Guest, state: &Arc<State>, instance: &Arc<Instance>) -> Vec<(u64, Option<f64>)> {
    let outcome = guest.session(state).poll(instance);
    let Outcome::Samples { samples, refused } = outcome else { panic!("{outcome:?}") };
    assert_eq!(refused, []);
    let mut changes: Vec<(u64, Option<f64>)> = Vec::new();
    for sample in samples {
        match (guest.meters()[sample.meter].name.as_str(), sample.volume) {
            ("network.incoming.bytes.delta", Volume::Count(delta)) => changes.push((delta, None)),
            ("network.incoming.bytes.rate", Volume::Real(rate)) => {
                changes.last_mut().expect("a rate comes after its delta").1 = Some(rate);
            }
            ("network.incoming.bytes", Volume::Count(_)) => {}
            other => panic!("{other:?} of a vnic that counts received bytes alone"),
        }
    }
    changes
}

#[test]
fn a_counter_that_begins_anew_counts_from_nothing() -> Result<()> {
    let (engine, state) = (Engine::new()?, Arc::default());
    let network = load(&engine, "network", Limits::default())?;
    let poll = |seconds, bytes| changes(&network, &state, &at(seconds, &[("tap0", bytes)]));
    assert_eq!(poll(100, 5_000), [(0, None)]);
    assert_eq!(poll(110, 6_000), [(1_000, Some(100.0))]);
    assert_eq!(poll(120, 300), [(300, Some(30.0))], "the instance was started anew");
    assert_eq!(poll(120, 400), [(100, None)], "no time has passed");
    Ok(())
}

#[test]
fn what_was_remembered_survives_a_swap_of_the_guest() -> Result<()> {
    let (engine, state) = (Engine::new()?, Arc::default());
    let before = load(&engine, "network", Limits::default())?;
    changes(&before, &state, &at(10, &[("tap0", 1_000), ("tap1", 50)]));
    drop(before);
    let after = load(&engine, "network", Limits::default())?;
    let polled = changes(&after, &state, &at(20, &[("tap1", 60), ("tap0", 1_500)]));
    assert_eq!(polled, [(10, Some(1.0)), (500, Some(50.0))]);
    Ok(())
}

#[test]
fn vnics_that_are_gone_do_not_pile_up() -> Result<()> {
    let (engine, state) = (Engine::new()?, Arc::<State>::default());
    let network = load(&engine, "network", Limits::default())?;
    changes(&network, &state, &at(1, &[("tap0", 1)]));
    let bytes = state.bytes();
    for n in 2..20 {
        changes(&network, &state, &at(n, &[(&format!("tap{}", n % 10), 1)]));
        assert_eq!(state.bytes(), bytes);
    }
    changes(&network, &state, &at(30, &[]));
    assert_eq!(state.bytes(), 0);
    Ok(())
}

#[test]
fn a_quota_that_is_too_small_costs_deltas_and_no_poll_and_counts_no_byte_twice() -> Result<()> {
    let (engine, state) = (Engine::new()?, Arc::default());
    let generous = load(&engine, "network", Limits::default())?;
    let stingy = load(&engine, "network", Limits { state_bytes: 0, ..Limits::default() })?;
    assert_eq!(changes(&stingy, &state, &at(10, &[("tap0", 100)])), [(0, None)]);
    assert_eq!(changes(&stingy, &state, &at(20, &[("tap0", 200)])), [(0, None)]);
    changes(&generous, &state, &at(30, &[("tap0", 300)]));
    assert_eq!(changes(&stingy, &state, &at(40, &[("tap0", 400)])), [(100, Some(10.0))]);
    assert_eq!(changes(&generous, &state, &at(50, &[("tap0", 500)])), [(0, None)], "and not 200");
    Ok(())
}

#[test]
fn a_failed_reading_leaves_the_last_counters_in_place() -> Result<()> {
    let (engine, state) = (Engine::new()?, Arc::default());
    let network = load(&engine, "network", Limits::default())?;
    changes(&network, &state, &at(10, &[("tap0", 100)]));
    let late = inspector::Missing::Failed("late".into());
    let failed = Arc::new(Instance { vnics: Err(late), ..whole(1) });
    assert!(matches!(network.session(&state).poll(&failed), Outcome::Failed(_)));
    assert_eq!(changes(&network, &state, &at(30, &[("tap0", 300)])), [(200, Some(10.0))]);
    Ok(())
}

/// More memory than the first page has to be mapped anew for every poll: the greater part of what a poll costs.
#[test]
fn one_page_of_memory_is_enough_for_two_disks_and_two_vnics() -> Result<()> {
    let engine = Engine::new()?;
    let instance = Arc::new(whole(1));
    for name in ["mem_max", "instance", "disk", "network", "perf"] {
        let guest = load(&engine, name, Limits { memory: PAGE_BYTES, ..Limits::default() })?;
        let state = Arc::default();
        for poll in 1..3 {
            let outcome = guest.session(&state).poll(&instance);
            assert!(matches!(outcome, Outcome::Samples { .. }), "{name}, poll {poll}: {outcome:?}");
        }
    }
    Ok(())
}
