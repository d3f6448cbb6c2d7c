use std::fs;

use sandbox::Limits;
use wat_guests::{GOOD, Kind, Meter as WatMeter, Wat, encode};

use super::*;

fn checked(bytes: &[u8], terms: &Terms) -> Report {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("my.wasm");
    fs::write(&path, bytes).unwrap();
    check(&Engine::new().unwrap(), &path, terms)
}

/// What is wrong, and how to mend it, a line each.
fn said(report: &Report) -> String {
    let line =
        |finding: &Finding| format!("{}: {} → {}\n", finding.severity.as_str(), finding.what, finding.remedy);
    report.findings.iter().map(line).collect()
}

fn faults(bytes: &[u8]) -> String {
    let report = checked(bytes, &Terms::default());
    assert!(!report.is_usable());
    said(&report)
}

#[track_caller]
fn has(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "no {word:?} in:\n{text}");
    }
}

#[test]
fn a_guest_is_told_all_that_is_known_of_it() {
    let wat = Wat {
        imports: r#"(import "nephoscope:meter/memory@0.1.0" "inspect" (func $inspect (param i32)))
                    (import "nephoscope:meter/log@0.1.0" "write" (func $log (param i32 i32 i32)))"#,
        meter: WatMeter { name: "mem.max", kind: Kind::Gauge, unit: "MiB" },
        ..Wat::default()
    };
    let report = checked(&wat.component(), &Terms::default());
    assert!(report.is_usable(), "{report:?}");
    assert_eq!(report.form, Some(Form::Component));
    assert_eq!(report.sha256, Some(Sha256::of(&wat.component())));
    assert_eq!(report.pollster.as_deref(), Some("nephoscope:meter/pollster@0.1.0"));
    assert_eq!(report.grants, BTreeSet::from([Capability::Memory, Capability::Log]));
    assert_eq!(report.meters.len(), 1);
    assert_eq!(report.memory, Some(2 * 65_536));
    assert!(report.compile.is_some() && report.start.is_some());
    has(&said(&report), &["warning: the meter mem.max: it has no description"]);
}

#[test]
fn a_file_that_is_no_component_is_told_what_it_is() {
    has(&faults(b""), &["it is empty"]);
    has(&faults(b"PK\x03\x04"), &["it is no WebAssembly"]);
    has(&faults(b"(module)"), &["WebAssembly text", "nephoscope guest componentize", "--wit wit"]);
    has(&faults(b"\0asm\x01\0\0\0"), &["it is a core module", "nephoscope guest componentize"]);
    has(&faults(b"\0asm\x0e\0\x01\0"), &["damaged"]);
    let whole = Wat::default().component();
    has(&faults(&whole[..whole.len() / 2]), &["it cannot be compiled", "cut off"]);
    let missing = check(&Engine::new().unwrap(), Path::new("none/such.wasm"), &Terms::default());
    has(&said(&missing), &["it cannot be read"]);
}

#[test]
fn every_fault_of_imports_and_exports_is_told_at_once() {
    let other = r#"(component
        (import "nephoscope:meter/memory@0.9.0" (instance (export "inspect" (func (result u64)))))
        (import "nephoscope:meter/cpu@0.9.0" (instance (export "inspect" (func (result u64)))))
        (import "nephoscope:meter/files@0.1.0" (instance (export "read" (func (result u64)))))
        (import "wasi:http/types@0.2.0" (instance (export "get" (func (result u64)))))
        (import "acme:tools/magic" (instance (export "do" (func (result u64)))))
        (import "nephoscope:meter/disks@0.1.0" (instance (export "inspect" (func (result u64))))))"#;
    let terms = Terms { grants: Some(BTreeSet::from([Capability::Cpu])), ..Terms::default() };
    let report = checked(&wat::parse_str(other).unwrap(), &terms);
    let text = said(&report);
    has(
        &text,
        &[
            "it imports version 0.9.0 of the contract, and this runtime has nephoscope:meter@0.1.0",
            "the contract has no interface `files` → it has instance, memory",
            "it imports wasi:http/types@0.2.0, which this runtime does not offer → a guest has no network",
            "it imports acme:tools/magic",
            "it imports disks, which it is not granted",
            "warning: it is granted cpu, which it does not import",
            "it exports nothing: it is no guest → build it as a library for a world that has `export nephoscope:meter/pollster@0.1.0;`",
        ],
    );
    assert_eq!(report.findings.len(), 7, "{text}");
    assert_eq!(report.findings.last().map(|finding| finding.severity), Some(Severity::Warning));
}

#[test]
fn a_guest_of_a_later_patch_is_none_to_mend() {
    let mut bytes =
        Wat { meter: WatMeter { name: "m", kind: Kind::Gauge, unit: "" }, ..Wat::default() }.component();
    let places: Vec<_> = (0..bytes.len()).filter(|at| bytes[*at..].starts_with(b"@0.1.0")).collect();
    places.into_iter().for_each(|at| bytes[at + 5] = b'7');
    let report = checked(&bytes, &Terms::default());
    assert!(report.is_usable(), "{}", said(&report));
    assert_eq!(report.pollster.as_deref(), Some("nephoscope:meter/pollster@0.1.7"));
    assert_eq!(report.meters.len(), 1);
}

#[test]
fn functions_of_other_types_are_told() {
    let text = r#"(component
        (component $c (type $p (instance (export "poll" (func)))))
        (core module $m (func (export "poll")))
        (core instance $i (instantiate $m))
        (func $poll (canon lift (core func $i "poll")))
        (instance $p (export "poll" (func $poll)))
        (export "nephoscope:meter/pollster@0.1.0" (instance $p)))"#;
    has(
        &faults(&wat::parse_str(text).unwrap()),
        &["it does not fit the contract", "generate its bindings anew"],
    );
}

#[test]
fn missing_grants_do_not_hide_the_meters() {
    let wat = Wat {
        imports: r#"(import "nephoscope:meter/memory@0.1.0" "inspect" (func $inspect (param i32)))"#,
        ..Wat::default()
    };
    let terms = Terms { grants: Some(BTreeSet::new()), ..Terms::default() };
    let report = checked(&wat.component(), &terms);
    has(&said(&report), &["it imports memory, which it is not granted"]);
    assert_eq!(report.meters.len(), 1);
}

#[test]
fn what_it_needs_to_start_is_told_with_the_setting_that_gives_it() {
    let large = Wat {
        items: "(table 30000 funcref)",
        meters: "(drop (memory.grow (i32.const 1500)))",
        ..Wat::default()
    };
    has(
        &faults(&large.component()),
        &["larger tables than limits.table allows, which are 20000", "set `limits.table`"],
    );
    let hungry = Wat {
        meters: "(if (i32.eq (memory.grow (i32.const 1500)) (i32.const -1)) (then unreachable))",
        ..Wat::default()
    };
    has(
        &faults(&hungry.component()),
        &["limits.memory allows, which are 64 MiB", "`limits.memory`", "128MiB would do"],
    );
    let endless = Wat { meters: "(loop $again (br $again))", ..Wat::default() };
    let tight =
        Terms { limits: Limits { cpu: Duration::from_millis(1), ..Limits::default() }, ..Terms::default() };
    let text = said(&checked(&endless.component(), &tight));
    has(
        &text,
        &[
            "limits.cpu allows, which are 20 ms of computing",
            "it cannot start with 5000 ms of computing either",
        ],
    );
}

#[test]
fn a_crash_is_told_with_its_kind() {
    has(&faults(&Wat { meters: "unreachable", ..Wat::default() }.component()), &["it trapped", "a panic"]);
    let reading = Wat {
        imports: r#"(import "nephoscope:meter/instance@0.1.0" "taken-at" (func $now (result i64)))"#,
        meters: "(drop (call $now))",
        ..Wat::default()
    };
    has(&faults(&reading.component()), &["it asked for a reading outside poll", "read in `poll` alone"]);
}

#[test]
fn meters_that_cannot_be_declared_are_told() {
    let odd =
        Wat { meter: WatMeter { name: "a b", kind: Kind::Gauge, unit: "" }, poll: GOOD, ..Wat::default() };
    has(&faults(&odd.component()), &[r#"it declares a meter named "a b""#, "mend it"]);
    let none = r#"(module (memory (export "memory") 1)
        (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)
        (func (export "nephoscope:meter/pollster@0.1.0#meters") (result i32) (i32.const 0))
        (func (export "nephoscope:meter/pollster@0.1.0#poll") (result i32) unreachable))"#;
    has(&faults(&encode(none)), &["it declares no meter"]);
}
