//! A module that is no module, or one that is.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use sandbox::{Capability, Guest, Isolation, Module, Outcome, Spec, world};

use super::{ENGINE, INSTANCE, UUID, limits};

pub(crate) fn run(bytes: &[u8]) {
    let path = Path::new("fuzzed.wasm");
    if world::check(bytes, path).is_err() {
        return;
    }
    let Ok(module) = Module::compile(&ENGINE, bytes, path) else { return };
    let spec = Spec {
        name: "fuzzed".into(),
        module: path.into(),
        grants: BTreeSet::from(Capability::ALL),
        limits: limits(),
        settings: BTreeMap::new(),
        isolation: Isolation::Poll,
    };
    let Ok(guest) = Guest::of(&ENGINE, &module, spec) else { return };
    assert!(!guest.meters().is_empty(), "a guest has meters");
    let state = Arc::default();
    if let Outcome::Samples { samples, .. } = guest.session(&state).poll(&INSTANCE) {
        assert!(samples.len() <= limits().samples);
        for sample in samples {
            assert!(sample.meter < guest.meters().len());
            assert!(sample.resource_id.contains(UUID) || sample.resource_id == "nova-filter-1");
        }
    }
    assert!(state.bytes() <= limits().state_bytes);
}
