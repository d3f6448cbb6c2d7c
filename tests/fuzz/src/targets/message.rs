//! A message's body, as whoever can write to a queue may make it.

use std::sync::LazyLock;

use sample::signature::{Secret, sign};
use sample::wire::{MetadataCache, Received, Refusal, SampleDict, decode};
use serde_json::Value;

static SECRET: LazyLock<Secret> = LazyLock::new(|| Secret::new("secret"));
/// Without a secret samples are taken unsigned, so what is behind the signature is reached.
static NONE: LazyLock<Secret> = LazyLock::new(|| Secret::new(""));

pub(crate) fn run(bytes: &[u8]) {
    let Ok(notification) = decode(bytes) else { return };
    assert!(!notification.event_type.is_empty());
    // Samples before may have had the same metadata.
    let mut cache = MetadataCache::default();
    for sample in notification.samples {
        let whole = sample.clone().into_value();
        let forged = Received::read(sample.clone(), &SECRET, &mut cache);
        assert!(forged.is_err(), "a signature that nobody made: {whole}");
        signed_as_a_whole(whole.clone());
        let first = Received::read(sample.clone(), &NONE, &mut MetadataCache::default());
        let dict = Received::read(whole.into(), &NONE, &mut MetadataCache::default());
        let after_others = Received::read(sample.clone(), &NONE, &mut cache);
        let known = Received::read(sample, &NONE, &mut cache);
        for other in [dict, after_others, known] {
            match (&first, other) {
                (Ok(first), Ok(other)) => {
                    assert_eq!(first.metadata.text(), other.metadata.text());
                    assert_eq!(first.metadata.sha256(), other.metadata.sha256());
                    assert_eq!((&first.message_id, &first.volume), (&other.message_id, &other.volume));
                }
                (Err(first), Err(other)) => assert_eq!(first.label(), other.label()),
                (first, other) => panic!("{first:?} and {other:?} of the same sample"),
            }
        }
        let Ok(received) = first else { continue };
        for name in [&received.source, &received.meter, &received.resource_id, &received.message_id] {
            assert!(!name.contains(char::is_control), "{name:?}");
        }
    }
}

/// What is signed of the metadata apart is what is signed of the whole dict.
fn signed_as_a_whole(sample: Value) {
    let Value::Object(mut fields) = sample else { return };
    fields.shift_remove("message_signature");
    let signature = sign(&fields, &SECRET);
    fields.insert("message_signature".to_owned(), signature.into());
    let read =
        Received::read(SampleDict::from(Value::Object(fields)), &SECRET, &mut MetadataCache::default());
    assert!(!matches!(read, Err(Refusal::Signature)), "the signature of the whole is refused");
}
