//! Hostile guests in Rust, `tests/hostile/rust`: each attack, a thousand times, comes to what this says.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::{Context, Result};
use inspector::{Identity, Instance, Missing, Power};
use nephoscope_tests::root;
use sandbox::{Capability, Engine, Guest, Isolation, Limits, Module, Outcome, Spec};

const UUID: &str = "4e1c9c6e-5a1f-4c63-8d53-0d2f4a9f6f01";
const POLLS: u32 = 1_000;

/// An attack, and the label and words of what it comes to: a poll that fails, or a sample that is refused.
const ATTACKS: [(&str, &str, &str); 8] = [
    ("panic", "trap", "unreachable"),
    ("leak", "memory", "limits.memory"),
    // The linker gives it a stack of its own, of 8 KiB, at the bottom of its memory: it falls off before it reaches the host's limit.
    ("recurse", "trap", "out of bounds"),
    ("nest", "sample_bytes", "limits.sample_bytes"),
    ("metadata", "host_bytes", "limits.host_bytes"),
    ("impersonate", "foreign_resource", "is not of the polled instance"),
    ("index", "trap", "unreachable"),
    ("overflow", "not_finite", "is not finite"),
];

#[test]
fn every_attack_in_rust_costs_its_own_poll() -> Result<()> {
    let engine = Engine::new()?;
    let path = root().join("target/hostile/hostile.wasm");
    let module = Module::read(&engine, &path).context("cargo xtask guests rust builds it")?;
    let instance = Arc::new(Instance {
        identity: Arc::new(Identity {
            uuid: UUID.into(),
            name: "instance-00000001".into(),
            ..Identity::default()
        }),
        power: Power::Running,
        taken_at: 7,
        memory: Err(Missing::NotAsked),
        cpu: Err(Missing::NotAsked),
        disks: Err(Missing::NotAsked),
        vnics: Err(Missing::NotAsked),
        perf: Err(Missing::NotAsked),
        raw: Err(Missing::NotAsked),
    });
    let guest = |attack: &str| {
        let spec = Spec {
            name: attack.into(),
            module: path.clone(),
            grants: BTreeSet::from([Capability::Instance, Capability::Settings]),
            limits: Limits { memory: 4 << 20, ..Limits::default() },
            settings: BTreeMap::from([("attack".to_owned(), attack.to_owned())]),
            isolation: Isolation::Poll,
        };
        Guest::of(&engine, &module, spec)
    };
    for (attack, label, words) in ATTACKS {
        let guest = guest(attack)?;
        let state = Arc::default();
        let mut session = guest.session(&state).keeping_log();
        for poll in 0..POLLS {
            let (found, said) = match session.poll(&instance) {
                Outcome::Failed(failure) => (failure.label(), failure.to_string()),
                Outcome::Samples { refused, .. } if !refused.is_empty() => {
                    (refused[0].label(), refused[0].to_string())
                }
                other => panic!("{attack}: poll {poll}: {other:?}"),
            };
            assert_eq!(found, label, "{attack}: poll {poll}: {said}");
            assert!(said.contains(words), "{attack}: {said}");
            assert!(said.len() < 1_000 && !said.contains('\u{1b}'), "{attack}: {said:?}");
        }
    }
    let harmless = guest("none")?;
    assert!(
        matches!(harmless.session(&Arc::default()).poll(&instance), Outcome::Samples { samples, .. } if samples.len() == 1)
    );
    Ok(())
}
