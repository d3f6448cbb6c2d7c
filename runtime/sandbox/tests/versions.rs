//! Guests of other versions of the contract, and components that are no guests: taken, or refused by name before they are compiled.

mod support;

use std::path::Path;
use std::sync::Arc;

use nephoscope_sandbox::{Capability, Engine, LoadError, Outcome, world};
use support::{instance, load};
use wat_guests::{GOOD, Wat};

const INSPECT: &str = r#"(import "nephoscope:meter/memory@0.1.0" "inspect" (func $inspect (param i32)))"#;

/// A guest that reports its instance's maximum memory, of a version of the contract whose name is as long as this one's.
fn of_version(version: &str) -> Vec<u8> {
    let poll = format!(
        "(call $inspect (i32.const 8192)) (i64.store (i32.const 1040) (i64.load (i32.const 8200))) {GOOD}"
    );
    let bytes = Wat { imports: INSPECT, poll: &poll, ..Wat::default() }.component();
    renamed(bytes, "@0.1.0", &format!("@{version}"))
}

fn renamed(mut bytes: Vec<u8>, old: &str, new: &str) -> Vec<u8> {
    assert_eq!(old.len(), new.len());
    let places: Vec<usize> =
        (0..=bytes.len() - old.len()).filter(|at| bytes[*at..].starts_with(old.as_bytes())).collect();
    assert!(places.len() >= 2, "its import and its export");
    for at in places {
        bytes[at..at + old.len()].copy_from_slice(new.as_bytes());
    }
    bytes
}

fn refusal(bytes: &[u8]) -> LoadError {
    world::check(bytes, Path::new("m.wasm")).unwrap_err()
}

#[test]
fn a_guest_of_a_later_patch_polls_where_all_that_it_imports_is_there() {
    let engine = Engine::new().unwrap();
    for version in ["0.1.0", "0.1.7"] {
        let bytes = of_version(version);
        world::check(&bytes, Path::new("m.wasm")).unwrap();
        let guest =
            load(&engine, &bytes, &[Capability::Memory]).unwrap_or_else(|error| panic!("{version}: {error}"));
        assert_eq!(guest.capabilities().len(), 1, "{version}");
        let outcome = guest.session(&Arc::default()).poll(&instance());
        let Outcome::Samples { samples, refused } = outcome else { panic!("{version}: {outcome:?}") };
        assert_eq!((samples.len(), refused.len()), (1, 0), "{version}");
    }
}

#[test]
fn a_function_that_a_later_patch_has_is_missed_by_its_name() {
    let engine = Engine::new().unwrap();
    let bytes = renamed(of_version("0.1.7"), "inspect", "ballast");
    let error = load(&engine, &bytes, &[Capability::Memory]).map(drop).unwrap_err();
    let whole =
        format!("{:#}", std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default());
    assert!(matches!(error, LoadError::Contract { .. }), "{error}");
    assert!(whole.contains("memory@0.1.7") || whole.contains("ballast"), "{whole}");
}

#[test]
fn another_minor_or_major_is_refused_by_name() {
    for version in ["0.2.0", "1.0.0", "0.0.1"] {
        let error = refusal(&of_version(version)).to_string();
        let expected =
            format!("m.wasm is built for nephoscope:meter@{version}, and this runtime has 0.1.0: ");
        assert!(error.starts_with(&expected), "{error}");
    }
}

#[test]
fn what_is_no_guest_is_told_by_what_it_is() {
    let text = |text: &str| wat::parse_str(text).unwrap();
    let another = renamed(of_version("0.1.0"), "nephoscope:meter", "nephoscope:motor");
    for (bytes, expected) in [
        (another, "m.wasm is a component, but no guest"),
        (
            text("(component)"),
            "m.wasm is a component, but no guest: it does not export nephoscope:meter/pollster@0.1.0",
        ),
        (text("(module)"), "m.wasm is no WebAssembly component: it is a core module"),
        (
            b"mem.max = 512".to_vec(),
            "m.wasm is no WebAssembly component: it does not begin as WebAssembly does",
        ),
        (Vec::new(), "m.wasm is no WebAssembly component: it is empty"),
    ] {
        let error = refusal(&bytes).to_string();
        assert!(error.starts_with(expected), "{error}");
    }
    let whole = of_version("0.1.0");
    // Cut within a section it is damaged, before its export no guest; what may be missing is a custom section at the end.
    let taken =
        (0..whole.len()).filter(|length| world::check(&whole[..*length], Path::new("m.wasm")).is_ok());
    assert!(taken.count() <= 2);
    let nested = (0..40).fold("(component)".to_owned(), |inner, _| format!("(component {inner})"));
    let error = refusal(&text(&nested));
    assert!(
        std::error::Error::source(&error)
            .is_some_and(|source| source.to_string().contains("nested more than 16 deep")),
        "{error}"
    );
}
