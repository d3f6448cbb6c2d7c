//! What the contract promises: readings, errors, settings, state, and modules that are none.

mod support;

use std::sync::Arc;

use nephoscope_sandbox::limits::LOUD_LINES;
use nephoscope_sandbox::state::State;
use nephoscope_sandbox::{Capability, Engine, LoadError, Outcome, Skip};
use sample::Volume;
use support::{UUID, instance, load};
use wat_guests::{GOOD, Wat, encode};

/// Calls a reading whose result is an error and returns that error from poll: discriminants of `result<_, error>` are
/// copied from the reading's result area.
fn outcome_of_reading(interface: &str, capability: Capability, error_at: u32) -> Outcome {
    let engine = Engine::new().unwrap();
    let imports =
        format!(r#"(import "nephoscope:meter/{interface}@0.1.0" "inspect" (func $inspect (param i32)))"#);
    // poll's result at 512: discriminant, and the error from 4 on (case, then text).
    let poll = format!(
        "(call $inspect (i32.const 8192))
         (if (i32.eqz (i32.load8_u (i32.const 8192))) (then unreachable))
         (i32.store8 (i32.const 512) (i32.const 1))
         (memory.copy (i32.const 516) (i32.const {}) (i32.const 12))
         (i32.const 512)",
        8192 + error_at
    );
    let guest =
        load(&engine, &Wat { imports: &imports, poll: &poll, ..Wat::default() }.component(), &[capability])
            .unwrap();
    guest.session(&Arc::default()).poll(&instance())
}

#[test]
fn errors_of_readings_come_back_as_the_outcome_of_the_poll() {
    assert_eq!(outcome_of_reading("perf", Capability::Perf, 4), Outcome::Skipped(Skip::Unsupported));
    assert_eq!(outcome_of_reading("vnics", Capability::Vnics, 4), Outcome::Skipped(Skip::ShutOff));
    let failed = outcome_of_reading("disks", Capability::Disks, 4);
    assert!(
        matches!(&failed, Outcome::Failed(failure) if failure.to_string() == "it reported: libvirt did not answer"),
        "{failed:?}"
    );
}

#[test]
fn a_reading_is_the_instances_own() {
    let engine = Engine::new().unwrap();
    // memory.inspect's result: discriminant, then from 8 on the record, whose first field is the maximum.
    let wat = Wat {
        imports: r#"(import "nephoscope:meter/memory@0.1.0" "inspect" (func $inspect (param i32)))"#,
        poll: "(call $inspect (i32.const 8192))
               (i64.store (i32.const 1040) (i64.load (i32.const 8200)))
               (call $ok (i32.const 1024) (i32.const 1))",
        ..Wat::default()
    };
    let guest = load(&engine, &wat.component(), &[Capability::Memory]).unwrap();
    assert_eq!(guest.groups().len(), 1);
    match guest.session(&Arc::default()).poll(&instance()) {
        Outcome::Samples { samples, refused } => {
            assert_eq!(refused, []);
            assert_eq!(samples[0].volume, Volume::Count(512 * 1024 * 1024));
            assert_eq!(samples[0].resource_id, UUID);
            assert_eq!(guest.meters()[samples[0].meter].name, "m");
        }
        other => panic!("{other:?}"),
    }
}

/// Remembers under the key "m" a byte more at each poll; reports how many there were before. Traps where `trap` says so.
fn remembering(trap: &str) -> Vec<u8> {
    let poll = format!(
        "(call $get (i32.const 0) (i32.const 1) (i32.const 8192))
         (i64.store (i32.const 1040) (i64.const 0))
         (if (i32.load8_u (i32.const 8192)) (then (i64.store (i32.const 1040) (i64.extend_i32_u (i32.load (i32.const 8200))))))
         (if (i32.eqz (call $set (i32.const 0) (i32.const 1) (i32.const 4096) (i32.add (i32.wrap_i64 (i64.load (i32.const 1040))) (i32.const 1))))
           (then unreachable))
         {trap} {GOOD}"
    );
    Wat {
        imports: r#"(import "nephoscope:meter/state@0.1.0" "get" (func $get (param i32 i32 i32)))
                    (import "nephoscope:meter/state@0.1.0" "set" (func $set (param i32 i32 i32 i32) (result i32)))"#,
        poll: &poll,
        ..Wat::default()
    }
    .component()
}

#[test]
fn state_lasts_from_poll_to_poll_and_a_failed_poll_leaves_it() {
    let engine = Engine::new().unwrap();
    let guest = load(&engine, &remembering(""), &[Capability::State]).unwrap();
    let state = Arc::new(State::default());
    let polled = |state: &Arc<State>| match guest.session(state).poll(&instance()) {
        Outcome::Samples { samples, .. } => samples[0].volume,
        other => panic!("{other:?}"),
    };
    for expected in 0..3 {
        assert_eq!(polled(&state), Volume::Count(expected));
    }
    assert_eq!(polled(&Arc::default()), Volume::Count(0), "another source has a state of its own");
    let held = state.bytes();

    let trapping = load(&engine, &remembering("unreachable"), &[Capability::State]).unwrap();
    assert!(matches!(trapping.session(&state).poll(&instance()), Outcome::Failed(_)));
    assert_eq!(state.bytes(), held);
    assert_eq!(polled(&state), Volume::Count(3));
}

#[test]
fn what_is_no_component_is_refused_in_words() {
    let engine = Engine::new().unwrap();
    let refusal = |bytes: &[u8]| {
        let refused = load(&engine, bytes, &[]).err().unwrap();
        assert!(matches!(refused, LoadError::NotAComponent { .. }), "{refused}");
        refused.to_string()
    };
    assert!(refusal(b"").ends_with("it is empty"));
    assert!(refusal(b"meters: all").ends_with("it does not begin as WebAssembly does"));
    assert!(refusal(&wat::parse_str("(module)").unwrap()).contains("it is a core module"));
    let whole = Wat::default().component();
    assert!(refusal(&whole[..whole.len() / 2]).contains("it is damaged"));
}

#[test]
fn a_component_of_another_world_is_refused() {
    let engine = Engine::new().unwrap();
    let refused = load(&engine, &wat::parse_str("(component)").unwrap(), &[]).err().unwrap();
    assert!(matches!(refused, LoadError::Contract { .. }), "{refused}");
}

#[test]
fn a_component_of_a_future_contract_is_refused_by_name() {
    let engine = Engine::new().unwrap();
    let future = wat::parse_str(
        r#"(component (import "nephoscope:meter/memory@0.9.0" (instance (export "inspect" (func (result u64))))))"#,
    )
    .unwrap();
    let refused = load(&engine, &future, &Capability::ALL).err().unwrap();
    assert!(refused.to_string().contains("nephoscope:meter/memory@0.9.0"), "{refused}");
    assert!(refused.to_string().contains("nephoscope:meter@0.1.0"), "{refused}");
}

#[test]
fn a_guest_without_meters_is_refused() {
    let engine = Engine::new().unwrap();
    let text = r#"(module (memory (export "memory") 1)
        (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)
        (func (export "nephoscope:meter/pollster@0.1.0#meters") (result i32) (i32.const 0))
        (func (export "nephoscope:meter/pollster@0.1.0#poll") (result i32) unreachable))"#;
    let refused = load(&engine, &encode(text), &[]).err().unwrap();
    assert_eq!(refused.to_string(), "guest tested declares no meter");
}

#[test]
fn one_guest_polls_on_many_threads() {
    let engine = Engine::new().unwrap();
    let guest = load(&engine, &Wat::default().component(), &[]).unwrap();
    let instance = instance();
    std::thread::scope(|threads| {
        for _ in 0..8 {
            let instance = Arc::clone(&instance);
            let guest = &guest;
            threads.spawn(move || {
                let mut session = guest.session(&Arc::default());
                assert!((0..500).all(|_| matches!(session.poll(&instance), Outcome::Samples { .. })));
            });
        }
    });
}

#[test]
fn the_warnings_of_a_cycle_are_counted_over_its_sessions() {
    let engine = Engine::new().unwrap();
    let (info, error) = (2, 4);
    let left_out = |level: u32| {
        let poll = format!("(call $write (i32.const {level}) (i32.const 0) (i32.const 1)) {GOOD}");
        let wat = Wat {
            imports: r#"(import "nephoscope:meter/log@0.1.0" "write" (func $write (param i32 i32 i32)))"#,
            poll: &poll,
            ..Wat::default()
        };
        let guest = load(&engine, &wat.component(), &[Capability::Log]).unwrap();
        let loud = Arc::default();
        for _ in 0..2 {
            let mut session = guest.session(&Arc::default()).sharing(&loud);
            for _ in 0..LOUD_LINES {
                assert!(matches!(session.poll(&instance()), Outcome::Samples { .. }));
            }
        }
        loud.left_out()
    };
    assert_eq!(left_out(error), LOUD_LINES);
    assert_eq!(left_out(info), 0, "the operator's choice of a level is enough");
}
