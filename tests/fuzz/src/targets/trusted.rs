//! Pins, keys and signatures.

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

use sample::filter::Filter;
use trust::{Key, Pins, Policy, PublicKey, Sha256, Trust};

/// A key whose private half nobody here has.
const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGzF5U/tU4z6HVQ2RVh+GGHd3WrHzAdt2jA2nZLvrMcr somebody";
const MODULE: &[u8] = b"\0asm\x0d\0\x01\0";

static TRUST: LazyLock<Trust> = LazyLock::new(|| {
    let public = PublicKey::parse(KEY).expect("it is a key");
    let key = Key { name: "somebody".into(), public, meters: Filter::all(), grants: BTreeSet::new() };
    Trust { policy: Policy::Signed, pins: Pins::default(), keys: vec![Arc::new(key)] }
});

pub(crate) fn run(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(pins) = Pins::parse(&text) {
        // Whatever is pinned is named in full.
        assert!(!pins.contains(&Sha256::of(bytes)), "a file cannot hold its own digest");
    }
    let _ = PublicKey::parse(&text);
    let judged = TRUST.judge(MODULE, Some(bytes), None);
    assert!(judged.is_err(), "a signature that nobody made");
}
