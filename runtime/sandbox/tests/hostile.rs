//! What a hostile guest does costs its own poll and nothing else.

mod support;

use std::sync::Arc;
use std::time::{Duration, Instant as Clock};

use nephoscope_sandbox::{Capability, Engine, Failure, Isolation, Limits, LoadError, Outcome, Refusal};
use support::{instance, load, load_with, tight};
use wat_guests::{GOOD, RESOURCE, SAMPLE, SCRATCH, VOLUME, Wat, text_at_scratch};

/// The failure of one poll, after which the same guest's next session polls afresh.
fn failure_of(wat: Wat<'_>, grants: &[Capability]) -> Failure {
    let engine = Engine::new().unwrap();
    let guest = load(&engine, &wat.component(), grants).unwrap();
    let neighbour = load(&engine, &Wat::default().component(), &[]).unwrap();
    let failure = match guest.session(&Arc::default()).poll(&instance()) {
        Outcome::Failed(failure) => failure,
        other => panic!("{other:?}"),
    };
    assert!(
        matches!(neighbour.session(&Arc::default()).poll(&instance()), Outcome::Samples { samples, .. } if samples.len() == 1)
    );
    failure
}

fn refusal_of(wat: Wat<'_>) -> Refusal {
    let engine = Engine::new().unwrap();
    let guest = load(&engine, &wat.component(), &[]).unwrap();
    match guest.session(&Arc::default()).poll(&instance()) {
        Outcome::Samples { samples, mut refused } => {
            assert!(samples.is_empty(), "{samples:?}");
            refused.pop().unwrap()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_endless_loop_ends_at_the_cpu_limit() {
    let started = Clock::now();
    let failure =
        failure_of(Wat { poll: "(loop $for_ever (br $for_ever)) unreachable", ..Wat::default() }, &[]);
    assert_eq!(failure, Failure::CpuTime);
    assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
}

#[test]
fn an_endless_loop_in_meters_refuses_the_module() {
    let engine = Engine::new().unwrap();
    let wat = Wat { meters: "(loop $for_ever (br $for_ever))", ..Wat::default() };
    let refused = load(&engine, &wat.component(), &[]).err().unwrap();
    assert!(matches!(refused, LoadError::Meters { failure: Failure::CpuTime, .. }), "{refused}");
}

#[test]
fn an_endless_loop_at_start_up_refuses_the_module() {
    let engine = Engine::new().unwrap();
    let wat = Wat { items: "(func $spin (loop $for_ever (br $for_ever))) (start $spin)", ..Wat::default() };
    let refused = load(&engine, &wat.component(), &[]).err().unwrap();
    assert!(matches!(refused, LoadError::Meters { failure: Failure::CpuTime, .. }), "{refused}");
}

#[test]
fn taking_all_memory_ends_at_the_memory_limit() {
    let take = "(loop $more (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))) unreachable";
    assert_eq!(failure_of(Wat { poll: take, ..Wat::default() }, &[]), Failure::Memory);
}

#[test]
fn a_guest_that_can_do_with_less_memory_goes_on() {
    let engine = Engine::new().unwrap();
    let ask = format!("(drop (memory.grow (i32.const 1000))) {GOOD}");
    let guest = load(&engine, &Wat { poll: &ask, ..Wat::default() }.component(), &[]).unwrap();
    assert!(
        matches!(guest.session(&Arc::default()).poll(&instance()), Outcome::Samples { samples, .. } if samples.len() == 1)
    );
}

#[test]
fn a_table_bomb_ends_at_the_table_limit() {
    let wat = Wat {
        items: "(table $t 1 funcref)",
        poll: "(if (i32.eq (table.grow $t (ref.null func) (i32.const 10000000)) (i32.const -1)) (then unreachable)) unreachable",
        ..Wat::default()
    };
    assert_eq!(failure_of(wat, &[]), Failure::Table);
}

#[test]
fn recursion_without_end_ends_at_the_stack_limit() {
    let wat = Wat {
        items: "(func $down (param i64) (result i64) (i64.add (call $down (i64.add (local.get 0) (i64.const 1))) (i64.const 1)))",
        poll: "(drop (call $down (i64.const 0))) unreachable",
        ..Wat::default()
    };
    assert_eq!(failure_of(wat, &[]), Failure::Stack);
}

#[test]
fn a_million_samples_are_not_even_copied() {
    // All the million are the one good sample's neighbours in memory: zeros, which lift as samples.
    let wat = Wat {
        poll: "(drop (memory.grow (i32.const 40))) (call $ok (i32.const 1024) (i32.const 50000))",
        ..Wat::default()
    };
    assert_eq!(failure_of(wat, &[]), Failure::HostBytes);
    let wat = Wat { poll: "(call $ok (i32.const 1024) (i32.const 1000000))", ..Wat::default() };
    assert!(matches!(failure_of(wat, &[]), Failure::Trap(_)), "a list beyond the guest's memory");
}

#[test]
fn more_samples_than_allowed_are_refused_whole() {
    let engine = Engine::new().unwrap();
    let wat = Wat { poll: "(call $ok (i32.const 1024) (i32.const 11))", ..Wat::default() };
    let limits = Limits { samples: 10, ..tight() };
    let guest = load_with(&engine, &wat.component(), &[], limits, Isolation::Poll).unwrap();
    assert_eq!(guest.session(&Arc::default()).poll(&instance()), Outcome::Failed(Failure::Samples));
}

#[test]
fn samples_with_long_texts_end_at_the_byte_limit() {
    let engine = Engine::new().unwrap();
    // The resource id is 64 KiB of the guest's memory.
    let poll = format!(
        "(i32.store8 (i32.const {RESOURCE}) (i32.const 1))
         (i32.store (i32.const {}) (i32.const {SCRATCH})) (i32.store (i32.const {}) (i32.const 65000)) {GOOD}",
        RESOURCE + 4,
        RESOURCE + 8
    );
    let limits = Limits { sample_bytes: 10_000, ..tight() };
    let guest =
        load_with(&engine, &Wat { poll: &poll, ..Wat::default() }.component(), &[], limits, Isolation::Poll)
            .unwrap();
    assert_eq!(guest.session(&Arc::default()).poll(&instance()), Outcome::Failed(Failure::SampleBytes));
}

#[test]
fn a_flood_of_log_lines_is_cut_off_and_counted() {
    let engine = Engine::new().unwrap();
    let wat = Wat {
        imports: r#"(import "nephoscope:meter/log@0.1.0" "write" (func $log (param i32 i32 i32)))"#,
        items: "(func $flood (local $n i32)
               (loop $again
                 (call $log (i32.const 2) (i32.const 0) (i32.const 1))
                 (br_if $again (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 1000)))))",
        poll: "(call $flood) (call $ok (i32.const 1024) (i32.const 1))",
        ..Wat::default()
    };
    let guest = load(&engine, &wat.component(), &[Capability::Log]).unwrap();
    assert!(
        matches!(guest.session(&Arc::default()).poll(&instance()), Outcome::Samples { samples, .. } if samples.len() == 1)
    );
    let fit = tight().log_bytes as u64 / 33;
    assert_eq!(guest.log_lines_cut(), 1000 - fit);
}

#[test]
fn a_volume_that_is_not_finite_is_refused() {
    let poll = format!(
        "(i32.store8 (i32.const {VOLUME}) (i32.const 2)) (f64.store (i32.const {}) (f64.const nan)) {GOOD}",
        VOLUME + 8
    );
    assert_eq!(refusal_of(Wat { poll: &poll, ..Wat::default() }), Refusal::NotFinite("m".into()));
    let poll = poll.replace("nan", "-inf");
    assert_eq!(refusal_of(Wat { poll: &poll, ..Wat::default() }), Refusal::NotFinite("m".into()));
}

#[test]
fn a_sample_of_another_instance_is_refused() {
    let other = "99999999-5a1f-4c63-8d53-0d2f4a9f6f01";
    let poll = format!(
        "(i32.store8 (i32.const {RESOURCE}) (i32.const 1))
         (i32.store (i32.const {}) (i32.const {SCRATCH})) (i32.store (i32.const {}) (i32.const {})) {GOOD}",
        RESOURCE + 4,
        RESOURCE + 8,
        other.len()
    );
    let wat = Wat { items: &text_at_scratch(other), poll: &poll, ..Wat::default() };
    assert_eq!(refusal_of(wat), Refusal::ForeignResource(other.into()));
}

#[test]
fn a_meter_that_was_not_declared_is_refused() {
    let poll = format!(
        "(i32.store (i32.const {SAMPLE}) (i32.const {SCRATCH})) (i32.store (i32.const {}) (i32.const 3)) {GOOD}",
        SAMPLE + 4
    );
    let wat = Wat { items: &text_at_scratch("cpu"), poll: &poll, ..Wat::default() };
    assert_eq!(refusal_of(wat), Refusal::UndeclaredMeter("cpu".into()));
}

#[test]
fn an_import_that_was_not_granted_refuses_the_module_by_both_names() {
    let engine = Engine::new().unwrap();
    let wat = Wat {
        imports: r#"(import "nephoscope:meter/domain-xml@0.1.0" "get" (func $xml (param i32)))"#,
        ..Wat::default()
    };
    let refused = load(&engine, &wat.component(), &[Capability::Memory]).err().unwrap();
    assert_eq!(
        refused.to_string(),
        "guest tested imports domain-xml, but its grants are memory: add to `grants` what it may read, or use another module"
    );
}

#[test]
fn a_reading_outside_a_poll_traps() {
    let engine = Engine::new().unwrap();
    let wat = Wat {
        imports: r#"(import "nephoscope:meter/instance@0.1.0" "taken-at" (func $now (result i64)))"#,
        meters: "(drop (call $now))",
        ..Wat::default()
    };
    let refused = load(&engine, &wat.component(), &[Capability::Instance]).err().unwrap();
    assert!(matches!(refused, LoadError::Meters { failure: Failure::OutsidePoll, .. }), "{refused}");
}

#[test]
fn text_that_is_not_utf_8_traps() {
    let poll = format!("(i32.store (i32.const {SAMPLE}) (i32.const {SCRATCH})) {GOOD}");
    let items = format!(r#"(data (i32.const {SCRATCH}) "\ff")"#);
    let wat = Wat { items: &items, poll: &poll, ..Wat::default() };
    assert!(matches!(failure_of(wat, &[]), Failure::Trap(_)));
}

#[test]
fn after_a_trap_the_next_poll_of_a_cycle_starts_afresh() {
    let engine = Engine::new().unwrap();
    // Counts in a global; traps at the second poll of one instance of the component.
    let wat = Wat {
        items: "(global $polls (mut i64) (i64.const 0))",
        poll: "(global.set $polls (i64.add (global.get $polls) (i64.const 1)))
               (if (i64.eq (global.get $polls) (i64.const 2)) (then unreachable))
               (i64.store (i32.const 1040) (global.get $polls))
               (call $ok (i32.const 1024) (i32.const 1))",
        ..Wat::default()
    };
    let bytes = wat.component();
    let guest = load_with(&engine, &bytes, &[], tight(), Isolation::Cycle).unwrap();
    let mut session = guest.session(&Arc::default());
    let outcomes: Vec<bool> =
        (0..4).map(|_| matches!(session.poll(&instance()), Outcome::Samples { .. })).collect();
    assert_eq!(outcomes, [true, false, true, false], "a store lives on until it traps");
    let guest = load(&engine, &bytes, &[]).unwrap();
    let mut session = guest.session(&Arc::default());
    assert!(
        (0..4).all(|_| matches!(session.poll(&instance()), Outcome::Samples { .. })),
        "fresh for each poll"
    );
}

#[test]
fn ten_thousand_hostile_polls_leave_no_store_behind() {
    let engine = Engine::new().unwrap();
    let wat = Wat { poll: "(drop (memory.grow (i32.const 20))) unreachable", ..Wat::default() };
    let guest = load(&engine, &wat.component(), &[]).unwrap();
    let mut session = guest.session(&Arc::default());
    // The pool has a hundred slots: one that leaked would show as a failure to instantiate.
    for _ in 0..10_000 {
        assert!(
            matches!(session.poll(&instance()), Outcome::Failed(Failure::Trap(text)) if text.contains("unreachable"))
        );
    }
}
