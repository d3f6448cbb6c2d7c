//! A message's body, as whoever can write to a queue may make it.

use sample::signature::{Secret, sign};
use sample::wire::{Refusal, SampleDict, SampleReader, decode};
use serde_json::Value;

fn signed_reader() -> SampleReader {
    SampleReader::new(Secret::new("secret"))
}

/// Without a secret samples are taken unsigned, so what is behind the signature is reached.
fn open_reader() -> SampleReader {
    SampleReader::new(Secret::new(""))
}

pub(crate) fn run(bytes: &[u8]) {
    let Ok(notification) = decode(bytes) else { return };
    assert!(!notification.event_type.is_empty());
    let mut signed = signed_reader();
    // Samples before may have had the same metadata.
    let mut open = open_reader();
    for sample in notification.samples {
        let whole = sample.clone().into_value();
        assert!(signed.read(sample.clone()).is_err(), "a signature that nobody made: {whole}");
        signed_as_a_whole(whole.clone());
        let first = open_reader().read(sample.clone());
        let (dict, after_others, known) =
            (open_reader().read(whole.into()), open.read(sample.clone()), open.read(sample));
        for other in [dict, after_others, known] {
            match (&first, other) {
                (Ok(first), Ok(other)) => {
                    assert_eq!(first.metadata.text(), other.metadata.text());
                    assert_eq!(first.metadata.sha256(), other.metadata.sha256());
                    assert_eq!((&first.message_id, &first.volume), (&other.message_id, &other.volume));
                }
                (Err(_), Err(_)) => {}
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
    let signature = sign(&fields, &Secret::new("secret"));
    fields.insert("message_signature".to_owned(), signature.into());
    let read = signed_reader().read(SampleDict::from(Value::Object(fields)));
    assert!(!matches!(read, Err(Refusal::Signature)), "the signature of the whole is refused");
}
