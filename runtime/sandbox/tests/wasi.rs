//! WASI is there, for language runtimes, and closed: nothing to reach, nothing to wait on.

mod support;

use std::sync::Arc;

use nephoscope_sandbox::{Engine, Failure, Outcome};
use support::{instance, load, tight};
use wat_guests::{GOOD, Wat};

/// The outcome of a poll that runs `poll`, and how many log lines were cut off.
fn polled(imports: &str, items: &str, poll: &str) -> (Outcome, u64) {
    let engine = Engine::new().unwrap();
    let bytes = Wat { imports, items, poll, ..Wat::default() }.component_with_wasi();
    let guest = load(&engine, &bytes, &[]).unwrap();
    let outcome = guest.session(&Arc::default()).poll(&instance());
    (outcome, guest.log_lines_cut())
}

fn succeeds(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Samples { samples, .. } if samples.len() == 1)
}

#[test]
fn a_timer_that_could_be_waited_for_traps() {
    for timer in ["subscribe-duration", "subscribe-instant"] {
        let imports = format!(
            r#"(import "wasi:clocks/monotonic-clock@0.2.0" "{timer}" (func $timer (param i64) (result i32)))"#
        );
        let poll = format!("(drop (call $timer (i64.const 3600000000000))) {GOOD}");
        let (outcome, _) = polled(&imports, "", &poll);
        assert!(
            matches!(&outcome, Outcome::Failed(Failure::Trap(text)) if text.contains("a guest cannot wait")),
            "{timer}: {outcome:?}"
        );
    }
}

#[test]
fn environment_arguments_and_folders_are_empty() {
    let lists = [
        ("wasi:cli/environment@0.2.0", "get-environment"),
        ("wasi:cli/environment@0.2.0", "get-arguments"),
        ("wasi:filesystem/preopens@0.2.0", "get-directories"),
    ];
    for (interface, list) in lists {
        let imports = format!(r#"(import "{interface}" "{list}" (func $list (param i32)))"#);
        // The list's length stands behind its address.
        let poll = format!(
            "(i32.store (i32.const 8196) (i32.const -1)) (call $list (i32.const 8192))
             (if (i32.load (i32.const 8196)) (then unreachable)) {GOOD}"
        );
        let (outcome, _) = polled(&imports, "", &poll);
        assert!(succeeds(&outcome), "{list}: {outcome:?}");
    }
}

#[test]
fn no_socket_can_be_made() {
    let imports = r#"(import "wasi:sockets/tcp-create-socket@0.2.0" "create-tcp-socket" (func $socket (param i32 i32)))"#;
    // A result's discriminant: 0 is a socket.
    let poll = format!(
        "(call $socket (i32.const 0) (i32.const 8192))
         (if (i32.eqz (i32.load8_u (i32.const 8192))) (then unreachable)) {GOOD}"
    );
    let (outcome, _) = polled(imports, "", &poll);
    assert!(succeeds(&outcome), "{outcome:?}");
}

#[test]
fn what_is_printed_beyond_the_limit_costs_lines_and_not_the_poll() {
    let imports = r#"(import "wasi:cli/stdout@0.2.0" "get-stdout" (func $stdout (result i32)))
                     (import "wasi:io/streams@0.2.0" "[method]output-stream.blocking-write-and-flush"
                       (func $write (param i32 i32 i32 i32)))"#;
    // Lines of one character: each costs more than its bytes.
    let items = r#"(data (i32.const 4096) "a\n")
        (func $print (local $n i32) (local $out i32)
          (local.set $out (call $stdout))
          (loop $again
            (call $write (local.get $out) (i32.const 4096) (i32.const 2) (i32.const 8192))
            (br_if $again (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 1000)))))"#;
    let (outcome, cut) = polled(imports, items, &format!("(call $print) {GOOD}"));
    assert!(succeeds(&outcome), "{outcome:?}");
    assert_eq!(cut, 1000 - tight().log_bytes as u64 / 33);
}

#[test]
fn handles_cannot_be_hoarded() {
    let imports = r#"(import "wasi:cli/stdout@0.2.0" "get-stdout" (func $stdout (result i32)))"#;
    let items = r#"(func $hoard (loop $again (drop (call $stdout)) (br $again)))"#;
    let (outcome, _) = polled(imports, items, "(call $hoard) unreachable");
    assert!(
        matches!(&outcome, Outcome::Failed(Failure::Trap(text)) if text.contains("resource")),
        "the table is full long before the time is: {outcome:?}"
    );
}
