//! A message's body, as whoever can write to a queue may make it.

use std::sync::LazyLock;

use sample::signature::Secret;
use sample::wire::{Received, decode};

static SECRET: LazyLock<Secret> = LazyLock::new(|| Secret::new("secret"));
/// Without a secret samples are taken unsigned, so what is behind the signature is reached.
static NONE: LazyLock<Secret> = LazyLock::new(|| Secret::new(""));

pub(crate) fn run(bytes: &[u8]) {
    let Ok(notification) = decode(bytes) else { return };
    assert!(!notification.event_type.is_empty());
    for sample in notification.samples {
        assert!(Received::read(sample.clone(), &SECRET).is_err(), "a signature that nobody made: {sample}");
        let Ok(received) = Received::read(sample, &NONE) else { continue };
        for name in [&received.source, &received.meter, &received.resource_id, &received.message_id] {
            assert!(!name.contains(char::is_control), "{name:?}");
        }
    }
}
