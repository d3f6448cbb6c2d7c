use std::fs;
use std::path::Path;

use config::cases::{Expect, Sample};
use sample::Volume;
use serde_json::json;
use wat_guests::{GOOD, Wat, text_at_scratch};

use super::*;

fn file(text: &str) -> CaseFile {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.yaml");
    fs::write(&path, text).unwrap();
    config::load_cases(&path).unwrap_or_else(|faults| panic!("{faults}")).value
}

fn prepared(text: &str) -> Prepared {
    let mut faults = Faults::default();
    prepare(file(text), &mut Recordings::default(), &mut faults).unwrap_or_else(|| panic!("{faults}"))
}

/// The differences of each poll of the only case.
fn differences(wat: &Wat<'_>, case: &str) -> Vec<Vec<Difference>> {
    let engine = Engine::new().unwrap();
    let module = Module::compile(&engine, &wat.component(), Path::new("x.wasm")).unwrap();
    let prepared = prepared(&format!("cases: [{{name: a, {case}}}]"));
    let ran = prepared.run(&engine, &module, "x", &Limits::default());
    let polls = ran[0].polls.as_ref().unwrap();
    polls.iter().map(|poll| poll.differences.clone()).collect()
}

#[test]
fn what_comes_is_compared_by_type() {
    // The template's good sample is the count 42.
    let wat = Wat { poll: GOOD, ..Wat::default() };
    let meter = wat.meter.name;
    let with = |volume: &str| {
        let expect = format!("expect: [{{meter: {meter}, volume: {volume}}}]");
        differences(&wat, &format!("polls: [{{instance: web-1, {expect}}}]"))
    };
    assert_eq!(with("42"), [[]]);
    for wrong in ["41", "+42", "42.0"] {
        assert_eq!(with(wrong), [[Difference::Outcome]], "{wrong}");
    }
}

#[test]
fn a_poll_without_expectation_fails() {
    let wat = Wat { poll: GOOD, ..Wat::default() };
    assert_eq!(differences(&wat, "polls: [{instance: web-1}]"), [[Difference::Unwritten]]);
}

#[test]
fn refused_samples_fail_a_poll_unless_they_are_expected() {
    // The resource id of the good sample becomes a text of nobody's.
    let poll = format!(
        "(i32.store8 (i32.const 1048) (i32.const 1)) (i32.store (i32.const 1052) (i32.const 2048))
         (i32.store (i32.const 1056) (i32.const 5)) {GOOD}"
    );
    let wat = Wat { items: &text_at_scratch("other"), poll: &poll, ..Wat::default() };
    let refused =
        |words: &str| differences(&wat, &format!("polls: [{{instance: web-1, expect: [], {words}}}]"));
    let reason = "resource_id \"other\" is not of the polled instance".to_owned();
    assert_eq!(refused(""), [[Difference::Refused(reason.clone())]]);
    assert_eq!(refused("refused: [not of the polled]"), [[]]);
    assert_eq!(
        refused("refused: [no such words]"),
        [[Difference::NotRefused("no such words".into()), Difference::Refused(reason)]]
    );
    assert_eq!(refused("refused: [other, another]"), [[Difference::NotRefused("another".into())]]);
}

#[test]
fn lines_that_must_or_must_not_be_logged() {
    let wat = Wat {
        imports: r#"(import "nephoscope:meter/log@0.1.0" "write" (func $log (param i32 i32 i32)))"#,
        items: &text_at_scratch("careful"),
        poll: "(call $log (i32.const 3) (i32.const 2048) (i32.const 7)) (call $ok (i32.const 1024) (i32.const 0))",
        ..Wat::default()
    };
    let log = |log: &str| differences(&wat, &format!("polls: [{{instance: web-1, expect: [], log: {log}}}]"));
    assert_eq!(log("[{warn: care}]"), [[]]);
    assert!(matches!(&log("[{error: care}]")[0][..], [Difference::NotLogged(_)]));
    assert!(matches!(&log("[]")[0][..], [Difference::Logged(line)] if line.text == "careful"));
}

#[test]
fn settings_are_of_a_case_and_state_lasts_for_one() {
    // Sets a key where there was none and gives a sample; where there was one, none.
    let wat = Wat {
        imports: r#"(import "nephoscope:meter/state@0.1.0" "get" (func $get (param i32 i32 i32)))
                    (import "nephoscope:meter/state@0.1.0" "set" (func $set (param i32 i32 i32 i32) (result i32)))"#,
        items: &text_at_scratch("key"),
        poll: "(call $get (i32.const 2048) (i32.const 3) (i32.const 4096))
               (drop (call $set (i32.const 2048) (i32.const 3) (i32.const 2048) (i32.const 1)))
               (call $ok (i32.const 1024) (i32.eqz (i32.load8_u (i32.const 4096))))",
        ..Wat::default()
    };
    let first = format!("[{{meter: {}, volume: 42}}]", wat.meter.name);
    let polls = format!(
        "polls: [{{instance: web-1, expect: {first}}}, {{instance: web-1, expect: []}}, {{instance: db-1, expect: {first}}}]"
    );
    let engine = Engine::new().unwrap();
    let module = Module::compile(&engine, &wat.component(), Path::new("x.wasm")).unwrap();
    let prepared = prepared(&format!("cases: [{{name: a, {polls}}}, {{name: b, {polls}}}]"));
    let ran = prepared.run(&engine, &module, "x", &Limits::default());
    assert!(ran.iter().all(Ran::passed));
}

#[test]
fn what_came_reads_as_itself() {
    let sample = |volume, metadata: serde_json::Value| Sample {
        meter: "a.b".into(),
        volume,
        resource_id: Some("9c9c6e00-5a1f-4c63-8d53-0d2f4a9f6f01-vda".into()),
        metadata: metadata.as_object().unwrap().clone(),
    };
    let texts = json!({
        "quoted": "1", "null": "null", "no": "no", "odd": "a: b #c\n\"d\"\u{1b}", "word": "br-int", "empty": "",
        "deep": {"inner": {"n": 5, "r": 1e300, "f": false, "z": null, "minus": -7}}, "path": "/dev/x y", "café": "é",
    });
    for outcome in [
        Expect::Samples(vec![
            sample(Volume::Count(u64::MAX), texts),
            sample(Volume::Signed(7), json!({})),
            sample(Volume::Signed(i64::MIN), json!({})),
            sample(Volume::Real(0.1 + 0.2), json!({})),
            sample(Volume::Real(5e-324), json!({})),
            sample(Volume::Real(1e300), json!({})),
        ]),
        Expect::Samples(vec![]),
        Expect::Failed("it said: \"no\"".into()),
    ] {
        let yaml = to_yaml(&outcome).replace('\n', "\n          ");
        let text = format!(
            "cases:\n  - name: a\n    polls:\n      - instance: x\n        expect:\n          {yaml}\n"
        );
        assert_eq!(file(&text).cases[0].polls[0].expect.as_ref(), Some(&outcome), "{text}");
    }
}

#[test]
fn time_passes_between_polls_as_the_case_says() {
    let prepared = prepared(
        "cases: [{name: a, polls: [{instance: web-1}, {instance: web-1, after: 60s}, {instance: web-1, snapshot: example-later}]}]",
    );
    let [first, second, third] = &prepared.instances[0][..] else { panic!("three polls") };
    assert_eq!(second.taken_at - first.taken_at, 60_000_000_000);
    assert!(third.taken_at > second.taken_at, "as the recording says");
}

#[test]
fn what_a_recording_does_not_have_is_a_fault_at_its_line() {
    let mut faults = Faults::default();
    let text = "cases:\n- name: a\n  polls:\n  - {instance: web-9}\n  - {instance: web-1, change: {disks: {sdz: null}}}\n  \
                - {instance: web-1, snapshot: none.json}\n";
    assert!(prepare(file(text), &mut Recordings::default(), &mut faults).is_none());
    let told: Vec<_> = faults.iter().map(|fault| (fault.place.line, fault.message.as_str())).collect();
    assert!(
        matches!(told[0], (4, message) if message.starts_with("there is no instance `web-9`; there are db-1, batch-1"))
    );
    assert_eq!(told[1], (5, "the instance has no disk `sdz`; it has vda, vdb"));
    assert!(matches!(told[2], (6, message) if message.contains("none.json: No such file")));
}
